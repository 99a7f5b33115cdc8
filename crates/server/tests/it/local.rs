//! Signing in with an address and a password, through the doors.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use retinue_app::{password, set_up};
use retinue_testkit::{
    Database, Person, TestApp, keeps, location, until, with_addresses_on_both_engines, with_hashing,
};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple";
/// What is done in another process acts within this.
const HEARD: Duration = Duration::from_secs(1);

with_addresses_on_both_engines! {
    people_sign_in_with_a_password_and_have_conversations_of_their_own,
    all_that_is_wrong_is_one_answer_and_the_same_work,
    whoever_guesses_is_slowed_down_and_a_good_password_too,
    a_hundred_guesses_at_once_have_no_more_tries,
    networks_are_told_apart_by_what_the_proxy_says,
    the_session_before_ends,
    whoever_is_disabled_elsewhere_is_out_within_a_second_with_their_streams,
    another_password_ends_sessions,
    pages_of_what_is_not_possible_say_so_and_lead_on,
    the_set_up_link_makes_one_administrator,
    the_set_up_link_is_good_for_a_day_and_while_nobody_can_sign_in,
    the_set_up_link_is_worthless_after_a_day_or_once_somebody_can_sign_in,
    fifty_who_sign_in_at_once_are_all_answered,
    the_address_of_a_refused_form_leads_back_to_its_page,
    an_office_behind_one_address_signs_in_at_once,
}

async fn login(person: &Person, email: &str, password: &str) -> (u16, Value) {
    person.post("/auth/login", &json!({"email": email, "password": password})).await
}

async fn people_sign_in_with_a_password_and_have_conversations_of_their_own(app: TestApp) {
    let user = app.add_user("Ada@Example.com", Some(PASSWORD)).await;
    app.add_user("grace@example.com", Some(PASSWORD)).await;
    let (ada, grace) = (Person::stranger(&app), Person::stranger(&app));
    let ways = ada.get("/auth/providers").await;
    assert_eq!(ways, json!({"mode": "local", "methods": ["password"], "registration": "closed", "providers": []}));
    let page =
        ada.submit("/auth/login", &[("email", "ada@example.com"), ("password", PASSWORD), ("return_to", "/agents")]);
    let page = page.await;
    assert_eq!((page.status().as_u16(), location(&page).as_str()), (303, "/agents"));
    let (status, signed_in) = login(&grace, " GRACE@example.com", PASSWORD).await;
    assert_eq!((status, &signed_in["user"]["name"]), (200, &json!("grace")));
    assert_eq!(ada.id().await, user.id.to_string());
    let me = ada.get("/auth/me").await;
    assert_eq!((&me["mode"], &me["principal"]["organization_admin"]), (&json!("local"), &json!(false)));
    let thread = ada.thread().await;
    assert_eq!(grace.status(Method::GET, &format!("/api/threads/{thread}")).await, 404);
    assert_eq!(ada.get("/api/sessions").await["data"][0]["method"], json!("password"));
}

async fn all_that_is_wrong_is_one_answer_and_the_same_work(app: TestApp) {
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    app.add_user("links@example.com", None).await;
    let gone = app.add_user("gone@example.com", Some(PASSWORD)).await;
    app.administration().await.disable(&gone).await.unwrap();
    let passwords = app.app.auth().local.clone().unwrap().passwords;
    let mut answers = BTreeSet::new();
    for (email, password) in [
        ("ada@example.com", "something else"),
        ("nobody@example.com", PASSWORD),
        ("links@example.com", PASSWORD),
        ("links@example.com", ""),
        ("gone@example.com", PASSWORD),
    ] {
        let stranger = Person::stranger(&app);
        let before = passwords.count();
        let (status, mut problem) = login(&stranger, email, password).await;
        problem["request_id"].take();
        answers.insert(format!("{status} {problem}"));
        let body = stranger.sign_in_with(email, password).await;
        assert_eq!(body.status(), 401);
        let page = body.text().await.unwrap();
        assert!(page.contains(&format!("value=\"{email}\"")) && page.contains("role=\"alert\""), "{page}");
        assert!(password.is_empty() || !page.contains(password));
        answers.insert(page.replace(email, "…"));
        assert_eq!(passwords.count() - before, 2, "{email}");
        assert!(stranger.session_cookie().is_empty());
    }
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(answers.iter().any(|answer| answer.starts_with("401 ") && answer.contains("wrong_credentials")));
    let (status, problem) = login(&Person::stranger(&app), "a\r\nBcc: b@example.com", "x").await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_email")));
}

async fn whoever_guesses_is_slowed_down_and_a_good_password_too(app: TestApp) {
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let person = Person::stranger(&app);
    for email in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            assert_eq!(login(&person, email, "wrong").await.0, 401);
        }
        let late = person
            .send(person.request(Method::POST, "/auth/login").json(&json!({"email": email, "password": PASSWORD})));
        let late = late.await;
        assert_eq!((late.status().as_u16(), late.headers()["retry-after"].to_str().unwrap()), (429, "1"), "{email}");
    }
    let page = person.sign_in_with("ada@example.com", PASSWORD).await;
    assert_eq!(page.status(), 429);
    let page = page.text().await.unwrap();
    assert!(page.contains("There were too many attempts") && !page.contains("aria-invalid"), "nothing typed is wrong");
    app.clock.advance(Duration::from_secs(2));
    assert_eq!(login(&person, "ada@example.com", "wrong").await.0, 401);
    assert_eq!(login(&person, "ada@example.com", PASSWORD).await.0, 429);
    app.clock.advance(Duration::from_secs(3));
    assert_eq!(login(&person, "ada@example.com", PASSWORD).await.0, 200);
    assert_eq!(login(&person, "ada@example.com", "wrong").await.0, 401, "all is forgotten");
}

async fn a_hundred_guesses_at_once_have_no_more_tries(app: TestApp) {
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let person = Person::stranger(&app);
    let passwords = app.app.auth().local.clone().unwrap().passwords;
    let before = passwords.count();
    let answers = join_all((0..100).map(|_| login(&person, "ada@example.com", "wrong"))).await;
    let count = |wanted: u16| answers.iter().filter(|(status, _)| *status == wanted).count();
    assert_eq!((count(401), count(429)), (5, 95));
    assert_eq!(passwords.count() - before, 5);
}

async fn networks_are_told_apart_by_what_the_proxy_says(app: TestApp) {
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let person = Person::stranger(&app);
    let from = async |address: &str, email: &str| {
        let request = person.request(Method::POST, "/auth/login").header("x-forwarded-for", address);
        person.send(request.json(&json!({"email": email, "password": PASSWORD}))).await.status().as_u16()
    };
    for number in 0..30 {
        assert_eq!(from("192.0.2.1", &format!("nobody{number}@example.com")).await, 401);
    }
    assert_eq!(from("192.0.2.1", "ada@example.com").await, 429);
    assert_eq!(from("198.51.100.7, 192.0.2.1", "ada@example.com").await, 429, "who forges the first entry");
    assert_eq!(from("198.51.100.7", "ada@example.com").await, 200);
}

async fn the_session_before_ends(app: TestApp) {
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let ada = Person::stranger(&app);
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    let first = ada.session_cookie();
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    let second = ada.session_cookie();
    assert_ne!(first, second);
    assert_eq!(ada.get("/api/sessions").await["data"].as_array().unwrap().len(), 1);
    ada.cookies(|cookies| drop(cookies.insert("retinue-session".to_owned(), first)));
    assert_eq!(ada.status(Method::GET, "/api/threads").await, 401);
}

async fn whoever_is_disabled_elsewhere_is_out_within_a_second_with_their_streams(app: TestApp) {
    let user = app.add_user("ada@example.com", Some(PASSWORD)).await;
    let administration = app.administration().await;
    keeps(HEARD, "who is disabled elsewhere", async || {
        let ada = Person::stranger(&app);
        assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
        let mut under_way = ada.under_way(&app).await;
        administration.disable(&user).await.unwrap();
        let disabled = Instant::now();
        while let Some(event) = under_way.events.next().await {
            assert_ne!(event.name, "run.completed");
        }
        assert_eq!(ada.status(Method::GET, "/api/threads").await, 401);
        let took = disabled.elapsed();
        assert_eq!(login(&ada, "ada@example.com", PASSWORD).await.0, 401);
        administration.enable(&user).await.unwrap();
        took
    })
    .await;
    assert_eq!(login(&Person::stranger(&app), "ada@example.com", PASSWORD).await.0, 200);
}

async fn another_password_ends_sessions(app: TestApp) {
    let user = app.add_user("ada@example.com", Some(PASSWORD)).await;
    let ada = Person::stranger(&app);
    let administration = app.administration().await;
    keeps(HEARD, "whose password is set elsewhere", async || {
        administration.set_password(&user, app.hash(PASSWORD).await).await.unwrap();
        assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
        assert_eq!(ada.status(Method::GET, "/api/threads").await, 200);
        administration.set_password(&user, app.hash("another good one").await).await.unwrap();
        let set = Instant::now();
        until("the session is over", Duration::from_secs(20), async || {
            (ada.status(Method::GET, "/api/threads").await == 401).then_some(())
        })
        .await;
        set.elapsed()
    })
    .await;
    assert_eq!(login(&ada, "ada@example.com", PASSWORD).await.0, 401);
    assert_eq!(login(&ada, "ada@example.com", "another good one").await.0, 200);
}

async fn pages_of_what_is_not_possible_say_so_and_lead_on(app: TestApp) {
    let person = Person::stranger(&app);
    for (path, status, words) in [
        ("/auth/magic-link", 403, "This server sends no mail. Sign in with a password."),
        ("/auth/password-reset", 403, "This server sends no mail. Sign in with a password."),
        ("/auth/register", 403, "Nobody makes an account here by themselves."),
        ("/auth/register?token=x", 403, "Invitations do not count here at the moment."),
        ("/set-up", 409, "This link was used already, or it is too old."),
        ("/set-up?token=x", 409, "This link was used already, or it is too old."),
    ] {
        let page = person.open(path).await;
        assert_eq!(page.status(), status, "{path}");
        let page = page.text().await.unwrap();
        assert!(
            page.contains(words) && page.contains("href=\"/sign-in\"") && !page.contains("<form"),
            "{path}: {page}"
        );
    }
    for (path, form) in [
        ("/set-up", "token=x&name=Ada&email=a%40example.com&password=correct+horse"),
        ("/auth/magic-link", "email=a%40example.com"),
    ] {
        let request = person.request(Method::POST, path).header("accept", "text/html");
        let page = person.send(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await;
        let page = page.text().await.unwrap();
        assert!(page.contains("href=\"/sign-in\"") && !page.contains("<form"), "{path}: {page}");
    }
    // A link that is used up leads to where there is another one.
    let page = person.submit("/auth/magic-link/verify", &[("token", "x")]).await.text().await.unwrap();
    assert!(page.contains("href=\"/auth/magic-link\"") && !page.contains("<form"), "{page}");
}

async fn the_set_up_link_makes_one_administrator(app: TestApp) {
    let path = |link: String| link.strip_prefix(&app.url("")).unwrap().to_owned();
    let old = path(set_up::offer(&app.app).await.unwrap().unwrap());
    let link = path(set_up::offer(&app.app).await.unwrap().unwrap());
    let token = |link: &str| link.split_once("token=").unwrap().1.to_owned();
    let person = Person::stranger(&app);
    for _ in 0..3 {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(person.status(method, &link).await, 200, "nothing is used up by looking");
        }
    }
    assert_eq!(person.status(Method::GET, &old).await, 409, "the newest counts");
    let send = async |token: &str, email: &str, password: &str| {
        let form = [("token", token), ("name", "Ada"), ("email", email), ("password", password)];
        Person::stranger(&app).submit("/set-up", &form).await
    };
    assert_eq!(send(&token(&old), "ada@example.com", PASSWORD).await.status(), 409);
    assert_eq!(send("", "ada@example.com", PASSWORD).await.status(), 409);
    let short = send(&token(&link), "ada@example.com", "short").await;
    assert_eq!(short.status(), 400);
    let page = short.text().await.unwrap();
    assert!(
        page.contains("value=\"Ada\"") && page.contains("ada@example.com") && !page.contains("\"short\""),
        "{page}"
    );
    let token = token(&link);
    let answers = join_all((0..8).map(|number| {
        let (send, token) = (&send, &token);
        async move { send(token, &format!("ada{number}@example.com"), PASSWORD).await }
    }))
    .await;
    let made: Vec<usize> = (0..8).filter(|at| answers[*at].status() == 303).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    assert_eq!(login(&person, &format!("ada{}@example.com", made[0]), PASSWORD).await.0, 200);
    assert_eq!(person.get("/auth/me").await["principal"]["organization_admin"], json!(true));
    assert_eq!(app.administration().await.list().await.unwrap().len(), 1);
    assert_eq!(set_up::offer(&app.app).await.unwrap(), None, "no further one");
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(person.status(Method::GET, &link).await, 409);
    assert_eq!(send(&token, "eve@example.com", PASSWORD).await.status(), 409);
}

async fn the_set_up_link_is_good_for_a_day_and_while_nobody_can_sign_in(app: TestApp) {
    let offer = async || set_up::offer(&app.app).await.unwrap().unwrap().strip_prefix(&app.url("")).unwrap().to_owned();
    let person = Person::stranger(&app);
    let link = offer().await;
    app.clock.advance(Duration::from_hours(24));
    assert_eq!(person.status(Method::GET, &link).await, 409);
    let link = offer().await;
    assert_eq!(person.status(Method::GET, &link).await, 200);
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    assert_eq!(person.status(Method::GET, &link).await, 409);
}

async fn the_set_up_link_is_worthless_after_a_day_or_once_somebody_can_sign_in(app: TestApp) {
    let offered = async || {
        let link = set_up::offer(&app.app).await.unwrap().unwrap();
        link.split_once("token=").unwrap().1.to_owned()
    };
    let set_up = async |token: String| {
        let form = [("token", token.as_str()), ("name", "Eve"), ("email", "eve@example.com"), ("password", PASSWORD)];
        Person::stranger(&app).submit("/set-up", &form).await.status().as_u16()
    };
    let old = offered().await;
    app.clock.advance(Duration::from_hours(24));
    assert_eq!(set_up(old).await, 409);
    let found = offered().await;
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    assert_eq!(set_up(found).await, 409);
    assert_eq!(app.administration().await.list().await.unwrap().len(), 1);
}

async fn fifty_who_sign_in_at_once_are_all_answered(app: TestApp) {
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let ada = Person::stranger(&app);
    ada.sign_in_with("ada@example.com", PASSWORD).await;
    let people: Vec<Person> = (0..50).map(|_| Person::stranger(&app)).collect();
    let sign_ins = join_all(people.iter().enumerate().map(async |(number, person)| {
        let request =
            person.request(Method::POST, "/auth/login").header("x-forwarded-for", format!("192.0.2.{number}"));
        let body = json!({"email": format!("nobody{number}@example.com"), "password": PASSWORD});
        person.send(request.json(&body)).await.status().as_u16()
    }));
    let (answers, ()) = tokio::join!(sign_ins, async {
        for _ in 0..20 {
            assert_eq!(ada.status(Method::GET, "/api/threads").await, 200);
        }
    });
    // The pool of the tests has room for 64 that wait.
    assert!(answers.iter().all(|status| *status == 401), "{answers:?}");
}

/// One hash takes a while, as in earnest, and one is made at a time: whoever hashes where requests are answered keeps all of
/// them waiting.
#[tokio::test]
async fn others_are_answered_while_passwords_are_hashed() {
    let once = password::Settings { at_once: NonZeroUsize::MIN, ..password::Settings::default() };
    let (app, [sso]) = TestApp::with_providers_and_auth(Database::sqlite(), move |auth| {
        auth.local = Some(with_hashing(once));
    })
    .await;
    let ada = Person::signed_in(&app, &sso, "ada").await;
    let answered = AtomicUsize::new(0);
    let people: Vec<Person> = (0..20).map(|_| Person::stranger(&app)).collect();
    let sign_ins = join_all(people.iter().enumerate().map(async |(number, person)| {
        assert_eq!(login(person, &format!("nobody{number}@example.com"), PASSWORD).await.0, 401);
        answered.fetch_add(1, Ordering::SeqCst);
    }));
    let others = async {
        for _ in 0..5 {
            assert_eq!(ada.status(Method::GET, "/api/threads").await, 200);
        }
        answered.load(Ordering::SeqCst)
    };
    let (_, before) = tokio::join!(sign_ins, others);
    assert!(before < 20, "all were answered first");
}

async fn an_office_behind_one_address_signs_in_at_once(app: TestApp) {
    let addresses: Vec<String> = (0..50).map(|number| format!("person{number}@example.com")).collect();
    for address in &addresses {
        app.add_user(address, Some(PASSWORD)).await;
    }
    let people: Vec<Person> = addresses.iter().map(|_| Person::stranger(&app)).collect();
    let sign_ins =
        people.iter().zip(&addresses).map(async |(person, address)| login(person, address, PASSWORD).await.0);
    let answers = join_all(sign_ins).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
}

async fn the_address_of_a_refused_form_leads_back_to_its_page(app: TestApp) {
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let ada = Person::stranger(&app);
    assert_eq!(ada.sign_in_with("ada@example.com", "a guess").await.status(), 401);
    assert_eq!(location(&ada.open("/auth/login?return_to=%2Faccount").await), "/sign-in?return_to=%2Faccount");
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    assert_eq!(location(&ada.open("/signed-out").await), "/", "she is not");
    for path in ["/account/name", "/account/password", "/account/email", "/account/identities/x/remove"] {
        assert_eq!(location(&ada.open(path).await), "/account", "{path}");
    }
    assert_eq!(location(&ada.open("/threads/thr_x/runs").await), "/threads/thr_x");
    assert_eq!(ada.status(Method::GET, "/auth/logout").await, 405, "a program asks that");
}

#[tokio::test]
async fn where_nobody_signs_in_the_pages_for_that_say_so() {
    let app = TestApp::start(Database::sqlite()).await;
    let person = Person::stranger(&app);
    for path in ["/auth/magic-link", "/auth/register", "/auth/password-reset/verify?token=x", "/set-up?token=x"] {
        let page = person.open(path).await;
        assert_eq!(page.status(), 403, "{path}");
        let page = page.text().await.unwrap();
        assert!(
            page.contains("Nobody signs in here") && page.contains("href=\"/\"") && !page.contains("<form"),
            "{page}"
        );
    }
}

//! Browsers in which somebody signed in by address: strangers keep nobody out of theirs, and learn of nobody.

use std::time::Duration;

use reqwest::Method;
use retinue_app::Clock as _;
use retinue_app::key::KeyRing;
use retinue_app::local::Registration;
use retinue_app::set_up;
use retinue_model::Email;
use retinue_model::one_time_token::Purpose;
use retinue_testkit::{CountingRng, Database, Person, TestApp, on_both_databases, with_addresses_on_both_engines};
use serde_json::json;

use crate::link::another_address::{NEW, begin, sent};

const PASSWORD: &str = "correct horse battery staple";
const ADA: &str = "ada@example.com";
const GRACE: &str = "grace@example.com";
const COOKIE: &str = "retinue-device";
const DAY: Duration = Duration::from_hours(24);

with_addresses_on_both_engines! {
    nobody_learns_by_counting_who_has_an_account,
    strangers_keep_nobody_out_of_their_own_browser,
    guesses_in_somebody_s_own_browser_have_an_end,
    only_what_was_earned_here_is_recognised,
    a_browser_is_recognised_for_whoever_signed_in_there,
    a_browser_is_recognised_after_signing_out_and_with_other_keys,
    a_browser_is_recognised_for_half_a_year,
}

mod mails {
    use super::*;

    on_both_databases! {
        strangers_keep_nobody_from_mail_in_their_own_browser,
        whoever_has_another_address_is_recognised_by_that,
        whoever_comes_by_a_link_is_recognised,
        whoever_becomes_a_user_by_an_address_is_recognised,
    }
}

/// Tries a password from a network; the status.
async fn tries(person: &Person, network: &str, email: &str, password: &str) -> u16 {
    let request = person.request(Method::POST, "/auth/login").header("x-forwarded-for", network);
    person.send(request.json(&json!({"email": email, "password": password}))).await.status().as_u16()
}

/// A browser of somebody who signed in and out again.
async fn comes_back(app: &TestApp, email: &str) -> Person {
    let person = Person::stranger(app);
    assert_eq!(tries(&person, "192.0.2.1", email, PASSWORD).await, 200);
    assert_eq!(person.post("/auth/logout", &json!({})).await.0, 200);
    person
}

/// Somebody whom nobody knows guesses until nobody like that has a try left.
async fn hammers(app: &TestApp, email: &str) {
    let mallory = Person::stranger(app);
    while tries(&mallory, "198.51.100.7", email, "wrong").await == 401 {}
    assert_eq!(tries(&mallory, "198.51.100.8", email, PASSWORD).await, 429, "wherever they are");
}

/// Whether a wrong password is looked at, though strangers have no try left. It counts.
async fn is_recognised(app: &TestApp, person: &Person, email: &str) -> bool {
    hammers(app, email).await;
    let status = tries(person, "198.51.100.7", email, "wrong").await;
    assert!(matches!(status, 401 | 429), "{status}");
    status == 401
}

fn cookie(person: &Person) -> String {
    let mut found = None;
    person.cookies(|cookies| found = cookies.get(COOKIE).cloned());
    found.unwrap_or_default()
}

fn with_cookie(app: &TestApp, value: &str) -> Person {
    let person = Person::stranger(app);
    person.cookies(|cookies| drop(cookies.insert(COOKIE.to_owned(), value.to_owned())));
    person
}

/// Somebody in the same network fails at invented addresses until one more failure would lock it, and guesses once.
async fn nobody_learns_by_counting_who_has_an_account(app: TestApp) {
    app.add_user(ADA, Some(PASSWORD)).await;
    for (network, email) in [("192.0.2.1", ADA), ("192.0.2.2", "nobody@example.com")] {
        let (ada, mallory) = (Person::stranger(&app), Person::stranger(&app));
        assert_eq!(tries(&ada, network, ADA, PASSWORD).await, 200, "she works there");
        for number in 0..29 {
            assert_eq!(tries(&mallory, network, &format!("{network}-{number}@example.com"), "wrong").await, 401);
        }
        assert_eq!(tries(&mallory, network, email, "wrong").await, 401);
        assert_eq!(tries(&mallory, network, "invented@example.com", "wrong").await, 429, "{email} counted");
        assert_eq!(tries(&ada, network, ADA, PASSWORD).await, 200, "whoever works there is not locked out");
    }
}

async fn strangers_keep_nobody_out_of_their_own_browser(app: TestApp) {
    app.add_user(ADA, Some(PASSWORD)).await;
    let (ada, elsewhere) = (comes_back(&app, ADA).await, Person::stranger(&app));
    hammers(&app, ADA).await;
    assert_eq!(tries(&elsewhere, "192.0.2.1", ADA, PASSWORD).await, 429, "in another browser she must wait");
    assert_eq!(tries(&ada, "198.51.100.7", ADA, "mistyped").await, 401);
    assert_eq!(tries(&ada, "198.51.100.7", ADA, PASSWORD).await, 200);
    assert_eq!(tries(&elsewhere, "192.0.2.1", ADA, PASSWORD).await, 429, "that gives nobody else new tries");
}

async fn guesses_in_somebody_s_own_browser_have_an_end(app: TestApp) {
    app.add_user(ADA, Some(PASSWORD)).await;
    let ada = comes_back(&app, ADA).await;
    for _ in 0..5 {
        assert_eq!(tries(&ada, "192.0.2.1", ADA, "wrong").await, 401);
    }
    assert_eq!(tries(&ada, "192.0.2.2", ADA, PASSWORD).await, 429, "wherever it is");
    assert_eq!(tries(&Person::stranger(&app), "192.0.2.1", ADA, "wrong").await, 401, "they count for her alone");
    app.clock.advance(Duration::from_secs(2));
    assert_eq!(tries(&ada, "192.0.2.1", ADA, PASSWORD).await, 200);
}

async fn only_what_was_earned_here_is_recognised(app: TestApp) {
    app.add_user(ADA, Some(PASSWORD)).await;
    app.add_user(GRACE, Some(PASSWORD)).await;
    let own = cookie(&comes_back(&app, ADA).await);
    app.app.set_keys(app.foreign_keys());
    let foreign = cookie(&comes_back(&app, ADA).await);
    app.app.set_keys(app.keys());
    let graces = comes_back(&app, GRACE).await;
    let (key, sealed) = own.split_once('.').unwrap();
    let mut middle = own.clone().into_bytes();
    middle[own.len() / 2] ^= 1;
    hammers(&app, ADA).await;
    for value in [
        String::new(),
        "x".to_owned(),
        own[..own.len() - 1].to_owned(),
        own[1..].to_owned(),
        format!("{own}A"),
        format!("{key}."),
        format!("{key}.{}", "A".repeat(sealed.len())),
        format!("{key}.eyJpZCI6IkFBQUFBQUFBQUFBQUFBQUFBQUFBQUEiLCJwZW9wbGUiOltdfQ"),
        String::from_utf8(middle).unwrap(),
        own.repeat(2),
        "a".repeat(6_000),
        foreign,
        cookie(&graces),
    ] {
        assert_eq!(tries(&with_cookie(&app, &value), "192.0.2.1", ADA, PASSWORD).await, 429, "{value}");
    }
    // It opens nothing by itself.
    let hers = with_cookie(&app, &own);
    assert_eq!(hers.status(Method::GET, "/auth/me").await, 401);
    assert_eq!(tries(&hers, "192.0.2.1", ADA, "wrong").await, 401);
    assert_eq!(tries(&hers, "192.0.2.1", ADA, PASSWORD).await, 200, "as it is it counts");
}

async fn a_browser_is_recognised_for_whoever_signed_in_there(app: TestApp) {
    let people: Vec<String> = (0..6).map(|number| format!("person{number}@example.com")).collect();
    let shared = Person::stranger(&app);
    for email in &people {
        app.add_user(email, Some(PASSWORD)).await;
        assert_eq!(tries(&shared, "192.0.2.1", email, PASSWORD).await, 200);
    }
    assert!(!is_recognised(&app, &shared, &people[0]).await, "of five people, the last, it is known");
    assert!(is_recognised(&app, &shared, &people[1]).await && is_recognised(&app, &shared, &people[5]).await);
    assert_eq!(tries(&shared, "192.0.2.1", &people[1], PASSWORD).await, 200);
    for email in &people[1..] {
        assert!(is_recognised(&app, &shared, email).await, "{email}: whoever comes again takes no other's place");
    }
    assert!(cookie(&shared).len() < 1_000);
}

async fn a_browser_is_recognised_after_signing_out_and_with_other_keys(app: TestApp) {
    app.add_user(ADA, Some(PASSWORD)).await;
    let ada = comes_back(&app, ADA).await;
    let (now, before) = (app.clock.now(), with_cookie(&app, &cookie(&ada)));
    let both = app.keys().rotated(&CountingRng::apart(), now, now).unwrap();
    let newest: String = both.text().split_inclusive('\n').take(2).collect();
    app.app.set_keys(both);
    assert!(is_recognised(&app, &ada, ADA).await, "the key before still counts");
    assert_eq!(tries(&ada, "192.0.2.1", ADA, PASSWORD).await, 200);
    app.app.set_keys(KeyRing::parse(&newest).unwrap());
    assert!(is_recognised(&app, &ada, ADA).await, "it was sealed anew");
    assert!(!is_recognised(&app, &before, ADA).await, "what it was before is of a key that is gone");
}

async fn a_browser_is_recognised_for_half_a_year(app: TestApp) {
    app.add_user(ADA, Some(PASSWORD)).await;
    let ada = comes_back(&app, ADA).await;
    app.clock.advance(179 * DAY);
    assert!(is_recognised(&app, &ada, ADA).await);
    assert_eq!(tries(&ada, "192.0.2.1", ADA, PASSWORD).await, 200);
    app.clock.advance(179 * DAY);
    assert!(is_recognised(&app, &ada, ADA).await, "since they last came in");
    app.clock.advance(2 * DAY);
    assert!(!is_recognised(&app, &ada, ADA).await);
}

/// Nothing listens where mail would go: that it would is enough to know.
async fn strangers_keep_nobody_from_mail_in_their_own_browser(database: Database) {
    let app = TestApp::local_with(database, Registration::Closed, Some(1)).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let ada = comes_back(&app, ADA).await;
    let ask = async |person: &Person, path: &str| person.post(path, &json!({"email": ADA})).await.0;
    for path in ["/auth/magic-link", "/auth/password-reset"] {
        let mallory = Person::stranger(&app);
        while ask(&mallory, path).await == 200 {}
        assert_eq!(ask(&ada, path).await, 200, "{path}");
    }
    let statuses = [ask(&ada, "/auth/magic-link").await, ask(&ada, "/auth/magic-link").await];
    assert_eq!((statuses, ask(&ada, "/auth/magic-link").await), ([200, 200], 429), "four, as everybody has");
    app.clock.advance(Duration::from_mins(20));
    assert_eq!(ask(&Person::stranger(&app), "/auth/magic-link").await, 200);
}

async fn whoever_has_another_address_is_recognised_by_that(database: Database) {
    let story = begin(database, 1).await;
    let token = sent(&story, Purpose::EmailChange, NEW).await;
    assert!(!is_recognised(&story.app, &story.ada, NEW).await);
    assert_eq!(story.ada.post("/auth/email-change/verify", &json!({"token": token})).await.0, 204);
    assert!(is_recognised(&story.app, &story.ada, NEW).await);
}

async fn whoever_comes_by_a_link_is_recognised(database: Database) {
    let story = begin(database, 1).await;
    let app = &story.app;
    for (purpose, path) in
        [(Purpose::MagicLink, "/auth/magic-link/verify"), (Purpose::PasswordReset, "/auth/password-reset/verify")]
    {
        let shown = json!({"token": sent(&story, purpose, ADA).await, "password": "another good one"});
        let ada = Person::stranger(app);
        assert_eq!(ada.post(path, &shown).await.0, 200);
        assert!(is_recognised(app, &ada, ADA).await, "{path}");
    }
    let code = json!({"email": ADA, "code": "0000-0000"});
    assert_eq!(story.ada.post("/auth/magic-link/verify", &code).await.0, 400, "it is looked at in her own browser");
    assert_eq!(Person::stranger(app).post("/auth/magic-link/verify", &code).await.0, 429);
}

async fn whoever_becomes_a_user_by_an_address_is_recognised(database: Database) {
    let app = TestApp::local_with(database, Registration::Open, Some(1)).await;
    let link = set_up::offer(&app.app).await.unwrap().unwrap();
    let form =
        [("token", link.split_once("token=").unwrap().1), ("name", "Ada"), ("email", ADA), ("password", PASSWORD)];
    let first = Person::stranger(&app);
    assert_eq!(first.submit("/set-up", &form).await.status(), 303);
    assert!(is_recognised(&app, &first, ADA).await);
    let token = app.administration().await.invite(&Email::new(GRACE).unwrap()).await.unwrap();
    let (invited, said) = (Person::stranger(&app), json!({"token": token, "name": "Grace", "password": PASSWORD}));
    assert_eq!(invited.post("/auth/register", &said).await.0, 201);
    assert!(is_recognised(&app, &invited, GRACE).await);
}

/// No script reads it, no other site sends it, and over https no neighbour under the same domain sets one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_browser_is_recognised_by_stays_where_it_belongs() {
    for (public_url, prefix, secure) in
        [(None, "", &[][..]), (Some("https://agents.example.com"), "__Host-", &["Secure"])]
    {
        let change = move |auth: &mut retinue_app::Auth| {
            auth.public_url = public_url.map_or_else(|| auth.public_url.clone(), str::to_owned);
        };
        let (app, provider) = TestApp::with_both_ways_and(Database::sqlite(), change).await;
        app.add_user(ADA, Some(PASSWORD)).await;
        let name = format!("{prefix}{COOKIE}=");
        let set = async |answer: reqwest::Response| {
            let mut set = answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
            let device = set.find(|cookie| cookie.starts_with(&name))?;
            Some(device.split(';').skip(1).map(|part| part.trim().to_owned()).collect::<Vec<_>>())
        };
        let ada = Person::stranger(&app);
        let attributes = set(ada.sign_in_with(ADA, PASSWORD).await).await.unwrap();
        let expected = [&["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=15552000"][..], secure].concat();
        assert_eq!(attributes, expected);
        assert_eq!(set(ada.send(ada.request(Method::POST, "/auth/logout")).await).await, None, "signing out leaves it");
        assert_eq!(
            set(Person::stranger(&app).sign_in(&provider, "eve", "/").await).await,
            None,
            "no address, no guesses"
        );
    }
}

//! Passwords as they are kept: changed by whoever has the one before, made anew where they are kept in an older way, and
//! compared a few at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use futures_util::poll;
use reqwest::{Method, Response};
use retinue_app::password::{Parameters, Passwords, Settings};
use retinue_model::credential::PasswordHash;
use retinue_model::{NewPassword, Password};
use retinue_store::Location;
use retinue_testkit::{CountingRng, Database, HASHING, Person, TestApp, on_both_databases, until};
use serde_json::json;

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";
const NEW: &str = "another good password";
/// `password`, as `hashlib.pbkdf2_hmac` of Python hashes it.
const PBKDF2: &str = "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0$sYIePhT5IXESDKvnouJXtE5pTJ6Znbmef4vViYmc9Uc";
/// Of no password; to compare with it takes about a second.
const SLOW: &str = "$pbkdf2-sha256$i=2000000,l=64$c2FsdHNhbHRzYWx0$sYIePhT5IXESDKvnouJXtE5pTJ6Znbmef4vViYmc9UfUX1he8Ln4VdSHDe+uTIJU1f6+z+sbmTlY5skOkvxa4A";

on_both_databases! {
    whoever_has_the_password_sets_another_one,
    whoever_guesses_at_the_password_in_an_open_browser_is_slowed_down,
    of_two_changes_at_once_one_counts,
    what_is_kept_in_an_older_way_is_made_anew_at_sign_in,
}

/// A server, and somebody who is signed in.
async fn start(database: Database) -> (TestApp, Person) {
    let app = TestApp::local(database).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let ada = signed_in(&app).await;
    (app, ada)
}

async fn signed_in(app: &TestApp) -> Person {
    let person = Person::stranger(app);
    assert_eq!(person.sign_in_with(ADA, PASSWORD).await.status(), 303);
    person
}

async fn change(person: &Person, current: &str, new: &str) -> Response {
    person.submit("/account/password", &[("current_password", current), ("password", new)]).await
}

/// Whether the page says this beside the field of this id.
async fn is_beside(response: Response, field: &str, words: &str) -> bool {
    let page = response.text().await.unwrap();
    let (_, error) = page.split_once(&format!("id=\"{field}-error\"")).unwrap_or_else(|| panic!("{page}"));
    error.split_once("</p>").unwrap().0.contains(words)
}

async fn whoever_has_the_password_sets_another_one(database: Database) {
    let (app, ada) = start(database).await;
    let elsewhere = signed_in(&app).await;
    let page = ada.open("/account").await.text().await.unwrap();
    assert!(
        page.contains("action=\"/account/password\"") && !page.contains("identity of"),
        "there is no provider: {page}"
    );
    for (current, new, field, words) in [
        ("wrong", NEW, "current-password", "not your password"),
        (PASSWORD, "short", "password", "8"),
        (PASSWORD, ADA, "password", ""),
    ] {
        let refused = change(&ada, current, new).await;
        assert_eq!(refused.status(), 400, "{new}");
        assert!(is_beside(refused, field, words).await, "{new}");
    }
    assert_eq!(elsewhere.status(Method::GET, "/api/threads").await, 200);
    assert_eq!(change(&ada, PASSWORD, NEW).await.status(), 303);
    assert_eq!(ada.status(Method::GET, "/api/threads").await, 200);
    assert_eq!(elsewhere.status(Method::GET, "/api/threads").await, 401);
    assert_eq!(elsewhere.sign_in_with(ADA, PASSWORD).await.status(), 401);
    assert_eq!(elsewhere.sign_in_with(ADA, NEW).await.status(), 303);
}

async fn whoever_guesses_at_the_password_in_an_open_browser_is_slowed_down(database: Database) {
    let (app, ada) = start(database).await;
    for _ in 0..5 {
        assert_eq!(change(&ada, "wrong", NEW).await.status(), 400);
    }
    let late = change(&ada, PASSWORD, NEW).await;
    assert_eq!((late.status().as_u16(), late.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    // That keeps nobody from signing in, nor do strangers' guesses keep her from another password: see `proof`.
    assert_eq!(Person::stranger(&app).sign_in_with(ADA, PASSWORD).await.status(), 303);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(change(&ada, PASSWORD, NEW).await.status(), 303);
}

async fn of_two_changes_at_once_one_counts(database: Database) {
    let (app, ada) = start(database).await;
    let (one, other) = join(change(&ada, PASSWORD, NEW), change(&ada, PASSWORD, "a third good password")).await;
    let statuses =
        [one.status().as_u16().min(other.status().as_u16()), one.status().as_u16().max(other.status().as_u16())];
    assert_eq!(statuses, [303, 400]);
    let counts = if one.status() == 303 { NEW } else { "a third good password" };
    assert_eq!(Person::stranger(&app).sign_in_with(ADA, counts).await.status(), 303);
}

async fn what_is_kept_in_an_older_way_is_made_anew_at_sign_in(database: Database) {
    let parameters = Parameters { memory_kib: 16, iterations: 2, lanes: 1 };
    let app = TestApp::local_hashing(database, Settings { parameters, ..HASHING }).await;
    let user = app.add_user(ADA, None).await;
    let kept = async || app.database.ask("SELECT password_hash FROM credentials").await.remove(0);
    let weaker = Passwords::new(HASHING, Arc::new(CountingRng::default())).unwrap();
    let new = NewPassword::new(Password::new(PASSWORD.to_owned()).unwrap(), None).unwrap();
    let weaker = weaker.hash(&new).await.unwrap();
    for (old, password) in [(PasswordHash::new(PBKDF2.to_owned()), "password"), (weaker, PASSWORD)] {
        app.administration().await.set_password(&user, old.clone()).await.unwrap();
        let person = Person::stranger(&app);
        assert_eq!(person.sign_in_with(ADA, "wrong").await.status(), 401);
        assert_eq!(kept().await, old.as_str());
        assert_eq!(person.sign_in_with(ADA, password).await.status(), 303);
        let made = kept().await;
        assert!(made.starts_with("$argon2id$v=19$m=16,t=2,p=1$"), "{made}");
        assert_eq!(person.sign_in_with(ADA, "wrong").await.status(), 401);
        assert_eq!(person.sign_in_with(ADA, password).await.status(), 303);
        assert_eq!(kept().await, made, "it is made anew once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_finds_too_many_waiting_is_told_when_to_come_again() {
    let app =
        TestApp::local_hashing(Database::sqlite(), Settings { at_once: NonZeroUsize::MIN, waiting: 1, ..HASHING })
            .await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let ada = signed_in(&app).await;
    let passwords = app.app.auth().local.clone().unwrap().passwords;
    let (typed, slow) = (Password::new(PASSWORD.to_owned()).unwrap(), PasswordHash::new(SLOW.to_owned()));
    let mut at_work = Box::pin(passwords.verify(&typed, Some(&slow)));
    assert!(poll!(&mut at_work).is_pending());
    // There is room once that one was taken up.
    let waits = loop {
        let mut waits = Box::pin(passwords.verify(&typed, Some(&slow)));
        if poll!(&mut waits).is_pending() {
            break waits;
        }
        tokio::task::yield_now().await;
    };
    let person = Person::stranger(&app);
    for _ in 0..6 {
        let page = person.sign_in_with(ADA, "wrong").await;
        assert_eq!((page.status().as_u16(), page.headers()["retry-after"].to_str().unwrap()), (503, "5"));
        let (status, problem) = person.post("/auth/login", &json!({"email": ADA, "password": PASSWORD})).await;
        assert_eq!((status, &problem["code"]), (503, &json!("too_busy")));
    }
    assert_eq!(ada.status(Method::GET, "/api/threads").await, 200, "whoever is in notices nothing");
    drop((at_work, waits));
    // None of these was a wrong password: six would be too many.
    until("there is room again", Duration::from_secs(20), async || {
        let status = person.sign_in_with(ADA, PASSWORD).await.status().as_u16();
        assert!(matches!(status, 303 | 503), "{status}");
        (status == 303).then_some(())
    })
    .await;
}

/// As with accounts of one's own, each of which has some guesses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_network_leaves_places_to_others_and_its_people_wait() {
    // Eight places, of which one network has two.
    let settings = Settings { at_once: NonZeroUsize::MIN, waiting: 7, ..HASHING };
    let app = TestApp::local_hashing(Database::sqlite(), settings).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let passwords = app.app.auth().local.clone().unwrap().passwords;
    let (typed, slow) = (Password::new(PASSWORD.to_owned()).unwrap(), PasswordHash::new(SLOW.to_owned()));
    let mut at_work = Box::pin(passwords.verify(&typed, Some(&slow)));
    assert!(poll!(&mut at_work).is_pending());
    // Or else each wrong guess would cost as much from now on.
    passwords.learn([]);
    let person = Person::stranger(&app);
    let comes = async |network: &str, email: &str| {
        let request = person.request(Method::POST, "/auth/login").header("x-forwarded-for", network);
        person.send(request.json(&json!({"email": email, "password": PASSWORD}))).await.status().as_u16()
    };
    let crowd = join_all((0..20).map(|number| {
        let comes = &comes;
        async move { comes("192.0.2.1", &format!("nobody{number}@example.com")).await }
    }));
    let (crowd, other) = tokio::join!(crowd, comes("198.51.100.7", ADA));
    assert_eq!((crowd, other), (vec![401; 20], 200));
}

/// It was right when it was read, and was changed before a session is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_changed_meanwhile_lets_nobody_in() {
    let app = TestApp::local(Database::sqlite()).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let new = app.hash(NEW).await;
    let Location::Sqlite(file) = app.database.location() else { unreachable!() };
    let elsewhere = rusqlite::Connection::open(file).unwrap();
    elsewhere.busy_timeout(Duration::from_secs(10)).unwrap();
    elsewhere.execute_batch("BEGIN IMMEDIATE").unwrap();
    elsewhere.execute("UPDATE credentials SET password_hash = ?", [new.as_str()]).unwrap();
    let passwords = app.app.auth().local.clone().unwrap().passwords;
    let (before, person) = (passwords.count(), Person::stranger(&app));
    let (answer, ()) = tokio::join!(person.sign_in_with(ADA, PASSWORD), async {
        until("it is compared", Duration::from_secs(20), async || (passwords.count() > before).then_some(())).await;
        elsewhere.execute_batch("COMMIT").unwrap();
    });
    assert_eq!(answer.status(), 401);
    assert_eq!(person.sign_in_with(ADA, NEW).await.status(), 303);
}

//! Who may come in, as it is configured: also those who came in when it was configured otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use reqwest::Method;
use retinue_app::Auth;
use retinue_app::admin::Declared;
use retinue_oidc::{Config, Issuer};
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, auth_at, on_both_databases, with_passwords};
use serde_json::json;

on_both_databases! {
    a_session_of_a_provider_that_is_not_there_any_more_ends,
    a_session_of_a_password_ends_where_none_are_taken_any_more,
    whoever_loses_the_address_of_an_administrator_is_none,
}

/// A program that is configured otherwise after a restart: each time by the next one of these, the last one again and again.
async fn start(database: Database, changes: &'static [fn(&mut Auth)]) -> (TestApp, IdentityProvider) {
    let starts = Arc::new(AtomicU8::new(0));
    TestApp::with_provider_and_auth(database, move |auth| {
        let start = usize::from(starts.fetch_add(1, Ordering::SeqCst));
        changes[start.min(changes.len() - 1)](auth);
    })
    .await
}

/// At another issuer under the same name.
fn elsewhere(auth: &mut Auth) {
    let callback = format!("{}/auth/callback", auth.public_url);
    let config = Config::new("sso", Issuer::new("https://other.example.com").unwrap(), "retinue", &callback);
    auth.providers = auth_at(config, &auth.public_url).providers;
}

async fn session(person: &Person) -> (u16, String) {
    let response = person.send(person.request(Method::GET, "/auth/me")).await;
    let (status, body) = (response.status().as_u16(), response.json::<serde_json::Value>().await.unwrap());
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

async fn a_session_of_a_provider_that_is_not_there_any_more_ends(database: Database) {
    fn nobody(auth: &mut Auth) {
        auth.providers.clear();
    }
    let (app, provider) = start(database, &[|_| {}, |_| {}, elsewhere, |_| {}, nobody]).await;
    let mut people = Vec::new();
    for subject in ["ada", "grace"] {
        people.push(Person::signed_in(&app, &provider, subject).await);
    }
    let app = app.restart().await;
    let [ada, grace] = [&people[0], &people[1]].map(|person| person.again_at(&app));
    assert_eq!((session(&ada).await.0, session(&grace).await.0), (200, 200), "nothing has changed");
    let app = app.restart().await;
    assert_eq!(session(&ada.again_at(&app)).await, (401, "session_ended".to_owned()), "another issuer");
    let kept = "SELECT refresh_token FROM sessions WHERE refresh_token IS NOT NULL";
    assert_eq!(app.database.ask(kept).await.len(), 1, "what was given out with it is deleted");
    let app = app.restart().await;
    assert_eq!(session(&ada.again_at(&app)).await.0, 401, "it is over");
    assert_eq!(session(&grace.again_at(&app)).await.0, 200, "that of somebody who did not come meanwhile is not");
    let app = app.restart().await;
    assert_eq!(session(&grace.again_at(&app)).await, (401, "session_ended".to_owned()), "no provider");
}

async fn a_session_of_a_password_ends_where_none_are_taken_any_more(database: Database) {
    let (app, provider) = start(database, &[|auth| auth.local = Some(with_passwords()), |_| {}]).await;
    app.add_user("grace@example.com", Some("correct horse battery staple")).await;
    let (ada, grace) = (Person::signed_in(&app, &provider, "ada").await, Person::stranger(&app));
    assert_eq!(grace.sign_in_with("grace@example.com", "correct horse battery staple").await.status(), 303);
    assert_eq!(session(&grace).await.0, 200);
    let app = app.restart().await;
    assert_eq!(session(&grace.again_at(&app)).await, (401, "session_ended".to_owned()));
    assert_eq!(session(&ada.again_at(&app)).await.0, 200);
}

async fn whoever_loses_the_address_of_an_administrator_is_none(database: Database) {
    let boss = |auth: &mut Auth| auth.admins = vec![Declared::VerifiedEmail("boss@example.com".to_owned())];
    let (app, provider) = TestApp::with_provider_and_auth(database, boss).await;
    let boss = Person::signed_in(&app, &provider, "boss").await;
    let is_admin = async || boss.get("/auth/me").await["principal"]["organization_admin"] == json!(true);
    assert!(is_admin().await);
    provider.introduce("boss", json!({"email": "former@example.com", "email_verified": true}));
    app.clock.advance(Duration::from_mins(16));
    assert!(!is_admin().await, "the provider says so when it is asked next");
}

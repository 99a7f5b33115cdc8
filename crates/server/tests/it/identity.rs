//! One's own identities: which one may be removed, and what goes with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, on_both_databases, with_passwords};
use serde_json::{Value, json};

on_both_databases! {
    somebody_elses_identity_is_not_there_for_whoever_has_not_shown_anew_who_they_are,
    what_is_not_configured_any_more_is_no_way_in,
    a_password_is_no_way_in_where_nobody_signs_in_so,
    an_address_without_a_password_is_no_way_in_where_no_mail_is_sent,
    an_address_that_nobody_vouches_for_any_more_is_in_doubt,
    an_address_is_in_doubt_though_one_that_looks_alike_is_there,
    nothing_is_added_by_a_session_that_ends_meanwhile,
    nothing_is_added_to_whoever_is_shut_out_meanwhile,
}

/// Ada adds an identity, and while the provider is asked about it, something else happens; the page that she gets then.
async fn adds_while(
    app: &TestApp,
    [sso, other]: [&IdentityProvider; 2],
    meanwhile: impl AsyncFnOnce(&Person),
) -> String {
    let ada = Person::signed_in(app, sso, "ada").await;
    other.greet("ada there");
    let back = other.visit(&ada.begin_to_add("other").await);
    other.hold("/token");
    let come_back = async { ada.come_back(&back).await };
    let held = async {
        other.held("/token", 1).await;
        meanwhile(&ada).await;
        other.release("/token");
    };
    let (response, ()) = tokio::join!(come_back, held);
    assert_eq!(app.database.ask("SELECT subject FROM identities").await, ["ada"]);
    response.text().await.unwrap()
}

async fn nothing_is_added_by_a_session_that_ends_meanwhile(database: Database) {
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    let phone = Person::signed_in(&app, &sso, "ada").await;
    let meanwhile = async |_: &Person| {
        assert_eq!(phone.submit("/account/sessions/end-others", &[]).await.status(), 303);
    };
    let page = adds_while(&app, [&sso, &other], meanwhile).await;
    assert!(page.contains("The identity was not added") && page.contains("<code>session_ended</code>"), "{page}");
}

async fn nothing_is_added_to_whoever_is_shut_out_meanwhile(database: Database) {
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    // As when their account is disabled, and their session is ended a moment later.
    let meanwhile = async |_: &Person| {
        app.database.ask("UPDATE users SET disabled_at = updated_at WHERE name = 'ada'").await;
    };
    let page = adds_while(&app, [&sso, &other], meanwhile).await;
    assert!(page.contains("The identity was not added") && page.contains("<code>user_disabled</code>"), "{page}");
}

/// Ada, who came by `sso` and added an identity of `other` with this address.
async fn ada(app: &TestApp, [sso, other]: [&IdentityProvider; 2], email: &str) -> (Person, [String; 2]) {
    let ada = Person::signed_in(app, sso, "ada").await;
    other.introduce("ada there", json!({"email": email, "email_verified": true}));
    assert_eq!(ada.add_identity("other", other).await.status(), 303);
    let found = ada.get("/api/identities").await;
    let ids = [0, 1].map(|at| found["data"][at]["id"].as_str().unwrap().to_owned());
    (ada, ids)
}

/// Removes one; the status, and why not.
async fn remove(person: &Person, identity: &str) -> (u16, String) {
    let response = person.send(person.request(Method::DELETE, &format!("/api/identities/{identity}"))).await;
    let status = response.status().as_u16();
    let problem: Value = response.json().await.unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

fn last() -> (u16, String) {
    (409, "last_way_in".to_owned())
}

async fn what_is_not_configured_any_more_is_no_way_in(database: Database) {
    let is_gone = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&is_gone);
    let (app, [sso, other]) = TestApp::with_providers_and_auth(database, move |auth| {
        if gone.load(Ordering::SeqCst) {
            auth.providers.truncate(1);
        }
    })
    .await;
    let (person, [first, second]) = ada(&app, [&sso, &other], "private@example.org").await;
    is_gone.store(true, Ordering::SeqCst);
    let app = app.restart().await;
    let person = person.again_at(&app);
    assert_eq!(remove(&person, &first).await, last(), "by the other one nobody comes in");
    assert_eq!(remove(&person, &second).await.0, 204, "it may go");
    assert_eq!(remove(&person, &first).await, last());
    assert_eq!(person.status(Method::GET, "/auth/me").await, 200);
}

async fn an_address_without_a_password_is_no_way_in_where_no_mail_is_sent(database: Database) {
    let (app, [sso]) = TestApp::with_providers_and_auth(database, |auth| auth.local = Some(with_passwords())).await;
    let person = Person::signed_in(&app, &sso, "ada").await;
    let id = person.get("/api/identities").await["data"][0]["id"].as_str().unwrap().to_owned();
    let administration = app.administration().await;
    let user = administration.find("ada@example.com").await.unwrap();
    let hash = app.hash("correct horse battery staple").await;
    administration.set_password(&user, hash).await.unwrap();
    let forget = "UPDATE credentials SET password_hash = NULL";
    let kept = app.database.ask("SELECT password_hash FROM credentials").await;
    app.database.ask(forget).await;
    let person = Person::signed_in(&app, &sso, "ada").await;
    assert_eq!(remove(&person, &id).await, last());
    app.database.ask(&format!("UPDATE credentials SET password_hash = '{}'", kept[0])).await;
    assert_eq!(remove(&person, &id).await.0, 204);
    let again = Person::stranger(&app);
    assert_eq!(again.sign_in_with("ada@example.com", "correct horse battery staple").await.status(), 303);
}

async fn a_password_is_no_way_in_where_nobody_signs_in_so(database: Database) {
    let is_off = Arc::new(AtomicBool::new(false));
    let off = Arc::clone(&is_off);
    let (app, [sso]) = TestApp::with_providers_and_auth(database, move |auth| {
        auth.local = (!off.load(Ordering::SeqCst)).then(with_passwords);
    })
    .await;
    let ada = Person::signed_in(&app, &sso, "ada").await;
    let id = ada.get("/api/identities").await["data"][0]["id"].as_str().unwrap().to_owned();
    let administration = app.administration().await;
    let user = administration.find("ada@example.com").await.unwrap();
    administration.set_password(&user, app.hash("correct horse battery staple").await).await.unwrap();
    drop(administration);
    is_off.store(true, Ordering::SeqCst);
    let app = app.restart().await;
    let ada = Person::signed_in(&app, &sso, "ada").await;
    assert_eq!(remove(&ada, &id).await, last());
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200);
}

async fn an_address_that_nobody_vouches_for_any_more_is_in_doubt(database: Database) {
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    let verified =
        async || app.database.ask("SELECT CAST(email_verified AS INTEGER) FROM users WHERE name = 'ada'").await;
    let (person, [first, _]) = ada(&app, [&sso, &other], "private@example.org").await;
    assert_eq!(verified().await, ["1"]);
    assert_eq!(remove(&person, &first).await.0, 204);
    let back = Person::stranger(&app);
    assert_eq!(back.sign_in_at("other", &other).await.status(), 303);
    assert_eq!(verified().await, ["0"], "the one that said so is gone");
    assert!(!back.open("/account").await.text().await.unwrap().contains("(verified)"));

    // Here the other one says the same.
    app.database.ask("UPDATE users SET name = 'before' WHERE name = 'ada'").await;
    app.database.ask("UPDATE identities SET subject = 'before' WHERE subject = 'ada there'").await;
    let (person, [first, second]) = ada(&app, [&sso, &other], "ADA@example.com").await;
    assert_eq!(remove(&person, &first).await.0, 204);
    assert_eq!(verified().await, ["1"]);
    let back = Person::stranger(&app);
    assert_eq!(back.sign_in_at("other", &other).await.status(), 303);
    assert_eq!(remove(&back, &second).await, last());
    assert_eq!(verified().await, ["1"], "nothing was removed");
}

async fn an_address_is_in_doubt_though_one_that_looks_alike_is_there(database: Database) {
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    // Of letters that become k and i in lower case.
    for (name, look_alike) in [("kira", "\u{212a}ira@example.com"), ("ivan", "\u{130}van@example.com")] {
        let person = Person::signed_in(&app, &sso, name).await;
        other.introduce(name, json!({"email": look_alike, "email_verified": true}));
        assert_eq!(person.add_identity("other", &other).await.status(), 303);
        let first = person.get("/api/identities").await["data"][0]["id"].as_str().unwrap().to_owned();
        let verified = format!("SELECT CAST(email_verified AS INTEGER) FROM users WHERE name = '{name}'");
        assert_eq!(app.database.ask(&verified).await, ["1"]);
        assert_eq!(remove(&person, &first).await.0, 204);
        assert_eq!(app.database.ask(&verified).await, ["0"], "{look_alike}");
    }
}

async fn somebody_elses_identity_is_not_there_for_whoever_has_not_shown_anew_who_they_are(database: Database) {
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    let (_, [hers, _]) = ada(&app, [&sso, &other], "ada@example.org").await;
    let grace = Person::signed_in(&app, &sso, "grace").await;
    let own = grace.get("/api/identities").await["data"][0]["id"].as_str().unwrap().to_owned();
    app.clock.advance(std::time::Duration::from_mins(16));
    assert_eq!(remove(&grace, &hers).await, (404, "not_found".to_owned()));
    assert_eq!(remove(&grace, &own).await, (403, "sign_in_again".to_owned()));
}

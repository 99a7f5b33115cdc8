//! Signing in at a provider or with an address, on one server (`auth.local.enabled`).

use reqwest::Method;
use retinue_app::auth::Auth;
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, on_both_databases};
use serde_json::json;

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";

on_both_databases! {
    people_come_in_by_either_way,
    an_identity_opens_what_an_address_does,
    the_last_way_in_stays_whichever_it_is,
    whoever_came_from_a_provider_gets_a_password,
    a_provider_that_vouches_for_an_address_leads_to_whoever_showed_that_it_is_theirs,
}

async fn with_password(app: &TestApp) -> Person {
    let person = Person::stranger(app);
    assert_eq!(person.sign_in_with(ADA, PASSWORD).await.status(), 303);
    person
}

async fn people_come_in_by_either_way(database: Database) {
    let (app, provider) = TestApp::with_both_ways(database).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let stranger = Person::stranger(&app);
    let ways = stranger.get("/auth/providers").await;
    assert_eq!((&ways["mode"], &ways["methods"]), (&json!("oidc"), &json!(["oidc", "password"])));
    assert_eq!((&ways["registration"], &ways["providers"][0]["name"]), (&json!("closed"), &json!("sso")));
    let page = stranger.open("/sign-in?return_to=%2Fagents").await.text().await.unwrap();
    assert!(
        page.contains("provider=sso&amp;return_to=%2Fagents") || page.contains("provider=sso&#38;return_to=%2Fagents"),
        "{page}"
    );
    assert!(page.contains("action=\"/auth/login\"") && page.contains("value=\"/agents\""), "{page}");
    let (ada, grace) = (with_password(&app).await, Person::signed_in(&app, &provider, "grace").await);
    assert_ne!(ada.id().await, grace.id().await);
    for (person, method) in [(&ada, "password"), (&grace, "oidc")] {
        assert_eq!(person.get("/api/sessions").await["data"][0]["method"], json!(method));
        assert_eq!(person.get("/auth/me").await["mode"], json!("oidc"));
    }
    // Whoever signs in the other way is somebody else from then on, and the session before is over.
    let before = ada.session_cookie();
    assert_eq!(ada.sign_in(&provider, "grace", "/").await.status(), 303);
    assert_eq!(ada.id().await, grace.id().await);
    ada.cookies(|cookies| drop(cookies.insert("retinue-session".to_owned(), before)));
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 401);
    // A provider's address is not one to sign in with.
    assert_eq!(stranger.sign_in_with("grace@example.com", "").await.status(), 401);
}

async fn an_identity_opens_what_an_address_does(database: Database) {
    let (app, provider) = TestApp::with_both_ways(database).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let ada = with_password(&app).await;
    let thread = ada.thread().await;
    provider
        .introduce("countess", json!({"name": "Countess", "email": "countess@example.com", "email_verified": true}));
    assert_eq!(ada.add_identity("sso", &provider).await.status(), 303);
    let at_provider = Person::signed_in(&app, &provider, "countess").await;
    assert_eq!(at_provider.status(Method::GET, &format!("/api/threads/{thread}")).await, 200);
    let me = at_provider.get("/auth/me").await;
    assert_eq!((&me["user"]["name"], &me["user"]["email"]), (&json!("ada"), &json!(ADA)), "the name stays");
    let page = at_provider.open("/account").await.text().await.unwrap();
    assert!(page.contains("action=\"/account/password\"") && page.contains("/remove\""), "{page}");
    // Somebody else's identity is not taken over by whoever has an address.
    app.add_user("eve@example.com", Some(PASSWORD)).await;
    let eve = Person::stranger(&app);
    eve.sign_in_with("eve@example.com", PASSWORD).await;
    provider.greet("countess");
    assert_eq!(eve.add_identity("sso", &provider).await.status(), 409);
}

async fn the_last_way_in_stays_whichever_it_is(database: Database) {
    let (app, provider) = TestApp::with_both_ways(database).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let remove = async |person: &Person| {
        let identity = &person.get("/api/identities").await["data"][0]["id"];
        person.status(Method::DELETE, &format!("/api/identities/{}", identity.as_str().unwrap())).await
    };
    let grace = Person::signed_in(&app, &provider, "grace").await;
    assert_eq!(remove(&grace).await, 409, "she has no address here");
    let ada = with_password(&app).await;
    provider.greet("countess");
    assert_eq!(ada.add_identity("sso", &provider).await.status(), 303);
    assert_eq!(remove(&ada).await, 204, "she has a password");
    assert_eq!(ada.add_identity("sso", &provider).await.status(), 303);
    app.database.ask("UPDATE credentials SET password_hash = NULL").await;
    assert_eq!(remove(&ada).await, 409, "an address without a password is no way in where no mail is sent");
    let page = ada.open("/account").await.text().await.unwrap();
    assert!(!page.contains("/remove\""), "{page}");
    assert_eq!(Person::signed_in(&app, &provider, "countess").await.id().await, ada.id().await);
}

async fn whoever_came_from_a_provider_gets_a_password(database: Database) {
    let (app, provider) = TestApp::with_both_ways(database).await;
    let ada = Person::signed_in(&app, &provider, "ada").await;
    assert_eq!(Person::stranger(&app).sign_in_with(ADA, PASSWORD).await.status(), 401);
    let administration = app.administration().await;
    let user = administration.find(ADA).await.unwrap();
    administration.set_password(&user, app.hash(PASSWORD).await).await.unwrap();
    let by_address = with_password(&app).await;
    assert_eq!(by_address.id().await, user.id.to_string());
    let again = Person::signed_in(&app, &provider, "ada").await;
    assert_eq!(again.id().await, user.id.to_string());
    administration.disable(&user).await.unwrap();
    assert_eq!(Person::stranger(&app).sign_in_with(ADA, PASSWORD).await.status(), 401);
    assert_eq!(ada.sign_in(&provider, "ada", "/").await.status(), 403, "shut out is shut out of both");
}

async fn a_provider_that_vouches_for_an_address_leads_to_whoever_showed_that_it_is_theirs(database: Database) {
    let (app, provider): (TestApp, IdentityProvider) =
        TestApp::with_both_ways_and(database, |auth: &mut Auth| auth.providers[0].link_by_email = true).await;
    let user = app.add_user(ADA, Some(PASSWORD)).await;
    let stranger = Person::signed_in(&app, &provider, "ada").await;
    assert_ne!(stranger.id().await, user.id.to_string(), "nobody has shown that it is hers");
    let grace = app.add_user("grace@example.com", Some(PASSWORD)).await;
    app.database.ask("UPDATE users SET email_verified = (1 = 1) WHERE name = 'grace'").await;
    let unproved = Person::signed_in(&app, &provider, "grace").await;
    assert_ne!(unproved.id().await, grace.id.to_string(), "somebody else said so");
    app.database.ask("DELETE FROM users WHERE id IN (SELECT user_id FROM identities WHERE subject = 'grace')").await;
    let mail = "UPDATE credentials SET address_verified_at = updated_at WHERE address = 'grace@example.com'";
    app.database.ask(mail).await;
    assert_eq!(Person::signed_in(&app, &provider, "grace").await.id().await, grace.id.to_string());
}

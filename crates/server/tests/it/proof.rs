//! Who changes how they sign in has shown lately that it is them.

use std::time::Duration;

use reqwest::{Method, Response, Url};
use retinue_app::Clock as _;
use retinue_app::auth::Auth;
use retinue_testkit::identity_provider::AuthTime;
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, location, on_both_databases, with_passwords};
use serde_json::json;

use crate::linking::{comes, has};

const AGAIN: &str = "/sign-in?return_to=%2Faccount&again=1";
const PASSWORD: &str = "correct horse battery staple";
const NEW: &str = "another good password";

on_both_databases! {
    an_open_browser_adds_and_removes_no_identity,
    a_browser_that_is_left_at_the_provider_adds_no_identity,
    a_provider_that_does_not_say_when_proves_nothing_until_it_is_asked,
    a_provider_that_did_not_ask_anew_is_not_believed,
    a_first_password_takes_more_than_an_open_browser,
    who_guesses_at_an_account_keeps_nobody_from_another_password,
}

const LATER: Duration = Duration::from_mins(16);

fn leads_to_sign_in(response: &Response) {
    assert_eq!((response.status().as_u16(), location(response).as_str()), (303, AGAIN));
}

/// Signs in once more at a provider, as the page offers it; gives where the provider was asked to.
async fn again(person: &Person, provider: &IdentityProvider) -> (String, Response) {
    let url = person.begin("/auth/login?provider=sso&return_to=%2Faccount&again=1").await;
    let back = person.come_back(&provider.visit(&url)).await;
    (url, back)
}

async fn an_open_browser_adds_and_removes_no_identity(database: Database) {
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    other.introduce("ada there", has("ada@example.org", true));
    assert_eq!(ada.add_identity("other", &other).await.status(), 303);
    let ids = async || app.database.ask("SELECT subject FROM identities ORDER BY subject").await;
    assert_eq!(ids().await, ["ada", "ada there"], "she came a moment ago");
    let first = ada.get("/api/identities").await["data"][0]["id"].as_str().unwrap().to_owned();

    app.clock.advance(LATER);
    leads_to_sign_in(&ada.submit("/account/identities/add", &[("provider", "other")]).await);
    leads_to_sign_in(&ada.submit(&format!("/account/identities/{first}/remove"), &[]).await);
    let answer = ada.send(ada.request(Method::DELETE, &format!("/api/identities/{first}"))).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["code"], json!("sign_in_again"));
    assert_eq!(ids().await, ["ada", "ada there"]);
    let page = ada.open(AGAIN).await.text().await.unwrap();
    assert!(page.contains("Show once more that it is you") && page.contains("again=1"), "{page}");

    // The provider is asked to have her show who she is, and then it goes on.
    sso.introduce("ada", has("ada@example.com", true));
    let (url, back) = again(&ada, &sso).await;
    assert!(url.contains("&prompt=login") && url.contains("&max_age=900"), "{url}");
    assert_eq!(location(&back), "/account");
    assert_eq!(ada.submit(&format!("/account/identities/{first}/remove"), &[]).await.status(), 303);
    assert_eq!(ids().await, ["ada there"]);
}

/// Who began it has gone, and somebody else chooses an account of their own.
async fn a_browser_that_is_left_at_the_provider_adds_no_identity(database: Database) {
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    let begun = ada.begin_to_add("other").await;
    app.clock.advance(LATER);
    other.introduce("mallory", has("mallory@example.org", true));
    let back = ada.come_back(&other.visit(&begun)).await;
    assert_eq!(back.status(), 403);
    let page = back.text().await.unwrap();
    assert!(page.contains("<h1>The identity was not added</h1>") && page.contains("longer than 15 minutes"), "{page}");
    assert!(page.contains("return_to=%2Faccount") && page.contains(">Sign in again</a>"), "{page}");
    assert_eq!(app.database.ask("SELECT subject FROM identities").await, ["ada"]);

    sso.introduce("ada", has("ada@example.com", true));
    assert_eq!(again(&ada, &sso).await.1.status(), 303);
    other.introduce("ada there", has("ada@example.org", true));
    assert_eq!(location(&ada.add_identity("other", &other).await), "/account", "in time it is hers");
}

async fn a_provider_that_does_not_say_when_proves_nothing_until_it_is_asked(database: Database) {
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    sso.set(|script| script.id_token = json!({"auth_time": null}));
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    leads_to_sign_in(&ada.submit("/account/identities/add", &[("provider", "other")]).await);
    assert_eq!(again(&ada, &sso).await.1.status(), 303);
    other.introduce("ada there", has("ada@example.org", true));
    assert_eq!(location(&ada.add_identity("other", &other).await), "/account");
    assert_eq!(ada.get("/api/identities").await["data"].as_array().unwrap().len(), 2);
}

/// Signs in once more as [`again`] does, but for `prompt` and `max_age`, which whoever sits at the browser takes out of the
/// address.
async fn unasked(person: &Person, provider: &IdentityProvider) -> Response {
    let mut url = Url::parse(&person.begin("/auth/login?provider=sso&return_to=%2Faccount&again=1").await).unwrap();
    let kept: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(name, _)| name != "prompt" && name != "max_age").collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    assert!(!url.as_str().contains("prompt") && !url.as_str().contains("max_age"), "{url}");
    person.come_back(&provider.visit(url.as_str())).await
}

async fn is_refused(back: Response, code: &str) {
    assert_eq!(back.status(), 400);
    let page = back.text().await.unwrap();
    assert!(page.contains(&format!("<code>{code}</code>")), "{page}");
}

/// Be it one that says when somebody signed in to everybody, or only to whoever asks.
async fn a_provider_that_did_not_ask_anew_is_not_believed(database: Database) {
    let (app, [sso]) = TestApp::with_providers(database, |_| {}).await;
    let adds = async |person: &Person| person.submit("/account/identities/add", &[("provider", "sso")]).await;
    let long_ago = app.clock.now().as_second() - 3_600;
    sso.set(|script| script.id_token = json!({"auth_time": long_ago}));
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    is_refused(unasked(&ada, &sso).await, "oidc_token_auth_time").await;
    leads_to_sign_in(&adds(&ada).await);

    // A program that has just started knows only what the provider announces.
    let app = app.restart().await;
    let ada = ada.again_at(&app);
    let announces = |claims: serde_json::Value| {
        sso.set(|script| {
            (script.id_token, script.auth_time) = (json!({}), AuthTime::WhenAsked);
            script.metadata = json!({"claims_supported": claims});
        });
    };
    announces(json!(["sub", "auth_time"]));
    is_refused(unasked(&ada, &sso).await, "oidc_token_auth_time_missing").await;
    leads_to_sign_in(&adds(&ada).await);

    // Of one that announces nothing it is remembered what it said.
    let app = app.restart().await;
    let ada = ada.again_at(&app);
    announces(json!(["sub"]));
    assert_eq!(again(&ada, &sso).await.1.status(), 303);
    app.clock.advance(LATER);
    is_refused(unasked(&ada, &sso).await, "oidc_token_auth_time_missing").await;
    leads_to_sign_in(&adds(&ada).await);
    assert_eq!(again(&ada, &sso).await.1.status(), 303);
    assert_eq!(adds(&ada).await.status(), 200, "now she was asked");
}

async fn a_first_password_takes_more_than_an_open_browser(database: Database) {
    let (app, [sso]) =
        TestApp::with_providers_and_auth(database, |auth: &mut Auth| auth.local = Some(with_passwords())).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    let administration = app.administration().await;
    let user = administration.find("ada@example.com").await.unwrap();
    administration.set_password(&user, app.hash(PASSWORD).await).await.unwrap();
    app.database.ask("UPDATE credentials SET password_hash = NULL").await;
    assert_eq!(again(&ada, &sso).await.1.status(), 303);
    app.clock.advance(LATER);
    let set = [("password", NEW)];
    leads_to_sign_in(&ada.submit("/account/password", &set).await);
    assert_eq!(Person::stranger(&app).sign_in_with("ada@example.com", NEW).await.status(), 401);
    assert_eq!(again(&ada, &sso).await.1.status(), 303);
    assert_eq!(location(&ada.submit("/account/password", &set).await), "/account");
    assert_eq!(Person::stranger(&app).sign_in_with("ada@example.com", NEW).await.status(), 303);

    // Whoever knows the password need not sign in for that.
    app.clock.advance(LATER);
    let another = [("current_password", NEW), ("password", PASSWORD)];
    assert_eq!(location(&ada.submit("/account/password", &another).await), "/account");
}

async fn who_guesses_at_an_account_keeps_nobody_from_another_password(database: Database) {
    let app = TestApp::local(database).await;
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let (ada, mallory) = (Person::stranger(&app), Person::stranger(&app));
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    for _ in 0..5 {
        assert_eq!(mallory.sign_in_with("ada@example.com", "wrong").await.status(), 401);
    }
    assert_eq!(mallory.sign_in_with("ada@example.com", PASSWORD).await.status(), 429);
    let another = [("current_password", PASSWORD), ("password", NEW)];
    assert_eq!(location(&ada.submit("/account/password", &another).await), "/account");
    // But whoever finds her browser open has no more tries than that.
    for _ in 0..5 {
        let wrong = [("current_password", "wrong"), ("password", PASSWORD)];
        assert_eq!(ada.submit("/account/password", &wrong).await.status(), 400);
    }
    let right = [("current_password", NEW), ("password", PASSWORD)];
    assert_eq!(ada.submit("/account/password", &right).await.status(), 429);
}

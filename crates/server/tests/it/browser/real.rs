//! Servers where people sign in at a provider that others wrote, on that provider's own pages.

use std::sync::Arc;

use retinue_app::Auth;
use retinue_app::admin::Declared;
use retinue_oidc::{ClientAuthentication, Config, Issuer};
use retinue_testkit::{
    Browser, Database, FakeClock, Key, Options, Port, ProviderOptions, RealProvider, TestApp, auth_at,
};
use secrecy::SecretString;

use super::say;

/// What a provider is to know of the server at this port.
pub(super) fn wishes(port: &Port) -> ProviderOptions {
    ProviderOptions {
        redirect_uris: vec![port.url("/auth/callback")],
        post_logout_redirect_uris: vec![port.url("/signed-out")],
        backchannel_logout_uri: Some(port.url("/auth/backchannel-logout")),
        ask: true,
        ..ProviderOptions::default()
    }
}

/// A server where people sign in at this provider, and Ada runs the installation.
pub(super) async fn server_of_ada(database: Database, port: Port, provider: &RealProvider) -> TestApp {
    let admin = Declared::Identity { issuer: provider.issuer().to_owned(), subject: "ada".to_owned() };
    server_and(database, port, provider, move |auth| auth.admins = vec![admin.clone()]).await
}

/// A server where people sign in at this provider.
pub(super) async fn server(database: Database, port: Port, provider: &RealProvider) -> TestApp {
    server_and(database, port, provider, |_| {}).await
}

async fn server_and(
    database: Database,
    port: Port,
    provider: &RealProvider,
    change: impl Fn(&mut Auth) + Send + Sync + 'static,
) -> TestApp {
    let (issuer, client_id) = (Issuer::new(provider.issuer()).unwrap(), provider.client_id());
    let secret = SecretString::from(provider.client_secret());
    let auth = move |public_url: &str| {
        let redirect_uri = format!("{public_url}/auth/callback");
        let mut config = Config::new("real", issuer.clone(), client_id, &redirect_uri);
        config.authentication = ClientAuthentication::SecretBasic(secret.clone());
        let mut auth = auth_at(config, public_url);
        change(&mut auth);
        auth
    };
    let clock = Some(Arc::new(FakeClock::running()));
    TestApp::start_with(database, Options { auth: Some(Arc::new(auth)), clock, port: Some(port), ..Options::default() })
        .await
}

/// Two people have conversations of their own, and leave one after the other. `enter` signs somebody in on the provider's pages,
/// `again` does so where the provider knows who they are, `choose` where it asks which of its accounts is meant, `leave` is what a browser does there once one has signed out here.
pub(super) async fn two_people_share_nothing(
    app: &TestApp,
    enter: impl AsyncFn(&Browser, &str),
    (again, choose): (impl AsyncFn(&Browser, &str), impl AsyncFn(&Browser, &str)),
    leave: impl AsyncFn(&Browser),
) {
    let (ada, grace) = (Browser::start(&app.url("")).await, Browser::start(&app.url("")).await);
    for (browser, login, name) in [(&ada, "ada", "Ada Lovelace"), (&grace, "grace", "Grace Hopper")] {
        browser.open("/").await;
        browser.sees("h1", "Sign in").await;
        browser.click("a.button").await;
        enter(browser, login).await;
        browser.sees(".rail .person", name).await;
        browser.sees(".rail .person", &format!("{login}@example.com")).await;
        say(browser, &format!("A secret of {login}")).await;
        app.model.next().await.answer(&format!("Hello {name}.")).await;
        browser.sees(".answer", &format!("Hello {name}.")).await;
        browser.sees("[data-copy-answer]", "").await;
    }
    let (thread, hers) = (ada.path().await, grace.path().await);
    for (browser, theirs, other) in [(&ada, "ada", "grace"), (&grace, "grace", "ada")] {
        browser.open("/").await;
        browser.sees(".rail .threads", &format!("A secret of {theirs}")).await;
        assert_eq!(browser.count(".rail .threads li").await, 1);
        browser.open(&format!("/?q={other}")).await;
        browser.sees(".rail .threads", "Nothing found").await;
    }
    grace.open(&thread).await;
    grace.sees("h1", "Nothing is here").await;

    shows_anew(&grace, again).await;
    adds(&grace, choose).await;
    leaves(app, (&ada, &thread), &leave).await;
    grace.open("/").await;
    grace.sees(".rail .threads", "A secret of grace").await;
    leaves(app, (&grace, &hers), &leave).await;
}

/// Somebody signs out where one of their conversations is open, and nothing of it is to be seen in their browser any more.
async fn leaves(app: &TestApp, (browser, thread): (&Browser, &str), leave: &impl AsyncFn(&Browser)) {
    browser.open(thread).await;
    browser.click(".rail .person").await;
    browser.click("[action='/auth/logout'] button").await;
    leave(browser).await;
    browser.until(&format!("location.href === '{}'", app.url("/signed-out"))).await;
    browser.sees("h1", "You are signed out").await;
    for _ in 0..4 {
        browser.back().await;
        browser.until("document.readyState === 'complete'").await;
        let seen = browser.count(".rail, .turn, .list").await;
        assert_eq!(seen, 0, "what was seen is not seen again: {}", browser.path().await);
    }
    browser.open(thread).await;
    browser.sees("h1", "Sign in").await;
}

/// Grace changes how she signs in: the provider asks who she is, though she is signed in there.
async fn shows_anew(grace: &Browser, again: impl AsyncFn(&Browser, &str)) {
    grace.open("/sign-in?return_to=%2Faccount&again=1").await;
    grace.sees(".callout", "Show once more that it is you").await;
    grace.click("a.button").await;
    again(grace, "grace").await;
    grace.sees("h1", "Your account").await;
}

/// Grace adds an identity, is asked which one, and means the one that is hers already.
async fn adds(grace: &Browser, choose: impl AsyncFn(&Browser, &str)) {
    grace.click("[action='/account/identities/add'] button").await;
    grace.until("location.pathname !== '/account'").await;
    choose(grace, "grace").await;
    grace.sees("h1", "Your account").await;
    assert_eq!((grace.path().await, grace.count("[role=alert]").await), ("/account".to_owned(), 0));
}

/// Writes a login where the provider asks for it, and goes on.
pub(super) async fn write_in(browser: &Browser, field: &str, text: &str) {
    browser.click(field).await;
    browser.write(text).await;
    browser.press(Key::Enter).await;
}

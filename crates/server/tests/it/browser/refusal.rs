//! What pages say while something is on its way, and when something was refused.

use std::num::NonZeroUsize;

use futures_util::poll;
use retinue_app::auth::{Auth, Provision};
use retinue_app::local::Registration;
use retinue_app::password;
use retinue_app::thread::{NewThread, create};
use retinue_model::Password;
use retinue_model::credential::PasswordHash;
use retinue_testkit::{Browser, Database, HASHING, IdentityProvider, Key, Person, Scheme, SmtpSink, TestApp};
use serde_json::json;

use super::local::{ADA, PASSWORD, next_link, send, show};
use super::people::{self, sign_in};

/// Of no password; to compare with it takes about a second.
const SLOW: &str = "$pbkdf2-sha256$i=2000000,l=64$c2FsdHNhbHRzYWx0$sYIePhT5IXESDKvnouJXtE5pTJ6Znbmef4vViYmc9UfUX1he8Ln4VdSHDe+uTIJU1f6+z+sbmTlY5skOkvxa4A";

/// Shows each of these.
pub(super) async fn tour(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let sink = SmtpSink::start().await;
    let app = TestApp::local_with(Database::sqlite(), Registration::Open, Some(sink.port())).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let browser = Browser::start(&app.url("")).await;
    mails(&app, &sink, &browser, look).await;
    address(&browser, look).await;
    too_many(&app, &browser, look).await;
    drop((app, browser));
    too_busy(look).await;
    identities(look).await;
    refused_people(look).await;
    no_way(look).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn what_is_wrong_is_in_view_on_a_phone_and_has_the_focus() {
    let app = TestApp::local_with(Database::sqlite(), Registration::Closed, Some(1)).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let browser = Browser::start(&app.url("")).await;
    browser.allow_scripts(false).await;
    sends(&browser, "/sign-in", &[("#email", ADA), ("#password", PASSWORD)], "What do you need?").await;
    browser.view(390, Scheme::Light).await;
    browser.open("/account").await;
    send(&browser, &[("#email", "lovelace@example.com"), ("#email-password", "something else")]).await;
    browser.sees("#email-password-error", "not your password").await;
    in_view(&browser, "#email-password-error").await;
    assert_eq!(browser.text_of("document.activeElement.id").await, "email-password");
    browser.write(PASSWORD).await;
    browser.press(Key::Enter).await;
    browser.sees("[role=status].callout", "on its way to lovelace@example.com").await;
    in_view(&browser, "[role=status].callout").await;
}

/// Sends a form as it is on a page.
async fn sends(browser: &Browser, path: &str, fields: &[(&str, &str)], heading: &str) {
    browser.view(1280, Scheme::Light).await;
    browser.open(path).await;
    send(browser, fields).await;
    browser.sees("h1", heading).await;
}

async fn mails(app: &TestApp, sink: &SmtpSink, browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    sends(browser, "/auth/password-reset", &[("#email", ADA)], "Look at your mail").await;
    look(browser, "password-reset-sent").await;
    let reset = next_link(app, sink).await;
    sends(browser, &reset, &[("#password", "short")], "Set another password").await;
    browser.sees("#password-error", "").await;
    look(browser, "password-reset-error").await;

    sends(browser, "/auth/register", &[("#email", "new@example.com")], "Look at your mail").await;
    look(browser, "register-sent").await;
    next_link(app, sink).await;
    sends(browser, "/auth/register", &[("#email", "new@localhost")], "Make an account").await;
    browser.sees("#email-error", "").await;
    look(browser, "register-error").await;
    let token = app.administration().await.invite(&"ivy@example.com".to_owned().try_into().unwrap()).await.unwrap();
    let invited = format!("/auth/register?token={token}");
    sends(browser, &invited, &[("#name", "Ivy"), ("#password", "short")], "Make your account").await;
    browser.sees("#password-error", "").await;
    look(browser, "register-invited-error").await;
}

/// What a page says of what was sent is seen without scrolling.
async fn in_view(browser: &Browser, css: &str) {
    let place = format!("document.querySelector({css:?}).getBoundingClientRect()");
    browser.until(&format!("{place}.top >= 0 && {place}.bottom <= innerHeight")).await;
}

async fn address(browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    sends(browser, "/sign-in", &[("#email", ADA), ("#password", PASSWORD)], "What do you need?").await;
    browser.view(1280, Scheme::Light).await;
    for (address, password, seen, name) in [
        ("lovelace@localhost", PASSWORD, "#email-error", "account-email-error"),
        ("lovelace@example.com", "something else", "#email-password-error", "account-email-password-error"),
        ("lovelace@example.com", PASSWORD, "[role=status].callout", "account-mail-sent"),
    ] {
        sends(browser, "/account", &[("#email", address), ("#email-password", password)], "Your account").await;
        browser.sees(seen, "").await;
        in_view(browser, seen).await;
        look(browser, name).await;
    }
    let again = [("#password", "something else")];
    sends(browser, "/sign-in?return_to=%2Faccount&again=1", &again, "Sign in").await;
    browser.sees("#sign-in-error", "").await;
    look(browser, "sign-in-again-error").await;
}

async fn too_many(app: &TestApp, browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    let mallory = Person::stranger(app);
    // Not Ada: in her own browser she is not slowed down by strangers.
    for _ in 0..9 {
        mallory.sign_in_with("nobody@example.com", "something else").await;
        mallory.post("/auth/magic-link", &json!({"email": "nobody@example.com"})).await;
    }
    browser.open("/account").await;
    browser.click("[action='/auth/logout'] button").await;
    browser.sees("h1", "You are signed out").await;
    let form = [("#email", "nobody@example.com"), ("#password", PASSWORD)];
    sends(browser, "/sign-in", &form, "Sign in").await;
    browser.sees("#sign-in-error", "").await;
    look(browser, "sign-in-slowed").await;
    sends(browser, "/auth/magic-link", &[("#email", "nobody@example.com")], "Sign in with a link").await;
    browser.sees(".field-error", "").await;
    look(browser, "magic-link-slowed").await;
}

async fn too_busy(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let settings = password::Settings { at_once: NonZeroUsize::MIN, waiting: 1, ..HASHING };
    let app = TestApp::local_hashing(Database::sqlite(), settings).await;
    let browser = Browser::start(&app.url("")).await;
    browser.open("/sign-in").await;
    let passwords = app.app.auth().local.clone().unwrap().passwords;
    let (typed, slow) = (Password::new(PASSWORD.to_owned()).unwrap(), PasswordHash::new(SLOW.to_owned()));
    let mut busy = Vec::new();
    // One is at work, and one waits.
    while busy.len() < 2 {
        let mut one = Box::pin(passwords.verify(&typed, Some(&slow)));
        if poll!(&mut one).is_pending() {
            busy.push(one);
        }
        tokio::task::yield_now().await;
    }
    send(&browser, &[("#email", ADA), ("#password", PASSWORD)]).await;
    browser.sees("#sign-in-error", "Very many people").await;
    drop(busy);
    look(&browser, "sign-in-busy").await;
}

async fn identities(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let (app, provider, browser) = people::start().await;
    let local = app.app.local_context("".into());
    create(&local, NewThread::default()).await.unwrap();
    Person::signed_in(&app, &provider, "grace").await;
    sign_in(&browser, &provider, "admin").await;
    show(&browser, ("home-left", "/"), look).await;
    // The page offers it no more, but another tab may.
    browser.view(1280, Scheme::Light).await;
    browser.evaluate(REMOVE).await;
    browser.sees("[role=alert].callout", "").await;
    look(&browser, "account-refused").await;
    browser.view(1280, Scheme::Light).await;
    browser.open("/account").await;
    provider.set(|script| "grace".clone_into(&mut script.subject));
    browser.click("[action='/account/identities/add'] button").await;
    browser.sees("h1", "The identity was not added").await;
    look(&browser, "identity-not-added").await;
}

/// Removes the last identity, as a page from before would.
const REMOVE: &str = "fetch('/api/identities').then((answer) => answer.json()).then(({ data }) => {
    const form = document.createElement('form');
    form.method = 'post';
    form.action = `/account/identities/${data[0].id}/remove`;
    document.body.append(form);
    form.submit();
})";

async fn refused_people(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let (app, provider) = TestApp::with_provider(Database::sqlite()).await;
    let person = Person::signed_in(&app, &provider, "ada").await;
    let administration = app.administration().await;
    administration.disable(&administration.find(&person.id().await).await.unwrap()).await.unwrap();
    is_refused(&app, &provider, "user-disabled", look).await;
    let never = |auth: &mut Auth| auth.providers[0].provision = Provision::Never;
    let (app, provider) = TestApp::with_provider_and_auth(Database::sqlite(), never).await;
    is_refused(&app, &provider, "user-unknown", look).await;
}

async fn is_refused(
    app: &TestApp,
    provider: &IdentityProvider,
    name: &str,
    look: &mut impl AsyncFnMut(&Browser, &str),
) {
    provider.greet("ada");
    let browser = Browser::start(&app.url("")).await;
    browser.open("/auth/login").await;
    browser.sees("h1", "You were not signed in").await;
    look(&browser, name).await;
}

async fn no_way(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let (app, _provider) = TestApp::with_provider_and_auth(Database::sqlite(), |auth| auth.providers.clear()).await;
    let browser = Browser::start(&app.url("")).await;
    show(&browser, ("sign-in-no-way", "/sign-in"), look).await;
}

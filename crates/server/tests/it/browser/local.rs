//! Signing in with an address, from the link on the console to signing out, and the pages that there are for that.

use retinue_app::local::Registration;
use retinue_app::set_up;
use retinue_testkit::{Browser, Database, Key, Scheme, SmtpSink, TestApp};

use crate::link::link;

pub(super) const ADA: &str = "ada@example.com";
pub(super) const PASSWORD: &str = "correct horse battery staple";
const NEW: &str = "another good password";

/// Fills in fields, in place of what they say, and sends the form with Enter.
pub(super) async fn send(browser: &Browser, fields: &[(&str, &str)]) {
    for (field, text) in fields {
        browser.click(field).await;
        browser.evaluate(&format!("document.querySelector('{field}').select()")).await;
        browser.write(text).await;
    }
    browser.press(Key::Enter).await;
}

async fn has_focus(browser: &Browser, id: &str) {
    browser.until(&format!("document.activeElement.id === {id:?}")).await;
}

async fn sign_out(browser: &Browser) {
    browser.open("/account").await;
    browser.click("[action='/auth/logout'] button").await;
    browser.sees("h1", "You are signed out").await;
    browser.click("a.button").await;
    browser.sees("h1", "Sign in").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn the_first_account_is_made_used_and_changed() {
    let app = TestApp::local(Database::sqlite()).await;
    let link = set_up::offer(&app.app).await.unwrap().unwrap();
    let browser = Browser::start(&app.url("")).await;
    browser.open(&link).await;
    browser.sees("h1", "Set up the first account").await;
    assert_eq!(browser.complaints().await, [""; 0]);
    send(&browser, &[("#name", "Ada Lovelace"), ("#email", ADA), ("#password", "short")]).await;
    browser.sees("#password-error", "at least").await;
    assert_eq!((browser.value("#name").await, browser.value("#email").await), ("Ada Lovelace".into(), ADA.into()));
    assert_eq!(browser.value("#password").await, "");
    send(&browser, &[("#password", PASSWORD)]).await;
    browser.sees(".rail .person", "Ada Lovelace").await;
    sign_out(&browser).await;

    send(&browser, &[("#email", ADA), ("#password", "something else")]).await;
    browser.sees("#sign-in-error", "Nobody can sign in with this").await;
    assert_eq!((browser.value("#email").await, browser.value("#password").await), (ADA.into(), String::new()));
    // One goes on where it was wrong.
    has_focus(&browser, "password").await;
    browser.write(PASSWORD).await;
    browser.press(Key::Enter).await;
    browser.sees(".rail .person", ADA).await;

    browser.open("/account").await;
    send(&browser, &[("#current_password", "something else"), ("#password", NEW)]).await;
    browser.sees("#current-password-error", "not your password").await;
    has_focus(&browser, "current_password").await;
    send(&browser, &[("#current_password", PASSWORD), ("#password", NEW)]).await;
    browser.sees("h1", "Your account").await;
    browser.misses(".field-error").await;
    sign_out(&browser).await;
    send(&browser, &[("#email", ADA), ("#password", PASSWORD)]).await;
    browser.sees("#sign-in-error", "").await;
    send(&browser, &[("#password", NEW)]).await;
    browser.sees(".rail .person", ADA).await;
    browser.open(&link).await;
    browser.sees("main", "This link was used already").await;
    assert_eq!(browser.count("form").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn an_address_and_a_password_need_no_scripts() {
    let app = TestApp::local(Database::sqlite()).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let browser = Browser::start(&app.url("")).await;
    browser.view(390, Scheme::Light).await;
    browser.allow_scripts(false).await;
    browser.open("/account").await;
    browser.sees("h1", "Sign in").await;
    browser.click("#email").await;
    browser.write(ADA).await;
    browser.press(Key::Tab).await;
    browser.write(PASSWORD).await;
    browser.press(Key::Enter).await;
    browser.sees("h1", "Your account").await;
    browser.click("[action='/auth/logout'] button").await;
    browser.sees("h1", "You are signed out").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// The path of the link in the next mail that has one. Others only tell of something.
pub(super) async fn next_link(app: &TestApp, sink: &SmtpSink) -> String {
    loop {
        let mail = sink.next().await;
        if mail.text().lines().any(|line| line.starts_with(&app.url("/"))) {
            return link(app, &mail).0;
        }
    }
}

/// Shows each page that there is only where people sign in with an address.
pub(super) async fn tour(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let sink = SmtpSink::start().await;
    let app = TestApp::local_with(Database::sqlite(), Registration::Open, Some(sink.port())).await;
    let browser = Browser::start(&app.url("")).await;
    gates(&app, &browser, look).await;
    forms_that_were_refused(&browser, look).await;
    account(&browser, look).await;
    links(&app, &sink, &browser, look).await;
    let closed = TestApp::local(Database::sqlite()).await;
    let browser = Browser::start(&closed.url("")).await;
    show(&browser, ("register-closed", "/auth/register"), look).await;
    let (both, _provider) = TestApp::with_both_ways(Database::sqlite()).await;
    let browser = Browser::start(&both.url("")).await;
    show(&browser, ("sign-in-both-ways", "/sign-in"), look).await;
}

pub(super) async fn show(browser: &Browser, (name, path): (&str, &str), look: &mut impl AsyncFnMut(&Browser, &str)) {
    browser.view(1280, Scheme::Light).await;
    browser.open(path).await;
    look(browser, name).await;
}

async fn gates(app: &TestApp, browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    let link = set_up::offer(&app.app).await.unwrap().unwrap();
    for page in [
        ("set-up", link.as_str()),
        ("set-up-spent", "/set-up?token=spent"),
        ("sign-in-address", "/sign-in?ended=1"),
        ("magic-link", "/auth/magic-link"),
        ("magic-link-spent", "/auth/magic-link/verify?token=x"),
        ("password-reset", "/auth/password-reset"),
        ("password-reset-spent", "/auth/password-reset/verify?token=x"),
        ("register", "/auth/register"),
        ("register-spent", "/auth/register?token=x"),
    ] {
        show(browser, page, look).await;
    }
    browser.open(&link).await;
    send(browser, &[("#name", "Ada Lovelace"), ("#email", ADA), ("#password", "short")]).await;
    browser.sees("#password-error", "").await;
    look(browser, "set-up-error").await;
    browser.view(1280, Scheme::Light).await;
    send(browser, &[("#password", PASSWORD)]).await;
    browser.until("location.pathname === '/'").await;
    sign_out(browser).await;
}

async fn forms_that_were_refused(browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    browser.view(1280, Scheme::Light).await;
    browser.open("/sign-in").await;
    send(browser, &[("#email", ADA), ("#password", "something else")]).await;
    browser.sees("#sign-in-error", "").await;
    look(browser, "sign-in-error").await;
    browser.open("/auth/magic-link").await;
    send(browser, &[("#email", "nobody@example.com")]).await;
    browser.sees("h1", "Look at your mail").await;
    look(browser, "magic-link-sent").await;
    browser.view(1280, Scheme::Light).await;
    send(browser, &[("#code", "0000-0000")]).await;
    browser.sees("#code-error", "").await;
    look(browser, "magic-link-code-error").await;
}

/// Those that come by mail, and are good; Ada is signed in.
async fn links(app: &TestApp, sink: &SmtpSink, browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    browser.view(1280, Scheme::Light).await;
    browser.open("/account").await;
    send(browser, &[("#email", "lovelace@example.com"), ("#email-password", PASSWORD)]).await;
    show(browser, ("email-change-verify", &next_link(app, sink).await), look).await;
    show(browser, ("email-change-spent", "/auth/email-change/verify?token=x"), look).await;
    for (name, path) in [("magic-link-verify", "/auth/magic-link"), ("password-reset-verify", "/auth/password-reset")] {
        browser.view(1280, Scheme::Light).await;
        browser.open(path).await;
        send(browser, &[("#email", ADA)]).await;
        browser.sees("h1", "Look at your mail").await;
        show(browser, (name, &next_link(app, sink).await), look).await;
    }
    let token = app.administration().await.invite(&"ivy@example.com".to_owned().try_into().unwrap()).await.unwrap();
    show(browser, ("register-invited", &format!("/auth/register?token={token}")), look).await;
}

async fn account(browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    browser.view(1280, Scheme::Light).await;
    browser.open("/sign-in").await;
    send(browser, &[("#email", ADA), ("#password", PASSWORD)]).await;
    browser.sees(".rail .person", ADA).await;
    show(browser, ("account-address", "/account"), look).await;
    show(browser, ("sign-in-again", "/sign-in?return_to=%2Faccount&again=1"), look).await;
    browser.open("/account").await;
    browser.view(1280, Scheme::Light).await;
    send(browser, &[("#current_password", "something else"), ("#password", NEW)]).await;
    browser.sees("#current-password-error", "").await;
    look(browser, "account-password-error").await;
}

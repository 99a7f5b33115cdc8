//! A page whose session is over leads to where one signs in, and back, and nothing that was typed is lost.

use std::time::Duration;

use retinue_app::local::Registration;
use retinue_testkit::{Browser, Database, IdentityProvider, Key, SmtpSink, TestApp};

use super::local::{ADA, PASSWORD, send};
use super::people::{sign_in, start};
use super::say;
use crate::link::{code, link};

/// The field says this.
async fn holds(browser: &Browser, text: &str) {
    browser.until(&format!("document.getElementById('input')?.value === {text:?}")).await;
}

/// Ends all sessions, as time does.
fn end_sessions(app: &TestApp) {
    app.clock.advance(Duration::from_hours(24 * 40));
}

/// Signs in on the page that a page led to.
async fn come_back(browser: &Browser) {
    browser.sees("h1", "Sign in").await;
    browser.sees(".callout", "Your session has ended.").await;
    browser.click("a.button").await;
}

async fn conversation(app: &TestApp, browser: &Browser, provider: &IdentityProvider) -> String {
    sign_in(browser, provider, "ada").await;
    say(browser, "Hello").await;
    app.model.next().await.answer("Hi").await;
    browser.sees("[data-copy-answer]", "").await;
    browser.path().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn what_was_typed_is_there_after_signing_in_again() {
    let (app, provider, browser) = start().await;
    let thread = conversation(&app, &browser, &provider).await;
    browser.click("#input").await;
    browser.write("A long thought").await;
    end_sessions(&app);
    browser.press(Key::Enter).await;
    come_back(&browser).await;
    browser.sees(".said", "Hello").await;
    assert_eq!(browser.path().await, thread);
    holds(&browser, "A long thought").await;
    assert_eq!(browser.count(".turn").await, 1);
    browser.press(Key::Enter).await;
    app.model.next().await.answer("Well thought").await;
    browser.sees(".answer", "Well thought").await;

    // A new conversation is begun by a form of the whole page.
    browser.open("/").await;
    browser.click("#input").await;
    browser.write("Something new").await;
    end_sessions(&app);
    browser.press(Key::Enter).await;
    come_back(&browser).await;
    holds(&browser, "Something new").await;
    assert_eq!(browser.path().await, "/");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn what_was_typed_is_there_after_a_link_and_after_a_password() {
    let sink = SmtpSink::start().await;
    let app = TestApp::local_with(Database::sqlite(), Registration::Closed, Some(sink.port())).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let browser = Browser::start(&app.url("")).await;
    browser.open("/sign-in").await;
    send(&browser, &[("#email", ADA), ("#password", PASSWORD)]).await;
    browser.sees(".rail .person", ADA).await;
    say(&browser, "Hello").await;
    app.model.next().await.answer("Hi").await;
    browser.sees("[data-copy-answer]", "").await;
    let thread = browser.path().await;
    browser.click("#input").await;
    browser.write("A long thought").await;
    let leave = async || {
        end_sessions(&app);
        browser.click("#input").await;
        browser.press(Key::Enter).await;
        browser.sees(".callout", "Your session has ended.").await;
    };
    let is_back = async || {
        browser.sees(".said", "Hello").await;
        assert_eq!(browser.path().await, thread);
        holds(&browser, "A long thought").await;
    };
    leave().await;
    send(&browser, &[("#email", ADA), ("#password", "something else")]).await;
    browser.sees("#sign-in-error", "").await;
    send(&browser, &[("#password", PASSWORD)]).await;
    is_back().await;

    for by_code in [false, true] {
        leave().await;
        browser.click("a[href^='/auth/magic-link']").await;
        browser.sees("h1", "Sign in with a link").await;
        send(&browser, &[("#email", ADA)]).await;
        browser.sees("h1", "Look at your mail").await;
        let mail = sink.next().await;
        if by_code {
            send(&browser, &[("#code", &code(&mail))]).await;
        } else {
            browser.open(&link(&app, &mail).0).await;
            browser.click("button").await;
            // It is the first one that she opens, so another mail says what that means.
            assert_eq!(sink.next().await.subject(), "How you sign in to Retinue was changed");
        }
        is_back().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn searching_and_trying_again_lead_to_sign_in_too() {
    let (app, provider, browser) = start().await;
    let thread = conversation(&app, &browser, &provider).await;
    end_sessions(&app);
    browser.click("#q").await;
    browser.write("hel").await;
    come_back(&browser).await;
    browser.sees(".said", "Hello").await;
    assert_eq!(browser.path().await, thread);
    end_sessions(&app);
    browser.click("[data-retry] button").await;
    come_back(&browser).await;
    browser.sees(".said", "Hello").await;
    assert_eq!(browser.count(".earlier").await, 0, "nothing was tried again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn a_draft_is_for_whoever_wrote_it() {
    let (_app, provider, browser) = start().await;
    sign_in(&browser, &provider, "ada").await;
    browser.click("#input").await;
    browser.write("Only for me").await;
    browser.open("/account").await;
    browser.click("[action='/auth/logout'] button").await;
    browser.sees("h1", "You are signed out").await;
    sign_in(&browser, &provider, "grace").await;
    browser.until("document.activeElement?.id === 'input'").await;
    assert_eq!(browser.value("#input").await, "");
    browser.write("Of Grace").await;
    browser.reload().await;
    holds(&browser, "Of Grace").await;
    browser.open("/account").await;
    browser.click("[action='/auth/logout'] button").await;
    browser.sees("h1", "You are signed out").await;
    sign_in(&browser, &provider, "ada").await;
    holds(&browser, "Only for me").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn whoever_signed_out_is_not_led_back_in_by_the_back_button() {
    let (app, provider, browser) = start().await;
    let thread = conversation(&app, &browser, &provider).await;
    browser.open("/account").await;
    browser.click("[action='/auth/logout'] button").await;
    browser.sees("h1", "You are signed out").await;
    for _ in 0..4 {
        browser.back().await;
        browser.until("document.readyState === 'complete'").await;
        assert_eq!(browser.count(".rail, .turn").await, 0, "{}", browser.path().await);
    }
    browser.open(&thread).await;
    browser.sees("h1", "Sign in").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn the_back_button_shows_nobody_the_pages_of_another() {
    let (app, provider, browser) = start().await;
    conversation(&app, &browser, &provider).await;
    browser.open("/account").await;
    browser.click("[action='/auth/logout'] button").await;
    browser.sees("h1", "You are signed out").await;
    sign_in(&browser, &provider, "grace").await;
    // Past the page of signing out, which is not true of Grace, Ada's account and her conversation, to where she began it.
    for heading in ["What do you need?", "Your account", "Nothing is here", "What do you need?"] {
        browser.back().await;
        browser.sees("h1", heading).await;
        assert_eq!(browser.count(".person[title*=ada], .turn, .threads li").await, 0, "{heading}");
    }
    browser.sees(".rail .person", "grace@example.com").await;
}

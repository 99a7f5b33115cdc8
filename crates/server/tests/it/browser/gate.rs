//! The way in and out, with the mouse, the keyboard, and without scripts.

use retinue_testkit::{Browser, Key, Scheme};

use super::people::{sign_in, start};
use super::{assert_no_overflow, tour};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn one_signs_in_and_out_by_keyboard_alone() {
    let (_app, _provider, browser) = start().await;
    browser.open("/agents?x=1").await;
    assert_eq!(browser.path().await, "/sign-in?return_to=%2Fagents%3Fx%3D1");
    press_on(&browser, "Continue with Example").await;
    browser.until("location.pathname + location.search === '/agents?x=1'").await;
    press_on(&browser, "Your account").await;
    browser.until("location.pathname === '/account'").await;
    press_on(&browser, "Sign out").await;
    browser.sees("h1", "You are signed out").await;
    press_on(&browser, "Sign in again").await;
    browser.sees("h1", "Sign in").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// Goes on with Tab until what has these words has the focus, which can be seen, and presses Enter.
async fn press_on(browser: &Browser, words: &str) {
    browser.until("document.readyState === 'complete'").await;
    browser.evaluate("document.activeElement.blur()").await;
    for _ in 0..40 {
        browser.press(Key::Tab).await;
        if browser.text_of("document.activeElement.textContent").await.contains(words) {
            let outline = browser.text_of("getComputedStyle(document.activeElement).outlineStyle").await;
            assert_eq!(outline, "solid", "the focus on {words:?} can be seen");
            return browser.press(Key::Enter).await;
        }
    }
    panic!("Tab does not lead to {words:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn a_callback_counts_once_and_says_so() {
    let (_app, _provider, browser) = start().await;
    browser.open("/sign-in").await;
    browser.requests().await;
    browser.click("a.button").await;
    browser.until("location.pathname === '/'").await;
    let asked = browser.requests().await;
    let callback = asked.iter().find(|url| url.contains("/auth/callback?")).unwrap();
    browser.open(callback).await;
    browser.sees("h1", "You were not signed in").await;
    browser.sees(".hint", "sign_in_unknown").await;
    browser.click("a.button").await;
    browser.until("location.pathname === '/'").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn signing_in_needs_no_scripts() {
    let (_app, provider, browser) = start().await;
    browser.view(390, Scheme::Light).await;
    browser.allow_scripts(false).await;
    sign_in(&browser, &provider, "ada").await;
    browser.open("/account").await;
    browser.click("#name").await;
    browser.write(" Lovelace").await;
    browser.press(Key::Enter).await;
    browser.until("document.getElementById('name').defaultValue === 'ada Lovelace'").await;
    browser.click("[action='/auth/logout'] button").await;
    browser.sees("h1", "You are signed out").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn an_identity_is_added_at_the_provider_and_removed() {
    let (_app, provider, browser) = start().await;
    sign_in(&browser, &provider, "ada").await;
    browser.open("/account").await;
    provider.set(|script| "countess".clone_into(&mut script.subject));
    browser.click("[action='/account/identities/add'] button").await;
    browser.sees("[aria-labelledby=ways] .list", "You added it.").await;
    assert_eq!(browser.count("[aria-labelledby=ways] .list > li").await, 2);
    browser.click("[aria-labelledby=ways] .list > li:last-child .confirm summary").await;
    browser.click("[aria-labelledby=ways] .list > li:last-child form button").await;
    browser.until("document.querySelectorAll('[aria-labelledby=ways] .list > li').length === 1").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// 320 pixels are what 1280 leave at 400 %; 240 are a small window at 200 %.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn every_page_fits_a_small_window() {
    tour(async |browser, name| {
        for width in [320, 240] {
            browser.view(width, Scheme::Light).await;
            assert_no_overflow(browser, &format!("{name} at {width}")).await;
        }
    })
    .await;
}

//! The pages in a real browser, as a person uses them.

mod axe;
mod canaille;
mod conversation;
mod draft;
mod gate;
mod hostile;
mod list;
mod local;
mod oidc_provider;
mod people;
mod picture;
mod plain;
mod quiet;
mod real;
mod recovery;
mod refusal;
mod sample;
mod scroll;
mod session;
mod sharing;
mod stop;
mod walk;

use retinue_testkit::{Browser, Database, Key, Scheme, TestApp};

/// How far the page is from its end, in pixels.
const GAP: &str = "document.scrollingElement.scrollHeight - innerHeight - scrollY";

/// The program and a browser for it.
async fn start() -> (TestApp, Browser) {
    let app = TestApp::start(Database::sqlite()).await;
    let browser = Browser::start(&app.url("")).await;
    (app, browser)
}

/// Writes a message and sends it with Enter.
async fn say(browser: &Browser, words: &str) {
    browser.click("#input").await;
    browser.write(words).await;
    browser.press(Key::Enter).await;
}

/// The page is no wider than the window.
async fn assert_no_overflow(browser: &Browser, place: &str) {
    let excess = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth";
    let wide = "[...document.querySelectorAll('body *')]
        .filter((found) => found.getBoundingClientRect().right > innerWidth)
        .filter((found) => !found.parentElement.closest('pre, .table'))
        .slice(0, 8).map((found) => found.cloneNode().outerHTML.slice(0, 120)).join('\\n')";
    let fits = browser.evaluate(excess).await == 0;
    assert!(fits, "{place} scrolls sideways, because of some of\n{}", browser.text_of(wide).await);
}

/// Shows each kind of page once, with what it holds in real life.
async fn tour(mut look: impl AsyncFnMut(&Browser, &str)) {
    let (app, browser) = start().await;
    browser.open("/").await;
    look(&browser, "home-empty").await;
    let sample = sample::fill(&app).await;
    for (name, path) in &sample.pages {
        browser.view(1280, Scheme::Light).await;
        browser.open(path).await;
        browser.until("document.readyState === 'complete'").await;
        look(&browser, name).await;
    }
    browser.view(1280, Scheme::Light).await;
    browser.open("/account").await;
    look(&browser, "account-single-user").await;
    drop((app, browser));
    people::tour(&mut look).await;
    sharing::tour(&mut look).await;
    local::tour(&mut look).await;
    refusal::tour(&mut look).await;
}

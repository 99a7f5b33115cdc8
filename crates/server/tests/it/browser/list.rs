//! Finding, naming and deleting conversations, with the mouse and the keyboard.

use reqwest::Method;
use retinue_testkit::Key;
use serde_json::json;

use super::start;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn conversations_are_found_as_one_types() {
    let (app, browser) = start().await;
    let (cats, _) = app.conversation("Tell me about cats", "They purr & sleep.").await;
    for number in 0..50 {
        app.send(Method::POST, "/api/threads", &json!({"title": format!("Plan {number}")}), 201).await;
    }
    browser.open("/").await;
    assert_eq!(browser.count(".threads li").await, 40);
    browser.click("[data-more]").await;
    browser.until("document.querySelectorAll('.threads li').length === 51").await;
    browser.misses("[data-more]").await;
    assert_eq!(browser.count(".threads h2").await, 1, "the day goes on");
    assert_eq!(browser.path().await, "/");

    assert_eq!(browser.count("[data-new][aria-current]").await, 1);

    // Outside of a field the slash leads to the search.
    browser.evaluate("document.activeElement.blur()").await;
    browser.write("/").await;
    browser.write("pur").await;
    browser.sees(".threads mark", "purr").await;
    assert_eq!(browser.count(".threads li").await, 1);
    assert_eq!(browser.count("[data-new][aria-current]").await, 0, "whoever searches is at no place");
    browser.sees("#said", "1 found.").await;
    browser.write("x").await;
    browser.sees(".threads .empty", "Nothing found for").await;
    browser.press(Key::Backspace).await;
    browser.sees(".threads .snippet", "They purr & sleep.").await;
    browser.press(Key::Enter).await;
    browser.until("location.search === '?q=pur'").await;
    assert_eq!(browser.count("[data-new][aria-current]").await, 0);
    browser.click(".threads li a").await;
    browser.until(&format!("location.pathname === '/threads/{cats}'")).await;
    browser.press_with_control_and_shift('O').await;
    browser.until("location.pathname === '/'").await;
    browser.until("document.activeElement?.id === 'input'").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn a_conversation_is_renamed_and_deleted() {
    let (app, browser) = start().await;
    let (thread, _) = app.conversation("Tell me about cats", "They purr.").await;
    browser.open(&format!("/threads/{thread}")).await;
    browser.click("[data-thread-menu] summary").await;
    browser.click("#title").await;
    browser.evaluate("document.getElementById('title').select()").await;
    browser.write("Felines").await;
    browser.press(Key::Enter).await;
    browser.sees(".bar-title", "Felines").await;
    browser.sees(".rail [aria-current]", "Felines").await;

    browser.click("[data-thread-menu] summary").await;
    browser.press(Key::Escape).await;
    browser.misses("[data-thread-menu] .sheet").await;
    for choice in ["a.button", "button.danger"] {
        browser.click("[data-thread-menu] summary").await;
        browser.click("[data-thread-menu] .danger").await;
        browser.sees("main", "2 messages and 1 run will be deleted. This cannot be undone.").await;
        browser.sees(".quoted", "Felines").await;
        browser.click(&format!(".ask {choice}")).await;
        browser.misses(".ask").await;
    }
    assert_eq!(browser.path().await, "/");
    browser.sees(".threads .empty", "Your conversations will be listed here").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

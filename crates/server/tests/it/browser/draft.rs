//! What was typed is not lost.

use retinue_testkit::Key;

use super::{say, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn drafts_survive_a_reload_and_a_refusal() {
    let (app, browser) = start().await;
    let (thread, _) = app.conversation("Hello", "Hi").await;
    let path = format!("/threads/{thread}");
    browser.open(&path).await;
    browser.click("#input").await;
    browser.write("My long thought").await;
    browser.reload().await;
    browser.until("document.getElementById('input').value === 'My long thought'").await;

    // Another tab was faster.
    let run = app.say(&thread, "From elsewhere").await;
    let exchange = app.model.next().await;
    browser.click("#input").await;
    browser.press(Key::Enter).await;
    browser.sees("#composer-error", "An answer is still being written").await;
    assert_eq!(browser.value("#input").await, "My long thought");
    assert_eq!(browser.count(".turn.pending").await, 0);
    exchange.answer("Done").await;
    app.ended(&run).await;

    browser.press(Key::Enter).await;
    app.model.next().await.answer("Well thought").await;
    browser.sees(".answer", "Well thought").await;
    browser.reload().await;
    assert_eq!(browser.value("#input").await, "", "what was sent is no draft any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn what_can_not_be_sent_is_said_beside_the_field() {
    let (app, browser) = start().await;
    browser.open("/").await;
    browser.click("#input").await;
    browser.paste(&"é".repeat(100_002)).await;
    browser.sees("#composer-error", "This is 2 characters too long.").await;
    browser.press(Key::Enter).await;
    assert_eq!(browser.path().await, "/");
    browser.press(Key::Backspace).await;
    browser.sees("#composer-error", "This is 1 character too long.").await;
    browser.press(Key::Backspace).await;
    browser.misses("#composer-error").await;
    browser.evaluate("document.getElementById('input').select()").await;
    browser.press(Key::Backspace).await;

    app.app.shut_down().await;
    say(&browser, "Are you there?").await;
    browser.sees("#composer-error", "The server is stopping. Try again in a few seconds.").await;
    assert_eq!(browser.value("#input").await, "Are you there?");
}

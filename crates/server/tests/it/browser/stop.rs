//! Stopping an answer, and asking for another one.

use retinue_testkit::Key;

use super::start;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn a_stopped_answer_stays_and_another_one_can_be_had() {
    let (app, browser) = start().await;
    let thread = app.thread().await;
    app.say(&thread, "Tell me a story").await;
    let first = app.model.next().await.begin();
    first.say("Once upon a time").await;
    browser.open(&format!("/threads/{thread}")).await;
    browser.sees(".answer", "Once upon a time").await;

    browser.click("[data-stop]").await;
    first.closed().await;
    browser.sees(".notice", "You stopped this answer. What was written is kept.").await;
    browser.sees(".answer", "Once upon a time").await;
    browser.sees("[data-send]", "").await;

    browser.click("[data-retry] button").await;
    let second = app.model.next().await.begin();
    second.say("In the beginning").await;
    browser.sees(".turn > .attempt .answer", "In the beginning").await;
    assert_eq!(browser.count(".notice").await, 0, "what was stopped is folded away");
    browser.click("#input").await;
    browser.press(Key::Escape).await;
    second.closed().await;
    browser.sees(".turn > .attempt .notice", "You stopped this answer").await;

    browser.click(".turn > .attempt [data-retry] button").await;
    app.model.next().await.answer("The end").await;
    browser.sees(".turn > .attempt .answer", "The end").await;
    browser.sees("[data-copy-answer]", "").await;
    assert_eq!(browser.count(".earlier summary").await, 2);
    browser.click(".earlier summary").await;
    browser.sees(".earlier .answer", "Once upon a time").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

//! What a person sees when the page is loaded again, the network fails or the server does.

use retinue_testkit::{Browser, Database, Line, TestApp};

use super::start;

const ANSWER: &str = ".turn > .attempt .answer";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn a_reload_in_mid_answer_loses_and_repeats_nothing() {
    let (app, browser) = start().await;
    let thread = app.thread().await;
    app.say(&thread, "Count").await;
    let answer = app.model.next().await.begin();
    answer.say("One.\n\n- two\n- three\n\nfour, ").await;
    browser.open(&format!("/threads/{thread}")).await;
    browser.sees(ANSWER, "four").await;
    browser.reload().await;
    browser.sees(ANSWER, "four").await;
    answer.say("five").await;
    browser.sees(ANSWER, "five").await;
    browser.reload().await;
    answer.say(", six.").await;
    answer.finish().await;
    browser.sees("[data-copy-answer]", "").await;
    assert_eq!(words(&browser).await, "One. two three four, five, six.");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn a_page_comes_back_by_itself_from_a_lost_line_and_a_crash() {
    let app = TestApp::start(Database::sqlite()).await;
    let line = Line::to(&app.url("")).await;
    let browser = Browser::start(&line.origin()).await;
    let thread = app.thread().await;
    app.say(&thread, "Count").await;
    let answer = app.model.next().await.begin();
    answer.say("One.\n\nTwo, ").await;
    browser.open(&format!("/threads/{thread}")).await;
    browser.sees(ANSWER, "Two").await;
    browser.evaluate("window.mark = 'the same page'").await;

    line.cut();
    answer.say("three, ").await;
    browser.sees(".working", "Connection lost").await;
    line.lead_to(&app.url(""));
    browser.sees(ANSWER, "three").await;
    browser.sees(".working", "Working").await;
    answer.say("four").await;
    browser.sees(ANSWER, "four").await;
    assert_eq!(words(&browser).await, "One. Two, three, four");

    line.cut();
    let app = app.restart().await;
    line.lead_to(&app.url(""));
    browser.sees(".notice", "The server stopped while this was being written. Try again for a whole answer.").await;
    assert!(words(&browser).await.starts_with("One. Two"), "what was written is kept");
    browser.click(".notice button").await;
    app.model.next().await.answer("One to four.").await;
    browser.sees(ANSWER, "One to four.").await;
    browser.sees("[data-copy-answer]", "").await;
    assert_eq!(browser.text_of("window.mark").await, "the same page");
}

/// The answer's words, whatever lies between them.
async fn words(browser: &Browser) -> String {
    browser.text(ANSWER).await.split_whitespace().collect::<Vec<_>>().join(" ")
}

//! A conversation from the first word to the copy of the answer.

use retinue_testkit::Browser;

use super::{say, start};

const SENDS: &str = "[data-send]:not([hidden])";
const STOPS: &str = "[data-stop]:not([hidden])";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn an_answer_is_read_while_it_is_written() {
    let (app, browser) = start().await;
    browser.open("/").await;
    say(&browser, "How do I boil an egg?").await;
    let exchange = app.model.next().await;
    browser.sees(".said", "How do I boil an egg?").await;
    browser.sees(".bar-title", "How do I boil an egg?").await;
    browser.sees(".rail [aria-current] .thread-title", "How do I boil an egg?").await;
    browser.sees(".rail [aria-current] .dot", "").await;
    assert_eq!(offers(&browser).await, (0, 1), "while it is written it can be stopped");

    let answer = exchange.begin();
    answer.say("# Eggs\n\nPut them in **boil").await;
    browser.sees(".answer h3", "Eggs").await;
    browser.sees(".answer", "Put them in").await;
    answer.say("ing** water.\n\n```sh\nboil --minutes 7\n```\n\nThen cold").await;
    browser.sees(".answer strong", "boiling").await;
    browser.sees(".answer .code pre", "boil --minutes 7").await;
    browser.sees(".answer", "Then cold").await;
    browser.sees(".working", "Working").await;
    answer.say(" water.").await;
    answer.finish().await;

    browser.sees("[data-copy-answer]", "").await;
    browser.misses(".working").await;
    browser.misses(".rail .dot").await;
    browser.sees("#said", "The answer is complete.").await;
    assert_eq!(offers(&browser).await, (1, 0));
    assert!(browser.text(".answer").await.ends_with("Then cold water."));
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn the_next_message_is_shown_at_once_and_answers_can_be_copied() {
    let (app, browser) = start().await;
    let markdown = "Use *this*:\n\n```sh\necho \"<hello>\"\n```";
    let (thread, _) = app.conversation("Print a greeting", markdown).await;
    browser.open(&format!("/threads/{thread}")).await;
    browser.allow_clipboard().await;

    browser.click(".code .copy").await;
    browser.sees("#said", "Copied.").await;
    assert_eq!(browser.clipboard().await, "echo \"<hello>\"\n");
    browser.click("[data-copy-answer]").await;
    browser.until(&format!("(await navigator.clipboard.readText()) === {markdown:?}")).await;

    browser.evaluate("window.mark = 'the same page'").await;
    say(&browser, "And in red?").await;
    browser.sees(".turn:last-child .said", "And in red?").await;
    assert_eq!(browser.value("#input").await, "");
    let exchange = app.model.next().await;
    browser.sees(".turn:last-child .working", "Working").await;
    exchange.answer("Like that.").await;
    browser.sees(".turn:last-child .answer", "Like that.").await;
    browser.misses(".working").await;
    assert_eq!(browser.count(".turn").await, 2);
    assert_eq!(browser.text_of("window.mark").await, "the same page");

    browser.click(".turn:last-child .menu summary").await;
    browser.sees(".turn:last-child .sheet", "7 tokens in, 3 out").await;
    browser.sees(".turn:last-child .sheet", "test-model").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// How many buttons send, and how many stop.
async fn offers(browser: &Browser) -> (u64, u64) {
    (browser.count(SENDS).await, browser.count(STOPS).await)
}

//! The end of the conversation is followed only by those who are there.

use super::{GAP, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn the_end_is_followed_until_the_reader_leaves_it() {
    let (app, browser) = start().await;
    let thread = app.thread().await;
    app.say(&thread, "Count").await;
    let answer = app.model.next().await.begin();
    let lines = |from: u32, to: u32| (from..to).map(|number| format!("Line {number}\n\n")).collect::<Vec<_>>().concat();
    browser.open(&format!("/threads/{thread}")).await;
    for (from, to) in [(0, 20), (20, 40), (40, 60)] {
        answer.say(&lines(from, to)).await;
        browser.sees(".answer", &format!("Line {}", to - 1)).await;
        browser.until(&format!("{GAP} < 2")).await;
    }

    browser.wheel(-600).await;
    browser.until(&format!("{GAP} > 500")).await;
    browser.until_still("scrollY").await;
    let place = browser.evaluate("scrollY").await;
    answer.say(&lines(60, 80)).await;
    browser.sees(".below", "New text below").await;
    browser.sees(".answer", "Line 79").await;
    assert_eq!(browser.evaluate("scrollY").await, place, "the reader stays where they read");

    browser.click(".below").await;
    browser.until(&format!("{GAP} < 2")).await;
    browser.misses(".below").await;
    answer.say(&lines(80, 100)).await;
    answer.finish().await;
    browser.sees("[data-copy-answer]", "").await;
    browser.until(&format!("{GAP} < 2")).await;
}

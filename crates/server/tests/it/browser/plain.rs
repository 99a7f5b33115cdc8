//! Without scripts, on a phone.

use retinue_testkit::{Key, Scheme};

use super::{GAP, assert_no_overflow, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn everything_works_without_scripts() {
    let (app, browser) = start().await;
    browser.view(390, Scheme::Light).await;
    browser.allow_scripts(false).await;
    browser.open("/").await;
    assert_eq!(browser.evaluate(GAP).await, 0, "an empty page has nothing to scroll to");
    browser.click("#input").await;
    browser.write("Say hello").await;
    browser.click("[data-send]").await;
    let answer = app.model.next().await.begin();
    browser.sees(".said", "Say hello").await;
    answer.say("Hello, ").await;
    // The page comes again by itself.
    browser.sees(".answer", "Hello,").await;
    browser.sees("noscript", "reloads every 3 seconds").await;
    browser.click("[data-stop]").await;
    answer.closed().await;
    browser.sees(".notice", "You stopped this answer").await;
    browser.click("[data-retry] button").await;
    app.model.next().await.answer("Hello, *you*").await;
    browser.sees(".attempt em", "you").await;
    browser.misses(".working").await;
    browser.click(".earlier summary").await;
    browser.sees(".earlier .answer", "Hello,").await;

    browser.click("[data-thread-menu] summary").await;
    browser.click("#title").await;
    browser.write(" again").await;
    browser.click(".rename button").await;
    browser.sees(".bar-title", "again").await;

    assert_eq!(browser.count(".rail").await, 0);
    browser.click(".bar [popovertarget=rail]").await;
    browser.sees(".rail .threads", "again").await;
    assert_no_overflow(&browser, "the drawer").await;
    browser.click(".rail [popovertargetaction=hide]").await;
    browser.misses(".rail").await;
    browser.click(".bar [popovertarget=rail]").await;
    browser.click("#q").await;
    browser.write("hello").await;
    browser.press(Key::Enter).await;
    browser.sees(".found mark", "Hello").await;
    browser.click(".found a[href^='/threads/']").await;
    browser.click("[data-thread-menu] summary").await;
    browser.click("[data-thread-menu] .danger").await;
    browser.click(".ask button.danger").await;
    browser.until("location.pathname === '/'").await;
    browser.click(".bar [popovertarget=rail]").await;
    browser.sees(".rail .empty", "Your conversations will be listed here").await;
}

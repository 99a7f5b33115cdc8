//! Without scripts, on a phone.

use retinue_testkit::{Key, Person, Scheme};

use super::{GAP, assert_no_overflow, people, start};
use crate::team::{join, team};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn sharing_works_without_scripts() {
    let (app, provider, browser) = people::start().await;
    people::sign_in(&browser, &provider, "admin").await;
    let (admin, ada) =
        (Person::signed_in(&app, &provider, "admin").await, Person::signed_in(&app, &provider, "ada").await);
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    browser.view(390, Scheme::Light).await;
    browser.allow_scripts(false).await;
    let path = format!("/teams/{ops}");
    browser.open(&path).await;
    browser.click("a[href='#add']").await;
    browser.click(&format!("form[action='{path}/invitations'] button[type=submit]")).await;
    browser.sees(".callout", "not shown again").await;
    assert!(browser.text(".callout code").await.contains("/invitations/accept?token="));
    assert_no_overflow(&browser, "an invitation").await;
    browser.click("summary[aria-label^='Revoke']").await;
    browser.click("[action$='/revoke'] button").await;
    browser.sees("[aria-labelledby=invitations]", "Nobody is invited").await;

    browser.click("summary[aria-label='Change or remove ada']").await;
    browser.click("[action$='/remove'] button").await;
    browser.sees(".undo", "ada, who was editor, was removed by you").await;
    browser.click(".undo button").await;
    browser.sees("[aria-labelledby=members]", "ada@example.com").await;
    browser.misses(".undo").await;

    browser.open("/agents/new").await;
    browser.click("#name").await;
    browser.write("Helper").await;
    browser.press(Key::Enter).await;
    browser.sees("h1", "Helper").await;
    browser.click(".confirm summary").await;
    browser.click("[action$='/delete'] button").await;
    browser.sees(".undo", "Helper was deleted by you").await;
    browser.click(".undo button").await;
    browser.sees("h1", "Helper").await;

    browser.open("/api-keys").await;
    browser.click("#name").await;
    browser.write("script").await;
    browser.press(Key::Enter).await;
    browser.sees(".callout", "not shown again").await;
    assert!(browser.text(".callout code").await.starts_with("rtn_"));
    browser.open("/usage").await;
    browser.click("main form button[type=submit]").await;
    browser.sees("main", "Nothing was used in this month").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

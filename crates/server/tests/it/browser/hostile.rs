//! Text that wants to be more than text, or is more than fits.

use std::fmt::Write as _;

use reqwest::Method;
use retinue_testkit::{Browser, Scheme};
use serde_json::json;

use super::{assert_no_overflow, start};

const MARKUP: &str = "<script>window.ran = 1; alert(1)</script>\"'><img src=x onerror=\"window.ran=1\"><b>bold</b>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn hostile_text_runs_nothing_and_breaks_nothing() {
    let (app, browser) = start().await;
    let thread = app.thread().await;
    let path = format!("/threads/{thread}");
    app.send(Method::PATCH, &format!("/api{path}"), &json!({ "title": MARKUP }), 200).await;
    app.say(&thread, &format!("{MARKUP}\n\u{202e}drawkcab\n{}", "w".repeat(10_000))).await;
    browser.open(&path).await;
    let answer = app.model.next().await.begin();
    for part in answer_parts() {
        answer.say(&part).await;
    }
    answer.say("\n\nThe live end.").await;
    browser.sees(".answer", "The live end.").await;
    fits(&browser, "the answer while it is written").await;
    answer.finish().await;
    browser.sees("[data-copy-answer]", "").await;
    browser.sees(".answer", "<script>window.ran").await;
    browser.sees(".said", "<b>bold</b>").await;

    for path in
        [path.clone(), format!("{path}/delete"), "/".to_owned(), "/?q=script".to_owned(), "/?q=%3Cimg".to_owned()]
    {
        browser.open(&path).await;
        fits(&browser, &path).await;
        assert_eq!(browser.evaluate("window.ran ?? null").await, json!(null), "{path}");
        assert_eq!(browser.count("main img, main script, main b, .rail .threads b").await, 0, "{path}");
    }
    assert_eq!(browser.complaints().await, [""; 0]);
}

async fn fits(browser: &Browser, place: &str) {
    for width in [1280, 390, 320] {
        browser.view(width, Scheme::Light).await;
        assert_no_overflow(browser, &format!("{place} at {width}")).await;
    }
}

fn answer_parts() -> Vec<String> {
    let mut code = String::from("```rust\n");
    for line in 0..300 {
        writeln!(code, "let line_{line} = \"{}\";", "x".repeat(line)).unwrap();
    }
    let mut table = format!("|{}\n|{}\n", " column |".repeat(30), "---|".repeat(30));
    writeln!(table, "|{}", " a long value that does not wrap |".repeat(30)).unwrap();
    let mut nested = String::new();
    for depth in 0..20 {
        writeln!(nested, "{}- depth {depth}", "  ".repeat(depth)).unwrap();
    }
    vec![
        format!("{MARKUP}\n\n[click](javascript:window.ran=1) ![pixel](https://evil.example/pixel.png)\n\n"),
        format!("# {}\n\n", "heading".repeat(100)),
        format!("{}\n\n", "ab".repeat(5_000)),
        "مرحبا بالعالم، هذا نص طويل. 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 \u{202e}txet\u{202c}\n\n".to_owned(),
        format!("{code}```\n\n"),
        format!("{table}\n"),
        format!("{nested}\n"),
        format!("{}deep\n\n", "> ".repeat(40)),
        format!("`{}`\n\n[{}](https://example.com/)\n\n", "code".repeat(500), "link".repeat(500)),
        "<style>body { display: none }</style>\n\n<iframe src=\"https://evil.example\"></iframe>".to_owned(),
    ]
}

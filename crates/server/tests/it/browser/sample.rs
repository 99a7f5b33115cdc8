//! Conversations as they are in real life, and the pages that show them.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{Answer, TestApp};
use serde_json::json;

const HOUR: Duration = Duration::from_hours(1);
const QUESTION: &str = "We want to cache the price list in our shop. It has about 40,000 entries and changes \
    twice a day. What would you do, and how do we notice when it goes wrong?\n\nOur stack: Rust, PostgreSQL, nginx.";
const BETTER: &str = "Then nothing is served at all, so **run two** behind one address:\n\n\
    1. a second machine with the same configuration,\n\
    2. a floating address that moves when the first one is silent for a second.\n\n\
    The cache of the second one is cold. Let it warm up with `curl` before it takes over.";
const STREAMED: &str = "## Three ways\n\nEach has its place. In short:\n\n\
    | way | effort | fits |\n|---|---|---|\n| one binary | low | most |\n| container | middle | many |\n\n\
    ```sh\nscp retinue host:/usr/local/bin/\nssh host systemctl re";
const ANSWER: &str = include_str!("sample.md");

/// The pages, while an answer is being written on one of them.
pub(super) struct Sample {
    /// Names and paths.
    pub(super) pages: Vec<(&'static str, String)>,
    _live: Answer,
}

/// Has conversations.
pub(super) async fn fill(app: &TestApp) -> Sample {
    for (title, hours) in [
        ("Minutes of the spring meeting", 900),
        ("A letter to the landlord about the broken heating in the stairwell and what it costs us", 400),
        ("خطة السفر إلى القاهرة", 50),
        ("Names for a small sailing boat", 20),
        ("Supercalifragilisticexpialidocious-and-other-words-that-nobody-can-break-anywhere", 1),
        ("Why is the sky blue? 🌅", 1),
    ] {
        app.send(Method::POST, "/api/threads", &json!({ "title": title }), 201).await;
        app.clock.advance(HOUR * hours);
    }
    let thread = complete(app).await;
    let failed = failed(app).await;
    let stopped = stopped(app).await;
    let (streaming, live) = streaming(app).await;
    for name in ["Code review", "<b>=cmd()</b>", &"Donaudampfschifffahrt".repeat(9), "فريق"] {
        app.send(Method::POST, "/api/teams", &json!({ "name": name }), 201).await;
    }
    let pages = vec![
        ("home", "/".to_owned()),
        ("search", "/?q=price".to_owned()),
        ("search-nothing", "/?q=unheard".to_owned()),
        ("thread", format!("/threads/{thread}")),
        ("thread-failed", format!("/threads/{failed}")),
        ("thread-stopped", format!("/threads/{stopped}")),
        ("thread-streaming", format!("/threads/{streaming}")),
        ("delete", format!("/threads/{thread}/delete")),
        ("agents", "/agents".to_owned()),
        ("audit", "/audit".to_owned()),
        ("audit-nothing", "/audit?outcome=refused&action=team.created".to_owned()),
        ("error", "/nothing".to_owned()),
    ];
    Sample { pages, _live: live }
}

async fn complete(app: &TestApp) -> String {
    let (thread, _) = app.conversation(QUESTION, ANSWER).await;
    let run = app.say(&thread, "And if nginx goes down?").await;
    app.model.next().await.answer("Then nobody sees prices, cached or not. Run two.").await;
    app.ended(&run).await;
    let again = app.send(Method::POST, &format!("/api/runs/{run}/retry"), &json!({}), 201).await;
    app.model.next().await.answer(BETTER).await;
    app.ended(again["id"].as_str().unwrap()).await;
    let run = app.say(&thread, "Thanks 👍").await;
    app.model.next().await.answer("You are welcome.").await;
    app.ended(&run).await;
    thread
}

async fn failed(app: &TestApp) -> String {
    let (thread, _) = app.conversation("What is a monad?", "A monoid in the category of endofunctors.").await;
    let run = app.say(&thread, "In simple words, please").await;
    let answer = app.model.next().await.begin();
    answer.say("Think of a box that").await;
    app.follow(&run, None).await.until("message.delta").await;
    answer.cut();
    app.ended(&run).await;
    thread
}

async fn stopped(app: &TestApp) -> String {
    let thread = app.thread().await;
    let run = app.say(&thread, "Write a very long story about the sea").await;
    let answer = app.model.next().await.begin();
    answer.say("The harbour lay quiet that morning, and the boats").await;
    app.follow(&run, None).await.until("message.delta").await;
    app.send(Method::POST, &format!("/api/runs/{run}/cancel"), &json!({}), 200).await;
    thread
}

async fn streaming(app: &TestApp) -> (String, Answer) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Compare three ways to deploy a small service").await;
    let answer = app.model.next().await.begin();
    answer.say(STREAMED).await;
    app.follow(&run, None).await.until("message.delta").await;
    (thread, answer)
}

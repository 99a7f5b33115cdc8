//! Deletions that take long, because of what is deleted or of somebody who has it locked.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use retinue_testkit::until;
use serde_json::json;

use super::start;

/// How many sessions there are for them, of sixteen.
const DELETIONS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn an_answer_goes_on_while_all_deletions_there_may_be_are_held_up() {
    let (app, _line) = start(16, Duration::from_secs(10)).await;
    let mut threads = Vec::new();
    for _ in 0..DELETIONS + 2 {
        threads.push(app.thread().await);
    }
    let lock = app.database.lock_rows("threads").await;
    let thread = app.thread().await;
    let deleting = join_all(threads.iter().map(async |thread| {
        app.send(Method::DELETE, &format!("/api/threads/{thread}"), &json!({}), 204).await;
    }));
    let answering = async {
        until("deletions wait", Duration::from_secs(5), async || {
            (app.database.waiting().await >= DELETIONS).then_some(())
        })
        .await;
        let run = app.say(&thread, "Hello").await;
        let answer = app.model.next().await.begin();
        answer.say("One, ").await;
        answer.say("two").await;
        answer.finish().await;
        assert_eq!(app.ended(&run).await["status"], "completed");
        assert_eq!(app.database.waiting().await, DELETIONS, "they are held up still");
        drop(lock);
    };
    tokio::join!(deleting, answering);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_conversation_that_is_locked_holds_up_no_other() {
    let (app, _line) = start(16, Duration::from_secs(10)).await;
    let locked = format!("/api/threads/{}", app.thread().await);
    let lock = app.database.lock_rows("threads").await;
    let thread = app.thread().await;
    let renaming = async {
        for number in 0..5 {
            let refused = app.send(Method::PATCH, &locked, &json!({ "title": format!("Title {number}") }), 503).await;
            assert_eq!(refused["code"], "database_locked");
        }
    };
    let answering = async {
        let run = app.say(&thread, "Hello").await;
        app.model.next().await.answer("One, two, three").await;
        assert_eq!(app.ended(&run).await["status"], "completed");
    };
    tokio::join!(renaming, answering);
    drop(lock);
    until("the lock is gone", Duration::from_secs(5), async || {
        let change = app.request(Method::PATCH, &locked).json(&json!({ "title": "At last" })).send().await.unwrap();
        change.status().is_success().then_some(())
    })
    .await;
    assert_eq!(app.get(&locked).await["title"], "At last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn what_is_locked_is_not_called_a_conversation() {
    let (app, _line) = start(16, Duration::from_secs(10)).await;
    let team = app.send(Method::POST, "/api/teams", &json!({ "name": "Ops" }), 201).await;
    let lock = app.database.lock_rows("teams").await;
    let path = format!("/api/teams/{}?agents=delete", team["id"].as_str().unwrap());
    let refused = app.send(Method::DELETE, &path, &json!({}), 503).await;
    assert_eq!(refused["code"], "database_locked");
    let detail = refused["detail"].as_str().unwrap();
    assert!(!detail.contains("conversation") && detail.contains("Try again"), "{detail}");
    drop(lock);
}

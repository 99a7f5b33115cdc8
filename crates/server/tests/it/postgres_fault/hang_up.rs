//! Clients leave while their requests wait for PostgreSQL: no connection is left in a state that hurts the next one.

use std::time::{Duration, Instant};

use reqwest::Method;
use retinue_testkit::{TestApp, until};
use serde_json::{Value, json};

use super::{assert_well, assistant, messages, say_until_taken, start, user};

const SECONDS: Duration = Duration::from_secs(10);
/// How long an impatient client waits.
const IMPATIENCE: Duration = Duration::from_millis(50);

/// Asks, and leaves before there can be an answer.
async fn ask_and_leave(app: &TestApp, method: Method, path: &str, body: &Value) {
    let left = app.request(method, path).json(body).timeout(IMPATIENCE).send().await;
    assert!(left.is_err_and(|error| error.is_timeout()), "nobody can have answered {path}");
}

/// Waits until no session has a transaction open; a forgotten one would stay so for ten seconds.
async fn assert_nothing_is_left_open(app: &TestApp) {
    let closed = async || (app.database.idle_transactions().await == 0).then_some(());
    until("no transaction is left open", Duration::from_secs(5), closed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn whoever_leaves_during_a_query_leaves_its_session_to_nobody() {
    // One of them reads.
    let (app, _line) = start(2, SECONDS).await;
    let thread = app.thread().await;
    let lock = app.database.lock_table("threads").await;
    ask_and_leave(&app, Method::GET, &format!("/api/threads/{thread}"), &json!({})).await;
    until("the query waits", Duration::from_secs(5), async || (app.database.waiting().await == 1).then_some(())).await;
    let begun = Instant::now();
    app.get("/readyz").await;
    assert!(begun.elapsed() < SECONDS / 2, "it waited for an answer that nobody wants: {:?}", begun.elapsed());
    assert_eq!(app.database.waiting().await, 1, "that answer is still to come");
    drop(lock);
    assert_well(&app).await;
    assert_nothing_is_left_open(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn whoever_leaves_while_changes_wait_leaves_no_transaction() {
    let (app, line) = start(2, SECONDS).await;
    let thread = app.thread().await;
    line.hold();
    let begun = line.hears(b"BEGIN");
    let path = format!("/api/threads/{thread}");
    ask_and_leave(&app, Method::PATCH, &path, &json!({"title": "First"})).await;
    begun.wait().await;
    for title in ["Second", "Third", "Fourth"] {
        ask_and_leave(&app, Method::POST, "/api/threads", &json!({ "title": title })).await;
    }
    line.release();
    assert_well(&app).await;
    assert_nothing_is_left_open(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn whoever_leaves_while_a_run_starts_leaves_a_whole_one_or_none() {
    let (app, line) = start(2, SECONDS).await;
    let threads = [app.thread().await, app.thread().await, app.thread().await];
    line.hold();
    for thread in &threads {
        ask_and_leave(&app, Method::POST, &format!("/api/threads/{thread}/runs"), &json!({"input": "Hello"})).await;
    }
    line.release();
    let answering = async {
        loop {
            app.model.next_or_wait().await.answer("Yes.").await;
        }
    };
    let going_on = async {
        for thread in &threads {
            let run = say_until_taken(&app, thread, "Again").await;
            assert_eq!(app.ended(&run).await["status"], "completed");
            // Whoever left does not know: what was said is there once, or not at all.
            let mut said = messages(&app, thread).await;
            said.retain(|(role, _)| role == "user");
            said.sort();
            assert!(said == [user("Again"), user("Hello")] || said == [user("Again")], "{said:?}");
        }
    };
    tokio::select! {
        () = answering => {}
        () = going_on => {}
    }
    assert_nothing_is_left_open(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn whoever_leaves_during_a_read_blocks_nobody() {
    let (app, line) = start(2, SECONDS).await;
    let (thread, _) = app.conversation("Hello", "Hi").await;
    let id: retinue_model::ThreadId = thread.parse().unwrap();
    let path = format!("/api/threads/{thread}");
    line.hold();
    let asked = line.hears(id.uuid().as_bytes());
    ask_and_leave(&app, Method::GET, &path, &json!({})).await;
    asked.wait().await;
    for path in ["/api/threads", "/api/threads?q=hello", &path, "/"] {
        ask_and_leave(&app, Method::GET, path, &json!({})).await;
    }
    line.release();
    assert_eq!(app.get(&path).await["id"], thread.as_str());
    assert_eq!(messages(&app, &thread).await, [user("Hello"), assistant("Hi")]);
    assert_well(&app).await;
    assert_nothing_is_left_open(&app).await;
}

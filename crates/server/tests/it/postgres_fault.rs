//! PostgreSQL, or the way there, fails: nothing is lost or doubled, what can't be had is refused within the limit, and all
//! goes on when it is back.

mod commit;
mod deletion;
mod hang_up;
mod lock;
mod outage;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use retinue_testkit::{Database, Line, ReceivedEvent, TestApp, until};
use serde_json::{Value, json};

/// How long PostgreSQL may take, where a test waits for that to pass.
const LIMIT: Duration = Duration::from_secs(1);

/// The program on a line to its database.
async fn start(connections: usize, limit: Duration) -> (TestApp, Line) {
    let (database, line) = Database::postgres().await.bounded(connections, limit).on_a_line().await;
    (TestApp::start(database).await, line)
}

/// Says something as somebody does who tries again until it is taken; the run's id.
async fn say_until_taken(app: &TestApp, thread: &str, input: &str) -> String {
    let path = format!("/api/threads/{thread}/runs");
    until("the thread takes a message", Duration::from_secs(30), async || {
        let response = app.request(Method::POST, &path).json(&json!({ "input": input })).send().await.unwrap();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        match status {
            StatusCode::CREATED => Some(body["id"].as_str().unwrap().to_owned()),
            // Not yet, or the run before is just being ended.
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT => None,
            _ => panic!("{status}: {body}"),
        }
    })
    .await
}

/// What was said in a thread, each with who said it.
async fn messages(app: &TestApp, thread: &str) -> Vec<(String, String)> {
    let page = app.get(&format!("/api/threads/{thread}/messages")).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    page["data"].as_array().unwrap().iter().map(|said| (text(&said["role"]), text(&said["content"]))).collect()
}

fn user(text: &str) -> (String, String) {
    ("user".to_owned(), text.to_owned())
}

fn assistant(text: &str) -> (String, String) {
    ("assistant".to_owned(), text.to_owned())
}

/// Checks that these are the events 1, 2, 3… of a run, up to its end.
fn assert_whole(events: &[ReceivedEvent]) {
    let ids: Vec<_> = events.iter().map(|event| event.id.unwrap()).collect();
    assert_eq!(ids, (1..=i64::try_from(ids.len()).unwrap()).collect::<Vec<_>>(), "each once, in order, without gaps");
    let ends = ["run.completed", "run.failed", "run.interrupted", "run.cancelled"];
    let of_an_end: Vec<_> = events.iter().filter(|event| ends.contains(&event.name.as_str())).collect();
    assert_eq!(of_an_end.len(), 1, "{events:?}");
    assert_eq!(events.last(), of_an_end.last().copied());
}

/// Checks that the program serves as if nothing had been.
async fn assert_well(app: &TestApp) {
    app.ready().await;
    assert_eq!(app.database.ask("SELECT id FROM threads WHERE title = 'Refused'").await, [""; 0]);
    let (thread, run) = app.conversation("Are you well?", "Very.").await;
    assert_eq!(app.get(&format!("/api/runs/{run}")).await["status"], "completed");
    assert_eq!(messages(app, &thread).await, [user("Are you well?"), assistant("Very.")]);
    app.send(Method::DELETE, &format!("/api/threads/{thread}"), &json!({}), 204).await;
}

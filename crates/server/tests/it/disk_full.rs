//! The disk is full: what was kept stays, what can't be kept is refused in plain words, and it goes on when there is room.
//!
//! A limit on the size of files stands in for the full disk; it can be lifted while the program runs.

use std::process::Command;
use std::time::Duration;

use reqwest::Client;
use retinue_testkit::{EventStream, ModelServer, Program};
use serde_json::{Value, json};

async fn post(client: &Client, url: &str, body: &Value) -> (u16, Value) {
    let response = client.post(url).json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn get(client: &Client, url: &str) -> Value {
    client.get(url).send().await.unwrap().json().await.unwrap()
}

/// Sets how large the files of a process may become, in bytes; the hard limit stays, so that it can be lifted.
fn limit_files(process: u32, bytes: &str) {
    let status = Command::new("prlimit").args([&format!("--pid={process}"), &format!("--fsize={bytes}:")]).status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn a_full_disk_loses_nothing_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let model = ModelServer::start().await;
    let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path())
        .environment("OPENAI_BASE_URL", &model.base_url())
        .environment("RETINUE__PROVIDERS__OLLAMA", "false")
        .ignoring_file_size_signals()
        .start()
        .await;
    let client = Client::builder().no_proxy().build().unwrap();
    let base = format!("http://{}/api", program.address());

    // An answer is under way when the disk fills up.
    while get(&client, &format!("{base}/models")).await["data"].as_array().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, thread) = post(&client, &format!("{base}/threads"), &json!({"title": "Kept"})).await;
    let thread = thread["id"].as_str().unwrap();
    let (status, run) = post(&client, &format!("{base}/threads/{thread}/runs"), &json!({"input": "Hello"})).await;
    assert_eq!(status, 201, "{run}");
    let run = run["id"].as_str().unwrap();
    let answer = model.next().await.begin();
    answer.say("before ").await;
    let follow = client.get(format!("{base}/runs/{run}/events")).send().await.unwrap();
    let mut events = EventStream::new(follow);
    events.until("message.delta").await;

    limit_files(program.id(), "8192");
    // It is noticed when the next piece comes, and the model is let go.
    while !answer.is_closed() {
        answer.say(&"after ".repeat(500)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (status, refused) = post(&client, &format!("{base}/threads"), &json!({"title": "No room"})).await;
    assert_eq!((status, refused["code"].as_str()), (507, Some("storage_full")), "{refused}");
    let threads = get(&client, &format!("{base}/threads")).await;
    assert_eq!(threads["data"].as_array().unwrap().len(), 1, "what is there can be read, and nothing was half-written");

    // There is room again: the run's end is written, with all that was said.
    limit_files(program.id(), "unlimited");
    let failed = events.until("run.failed").await;
    assert_eq!(failed.data["error"]["code"], "storage_full");
    let messages = get(&client, &format!("{base}/threads/{thread}/messages")).await;
    let text = messages["data"][1]["content"].as_str().unwrap();
    assert!(text.starts_with("before after after"), "{text}");
    let stored = client.get(format!("{base}/runs/{run}/events")).send().await.unwrap();
    let stored = EventStream::new(stored).rest().await;
    assert_eq!(retinue_testkit::events::text_of(&stored), text, "what was shown was kept after all");
    let (status, _) = post(&client, &format!("{base}/threads"), &json!({"title": "Room"})).await;
    assert_eq!(status, 201);
}

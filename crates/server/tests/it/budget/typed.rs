//! `retinue usage` and `retinue budget …`, as they are typed, beside a running server.

use std::path::Path;
use std::process::{Command, Output};

use reqwest::{Client, Method};
use retinue_testkit::{ModelServer, Program};
use serde_json::{Value, json};

async fn typed(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retinue"));
    command.args(arguments).current_dir(folder).env_clear();
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = typed(folder, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

async fn send(base: &str, path: &str, body: &Value) -> (u16, Value) {
    let answer = client().request(Method::POST, format!("{base}{path}")).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_counts_for_the_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = ModelServer::start().await;
    let server = Program::new(env!("CARGO_BIN_EXE_retinue"), folder)
        .environment("OPENAI_BASE_URL", &model.base_url())
        .environment("RETINUE__PROVIDERS__OLLAMA", "false")
        .start()
        .await;
    assert!(said(folder, &["usage"]).await.starts_with("Nothing was used in 20"));
    let text = said(folder, &["budget", "set", "team", "default", "1_000"]).await;
    assert!(text.starts_with("Default may use 1000 tokens in a month. In this one 0 are used"), "{text}");
    let base = format!("http://{}", server.address());
    let (_, thread) = send(&base, "/api/threads", &json!({})).await;
    let path = format!("/api/threads/{}/runs", thread["id"].as_str().unwrap());
    let (status, run) = send(&base, &path, &json!({ "input": "Hello" })).await;
    assert_eq!(status, 201, "{run}");
    let answer = model.next().await.begin();
    answer.finish_counting(900, 100).await;
    let events = format!("{base}/api/runs/{}/events", run["id"].as_str().unwrap());
    client().get(events).send().await.unwrap().text().await.unwrap();

    let shown: Value =
        serde_json::from_str(&said(folder, &["budget", "show", "team", "default", "--json"]).await).unwrap();
    assert_eq!((&shown["used"], &shown["left"]), (&json!(1_000), &json!(0)));
    assert_eq!(send(&base, &path, &json!({ "input": "More" })).await.0, 429);
    let used: Value = serde_json::from_str(&said(folder, &["usage", "--by", "model", "--json"]).await).unwrap();
    assert_eq!(used["data"][0]["input_tokens"], 900);
    assert!(said(folder, &["usage", "--by", "team"]).await.contains("Default"));
    for whose in [["--user", "local"], ["--team", "default"]] {
        let text = said(folder, &[&["usage"][..], &whose].concat()).await;
        assert!(text.contains("900") && text.contains("Assistant"), "{text}");
        let used: Value =
            serde_json::from_str(&said(folder, &[&["usage", "--json"][..], &whose].concat()).await).unwrap();
        assert_eq!(
            (&used["data"][0]["input_tokens"], &used["data"][0]["agent_name"]),
            (&json!(900), &json!("Assistant"))
        );
        let before = said(folder, &[&["usage", "--month", "2020-01"][..], &whose].concat()).await;
        assert!(before.starts_with("Nothing was used in 2020-01"), "{before}");
    }
    assert!(said(folder, &["usage", "--month", "2020-01"]).await.contains("Nothing was used in 2020-01"));

    assert!(said(folder, &["budget", "set", "team", "default", "unlimited"]).await.contains("as many tokens"));
    assert_eq!(send(&base, &path, &json!({ "input": "More" })).await.0, 201);
    assert!(said(folder, &["budget", "clear", "team", "default"]).await.contains("as many tokens"));
    for wrong in [
        &["budget", "set", "team", "default", "many"][..],
        &["budget", "set", "team", "default", "-5"],
        &["usage", "--month", "2026-13"],
        &["usage", "--by", "colour"],
        &["usage", "--by", "model", "--user", "local"],
        &["usage", "--user", "local", "--team", "default"],
    ] {
        assert_eq!(typed(folder, wrong).await.status.code(), Some(2), "{wrong:?}");
    }
    let nobody = typed(folder, &["budget", "set", "team", "nobody", "5"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    let nobody = typed(folder, &["budget", "set", "user", "nobody@example.com", "5"]).await;
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("There is no such user"));
}

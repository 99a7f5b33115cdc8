//! What the configuration says otherwise than at the last start, as the program tells it.

use std::fs;
use std::path::Path;

use reqwest::Method;
use retinue_testkit::{Person, Program};
use serde_json::{Value, json};
use tempfile::TempDir;

const FIRST: &str = "[audit]\nretention_days = 30\n[providers]\nopenai_api_key = \"sk-first\"\n";
const SECOND: &str = "[audit]\nretention_days = 31\n[providers]\nopenai_api_key = \"sk-second\"\n\
    [[models]]\nname = \"gpt\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
    [server]\nallowed_hosts = [\"agents.example.com\"]\n";

/// Starts the program, and ends it again; what it told of settings, the newest first.
async fn told(program: &Program, folder: &Path, configuration: &str) -> Vec<Value> {
    fs::write(folder.join("retinue.toml"), configuration).unwrap();
    let server = program.start().await;
    let person = Person::at(format!("http://{}", server.address()));
    let list = person.get("/api/audit?action=setting.changed").await;
    assert_eq!(person.status(Method::GET, "/audit").await, 200);
    assert!(server.stop().await.success());
    list["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_is_set_in_another_way_is_told_once() {
    let folder = TempDir::new().unwrap();
    let program =
        Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path()).environment("RETINUE__PROVIDERS__OLLAMA", "false");
    assert!(told(&program, folder.path(), FIRST).await.is_empty(), "there is nothing to compare with");
    assert!(told(&program, folder.path(), FIRST).await.is_empty());
    let second = told(&program, folder.path(), SECOND).await;
    let of =
        |key: &str| second.iter().find(|event| event["target"]["id"] == key).unwrap_or_else(|| panic!("{second:?}"));
    assert_eq!(second.len(), 3, "{second:?}");
    let retention = of("audit.retention_days");
    assert_eq!((&retention["actor"]["kind"], &retention["actor"]["via"]), (&json!("system"), &json!("configuration")));
    assert_eq!(retention["details"], json!({ "value_before": "30", "value": "31" }));
    assert_eq!(of("server.allowed_hosts")["details"]["value"], "[\"agents.example.com\"]");
    let models = &of("models")["details"];
    assert!(models.get("value_before").is_none() && models["value"].as_str().unwrap().contains("name = \"gpt\""));
    assert!(!second.iter().any(|event| event.to_string().contains("sk-")), "{second:?}");
    assert_eq!(told(&program, folder.path(), SECOND).await.len(), 3, "it is told once");
    let third = told(&program, folder.path(), FIRST).await;
    assert_eq!(third.len(), 6, "and so is that it was taken back");
    assert_eq!(third.iter().filter(|event| event["details"].get("value").is_none()).count(), 1);
}

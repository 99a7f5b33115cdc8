//! What the environment says about proxies and certificates. It belongs to a process, so each test runs a part of itself in
//! one of its own.

use std::process::Command;

use crate::fake::{Fake, answer, client, hear, request};

/// Says to a part of a test that it runs in a process of its own.
const ALONE: &str = "RETINUE_TEST_ALONE";

/// Whether this is such a process; a runner that runs ignored tests too runs the parts once more, to no effect.
fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// Runs an ignored test of this module with more in its environment.
async fn alone(test: &'static str, environment: Vec<(&'static str, String)>) {
    let run = move || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", test])
            .env(ALONE, test)
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .envs(environment)
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[tokio::test]
async fn a_proxy_is_used_for_other_machines_only() {
    let proxy = Fake::replying([answer(&["by proxy"])]).await;
    let address = format!("http://{}", proxy.address);
    alone("environment::behind_a_proxy", vec![("HTTP_PROXY", address.clone()), ("http_proxy", address)]).await;
    let requests = proxy.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("POST http://model.example/v1/chat/completions "), "{}", requests[0]);
}

#[tokio::test]
#[ignore = "run by the test above, with a proxy in its environment"]
async fn behind_a_proxy() {
    if !is_alone() {
        return;
    }
    let near = Fake::replying([answer(&["directly"])]).await;
    assert_eq!(hear(&client(), request(&near.base_url())).await.text(), "directly");
    assert_eq!(hear(&client(), request("http://model.example/v1")).await.text(), "by proxy");
}

#[tokio::test]
async fn a_machine_without_certificates_can_ask_servers_without_tls() {
    let nothing = || "/dev/null".to_owned();
    alone("environment::without_certificates", vec![("SSL_CERT_FILE", nothing()), ("SSL_CERT_DIR", nothing())]).await;
}

#[tokio::test]
#[ignore = "run by the test above, without certificates in its environment"]
async fn without_certificates() {
    if !is_alone() {
        return;
    }
    let client = client();
    let near = Fake::replying([answer(&["Hi"])]).await;
    assert_eq!(hear(&client, request(&near.base_url())).await.text(), "Hi");
    let failure = hear(&client, request("https://127.0.0.1:9/v1")).await.outcome.unwrap_err();
    assert_eq!(failure.code, "model_unreachable");
    assert!(failure.message.contains("no trusted certificates were found"), "{}", failure.message);
    // Another machine without TLS: the failure is about its name, not about certificates.
    let mut far = request("http://no-such-host.invalid/v1");
    far.limits.retries = 0;
    let failure = hear(&client, far).await.outcome.unwrap_err();
    assert!(failure.message.contains("its name was not found"), "{}", failure.message);
}

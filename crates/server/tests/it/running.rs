//! The program as it runs where people sign in at a provider: what comes late, and what is changed beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{FakeClock, IdentityProvider, Person, Program, Running, location, until};
use tempfile::TempDir;

/// The program, before it starts, and a provider that tells the machine's time.
async fn prepare() -> (TempDir, Program, IdentityProvider) {
    let folder = tempfile::tempdir().unwrap();
    let provider = IdentityProvider::start(Arc::new(FakeClock::running())).await;
    let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path())
        .environment("RETINUE__PROVIDERS__OLLAMA", "false")
        .environment("AUTH_MODE", "oidc")
        .environment("OIDC_ISSUER_URL", provider.issuer())
        .environment("OIDC_CLIENT_ID", "retinue");
    (folder, program, provider)
}

fn stranger(server: &Running) -> Person {
    Person::at(format!("http://{}", server.address()))
}

async fn signed_in(server: &Running, provider: &IdentityProvider, subject: &str) -> Person {
    let person = stranger(server);
    let response = person.sign_in(provider, subject, "/").await;
    assert_eq!(response.status(), 303, "{}", response.text().await.unwrap());
    person
}

async fn is_in(person: &Person) -> bool {
    person.status(Method::GET, "/auth/me").await == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_comes_after_the_server_signs_people_in() {
    let (_folder, program, provider) = prepare().await;
    provider.stop().await;
    let mut server = program.start().await;
    server.says("the identity provider can't be used at the moment", 1).await;
    let ada = stranger(&server);
    let page = ada.open("/auth/login").await;
    assert_eq!(page.status(), 503);
    assert!(page.text().await.unwrap().contains("<code>oidc_provider_unreachable</code>"));
    provider.start_again().await;
    // It is left alone for some seconds after it did not answer.
    let begun = until("somebody can begin to sign in", Duration::from_secs(20), async || {
        let response = ada.open("/auth/login").await;
        (response.status() == 303).then(|| location(&response))
    })
    .await;
    assert_eq!(ada.come_back(&provider.visit(&begun)).await.status(), 303);
    assert!(is_in(&ada).await);
}

/// What is typed beside the running server.
async fn rotate(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retinue"));
    command.args(["key", "rotate"]).args(arguments).current_dir(folder).env_clear();
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Which key signed the cookie: the head of it names that, and says nothing else that changes.
fn key(person: &Person) -> String {
    person.session_cookie().split('.').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_at_the_first_start_and_changed_beside_the_running_server() {
    let (folder, program, provider) = prepare().await;
    let mut server = program.start().await;
    let file = folder.path().join("data/instance.key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let taken = "took the instance's keys";
    server.says(taken, 1).await;
    let (ada, grace) = (signed_in(&server, &provider, "ada").await, signed_in(&server, &provider, "grace").await);
    assert_eq!(key(&ada), key(&grace));
    let cookie = ada.session_cookie();

    rotate(folder.path(), &[]).await;
    server.says(taken, 2).await;
    assert!(is_in(&ada).await && ada.session_cookie() == cookie, "what the key before signed still counts");
    let ivy = signed_in(&server, &provider, "ivy").await;
    assert_ne!(key(&ivy), key(&ada), "the new one signs what is new");

    rotate(folder.path(), &["--forget"]).await;
    server.says(taken, 3).await;
    assert!(!is_in(&ada).await && !is_in(&ivy).await, "nothing counts that was signed before");
    let again = signed_in(&server, &provider, "ada").await;
    assert!(is_in(&again).await && key(&again) != key(&ivy));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

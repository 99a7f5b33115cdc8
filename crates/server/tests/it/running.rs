//! The program as it runs where people sign in at a provider.

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

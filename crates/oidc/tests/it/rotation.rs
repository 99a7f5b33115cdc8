//! Providers that begin to sign in another way, and strangers who say that they did.

use std::time::Duration;

use retinue_testkit::SigningKey;
use retinue_testkit::identity_provider::{Reply, Script, Signer};
use serde_json::json;

use crate::stage::Stage;

const DISCOVERY: &str = "/.well-known/openid-configuration";

fn asked(stage: &Stage) -> [usize; 2] {
    [DISCOVERY, "/keys"].map(|path| stage.idp.asked(path).len())
}

fn announces(script: &mut Script, algorithm: &str) {
    script.metadata = json!({"id_token_signing_alg_values_supported": [algorithm]});
}

/// A provider that signs with RS256 alone, as it is known.
async fn known() -> Stage {
    let stage = Stage::scripted(|script| announces(script, "RS256")).await;
    assert_eq!(stage.refusal().await, "");
    stage
}

fn moves_to_es256(script: &mut Script) {
    announces(script, "ES256");
    script.rotate(SigningKey::new("ec", "ES256"));
}

#[tokio::test]
async fn an_algorithm_that_is_announced_since_is_found_at_once() {
    let stage = known().await;
    stage.idp.set(moves_to_es256);
    assert_eq!(stage.refusal().await, "");
    assert_eq!(asked(&stage), [2, 2]);
}

#[tokio::test]
async fn strangers_make_nobody_ask_for_algorithms_again_and_again() {
    let stage = known().await;
    stage.idp.set(|script| script.signer = Signer::Other(SigningKey::new("ec", "ES256")));
    assert_eq!(stage.refusal().await, "oidc_token_algorithm");
    for _ in 0..20 {
        assert_eq!(stage.refusal().await, "oidc_token_key_unknown", "it can't be told before it may be asked again");
    }
    assert_eq!(asked(&stage), [2, 1]);
    stage.clock.advance(Duration::from_secs(10));
    stage.idp.set(moves_to_es256);
    assert_eq!(stage.refusal().await, "");
    assert_eq!(asked(&stage), [3, 2]);
}

#[tokio::test]
async fn an_algorithm_that_is_never_accepted_is_not_asked_for() {
    for algorithm in ["none", "HS256"] {
        let stage = known().await;
        stage.idp.set(|script| {
            announces(script, algorithm);
            script.header = json!({"alg": algorithm});
        });
        assert_eq!(stage.refusal().await, "oidc_token_algorithm");
        assert_eq!(asked(&stage), [1, 1]);
    }
}

#[tokio::test]
async fn a_provider_that_can_not_be_asked_refuses_nobody_for_ever() {
    let stage = known().await;
    stage.idp.set(moves_to_es256);
    stage.idp.reply(DISCOVERY, Reply::Json(503, json!({})));
    assert_eq!(stage.refusal().await, "oidc_provider_failed");
}

#[tokio::test]
async fn a_key_that_took_the_place_of_another_under_its_name_is_found() {
    for key in [SigningKey::other_rsa("rsa"), SigningKey::new("rsa", "ES256")] {
        let stage = Stage::start().await;
        assert_eq!(stage.refusal().await, "");
        stage.idp.set(|script| script.rotate(key));
        assert_eq!(stage.refusal().await, "");
        assert_eq!(asked(&stage), [1, 2]);
    }
}

#[tokio::test]
async fn forged_signatures_make_nobody_ask_for_keys_again_and_again() {
    let stage = Stage::start().await;
    assert_eq!(stage.refusal().await, "");
    stage.idp.set(|script| script.signer = Signer::Other(SigningKey::other_rsa("rsa")));
    assert_eq!(stage.refusal().await, "oidc_token_signature");
    for _ in 0..20 {
        assert_eq!(stage.refusal().await, "oidc_token_key_unknown");
    }
    assert_eq!(asked(&stage), [1, 2]);
}

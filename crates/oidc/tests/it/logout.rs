//! Signing out at the provider, from here and from there.

use std::time::Duration;

use retinue_oidc::EndSession;
use retinue_testkit::SigningKey;
use retinue_testkit::identity_provider::{Reply, Signer};
use serde_json::{Value, json};
use url::Url;

use crate::stage::{Stage, code};

async fn with_claims(patch: Value) -> &'static str {
    let stage = Stage::start().await;
    code(stage.provider.logged_out(&stage.idp.logout_token(&patch), stage.now()).await)
}

#[tokio::test]
async fn the_provider_signs_somebody_out() {
    let stage = Stage::start().await;
    let token = stage.idp.logout_token(&json!({}));
    let logged_out = stage.provider.logged_out(&token, stage.now()).await.unwrap();
    assert_eq!(logged_out.subject.as_deref(), Some("ada"));
    assert_eq!(logged_out.session.as_deref(), Some("session-1"));
    assert_eq!(logged_out.id, "logout-1");
    stage.clock.advance(Duration::from_secs(120 + 61));
    assert_eq!(code(stage.provider.logged_out(&token, stage.now()).await), "oidc_token_expired");
    assert!(logged_out.remember_until <= stage.now(), "it need not be remembered any longer");
    assert!(!format!("{logged_out:?}").contains("ada"));
}

#[tokio::test]
async fn a_person_or_a_session_is_enough() {
    assert_eq!(with_claims(json!({"sub": null})).await, "");
    assert_eq!(with_claims(json!({"sid": null})).await, "");
    assert_eq!(with_claims(json!({"sub": null, "sid": null})).await, "oidc_logout_subject");
}

#[tokio::test]
async fn every_fault_of_a_logout_token_is_refused() {
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let cases = [
        (json!({"nonce": "a"}), "oidc_logout_nonce"),
        (json!({"nonce": 7}), "oidc_logout_nonce"),
        (json!({"events": null}), "oidc_logout_event"),
        (json!({"events": {event: null}}), "oidc_logout_event"),
        (json!({"events": {event: true}}), "oidc_logout_event"),
        (json!({"events": [event]}), "oidc_logout_event"),
        (json!({"jti": null}), "oidc_claim_missing"),
        (json!({"jti": ""}), "oidc_claim_malformed"),
        (json!({"jti": "a".repeat(256)}), "oidc_claim_malformed"),
        (json!({"iss": "https://evil.example"}), "oidc_token_issuer"),
        (json!({"iss": null}), "oidc_claim_missing"),
        (json!({"aud": "other"}), "oidc_token_audience"),
        (json!({"aud": null}), "oidc_claim_missing"),
        (json!({"iat": null}), "oidc_claim_missing"),
        (json!({"exp": null}), "oidc_claim_missing"),
        (json!({"exp": 0}), "oidc_token_expired"),
        (json!({"sub": ""}), "oidc_token_subject"),
        (json!({"sid": 7}), "oidc_claim_malformed"),
    ];
    for (patch, expected) in cases {
        assert_eq!(with_claims(patch.clone()).await, expected, "{patch}");
    }
}

#[tokio::test]
async fn a_logout_token_must_be_signed_by_the_provider() {
    let signers = [
        (Signer::Nobody, "oidc_token_algorithm"),
        (Signer::HmacOfPublicKey, "oidc_token_algorithm"),
        (Signer::Corrupt, "oidc_token_signature"),
        (Signer::Other(SigningKey::other_rsa("rsa")), "oidc_token_signature"),
        (Signer::Other(SigningKey::other_rsa("stranger")), "oidc_token_key_unknown"),
    ];
    for (signer, expected) in signers {
        let stage = Stage::scripted(|script| script.signer = signer.clone()).await;
        let token = stage.idp.logout_token(&json!({}));
        assert_eq!(code(stage.provider.logged_out(&token, stage.now()).await), expected, "{signer:?}");
    }
}

#[tokio::test]
async fn an_id_token_signs_nobody_out() {
    let stage = Stage::start().await;
    let signed_in = stage.sign_in().await.unwrap();
    let id_token = secrecy::ExposeSecret::expose_secret(&signed_in.tokens.id_token.unwrap()).to_owned();
    assert_eq!(code(stage.provider.logged_out(&id_token, stage.now()).await), "oidc_logout_event");
    stage.idp.set(|script| script.header = json!({"typ": "at+jwt"}));
    let token = stage.idp.logout_token(&json!({}));
    assert_eq!(code(stage.provider.logged_out(&token, stage.now()).await), "oidc_token_typ");
}

#[tokio::test]
async fn a_provider_whose_keys_can_not_be_had_may_try_again() {
    let stage = Stage::start().await;
    stage.idp.reply("/keys", Reply::Json(503, json!({})));
    let token = stage.idp.logout_token(&json!({}));
    let error = stage.provider.logged_out(&token, stage.now()).await.unwrap_err();
    assert_eq!(error.kind(), retinue_model::error::Kind::Unavailable);
}

#[tokio::test]
async fn somebody_signs_out_there_too() {
    let stage = Stage::start().await;
    let end = EndSession {
        id_token: Some("a.b.c".to_owned().into()),
        return_to: Some("https://retinue.example.com/?a=b&c".to_owned()),
    };
    let url = stage.provider.end_session_url(stage.now(), end).await.unwrap().unwrap();
    let url = Url::parse(&url).unwrap();
    let pairs: Vec<_> = url.query_pairs().collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    assert_eq!(url.path(), "/end_session");
    assert_eq!(
        pairs,
        [
            ("client_id", "retinue"),
            ("id_token_hint", "a.b.c"),
            ("post_logout_redirect_uri", "https://retinue.example.com/?a=b&c"),
        ]
    );
}

#[tokio::test]
async fn a_provider_may_have_no_such_place() {
    let stage = Stage::scripted(|script| script.metadata = json!({"end_session_endpoint": null})).await;
    assert_eq!(stage.provider.end_session_url(stage.now(), EndSession::default()).await.unwrap(), None);
}

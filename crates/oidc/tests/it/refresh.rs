//! New tokens for somebody who is signed in.

use retinue_model::error::Kind;
use retinue_oidc::SignIn;
use retinue_testkit::SigningKey;
use retinue_testkit::identity_provider::{Reply, Signer};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::stage::{Stage, code};

async fn signed_in(stage: &Stage) -> SignIn {
    stage.sign_in().await.unwrap()
}

async fn refreshed(stage: &Stage, token: &SecretString) -> &'static str {
    code(stage.provider.refresh(stage.moment(), token, "ada").await.and_then(|refreshed| refreshed.person))
}

#[tokio::test]
async fn a_refresh_gives_new_tokens() {
    let stage = Stage::start().await;
    let first = signed_in(&stage).await.tokens.refresh_token.unwrap();
    let refreshed_once = stage.provider.refresh(stage.moment(), &first, "ada").await.unwrap();
    let second = refreshed_once.tokens.refresh_token.unwrap();
    assert_ne!(first.expose_secret(), second.expose_secret());
    assert_eq!(refreshed_once.person.unwrap().email.as_deref(), Some("ada@example.com"));
    assert_eq!(refreshed(&stage, &first).await, "oidc_refresh_revoked", "the provider rotates them");
    assert_eq!(refreshed(&stage, &second).await, "");
}

#[tokio::test]
async fn a_refresh_need_not_give_more_than_an_access_token() {
    let stage = Stage::start().await;
    let token = signed_in(&stage).await.tokens.refresh_token.unwrap();
    stage.idp.set(|script| script.token_answer = json!({"id_token": null, "refresh_token": null}));
    let refreshed = stage.provider.refresh(stage.moment(), &token, "ada").await.unwrap();
    let person = refreshed.person.unwrap();
    assert_eq!((person.name, person.email), (None, None), "nothing was said of them");
    assert!(refreshed.tokens.refresh_token.is_none());
}

#[tokio::test]
async fn removed_is_told_apart_from_unreachable() {
    let stage = Stage::start().await;
    let token = signed_in(&stage).await.tokens.refresh_token.unwrap();
    let kind = async || stage.provider.refresh(stage.moment(), &token, "ada").await.unwrap_err().kind();
    for status in [429, 500, 503] {
        stage.idp.reply("/token", Reply::Json(status, json!({"error": "server_error"})));
        assert_eq!(kind().await, Kind::Unavailable, "{status}");
    }
    stage.idp.reply("/token", Reply::Text("text/html", "<html>".to_owned()));
    assert_eq!(kind().await, Kind::Unavailable);
    stage.idp.stop().await;
    assert_eq!(refreshed(&stage, &token).await, "oidc_provider_unreachable");
    assert_eq!(kind().await, Kind::Unavailable);
    stage.idp.start_again().await;
    stage.idp.set(|script| script.replies.clear());
    stage.idp.revoke();
    assert_eq!(refreshed(&stage, &token).await, "oidc_refresh_revoked");
    assert_eq!(kind().await, Kind::Forbidden);
}

#[tokio::test]
async fn a_client_that_is_no_longer_accepted_ends_nobodys_session() {
    let stage = Stage::start().await;
    let token = signed_in(&stage).await.tokens.refresh_token.unwrap();
    stage.idp.set(|script| script.client_secret = Some("changed".to_owned()));
    assert_eq!(refreshed(&stage, &token).await, "oidc_client_refused");
}

#[tokio::test]
async fn a_refresh_is_for_the_same_person_of_the_same_issuer() {
    let cases = [
        (json!({"sub": "eve"}), "oidc_token_subject_changed"),
        (json!({"iss": "https://evil.example"}), "oidc_token_issuer"),
        (json!({"aud": "other"}), "oidc_token_audience"),
        (json!({"exp": 0}), "oidc_token_expired"),
        (json!({"at_hash": "x"}), "oidc_token_at_hash"),
    ];
    for (patch, expected) in cases {
        let stage = Stage::start().await;
        let token = signed_in(&stage).await.tokens.refresh_token.unwrap();
        stage.idp.set(|script| script.id_token = patch.clone());
        assert_eq!(refreshed(&stage, &token).await, expected, "{patch}");
    }
}

#[tokio::test]
async fn a_new_refresh_token_is_given_whatever_comes_of_the_rest() {
    let stage = Stage::start().await;
    let first = signed_in(&stage).await.tokens.refresh_token.unwrap();
    stage.idp.set(|script| script.signer = Signer::Other(SigningKey::other_rsa("unheard of")));
    let unknown = stage.provider.refresh(stage.moment(), &first, "ada").await.unwrap();
    assert_eq!(unknown.person.unwrap_err().code(), "oidc_token_key_unknown");
    assert!(unknown.tokens.id_token.is_none(), "nobody may believe it");
    let second = unknown.tokens.refresh_token.unwrap();
    // It is published, and the key set can't be read.
    stage.idp.set(|script| script.keys.push(SigningKey::other_rsa("unheard of")));
    stage.idp.reply("/keys", Reply::Json(503, json!({})));
    stage.clock.advance(std::time::Duration::from_mins(1));
    let unread = stage.provider.refresh(stage.moment(), &second, "ada").await.unwrap();
    assert_eq!(unread.person.unwrap_err().kind(), Kind::Unavailable);
    stage.idp.set(|script| script.replies.clear());
    stage.clock.advance(std::time::Duration::from_mins(1));
    assert_eq!(refreshed(&stage, &unread.tokens.refresh_token.unwrap()).await, "");
}

#[tokio::test]
async fn an_address_is_said_together_with_whether_it_is_verified() {
    let stage = Stage::start().await;
    let mut token = signed_in(&stage).await.tokens.refresh_token.unwrap();
    for (claims, expected) in [
        (json!({"email": "new@example.com"}), (Some("new@example.com".to_owned()), true)),
        (json!({"email_verified": false}), (Some("ada@example.com".to_owned()), false)),
        (json!({"email_verified": null}), (None, false)),
    ] {
        stage.idp.set(|script| script.id_token = claims.clone());
        let refreshed = stage.provider.refresh(stage.moment(), &token, "ada").await.unwrap();
        let person = refreshed.person.unwrap();
        assert_eq!((person.email, person.email_verified), expected, "{claims}");
        token = refreshed.tokens.refresh_token.unwrap();
    }
    assert!(stage.idp.asked("/userinfo").is_empty(), "for that it is not asked");
}

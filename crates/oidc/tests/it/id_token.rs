//! ID tokens with every fault of OpenID Connect Core 1.0, section 3.1.3.7, and of RFC 8725.

use std::time::Duration;

use retinue_testkit::SigningKey;
use retinue_testkit::identity_provider::Signer;
use serde_json::{Value, json};

use crate::stage::{Stage, with_claims};

/// 2026-11-21 12:00 UTC, where the clock of the tests starts.
const NOON: i64 = 1_795_262_400;

async fn with_header(patch: Value) -> &'static str {
    Stage::scripted(|script| script.header = patch).await.refusal().await
}

async fn signed_by(signer: Signer) -> &'static str {
    Stage::scripted(|script| script.signer = signer).await.refusal().await
}

#[tokio::test]
async fn another_issuer_is_refused() {
    assert_eq!(with_claims(json!({"iss": "https://evil.example"})).await, "oidc_token_issuer");
    let stage = Stage::start().await;
    let with_slash = format!("{}/", stage.idp.issuer());
    stage.idp.set(|script| script.id_token = json!({"iss": with_slash}));
    assert_eq!(stage.refusal().await, "oidc_token_issuer");
}

#[tokio::test]
async fn another_audience_is_refused() {
    for audience in [json!("other"), json!([]), json!(["other"]), json!("retinue "), json!("Retinue")] {
        assert_eq!(with_claims(json!({"aud": audience})).await, "oidc_token_audience", "{audience}");
    }
}

#[tokio::test]
async fn several_audiences_need_trust_and_a_party() {
    let two = json!(["retinue", "partner"]);
    assert_eq!(with_claims(json!({"aud": two, "azp": "retinue"})).await, "oidc_token_audience_untrusted");
    let stage = Stage::with(|config| config.trusted_audiences = vec!["partner".to_owned()]).await;
    stage.idp.set(|script| script.id_token = json!({"aud": two}));
    assert_eq!(stage.refusal().await, "oidc_token_azp_missing");
    stage.idp.set(|script| script.id_token = json!({"aud": two, "azp": "partner"}));
    assert_eq!(stage.refusal().await, "oidc_token_azp");
    stage.idp.set(|script| script.id_token = json!({"aud": two, "azp": "retinue"}));
    assert_eq!(stage.refusal().await, "");
    assert_eq!(with_claims(json!({"aud": ["retinue"]})).await, "");
}

#[tokio::test]
async fn another_party_is_refused() {
    assert_eq!(with_claims(json!({"azp": "other"})).await, "oidc_token_azp");
    assert_eq!(with_claims(json!({"azp": "retinue"})).await, "");
}

#[tokio::test]
async fn the_nonce_must_be_that_of_this_sign_in() {
    assert_eq!(with_claims(json!({"nonce": null})).await, "oidc_token_nonce_missing");
    for nonce in ["", "another"] {
        assert_eq!(with_claims(json!({"nonce": nonce})).await, "oidc_token_nonce");
    }
}

#[tokio::test]
async fn times_are_held_against_the_clock() {
    assert_eq!(with_claims(json!({"exp": NOON - 61})).await, "oidc_token_expired");
    assert_eq!(with_claims(json!({"exp": NOON - 50})).await, "", "the leeway is a minute");
    assert_eq!(with_claims(json!({"exp": 0})).await, "oidc_token_expired");
    assert_eq!(with_claims(json!({"iat": NOON + 120})).await, "oidc_token_issued_in_future");
    assert_eq!(with_claims(json!({"iat": NOON + 50})).await, "");
    assert_eq!(with_claims(json!({"nbf": NOON + 120})).await, "oidc_token_not_yet_valid");
    assert_eq!(with_claims(json!({"nbf": NOON + 50})).await, "");
    assert_eq!(with_claims(json!({"exp": 1_795_262_700.5})).await, "", "a NumericDate may have a fraction");
}

#[tokio::test]
async fn the_leeway_is_as_long_as_is_configured() {
    for leeway in [0, 5, 300] {
        let stage = Stage::with(|config| config.leeway = Duration::from_secs(leeway)).await;
        let leeway = i64::try_from(leeway).unwrap();
        for (claims, refused) in [
            (json!({"exp": NOON - leeway + 1}), ""),
            (json!({"exp": NOON - leeway}), "oidc_token_expired"),
            (json!({"iat": NOON + leeway}), ""),
            (json!({"iat": NOON + leeway + 1}), "oidc_token_issued_in_future"),
            (json!({"nbf": NOON + leeway}), ""),
            (json!({"nbf": NOON + leeway + 1}), "oidc_token_not_yet_valid"),
        ] {
            stage.idp.set(|script| script.id_token = claims.clone());
            assert_eq!(stage.refusal().await, refused, "{leeway} s: {claims}");
        }
    }
}

#[tokio::test]
async fn a_claim_that_is_missing_is_noticed() {
    for name in ["iss", "aud", "exp", "iat", "sub"] {
        assert_eq!(with_claims(json!({name: null})).await, "oidc_claim_missing", "{name}");
    }
}

#[tokio::test]
async fn a_claim_of_another_type_is_refused() {
    let wrong = [
        ("iss", json!(["a"])),
        ("aud", json!(7)),
        ("aud", json!(["retinue", 7])),
        ("azp", json!(true)),
        ("exp", json!("1795262700")),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("exp", json!(i64::MAX)),
        ("iat", json!(false)),
        ("nbf", json!("now")),
        ("sub", json!(7)),
        ("nonce", json!(["a"])),
        ("at_hash", json!(1)),
        ("auth_time", json!("x")),
        ("sid", json!({"a": 1})),
        ("sid", json!("")),
    ];
    for (name, value) in wrong {
        assert_eq!(with_claims(json!({name: value})).await, "oidc_claim_malformed", "{name} {value}");
    }
}

#[tokio::test]
async fn a_subject_is_short_visible_ascii() {
    for subject in ["", " ", "ädä", "a\r\nb", "a\u{0}", &"a".repeat(256)] {
        assert_eq!(with_claims(json!({"sub": subject})).await, "oidc_token_subject", "{subject}");
    }
    assert_eq!(with_claims(json!({"sub": "a".repeat(255)})).await, "");
}

#[tokio::test]
async fn an_access_token_of_another_sign_in_is_refused() {
    assert_eq!(with_claims(json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"})).await, "oidc_token_at_hash");
    assert_eq!(with_claims(json!({"at_hash": null})).await, "");
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    assert_eq!(signed_by(Signer::Nobody).await, "oidc_token_algorithm");
    for name in ["None", "nOnE", "NONE", ""] {
        assert_eq!(with_header(json!({"alg": name})).await, "oidc_token_algorithm", "{name}");
    }
}

#[tokio::test]
async fn an_hmac_with_the_public_key_is_refused() {
    assert_eq!(signed_by(Signer::HmacOfPublicKey).await, "oidc_token_algorithm");
}

#[tokio::test]
async fn a_wrong_signature_is_refused() {
    assert_eq!(signed_by(Signer::Corrupt).await, "oidc_token_signature");
    assert_eq!(signed_by(Signer::Other(SigningKey::other_rsa("rsa"))).await, "oidc_token_signature");
}

#[tokio::test]
async fn an_algorithm_that_is_not_that_of_the_key_is_refused() {
    for algorithm in ["RS384", "PS256", "ES256", "EdDSA"] {
        assert_eq!(with_header(json!({"alg": algorithm})).await, "oidc_token_key_unfit", "{algorithm}");
    }
}

#[tokio::test]
async fn an_algorithm_that_the_provider_does_not_announce_is_refused() {
    let stage = Stage::scripted(|script| {
        script.metadata = json!({"id_token_signing_alg_values_supported": ["ES256", "HS256", "none"]});
    })
    .await;
    assert_eq!(stage.refusal().await, "oidc_token_algorithm");
}

#[tokio::test]
async fn keys_in_the_header_are_not_looked_at() {
    let mine = SigningKey::other_rsa("rsa");
    let jwk = mine.jwk();
    let stage = Stage::scripted(|script| {
        script.signer = Signer::Other(mine);
        script.header = json!({"jwk": jwk, "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/x"});
    })
    .await;
    assert_eq!(stage.refusal().await, "oidc_token_signature");
}

#[tokio::test]
async fn a_token_of_another_kind_is_refused() {
    for kind in ["logout+jwt", "at+jwt", "application/at+jwt", "dpop+jwt", "secevent+jwt"] {
        assert_eq!(with_header(json!({"typ": kind})).await, "oidc_token_typ", "{kind}");
    }
    for kind in [json!("jwt"), json!("application/jwt"), Value::Null] {
        assert_eq!(with_header(json!({"typ": kind})).await, "", "{kind}");
    }
}

#[tokio::test]
async fn an_extension_that_is_demanded_is_refused() {
    assert_eq!(with_header(json!({"crit": ["exp"]})).await, "oidc_token_critical");
    assert_eq!(with_header(json!({"crit": ["b64"], "b64": false})).await, "oidc_token_critical");
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    for text in ["a.b.c", "a", "a.b.c.d.e", "..", "e30.e30."] {
        let stage = Stage::scripted(|script| script.token_answer = json!({"id_token": text})).await;
        assert_eq!(stage.refusal().await, "oidc_token_malformed", "{text}");
    }
    let stage = Stage::scripted(|script| script.id_token = json!({"more": "a".repeat(16 * 1024)})).await;
    assert_eq!(stage.refusal().await, "oidc_token_too_large");
}

#[tokio::test]
async fn a_logout_token_signs_nobody_in() {
    let stage = Stage::start().await;
    let logout_token = stage.idp.logout_token(&json!({}));
    stage.idp.set(|script| script.token_answer = json!({"id_token": logout_token}));
    assert_eq!(stage.refusal().await, "oidc_token_typ");
}

#[tokio::test]
async fn the_token_endpoint_must_speak_the_protocol() {
    let cases = [
        (json!({"id_token": null}), "oidc_token_answer"),
        (json!({"access_token": null}), "oidc_token_answer"),
        (json!({"access_token": "a\r\nb"}), "oidc_token_answer"),
        (json!({"access_token": ""}), "oidc_token_answer"),
        (json!({"access_token": 7}), "oidc_token_answer"),
        (json!({"token_type": null}), "oidc_token_answer"),
        (json!({"token_type": "DPoP"}), "oidc_token_type"),
        (json!({"refresh_token": ["a"]}), "oidc_token_answer"),
        (json!({"token_type": "bearer", "expires_in": "soon", "refresh_token": null}), ""),
    ];
    for (patch, code) in cases {
        let stage = Stage::scripted(|script| script.token_answer = patch.clone()).await;
        assert_eq!(stage.refusal().await, code, "{patch}");
    }
}

//! The ways to show at the token endpoint who asks.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use retinue_oidc::{AssertionAudience, AssertionKey, ClientAuthentication, Provider};
use retinue_testkit::SigningKey;
use retinue_testkit::identity_provider::Reply;
use secrecy::SecretString;
use serde_json::Value;

use crate::stage::{Stage, config};

const SECRET: &str = "p%ss:wörd +&";

fn secret() -> SecretString {
    SECRET.to_owned().into()
}

async fn with(authentication: ClientAuthentication) -> Stage {
    let stage = Stage::with(|config| config.authentication = authentication).await;
    stage.idp.set(|script| script.client_secret = Some(SECRET.to_owned()));
    stage
}

#[tokio::test]
async fn a_secret_goes_into_the_header() {
    let stage = with(ClientAuthentication::SecretBasic(secret())).await;
    assert_eq!(stage.refusal().await, "");
    let asked = &stage.idp.asked("/token")[0];
    assert!(!asked.parameters.contains_key("client_secret") && asked.authorization.is_some());
}

#[tokio::test]
async fn or_into_the_form() {
    let stage = with(ClientAuthentication::SecretPost(secret())).await;
    assert_eq!(stage.refusal().await, "");
    let asked = &stage.idp.asked("/token")[0];
    assert_eq!((asked.parameters["client_secret"].as_str(), &asked.authorization), (SECRET, &None));
}

#[tokio::test]
async fn a_public_client_names_itself() {
    let stage = Stage::start().await;
    assert_eq!(stage.refusal().await, "");
    let asked = &stage.idp.asked("/token")[0];
    assert_eq!((asked.parameters["client_id"].as_str(), &asked.authorization), ("retinue", &None));
    assert_eq!(asked.parameters["code_verifier"].len(), 43);
}

#[tokio::test]
async fn a_wrong_secret_is_the_operators_to_mend() {
    let wrong = || "hunter2".to_owned().into();
    for authentication in [ClientAuthentication::SecretBasic(wrong()), ClientAuthentication::SecretPost(wrong())] {
        let error = with(authentication).await.sign_in().await.unwrap_err();
        assert_eq!(error.code(), "oidc_client_refused");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_provider_that_repeats_our_secrets_does_not_get_them_into_the_log() {
    for authentication in [ClientAuthentication::SecretBasic(secret()), ClientAuthentication::SecretPost(secret())] {
        let stage = with(authentication).await;
        let shown = format!("no {SECRET}, no code-1@{}", stage.idp.issuer());
        let body = serde_json::json!({"error": "invalid_grant", "error_description": shown});
        stage.idp.reply("/token", Reply::Json(400, body));
        let cause = stage.sign_in().await.unwrap_err().cause_chain().unwrap();
        assert!(cause.contains("no …, no …"), "{cause}");
    }
}

#[test]
fn a_secret_must_be_one() {
    for text in ["", " ", "a\n"] {
        let mut config = config("https://idp.example");
        config.authentication = ClientAuthentication::SecretBasic(text.to_owned().into());
        assert_eq!(Provider::new(config).unwrap_err().code(), "invalid_oidc_provider", "{text:?}");
    }
}

#[tokio::test]
async fn a_client_signs_for_itself() {
    for (audience, path) in [(AssertionAudience::TokenEndpoint, "/token"), (AssertionAudience::Issuer, "")] {
        let signing = SigningKey::new("mine", "ES256");
        let key = AssertionKey::from_pem(&signing.private_pem().into(), Some("mine".to_owned()), audience).unwrap();
        let stage = Stage::with(|config| config.authentication = ClientAuthentication::PrivateKeyJwt(key)).await;
        assert_eq!(stage.refusal().await, "");
        assert_eq!(stage.refusal().await, "");
        let asked = stage.idp.asked("/token");
        let form = &asked[0].parameters;
        assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        let assertion = &form["client_assertion"];
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, signing.public_bytes());
        public.verify(signed.as_bytes(), &decode(signature)).unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let read = |text: &str| serde_json::from_slice::<Value>(&decode(text)).unwrap();
        let (header, claims) = (read(header), read(claims));
        assert_eq!((header["alg"].as_str(), header["kid"].as_str()), (Some("ES256"), Some("mine")));
        assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("retinue"), Some("retinue")));
        assert_eq!(claims["aud"], format!("{}{path}", stage.idp.issuer()));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
        let other = asked[1].parameters["client_assertion"].split('.').nth(1).map(read).unwrap();
        assert_ne!(claims["jti"], other["jti"]);
    }
}

#[test]
fn keys_of_several_kinds_are_read() {
    for algorithm in ["RS256", "ES256", "ES384", "EdDSA"] {
        let pem = SigningKey::new("a", algorithm).private_pem();
        AssertionKey::from_pem(&pem.into(), None, AssertionAudience::default()).unwrap();
    }
    for pem in
        ["", "secret", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"]
    {
        let error = AssertionKey::from_pem(&pem.to_owned().into(), None, AssertionAudience::default()).unwrap_err();
        assert_eq!(error.code(), "invalid_oidc_client_key");
    }
}

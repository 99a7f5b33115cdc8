//! Discovery documents that are wrong, or hostile.

use std::time::Duration;

use retinue_oidc::{Config, Issuer, Limits, Options, Provider};
use retinue_testkit::identity_provider::Reply;
use serde_json::{Value, json};

use crate::stage::{REDIRECT_URI, Stage, code, config};

const DOCUMENT: &str = "/.well-known/openid-configuration";

async fn begun(stage: &Stage) -> &'static str {
    code(stage.provider.begin(stage.moment(), Options::default()).await)
}

async fn with_document(patch: Value) -> &'static str {
    begun(&Stage::scripted(|script| script.metadata = patch).await).await
}

async fn with_reply(reply: Reply) -> &'static str {
    let stage = Stage::start().await;
    stage.idp.reply(DOCUMENT, reply);
    begun(&stage).await
}

#[tokio::test]
async fn the_document_must_be_of_the_issuer() {
    assert_eq!(with_document(json!({"issuer": "https://evil.example"})).await, "oidc_metadata_issuer");
    let stage = Stage::start().await;
    let with_slash = format!("{}/", stage.idp.issuer());
    stage.idp.set(|script| script.metadata = json!({"issuer": with_slash}));
    assert_eq!(begun(&stage).await, "oidc_metadata_issuer");
}

#[tokio::test]
async fn the_document_must_be_complete() {
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
        assert_eq!(with_document(json!({name: null})).await, "oidc_metadata_incomplete", "{name}");
        assert_eq!(with_document(json!({name: 7})).await, "oidc_metadata_incomplete", "{name}");
    }
    for name in ["userinfo_endpoint", "end_session_endpoint", "id_token_signing_alg_values_supported"] {
        assert_eq!(with_document(json!({name: null})).await, "", "{name}");
        assert_eq!(with_document(json!({name: 7})).await, "oidc_metadata_incomplete", "{name}");
    }
    for name in ["scopes_supported", "code_challenge_methods_supported", "claims_supported"] {
        for value in [json!(null), json!(7)] {
            assert_eq!(with_document(json!({name: value})).await, "", "{name}: only the operator is told of it");
        }
    }
    for algorithms in [json!([]), json!(["HS256"]), json!(["none"])] {
        let patch = json!({"id_token_signing_alg_values_supported": algorithms});
        assert_eq!(with_document(patch).await, "oidc_metadata_incomplete");
    }
}

#[tokio::test]
async fn endpoints_are_https_or_on_this_machine() {
    let all = ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"];
    let bad = [
        "http://idp.example/x",
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "/relative",
        "https://user:password@127.0.0.1/x",
        "https://127.0.0.1/x#fragment",
        "",
    ];
    for name in all {
        for url in bad {
            assert_eq!(with_document(json!({name: url})).await, "oidc_metadata_endpoint", "{name} {url}");
        }
    }
}

#[tokio::test]
async fn inside_addresses_are_not_asked() {
    for url in ["https://169.254.169.254/keys", "https://[fe80::1]/keys", "https://0.0.0.0/keys"] {
        let stage = Stage::scripted(|script| script.metadata = json!({"jwks_uri": url})).await;
        assert_eq!(code(stage.provider.prepare(stage.now()).await), "oidc_address_refused", "{url}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let stage = Stage::start().await;
    let elsewhere = format!("{}/elsewhere", stage.idp.issuer());
    for target in [elsewhere, "http://169.254.169.254/".to_owned(), "http://10.0.0.1/".to_owned()] {
        assert_eq!(with_reply(Reply::Redirect(target)).await, "oidc_answer_redirected");
    }
    for path in ["/keys", "/token", "/userinfo"] {
        let stage = Stage::scripted(|script| script.id_token = json!({"email": null})).await;
        let target = format!("{}/elsewhere", stage.idp.issuer());
        stage.idp.reply(path, Reply::Redirect(target));
        assert_eq!(stage.refusal().await, "oidc_answer_redirected", "{path}");
        assert!(stage.idp.asked("/elsewhere").is_empty());
    }
}

#[tokio::test]
async fn bodies_have_a_bound() {
    for path in [DOCUMENT, "/keys", "/token", "/userinfo"] {
        for reply in [Reply::Long(100 * 1024 * 1024), Reply::Endless] {
            let stage = Stage::start().await;
            stage.idp.set(|script| script.id_token = json!({"email": null}));
            stage.idp.reply(path, reply.clone());
            let begun = stage.provider.begin(stage.moment(), Options::default()).await;
            let refused = match begun {
                Ok(begun) => code(stage.finish(begun).await),
                Err(error) => error.code(),
            };
            assert_eq!(refused, "oidc_answer_too_large", "{path} {reply:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_must_come_to_its_end_in_time() {
    for reply in [Reply::Stalled, Reply::Silent] {
        let stage =
            Stage::with(|config| config.limits = Limits { whole: Duration::from_millis(200), ..Limits::default() })
                .await;
        stage.idp.reply(DOCUMENT, reply);
        assert_eq!(begun(&stage).await, "oidc_answer_too_slow");
    }
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let text = |media_type, body: &str| Reply::Text(media_type, body.to_owned());
    let replies = [
        text("text/html", "<!doctype html><title>Sign in</title>"),
        text("text/html", "{}"),
        text("application/json", "<!doctype html>"),
        text("application/json", "[]"),
        text("application/json", r#"{"issuer":"a","issuer":"b"}"#),
        text("application/json", ""),
    ];
    for reply in replies {
        assert_eq!(with_reply(reply.clone()).await, "oidc_answer_not_json", "{reply:?}");
    }
    assert_eq!(with_reply(text("application/json; charset=utf-8", "{}")).await, "oidc_metadata_incomplete");
}

#[tokio::test]
async fn a_status_that_is_no_success_is_the_providers_fault() {
    for status in [201, 204, 404, 500, 503] {
        assert_eq!(with_reply(Reply::Json(status, json!({}))).await, "oidc_provider_failed", "{status}");
    }
}

#[tokio::test]
async fn what_people_see_names_nothing_of_it() {
    let stage = Stage::scripted(|script| script.metadata = json!({"issuer": "https://evil.example/\u{1b}[31m"})).await;
    let error = stage.provider.prepare(stage.now()).await.unwrap_err();
    assert!(!error.detail().contains("evil"), "{error}");
    let cause = error.cause_chain().unwrap();
    assert!(cause.contains("evil.example") && !cause.contains('\u{1b}'), "{cause}");
}

#[test]
fn a_configuration_is_checked() {
    let refused = |change: fn(&mut Config)| {
        let mut config = config("https://idp.example");
        change(&mut config);
        Provider::new(config).err().map_or(String::new(), |error| format!("{error}"))
    };
    assert_eq!(refused(|_| ()), "");
    assert!(refused(|config| config.name = "Main".into()).contains("its name"));
    assert!(refused(|config| config.client_id = String::new()).contains("client id"));
    assert!(refused(|config| config.client_id = "a\r\nb".into()).contains("client id"));
    assert!(
        refused(|config| config.redirect_uri = "http://retinue.example/auth/callback".into()).contains("redirect URI")
    );
    assert!(refused(|config| config.redirect_uri = "/auth/callback".into()).contains("redirect URI"));
    assert!(refused(|config| config.scopes = vec!["openid,email".into()]).contains("not commas"));
    let parameter = |config: &mut Config| config.authorization_parameters = vec![("state".into(), "a".into())];
    assert!(refused(parameter).contains("its list of authorization parameters has \"state\""));
    let nobody = |config: &mut Config| config.required_claims = vec![("hd".into(), Vec::new())];
    assert!(refused(nobody).contains("its list of required claims has \"hd\" without a value"));
    assert!(refused(|config| config.leeway = Duration::from_secs(301)).contains("leeway"));
    assert!(refused(|config| config.claims.email = String::new()).contains("claim mapping"));
    let provider = Config::new("a", Issuer::new("https://idp.example").unwrap(), "id", REDIRECT_URI);
    let provider = Provider::new(Config { scopes: vec!["email".into()], ..provider }).unwrap();
    assert_eq!(provider.config().scopes, ["openid", "email"]);
}

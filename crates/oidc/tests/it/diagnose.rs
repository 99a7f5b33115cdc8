//! What an operator is told.

use retinue_oidc::{ClientAuthentication, Level};
use retinue_testkit::identity_provider::Reply;
use serde_json::json;

use crate::stage::Stage;

const DOCUMENT: &str = "/.well-known/openid-configuration";

/// The findings of this level and more, one a line.
async fn lines(stage: &Stage, level: Level) -> String {
    let findings = stage.provider.diagnose(stage.moment()).await;
    let lines: Vec<_> = findings.iter().filter(|finding| finding.level >= level).map(ToString::to_string).collect();
    assert!(lines.iter().all(|line| !line.contains('\n')));
    lines.join("\n")
}

async fn problems(stage: &Stage) -> String {
    lines(stage, Level::Problem).await
}

#[tokio::test]
async fn a_good_set_up_has_nothing_to_mend() {
    let stage = Stage::start().await;
    assert_eq!(lines(&stage, Level::Note).await, "");
    let all = lines(&stage, Level::Good).await;
    for about in [
        "redirect URI",
        "discovery",
        "clock",
        "issuer",
        "keys",
        "client authentication",
        "scopes",
        "PKCE",
        "callback issuer",
        "sign-out",
        "back-channel logout",
        "client",
    ] {
        assert!(all.contains(&format!("ok: {about}: ")), "{about}\n{all}");
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_named() {
    let stage = Stage::start().await;
    stage.idp.stop().await;
    assert!(problems(&stage).await.starts_with("problem: discovery: The provider can't be reached"));
    stage.idp.start_again().await;
    let cases = [
        (Reply::Json(404, json!({})), "Check the path of the issuer URL"),
        (Reply::Json(500, json!({})), "status 500"),
        (Reply::Text("text/html", "<html>".to_owned()), "no discovery document"),
        (Reply::Redirect("https://login.example.com/\n".trim().to_owned()), "`https://login.example.com/`"),
        (Reply::Endless, "no discovery document"),
    ];
    for (reply, words) in cases {
        stage.idp.reply(DOCUMENT, reply.clone());
        let said = problems(&stage).await;
        assert!(said.contains(words) && said.lines().count() == 1, "{reply:?}: {said}");
    }
}

#[tokio::test]
async fn an_issuer_that_is_spelled_otherwise_is_explained() {
    let stage = Stage::start().await;
    let here = stage.idp.issuer().to_owned();
    let cases = [
        (format!("{here}/"), "by the slash at the end"),
        (here.replace("http:", "https:"), "by http and https"),
        ("https://idp.example".to_owned(), "by the host"),
        (format!("{here}/realm"), "They differ."),
    ];
    for (issuer, words) in cases {
        stage.idp.set(|script| script.metadata = json!({"issuer": issuer}));
        let said = problems(&stage).await;
        assert!(said.contains(words) && said.contains(&issuer), "{said}");
    }
}

#[tokio::test]
async fn clocks_that_differ_are_told() {
    let stage = Stage::scripted(|script| script.clock_ahead = 20).await;
    assert!(lines(&stage, Level::Note).await.contains("note: clock: This server's clock is 20 s behind"));
    stage.idp.set(|script| script.clock_ahead = -300);
    assert!(problems(&stage).await.contains("300 s ahead of"));
}

#[tokio::test]
async fn what_the_provider_can_not_do_is_told() {
    let cases = [
        (json!({"token_endpoint_auth_methods_supported": ["client_secret_basic"]}), "note: client authentication"),
        (json!({"scopes_supported": ["openid"]}), "note: scopes: The provider does not announce profile, email"),
        (json!({"code_challenge_methods_supported": ["plain"]}), "problem: PKCE"),
        (json!({"code_challenge_methods_supported": null}), "note: PKCE"),
        (json!({"authorization_response_iss_parameter_supported": null}), "note: callback issuer"),
        (json!({"end_session_endpoint": null}), "note: sign-out"),
        (json!({"backchannel_logout_supported": false}), "note: back-channel logout: The provider does not"),
        (
            json!({"backchannel_logout_session_supported": false}),
            "note: back-channel logout: It is supported without sid",
        ),
        (json!({"token_endpoint": "http://idp.example/token"}), "problem: metadata: "),
        (json!({"id_token_signing_alg_values_supported": ["HS256"]}), "problem: metadata: "),
        (json!({"id_token_signing_alg_values_supported": ["ES256"]}), "problem: keys: No key fits"),
    ];
    for (patch, words) in cases {
        let stage = Stage::scripted(|script| script.metadata = patch.clone()).await;
        let said = lines(&stage, Level::Note).await;
        assert!(said.contains(words), "{patch}: {said}");
    }
}

#[tokio::test]
async fn keys_that_can_not_be_used_are_told() {
    let stage = Stage::scripted(|script| script.key_set = json!({"keys": [{"kty": "oct", "kid": "a"}]})).await;
    assert!(problems(&stage).await.contains("symmetric"));
    let rsa = retinue_testkit::SigningKey::rsa("rsa").jwk();
    stage.idp.set(|script| script.key_set = json!({"keys": [rsa, {"kty": "RSA", "use": "enc", "kid": "b"}]}));
    assert!(lines(&stage, Level::Note).await.contains("note: keys: The key `b` is left out: its use is not sig"));
}

#[tokio::test]
async fn a_client_that_is_not_accepted_is_told() {
    let stage =
        Stage::with(|config| config.authentication = ClientAuthentication::SecretBasic("wrong".to_owned().into()))
            .await;
    stage.idp.set(|script| script.client_secret = Some("right".to_owned()));
    let said = problems(&stage).await;
    assert!(said.starts_with("problem: client: The provider does not accept this client"), "{said}");
    assert!(!said.contains("wrong"));
    stage.idp.set(|script| script.metadata = json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]}));
    assert!(problems(&stage).await.contains("does not support client_secret_basic, but client_secret_post"));
}

#[tokio::test]
async fn a_redirect_uri_on_this_machine_is_noted() {
    let stage = Stage::start().await;
    assert!(!lines(&stage, Level::Note).await.contains("redirect URI"), "the provider is on this machine too");
}

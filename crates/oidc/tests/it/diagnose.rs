//! What an operator is told.

use retinue_oidc::{AssertionAudience, AssertionKey, ClientAuthentication, Issuer, Level, UserInfo};
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
        "flow",
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
        (
            json!({"backchannel_logout_supported": false}),
            "note: sessions: Nothing at the provider ends a session here before its time: ask for offline_access",
        ),
        (
            json!({"backchannel_logout_supported": false, "grant_types_supported": ["authorization_code"]}),
            "note: sessions: Nothing at the provider ends a session here before its time: it does not announce",
        ),
        (
            json!({"grant_types_supported": ["implicit", "refresh_token"]}),
            "problem: flow: The provider does not announce the grant",
        ),
        (
            json!({"response_types_supported": ["id_token", "code id_token"]}),
            "problem: flow: The provider does not announce the response type",
        ),
        (
            json!({"response_modes_supported": ["form_post"]}),
            "problem: flow: The provider does not announce the response mode",
        ),
        (json!({"require_pushed_authorization_requests": true}), "problem: flow: The provider demands pushed"),
        (json!({"require_signed_request_object": true}), "problem: flow: The provider demands signed"),
        (
            json!({"subject_types_supported": ["pairwise"]}),
            "note: subject: Subjects are pairwise: another client id makes all people strangers. Keep this one.",
        ),
        (
            json!({"id_token_signing_alg_values_supported": ["HS256", "RS256"]}),
            "note: keys: The provider can sign with HS256 too",
        ),
        (json!({"userinfo_endpoint": null}), "note: UserInfo: The provider has no userinfo_endpoint"),
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
async fn what_the_provider_can_do_is_not_complained_of() {
    let fine = json!({
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "response_types_supported": ["code", "code id_token"],
        "response_modes_supported": ["query", "fragment"],
        "require_pushed_authorization_requests": false,
        "require_signed_request_object": false,
        "subject_types_supported": ["public", "pairwise"],
        "claims_supported": ["sub", "name", "email"],
    });
    let stage = Stage::scripted(|script| script.metadata = fine).await;
    assert_eq!(lines(&stage, Level::Note).await, "");
}

#[tokio::test]
async fn an_address_that_can_not_be_verified_is_told_to_whom_it_matters() {
    let stage = Stage::with(|config| config.needs_verified_email = true).await;
    assert_eq!(lines(&stage, Level::Note).await, "");
    for (claims, is_told) in [(json!(["sub", "email"]), true), (json!(["sub", "email_verified"]), false)] {
        stage.idp.set(|script| script.metadata = json!({"claims_supported": claims}));
        let said = lines(&stage, Level::Note).await;
        assert_eq!(said.contains("note: claims: The provider does not announce the claim email_verified"), is_told);
    }
}

#[tokio::test]
async fn nobody_misses_a_user_info_that_is_never_asked() {
    let stage = Stage::with(|config| config.user_info = UserInfo::Never).await;
    stage.idp.set(|script| script.metadata = json!({"userinfo_endpoint": null}));
    assert_eq!(lines(&stage, Level::Note).await, "");
}

/// A client of an issuer that lies below the provider's root.
async fn below(path: &str) -> Stage {
    Stage::with(|config| config.issuer = Issuer::new(&format!("{}{path}", config.issuer)).unwrap()).await
}

#[tokio::test]
async fn a_path_of_an_older_keycloak_is_told() {
    let stage = below("/auth/realms/main").await;
    let said = problems(&stage).await;
    assert!(said.contains("/auth/realms/main/.well-known/openid-configuration. Since version 17, Keycloak has no /auth before /realms. Take it out."), "{said}");
    let stage = below("/realms/main").await;
    assert!(problems(&stage).await.contains("Check the path of the issuer URL"));
}

#[tokio::test]
async fn an_issuer_that_authentik_uses_for_all_is_told() {
    let stage = below("/application/o/retinue/").await;
    let document = "/application/o/retinue/.well-known/openid-configuration";
    for (named, words) in [
        (format!("{}/", stage.idp.issuer()), "Set the provider's Issuer mode there to one for each application."),
        (format!("{}/application/o/other/", stage.idp.issuer()), "They differ."),
        ("https://idp.example/".to_owned(), "They differ by the host"),
    ] {
        stage.idp.reply(document, Reply::Json(200, json!({"issuer": named})));
        let said = problems(&stage).await;
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_template_is_no_issuer() {
    let stage = Stage::scripted(|script| script.metadata = json!({"issuer": "https://idp.example/{tenantid}/"})).await;
    let said = problems(&stage).await;
    assert!(
        said.starts_with("problem: issuer: The provider names a template, `https://idp.example/{tenantid}/`"),
        "{said}"
    );
}

#[tokio::test]
async fn a_key_that_the_provider_does_not_verify_is_told() {
    let pem = retinue_testkit::SigningKey::new("mine", "ES256").private_pem().into();
    let key = AssertionKey::from_pem(&pem, None, AssertionAudience::default()).unwrap();
    let stage = Stage::with(|config| config.authentication = ClientAuthentication::PrivateKeyJwt(key)).await;
    let name = "token_endpoint_auth_signing_alg_values_supported";
    stage.idp.set(|script| script.metadata = json!({name: ["RS256"]}));
    assert!(problems(&stage).await.contains("does not verify assertions that are signed with ES256, but with RS256"));
    stage.idp.set(|script| script.metadata = json!({name: ["RS256", "ES256"]}));
    assert_eq!(problems(&stage).await, "");
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
    let (here, there) = ("http://127.0.0.1:8080/auth/callback", "https://retinue.example.com/auth/callback");
    // An address that is nobody's, so that nobody is asked.
    for (issuer, redirect_uri, is_noted) in [
        (None, here, false),
        (None, there, false),
        (Some("https://192.0.2.1"), here, true),
        (Some("https://192.0.2.1"), there, false),
    ] {
        let stage = Stage::with(|config| {
            redirect_uri.clone_into(&mut config.redirect_uri);
            config.issuer = issuer.map_or_else(|| config.issuer.clone(), |issuer| Issuer::new(issuer).unwrap());
        })
        .await;
        let said = lines(&stage, Level::Good).await;
        let (note, good) = (
            format!("note: redirect URI: {redirect_uri} leads to this machine: only people who sit at it can sign in."),
            format!("ok: redirect URI: {redirect_uri}; the provider must have exactly this one registered."),
        );
        assert_eq!((said.contains(&note), said.contains(&good)), (is_noted, !is_noted), "{issuer:?}\n{said}");
    }
}

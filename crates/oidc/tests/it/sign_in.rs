//! Signing in with a provider that does everything right.

use std::time::Duration;

use retinue_oidc::{Options, Pending, Prompt};
use retinue_testkit::SigningKey;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::Url;

use crate::stage::{REDIRECT_URI, Stage};

#[tokio::test]
async fn somebody_signs_in() {
    let stage = Stage::start().await;
    let begun = stage.begin().await;
    assert_eq!(begun.pending.return_path, "/threads");
    let signed_in = stage.finish(begun).await.unwrap();
    assert_eq!(signed_in.issuer, stage.idp.issuer());
    assert_eq!(signed_in.person.subject, "ada");
    assert_eq!(signed_in.person.name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(signed_in.person.email.as_deref(), Some("ada@example.com"));
    assert!(signed_in.person.email_verified);
    assert_eq!(signed_in.session.as_deref(), Some("session-1"));
    assert!(signed_in.authenticated_at.is_some());
    assert!(signed_in.tokens.refresh_token.is_some());
    assert!(signed_in.tokens.id_token.is_some());
    assert!(stage.idp.asked("/userinfo").is_empty());
}

#[tokio::test]
async fn the_request_is_for_a_code_with_pkce() {
    let stage = Stage::start().await;
    let options = Options {
        prompt: Some(Prompt::Login),
        max_age: Some(Duration::from_mins(5)),
        login_hint: Some("ada@example.com&scope=all".to_owned()),
        ..Options::default()
    };
    let begun = stage.begin_with(options).await;
    let url = Url::parse(&begun.url).unwrap();
    let get = |name: &str| {
        let found: Vec<_> = url.query_pairs().filter(|(key, _)| key == name).collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0].1.clone().into_owned()
    };
    assert!(begun.url.starts_with(&format!("{}/authorize?", stage.idp.issuer())));
    assert_eq!((get("response_type"), get("client_id")), ("code".to_owned(), "retinue".to_owned()));
    assert_eq!((get("redirect_uri"), get("scope")), (REDIRECT_URI.to_owned(), "openid profile email".to_owned()));
    assert_eq!((get("code_challenge_method"), get("code_challenge").len()), ("S256".to_owned(), 43));
    assert_eq!((get("state"), get("nonce").len()), (begun.pending.state.clone(), 43));
    assert_eq!((get("prompt"), get("max_age")), ("login".to_owned(), "300".to_owned()));
    assert_eq!(get("login_hint"), "ada@example.com&scope=all");
    assert_ne!(get("state"), get("nonce"));
}

#[tokio::test]
async fn a_provider_gets_parameters_of_its_own() {
    let parameters = [("access_type", "offline"), ("prompt", "consent"), ("organization", "a&state=b ü")];
    let stage = Stage::with(|config| {
        config.authorization_parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    })
    .await;
    let sent = |url: &str, name: &str| -> Vec<String> {
        let url = Url::parse(url).unwrap();
        url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    };
    let begun = stage.begin().await;
    for (name, value) in parameters {
        assert_eq!(sent(&begun.url, name), [value]);
    }
    assert_eq!(sent(&begun.url, "state"), std::slice::from_ref(&begun.pending.state));
    stage.finish(begun).await.unwrap();

    let options = Options { prompt: Some(Prompt::Login), ..Options::default() };
    let begun = stage.begin_with(options).await;
    assert_eq!(sent(&begun.url, "prompt"), ["login"], "what this sign-in wants goes first");
    assert_eq!(sent(&begun.url, "access_type"), ["offline"]);
}

#[tokio::test]
async fn a_provider_is_asked_only_what_it_takes() {
    use Prompt::{Login, SelectAccount};
    let both = json!(["none", "login", "consent", "select_account"]);
    for (announced, prompt, expected) in [
        (Value::Null, Login, Some("login")),
        (Value::Null, SelectAccount, Some("login")),
        (both.clone(), Login, Some("login")),
        (both, SelectAccount, Some("select_account")),
        (json!(["none", "login"]), SelectAccount, Some("login")),
        (json!(["none", "consent", "select_account"]), Login, Some("select_account")),
        (json!(["none", 7]), Login, None),
        (json!("login"), Login, Some("login")),
    ] {
        let document = json!({"prompt_values_supported": announced});
        let stage = Stage::scripted(|script| script.metadata = document).await;
        let begun = stage.begin_with(Options { prompt: Some(prompt), ..Options::default() }).await;
        let url = Url::parse(&begun.url).unwrap();
        let sent: Vec<_> = url.query_pairs().filter(|(name, _)| name == "prompt").map(|(_, value)| value).collect();
        assert_eq!(sent, expected.as_slice(), "{announced}, {prompt:?}");
    }
}

#[tokio::test]
async fn a_hint_with_a_line_break_is_left_out() {
    let stage = Stage::start().await;
    let hint = |hint: &str| Options { login_hint: Some(hint.to_owned()), ..Options::default() };
    assert!(!stage.begin_with(hint("a\r\nSet-Cookie: b")).await.url.contains("login_hint"));
    assert!(!stage.begin_with(hint(&"a".repeat(321))).await.url.contains("login_hint"));
}

#[tokio::test]
async fn a_sign_in_survives_being_written_down() {
    let stage = Stage::start().await;
    let begun = stage.begin().await;
    let text = serde_json::to_string(&begun.pending).unwrap();
    let read: Pending = serde_json::from_str(&text).unwrap();
    let back = stage.idp.visit(&begun.url);
    let callback = retinue_oidc::Callback::parse(back.query().unwrap()).unwrap();
    assert_eq!(callback.state(), read.state);
    stage.provider.finish(stage.moment(), callback, read).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_may_go_on_in_another_thread() {
    let stage = Stage::start().await;
    let begun = stage.begin().await;
    let back = stage.idp.visit(&begun.url);
    let (provider, now) = (stage.provider.clone(), stage.now());
    let task = tokio::spawn(async move {
        let moment = retinue_oidc::Moment { now, random: &|bytes| bytes.fill(7) };
        let callback = retinue_oidc::Callback::parse(back.query().unwrap())?;
        let signed_in = provider.finish(moment, callback, begun.pending).await?;
        let token = signed_in.tokens.refresh_token.unwrap();
        provider.refresh(moment, &token, &signed_in.person.subject).await
    });
    assert!(task.await.unwrap().unwrap().person.is_ok());
}

#[tokio::test]
async fn whatever_is_asked_may_be_asked_in_any_thread() {
    fn is_send(_: impl Send) {}
    let stage = Stage::start().await;
    let (provider, now) = (&stage.provider, stage.now());
    is_send(provider.prepare(now));
    is_send(provider.begin(stage.moment(), Options::default()));
    is_send(provider.end_session_url(now, retinue_oidc::EndSession::default()));
    is_send(provider.logged_out("", now));
    is_send(provider.diagnose(stage.moment()));
}

#[tokio::test]
async fn two_sign_ins_at_once_both_end_well() {
    let stage = Stage::start().await;
    let (one, other) = (stage.begin().await, stage.begin().await);
    assert_ne!(one.pending.state, other.pending.state);
    let (other, one) = tokio::join!(stage.finish(other), stage.finish(one));
    assert_eq!(one.unwrap().person.subject, other.unwrap().person.subject);
    assert_eq!(stage.idp.asked("/.well-known/openid-configuration").len(), 1);
    assert_eq!(stage.idp.asked("/keys").len(), 1);
}

#[tokio::test]
async fn each_algorithm_that_is_accepted_works() {
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"] {
        let stage = Stage::scripted(|script| {
            script.rotate(SigningKey::new("key", algorithm));
            script.id_token = json!({"at_hash": null});
        })
        .await;
        assert_eq!(stage.sign_in().await.unwrap().person.subject, "ada", "{algorithm}");
    }
}

#[tokio::test]
async fn claims_can_have_other_names() {
    let stage = Stage::with(|config| {
        config.claims.name = "preferred_username".to_owned();
        config.claims.email = "upn".to_owned();
        config.claims.email_verified = "upn_verified".to_owned();
    })
    .await;
    stage.idp.set(|script| script.id_token = json!({"preferred_username": "al", "upn": "al@example.com"}));
    let person = stage.sign_in().await.unwrap().person;
    assert_eq!((person.name.as_deref(), person.email.as_deref()), (Some("al"), Some("al@example.com")));
    assert!(!person.email_verified);
}

#[tokio::test]
async fn a_recent_sign_in_at_the_provider_can_be_demanded() {
    let stage = Stage::start().await;
    let options = || Options { max_age: Some(Duration::from_mins(1)), ..Options::default() };
    let begun = stage.begin_with(options()).await;
    stage.finish(begun).await.unwrap();

    let old = stage.now().as_second() - 60 - 60 - 5;
    stage.idp.set(|script| script.id_token = json!({"auth_time": old}));
    let begun = stage.begin_with(options()).await;
    assert_eq!(crate::stage::code(stage.finish(begun).await), "oidc_token_auth_time");
}

#[tokio::test]
async fn a_provider_that_says_when_somebody_signed_in_leaves_it_out_for_nobody_who_asks() {
    let demands = async |stage: &Stage| {
        let options = Options { max_age: Some(Duration::from_mins(1)), ..Options::default() };
        let begun = stage.begin_with(options).await;
        stage.finish(begun).await.map(|signed_in| signed_in.authenticated_at).map_err(|error| error.code())
    };
    let says_nothing = |stage: &Stage| stage.idp.set(|script| script.id_token = json!({"auth_time": null}));
    let missing = Err("oidc_token_auth_time_missing");
    for (announced, answer) in [
        (json!(null), Ok(None)),
        (json!("auth_time"), Ok(None)),
        (json!(["sub", "name"]), Ok(None)),
        (json!(["sub", "auth_time"]), missing),
    ] {
        let stage = Stage::scripted(|script| script.metadata = json!({"claims_supported": announced})).await;
        says_nothing(&stage);
        assert_eq!(demands(&stage).await, answer, "{announced}");
        assert_eq!(demands(&stage).await, answer, "{announced}");
        assert_eq!(stage.refusal().await, "", "nobody asked for it");
    }
    let stage = Stage::start().await;
    stage.sign_in().await.unwrap();
    says_nothing(&stage);
    assert_eq!(demands(&stage).await, missing, "it said so to somebody before");
}

#[tokio::test]
async fn nothing_secret_shows() {
    let stage = Stage::start().await;
    let begun = stage.begin().await;
    let shown = format!("{begun:?} {:?} {:?}", begun.pending, stage.provider);
    let nonce = Url::parse(&begun.url).unwrap().query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned();
    assert!(!shown.contains(&begun.pending.state) && !shown.contains(&nonce), "{shown}");
    let signed_in = stage.finish(begun).await.unwrap();
    let shown = format!("{signed_in:?} {:?}", signed_in.person);
    let tokens = &signed_in.tokens;
    for secret in [&tokens.access_token, tokens.refresh_token.as_ref().unwrap(), tokens.id_token.as_ref().unwrap()] {
        assert!(!shown.contains(secret.expose_secret()), "{shown}");
    }
    assert!(!shown.contains("ada"), "{shown}");
}

//! Callbacks that are not what they should be.

use proptest::prelude::*;
use retinue_oidc::{Callback, Config, Issuer, Provider};
use serde_json::json;
use url::Url;

use crate::stage::{REDIRECT_URI, Stage, code};

fn parsed(query: &str) -> &'static str {
    code(Callback::parse(query))
}

#[test]
fn a_callback_is_read_strictly() {
    assert_eq!(parsed("code=a&state=b"), "");
    assert_eq!(parsed("code=a&state=b&iss=https%3A%2F%2Fidp&session_state=c&x="), "");
    assert_eq!(parsed("error=access_denied&error_description=Zugriff+verweigert+%C3%A4&state=b"), "");
    for query in [
        "",
        "state=b",
        "code=a",
        "code=&state=b",
        "code=a&state=",
        "error=&state=b",
        "code=a&State=b",
        "?code=a&state=b",
    ] {
        assert_eq!(parsed(query), "oidc_callback_incomplete", "{query}");
    }
    for query in [
        "code=a&code=a&state=b",
        "code=a&state=b&state=c",
        "code=a&state=b&iss=c&iss=c",
        "code=a&state=b&x=1&x=2",
        "code=a&%63ode=b&state=c",
    ] {
        assert_eq!(parsed(query), "oidc_callback_repeated", "{query}");
    }
    for query in [
        "code=a%0d%0aSet-Cookie:b&state=c",
        "code=a&state=%00",
        "code=%C3%A4&state=b",
        "code=%ff&state=b",
        "code=a&state=b&iss=%0a",
        "code=a&error=b&state=c",
    ] {
        assert_eq!(parsed(query), "oidc_callback_malformed", "{query}");
    }
    let long = |name: &str, length: usize| format!("{name}={}", "a".repeat(length));
    assert_eq!(parsed(&format!("code=a&{}", long("state", 8 * 1024))), "oidc_callback_too_large");
    assert_eq!(parsed(&format!("state=a&{}", long("code", 8 * 1024 + 1))), "oidc_callback_too_large");
    assert_eq!(parsed(&format!("code=a&state=b&{}", long("x", 16 * 1024))), "oidc_callback_too_large");
    assert_eq!(parsed(&format!("state=a&{}", long("code", 8 * 1024))), "");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(query in ".{0,300}") {
        if let Ok(callback) = Callback::parse(&query) {
            prop_assert!(!callback.state().is_empty());
            prop_assert!(callback.state().bytes().all(|byte| matches!(byte, b' '..=b'~')));
        }
    }

    #[test]
    fn what_a_provider_sends_comes_through(code in "[!-~]{1,60}", state in "[!-~]{1,60}", issuer in "[!-~]{1,60}") {
        let mut url = Url::parse(REDIRECT_URI).unwrap();
        url.query_pairs_mut().append_pair("state", &state).append_pair("iss", &issuer).append_pair("code", &code);
        let callback = Callback::parse(url.query().unwrap()).unwrap();
        prop_assert_eq!(callback.state(), state);
    }

    #[test]
    fn no_parameter_is_taken_twice(name in "code|state|iss|error", one in "[a-z]{0,5}", other in "[a-z]{0,5}") {
        let query = format!("{name}={one}&{name}={other}");
        prop_assert_eq!(parsed(&query), "oidc_callback_repeated");
    }
}

#[tokio::test]
async fn the_answer_belongs_to_one_sign_in() {
    let stage = Stage::start().await;
    let (one, other) = (stage.begin().await, stage.begin().await);
    let back = stage.idp.visit(&one.url);
    assert_eq!(code(stage.finish_with(back.query().unwrap(), other).await), "oidc_callback_state");
    assert!(stage.idp.asked("/token").is_empty(), "the code was not taken anywhere");
}

#[tokio::test]
async fn a_code_of_another_sign_in_is_refused() {
    let stage = Stage::start().await;
    let (one, other) = (stage.begin().await, stage.begin().await);
    let theirs = stage.idp.visit(&one.url);
    let their_code = theirs.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let iss: String = url::form_urlencoded::byte_serialize(stage.idp.issuer().as_bytes()).collect();
    let query = format!("code={their_code}&state={}&iss={iss}", other.pending.state);
    assert_eq!(code(stage.finish_with(&query, other).await), "oidc_code_refused");
}

#[tokio::test]
async fn a_replayed_callback_is_refused() {
    let stage = Stage::start().await;
    let begun = stage.begin().await;
    let back = stage.idp.visit(&begun.url);
    let again = retinue_oidc::Begun { url: begun.url.clone(), pending: begun.pending.clone() };
    assert_eq!(code(stage.finish_with(back.query().unwrap(), begun).await), "");
    assert_eq!(code(stage.finish_with(back.query().unwrap(), again).await), "oidc_code_refused");
}

#[tokio::test]
async fn an_old_sign_in_has_expired() {
    let stage = Stage::start().await;
    let begun = stage.begin().await;
    stage.clock.advance(std::time::Duration::from_secs(60 * 60 + 2));
    assert_eq!(code(stage.finish(begun).await), "oidc_callback_expired");
    let begun = stage.begin().await;
    stage.clock.set_back(std::time::Duration::from_mins(5));
    assert_eq!(code(stage.finish(begun).await), "oidc_callback_expired");
}

#[tokio::test]
async fn an_answer_at_another_providers_address_is_refused() {
    let stage = Stage::scripted(|script| {
        script.metadata = json!({"authorization_response_iss_parameter_supported": null});
    })
    .await;
    for (provider, expected) in [("main", ""), ("other", "oidc_callback_provider"), ("", "oidc_callback_provider")] {
        let begun = stage.begin().await;
        let back = stage.idp.visit(&begun.url);
        let callback = Callback::parse(back.query().unwrap()).unwrap().at(provider);
        let asked = stage.idp.asked("/token").len();
        assert_eq!(code(stage.provider.finish(stage.moment(), callback, begun.pending).await), expected);
        let is_taken = stage.idp.asked("/token").len() > asked;
        assert_eq!(is_taken, expected.is_empty(), "a code that may be another's is shown to nobody");
    }
}

#[tokio::test]
async fn another_providers_sign_in_is_refused() {
    let stage = Stage::start().await;
    let issuer = Issuer::new(stage.idp.issuer()).unwrap();
    let other = Provider::new(Config::new("other", issuer, "retinue", REDIRECT_URI)).unwrap();
    let begun = stage.begin().await;
    let back = stage.idp.visit(&begun.url);
    let callback = Callback::parse(back.query().unwrap()).unwrap();
    assert_eq!(code(other.finish(stage.moment(), callback, begun.pending).await), "oidc_callback_provider");
}

#[tokio::test]
async fn the_issuer_is_held_against_the_one_that_was_asked() {
    let stage = Stage::start().await;
    let query = |state: &str, more: &str| format!("code=a&state={state}{more}");
    let begun = stage.begin().await;
    let mixed_up = query(&begun.pending.state, "&iss=https%3A%2F%2Fevil.example");
    assert_eq!(code(stage.finish_with(&mixed_up, begun).await), "oidc_callback_issuer");
    let begun = stage.begin().await;
    let nameless = query(&begun.pending.state, "");
    assert_eq!(code(stage.finish_with(&nameless, begun).await), "oidc_callback_issuer_missing");
    assert!(stage.idp.asked("/token").is_empty());

    let stage = Stage::scripted(|script| {
        script.metadata = json!({"authorization_response_iss_parameter_supported": null});
    })
    .await;
    let begun = stage.begin().await;
    let mixed_up = query(&begun.pending.state, "&iss=https%3A%2F%2Fevil.example");
    assert_eq!(
        code(stage.finish_with(&mixed_up, begun).await),
        "oidc_callback_issuer",
        "also where it need not be there"
    );
    let begun = stage.begin().await;
    let back = stage.idp.visit(&begun.url);
    let back: String = back.query().unwrap().split("&iss=").next().unwrap().to_owned();
    assert_eq!(code(stage.finish_with(&back, begun).await), "");
}

#[tokio::test]
async fn what_the_provider_says_no_to_is_told_apart() {
    let cases = [
        ("access_denied", "oidc_denied"),
        ("login_required", "oidc_interaction_required"),
        ("consent_required", "oidc_interaction_required"),
        ("temporarily_unavailable", "oidc_provider_failed"),
        ("unauthorized_client", "oidc_client_refused"),
        ("invalid_scope", "oidc_provider_refused"),
        ("whatever", "oidc_provider_refused"),
    ];
    let stage = Stage::start().await;
    let iss: String = url::form_urlencoded::byte_serialize(stage.idp.issuer().as_bytes()).collect();
    for (error, expected) in cases {
        let begun = stage.begin().await;
        let query =
            format!("error={error}&error_description=%3Cscript%3E%0d%0aX&state={}&iss={iss}", begun.pending.state);
        let refused = stage.finish_with(&query, begun).await.unwrap_err();
        assert_eq!(refused.code(), expected, "{error}");
        assert!(!refused.detail().contains("script"), "{refused}");
        assert!(!refused.cause_chain().unwrap().contains(['\r', '\n']), "one line of the log");
    }
}

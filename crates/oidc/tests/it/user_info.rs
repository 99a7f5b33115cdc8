//! Asking who somebody is.

use retinue_oidc::UserInfo;
use retinue_testkit::identity_provider::Reply;
use serde_json::json;

use crate::stage::Stage;

/// A provider whose ID tokens say nothing about people.
async fn terse() -> Stage {
    Stage::scripted(|script| script.id_token = json!({"name": null, "email": null, "email_verified": null})).await
}

#[tokio::test]
async fn what_the_id_token_lacks_is_asked_for() {
    let stage = terse().await;
    stage.idp.set(|script| script.user_info = json!({"groups": ["a"], "sid": "other", "iss": "https://evil.example"}));
    let signed_in = stage.sign_in().await.unwrap();
    assert_eq!(signed_in.person.name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(signed_in.person.email.as_deref(), Some("ada@example.com"));
    assert!(signed_in.person.email_verified);
    assert_eq!(signed_in.issuer, stage.idp.issuer(), "what is signed counts");
    assert_eq!(signed_in.session.as_deref(), Some("session-1"));
    let asked = stage.idp.asked("/userinfo");
    assert_eq!(asked.len(), 1);
    assert!(asked[0].authorization.as_ref().unwrap().starts_with("Bearer access-"));
}

#[tokio::test]
async fn somebody_else_is_refused() {
    for subject in [json!("eve"), json!(null), json!(7), json!("Ada"), json!("ada ")] {
        let stage = terse().await;
        stage.idp.set(|script| script.user_info = json!({"sub": subject}));
        assert_eq!(stage.refusal().await, "oidc_user_info_subject", "{subject}");
    }
}

#[tokio::test]
async fn an_address_is_verified_where_it_was_given() {
    let unsaid = json!({"email_verified": null});
    let cases = [
        (unsaid.clone(), json!({}), true),
        (unsaid.clone(), json!({"email_verified": "true"}), true),
        (unsaid.clone(), json!({"email_verified": false}), false),
        (unsaid.clone(), unsaid.clone(), false),
        (unsaid.clone(), json!({"email": "eve@example.com"}), false),
        (unsaid.clone(), json!({"email": "Ada@example.com"}), false),
        (unsaid, json!({"email": null}), false),
        (json!({"name": null, "email_verified": false}), json!({}), false),
    ];
    for (id_token, user_info, verified) in cases {
        let stage = Stage::scripted(|script| script.id_token = id_token).await;
        stage.idp.set(|script| script.user_info = user_info.clone());
        let signed_in = stage.sign_in().await.unwrap();
        assert_eq!(signed_in.person.email.as_deref(), Some("ada@example.com"), "{user_info}");
        assert_eq!(signed_in.person.email_verified, verified, "{user_info}");
        assert_eq!(stage.idp.asked("/userinfo").len(), 1);
    }
}

#[tokio::test]
async fn nobody_is_asked_about_an_address_that_is_not_verified() {
    let stage = Stage::scripted(|script| script.id_token = json!({"email_verified": false})).await;
    assert!(!stage.sign_in().await.unwrap().person.email_verified);
    assert!(stage.idp.asked("/userinfo").is_empty());
}

#[tokio::test]
async fn it_can_be_left_alone() {
    let stage = Stage::with(|config| config.user_info = UserInfo::Never).await;
    stage.idp.set(|script| script.id_token = json!({"name": null}));
    assert_eq!(stage.sign_in().await.unwrap().person.name, None);
    let stage = terse().await;
    stage.idp.set(|script| script.metadata = json!({"userinfo_endpoint": null}));
    assert_eq!(stage.sign_in().await.unwrap().person.email, None);
    assert!(stage.idp.asked("/userinfo").is_empty());
}

#[tokio::test]
async fn a_refusal_or_a_fault_of_it_ends_the_sign_in() {
    let replies = [
        (Reply::Json(401, json!({})), "oidc_user_info_refused"),
        (Reply::Json(403, json!({})), "oidc_user_info_refused"),
        (Reply::Json(500, json!({})), "oidc_provider_failed"),
        (Reply::Text("application/jwt", "a.b.c".to_owned()), "oidc_answer_not_json"),
        (Reply::Text("text/html", "<html>".to_owned()), "oidc_answer_not_json"),
        (Reply::Text("application/json", r#"{"sub":"ada","sub":"eve"}"#.to_owned()), "oidc_answer_not_json"),
    ];
    for (reply, code) in replies {
        let stage = terse().await;
        stage.idp.reply("/userinfo", reply.clone());
        assert_eq!(stage.refusal().await, code, "{reply:?}");
    }
}

//! Only those come in who have what is required of them, and only as long as they have it.

use retinue_model::error::Kind;
use retinue_oidc::{Config, UserInfo};
use retinue_testkit::identity_provider::Reply;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::stage::Stage;

fn require(config: &mut Config, name: &str, accepted: &[&str]) {
    config.required_claims.push((name.to_owned(), accepted.iter().map(|value| (*value).to_owned()).collect()));
}

async fn requiring(name: &str, accepted: &[&str]) -> Stage {
    Stage::with(|config| require(config, name, accepted)).await
}

/// The code of the refusal of a sign-in with these claims in ID token and UserInfo.
async fn with(stage: &Stage, id_token: Value, user_info: Value) -> &'static str {
    stage.idp.set(|script| (script.id_token, script.user_info) = (id_token, user_info));
    stage.refusal().await
}

#[tokio::test]
async fn a_claim_of_the_id_token_decides() {
    let stage = requiring("hd", &["example.com", "example.org"]).await;
    assert_eq!(with(&stage, json!({"hd": "example.org"}), json!({})).await, "");
    for hd in [json!("evil.example"), json!("example.com.evil.example"), json!(""), json!(7), json!({}), json!([])] {
        let refused = with(&stage, json!({"hd": hd}), json!({"hd": "example.com"})).await;
        assert_eq!(refused, "oidc_claim_refused", "{hd}");
    }
    assert!(stage.idp.asked("/userinfo").is_empty(), "what is signed counts");
}

#[tokio::test]
async fn groups_and_roles_decide() {
    let stage = requiring("groups", &["retinue-users"]).await;
    assert_eq!(with(&stage, json!({"groups": ["staff", "retinue-users"]}), json!({})).await, "");
    assert_eq!(with(&stage, json!({"groups": "retinue-users"}), json!({})).await, "");
    assert_eq!(with(&stage, json!({"groups": ["staff"]}), json!({})).await, "oidc_claim_refused");
    let stage = requiring("realm_access.roles", &["retinue"]).await;
    assert_eq!(with(&stage, json!({"realm_access": {"roles": ["retinue"]}}), json!({})).await, "");
    assert_eq!(with(&stage, json!({"realm_access": {"roles": []}}), json!({})).await, "oidc_claim_refused");
    assert_eq!(with(&stage, json!({"realm_access.roles": "x"}), json!({})).await, "oidc_claim_refused");
}

#[tokio::test]
async fn what_the_id_token_lacks_is_asked_for() {
    let stage = requiring("groups", &["retinue-users"]).await;
    assert_eq!(with(&stage, json!({}), json!({"groups": ["retinue-users"]})).await, "");
    assert_eq!(stage.idp.asked("/userinfo").len(), 1);
    assert_eq!(with(&stage, json!({"groups": null}), json!({"groups": ["staff"]})).await, "oidc_claim_refused");
    assert_eq!(with(&stage, json!({}), json!({})).await, "oidc_claim_refused");
    let stage = requiring("realm_access.roles", &["retinue"]).await;
    let (id_token, user_info) = (json!({"realm_access": {}}), json!({"realm_access": {"roles": ["retinue"]}}));
    assert_eq!(with(&stage, id_token, user_info).await, "");
}

#[tokio::test]
async fn what_may_not_be_asked_for_is_missing() {
    let stage = Stage::with(|config| {
        config.user_info = UserInfo::Never;
        require(config, "groups", &["retinue-users"]);
    })
    .await;
    assert_eq!(with(&stage, json!({}), json!({"groups": ["retinue-users"]})).await, "oidc_claim_refused");
    assert!(stage.idp.asked("/userinfo").is_empty());
    let stage = requiring("groups", &["retinue-users"]).await;
    stage.idp.set(|script| script.metadata = json!({"userinfo_endpoint": null}));
    assert_eq!(with(&stage, json!({}), json!({"groups": ["retinue-users"]})).await, "oidc_claim_refused");
}

#[tokio::test]
async fn a_verified_address_can_be_required() {
    let stage = requiring("email_verified", &["true"]).await;
    assert_eq!(with(&stage, json!({}), json!({})).await, "");
    assert_eq!(with(&stage, json!({"email_verified": false}), json!({})).await, "oidc_claim_refused");
    assert_eq!(with(&stage, json!({"email_verified": null}), json!({})).await, "");
    let refused = with(&stage, json!({"email_verified": null}), json!({"email": "eve@example.com"})).await;
    assert_eq!(refused, "oidc_claim_refused", "that is about another address");
}

#[tokio::test]
async fn each_of_them_is_required() {
    let stage = Stage::with(|config| {
        require(config, "hd", &["example.com"]);
        require(config, "groups", &["retinue-users"]);
    })
    .await;
    assert_eq!(with(&stage, json!({"hd": "example.com", "groups": ["retinue-users"]}), json!({})).await, "");
    assert_eq!(with(&stage, json!({"hd": "example.com", "groups": ["staff"]}), json!({})).await, "oidc_claim_refused");
    assert_eq!(with(&stage, json!({"groups": ["retinue-users"]}), json!({})).await, "oidc_claim_refused");
}

#[tokio::test]
async fn the_refusal_names_the_claim_to_the_log_alone() {
    let stage = requiring("hd", &["example.com"]).await;
    stage.idp.set(|script| script.id_token = json!({"hd": "evil.example"}));
    let error = stage.sign_in().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Forbidden);
    assert!(error.detail().contains("not among those who may use this server"), "{error}");
    assert!(!error.detail().contains("hd") && !error.detail().contains("example"), "{error}");
    assert!(error.cause_chain().unwrap().contains("`hd`"));
}

#[tokio::test]
async fn who_loses_it_does_not_stay() {
    let stage = requiring("groups", &["retinue-users"]).await;
    stage.idp.set(|script| script.id_token = json!({"groups": ["retinue-users"]}));
    let mut token = stage.sign_in().await.unwrap().tokens.refresh_token.unwrap();
    // An ID token may lack claims after a refresh, and there need not be one: then UserInfo is asked.
    stage.idp.set(|script| script.user_info = json!({"groups": ["retinue-users"]}));
    let enough = [json!({"groups": ["a", "retinue-users"]}), json!({}), json!({"groups": null})];
    for id_token in enough {
        stage.idp.set(|script| script.id_token = id_token);
        token = stays(&stage, &token).await;
    }
    stage.idp.set(|script| script.token_answer = json!({"id_token": null}));
    token = stays(&stage, &token).await;
    assert_eq!(stage.idp.asked("/userinfo").len(), 3);
    stage.idp.set(|script| script.user_info = json!({"groups": ["staff"]}));
    token = is_out(&stage, &token).await;
    stage.idp.set(|script| script.user_info = json!({}));
    token = is_out(&stage, &token).await;
    // What can't be asked is no answer.
    stage.idp.reply("/userinfo", Reply::Json(503, json!({})));
    let untold = stage.provider.refresh(stage.moment(), &token, "ada").await.unwrap();
    assert_eq!(untold.person.unwrap_err().kind(), Kind::Unavailable);
    token = untold.tokens.refresh_token.unwrap();
    stage.idp.set(|script| {
        script.token_answer = json!({});
        script.id_token = json!({"groups": []});
        script.user_info = json!({"groups": ["retinue-users"]});
    });
    is_out(&stage, &token).await;
}

/// Refreshes for somebody who may stay; the next refresh token.
async fn stays(stage: &Stage, token: &SecretString) -> SecretString {
    let refreshed = stage.provider.refresh(stage.moment(), token, "ada").await.unwrap();
    refreshed.person.unwrap();
    refreshed.tokens.refresh_token.unwrap()
}

/// Refreshes for somebody who may not; the next refresh token.
async fn is_out(stage: &Stage, token: &SecretString) -> SecretString {
    let refreshed = stage.provider.refresh(stage.moment(), token, "ada").await.unwrap();
    let refused = refreshed.person.unwrap_err();
    // Not of a kind that lets a session go on.
    assert_eq!((refused.kind(), refused.code()), (Kind::Forbidden, "oidc_claim_refused"));
    refreshed.tokens.refresh_token.unwrap()
}

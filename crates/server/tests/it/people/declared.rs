//! What the configuration declares counts only where it leads to somebody.

use reqwest::Method;
use retinue_app::admin::Declared;
use retinue_testkit::{Database, Person, TestApp, on_both_databases};
use serde_json::{Value, json};

use crate::linking::{comes, has};

on_both_databases! {
    whoever_is_declared_and_never_came_runs_nothing,
}

async fn stop(admin: &Person, body: &Value, status: u16) -> Value {
    let path = format!("/api/users/{}", admin.id().await);
    admin.send_json(Method::PATCH, &path, body, status).await
}

async fn whoever_is_declared_and_never_came_runs_nothing(database: Database) {
    let (app, sso) = TestApp::with_provider_and_auth(database, |auth| {
        let issuer = auth.providers[0].provider.config().issuer.as_str().to_owned();
        auth.admins = vec![
            Declared::Identity { issuer, subject: "nobody".to_owned() },
            Declared::VerifiedEmail("root@example.com".to_owned()),
        ];
    })
    .await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    let administration = app.administration().await;
    let user = administration.find(&ada.id().await).await.unwrap();
    administration.grant_admin(&user).await.unwrap();
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    for body in [json!({ "organization_admin": false }), json!({ "disabled": true })] {
        assert_eq!(stop(&ada, &body, 409).await["code"], "last_admin", "{body}");
    }
    let user = administration.find(&ada.id().await).await.unwrap();
    assert_eq!(administration.revoke_admin(&user).await.unwrap_err().code(), "last_admin");

    comes(&app, ("sso", &sso), "root", has("root@example.com", true)).await;
    let shut = |column: &str| format!("UPDATE users SET disabled_at = {column} WHERE email_key = 'root@example.com'");
    app.database.ask(&shut("updated_at")).await;
    assert_eq!(stop(&ada, &json!({ "organization_admin": false }), 409).await["code"], "last_admin", "they are out");
    app.database.ask(&shut("NULL")).await;
    stop(&ada, &json!({ "organization_admin": false }), 200).await;
}

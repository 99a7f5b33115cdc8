//! As whom a request acts: what `GET /auth/me` says of it.

use reqwest::Method;
use retinue_testkit::{Database, Person, TestApp, on_both_databases};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple";
const ORGANIZATION: &str = "org_00000000000000000000000001";

on_both_databases! {
    where_nobody_signs_in_it_is_the_local_user,
    a_bad_credential_is_not_the_local_user,
    it_names_the_identity_that_the_session_was_begun_with,
}

async fn where_nobody_signs_in_it_is_the_local_user(database: Database) {
    let app = TestApp::start(database).await;
    let me = app.get("/auth/me").await;
    let expected = json!({
        "mode": "single_user",
        "user_id": "usr_00000000000000000000000001",
        "organization_id": ORGANIZATION,
        "issuer": null,
        "subject": null,
        "via": "single_user",
        "scopes": [],
        "organization_admin": true,
    });
    assert_eq!(me["principal"], expected);
}

async fn a_bad_credential_is_not_the_local_user(database: Database) {
    let app = TestApp::start(database).await;
    let ask = async |path: &str, name: &str, value: &str| {
        let response = app.request(Method::GET, path).header(name, value).send().await.unwrap();
        let challenge = response.headers().get("www-authenticate").map(|text| text.to_str().unwrap().to_owned());
        (response.status().as_u16(), challenge.unwrap_or_default())
    };
    for (name, value, error) in [
        ("authorization", "Bearer x", "invalid_token"),
        ("authorization", "Bearer rtn_x", "invalid_token"),
        ("authorization", "Bearer", "invalid_request"),
        ("x-api-key", "x", "invalid_token"),
    ] {
        let refused = (401, format!("Bearer realm=\"retinue\", error=\"{error}\""));
        for path in ["/api/threads", "/auth/me", "/api/sessions", "/"] {
            assert_eq!(ask(path, name, value).await, refused, "{path}, {name}: {value}");
        }
    }
    assert_eq!(ask("/api/threads", "authorization", "Basic eDp5").await.0, 200, "that is for a proxy");
}

async fn it_names_the_identity_that_the_session_was_begun_with(database: Database) {
    let (app, provider) = TestApp::with_both_ways(database).await;
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let with_password = Person::stranger(&app);
    assert_eq!(with_password.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    let id = with_password.id().await;
    let expected = |issuer: Value, subject: Value| {
        json!({
            "mode": "oidc",
            "user_id": id,
            "organization_id": ORGANIZATION,
            "issuer": issuer,
            "subject": subject,
            "via": "session",
            "scopes": [],
            "organization_admin": false,
        })
    };
    let principal = async |person: &Person| person.get("/auth/me").await["principal"].take();
    assert_eq!(principal(&with_password).await, expected(Value::Null, Value::Null));
    for subject in ["countess", "lovelace"] {
        provider.greet(subject);
        assert_eq!(with_password.add_identity("sso", &provider).await.status(), 303);
    }
    // Each session has its own, and the one of before still has none.
    let issuer = json!(provider.issuer());
    for subject in ["countess", "lovelace"] {
        let at_provider = Person::signed_in(&app, &provider, subject).await;
        for _ in 0..2 {
            assert_eq!(
                principal(&at_provider).await,
                expected(issuer.clone(), json!(subject)),
                "read, and from memory"
            );
        }
    }
    assert_eq!(principal(&with_password).await, expected(Value::Null, Value::Null));
}

//! A server that takes no API keys: those there are do not count, and none is made.

use std::sync::Arc;

use reqwest::Method;
use retinue_app::Auth;
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, on_both_databases, with_people_on_both_engines};
use serde_json::json;

use super::{CONVERSING, ask, body, key};
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    where_keys_are_turned_off_none_counts_and_none_is_made,
}

/// The same server, which takes keys from now on, or does not.
async fn taking_keys(app: TestApp, takes_keys: bool) -> TestApp {
    let auth = Auth { takes_keys, ..app.app.auth().clone() };
    app.restart_letting_in(Arc::new(move |_| auth.clone())).await
}

async fn is_refused(app: &TestApp, text: &str) {
    for (method, path) in [(Method::GET, "/api/threads"), (Method::POST, "/api/threads"), (Method::GET, "/auth/me")] {
        for request in
            [app.request(method.clone(), path).bearer_auth(text), app.request(method, path).header("x-api-key", text)]
        {
            let refused = request.json(&json!({})).send().await.unwrap();
            assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"retinue\", error=\"invalid_token\"");
            assert_eq!(
                (refused.status().as_u16(), &body(refused).await["code"]),
                (401, &json!("credential_kind_disabled"))
            );
        }
    }
}

async fn where_keys_are_turned_off_none_counts_and_none_is_made(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "viewer").await;
    let (text, id) = key(&ada, &ops, &CONVERSING).await;
    let (kept, _) = key(&ada, &ops, &CONVERSING).await;
    assert_eq!(ask(&app, &text, Method::GET, "/api/threads", None).await.status(), 200);
    let page = ada.open("/api-keys").await.text().await.unwrap();
    assert!(
        page.contains("href=\"/api-keys\"") && page.contains("name=\"days\"") && page.contains(">active<"),
        "{page}"
    );

    let app = taking_keys(app, false).await;
    let [admin, ada] = [admin, ada].map(|person| person.again_at(&app));
    is_refused(&app, &text).await;
    let with_cookie = ada.send(ada.request(Method::GET, "/api/threads").bearer_auth(&text)).await;
    assert_eq!(with_cookie.status(), 401, "it does not fall through to the cookie");
    let new = json!({ "team_id": ops, "name": "one more" });
    assert_eq!(ada.send_json(Method::POST, "/api/api-keys", &new, 403).await["code"], "keys_disabled");
    let form = [("name", "one more"), ("team", ops.as_str()), ("days", "90"), ("threads:read", "1")];
    let refused = ada.submit("/api-keys", &form).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("This server takes no API keys at the moment"));

    let home = ada.open("/").await.text().await.unwrap();
    assert!(home.contains("href=\"/audit\"") && !home.contains("href=\"/api-keys\""), "{home}");
    let page = ada.open("/api-keys").await.text().await.unwrap();
    assert!(page.contains("This server takes no API keys at the moment"), "{page}");
    assert!(!page.contains("name=\"days\"") && !page.contains("Create key"), "{page}");
    // What is there is seen, so that it does not count again one day without anybody's knowing.
    assert!(
        page.contains("turned off") && !page.contains(">active<") && page.contains(&format!("/{id}/revoke")),
        "{page}"
    );
    for keys in [ada.get("/api/api-keys").await, admin.get(&format!("/api/teams/{ops}/api-keys")).await] {
        assert_eq!(keys["data"].as_array().unwrap().len(), 2, "{keys}");
    }
    assert_eq!(admin.status(Method::DELETE, &format!("/api/api-keys/{id}")).await, 204);

    let app = taking_keys(app, true).await;
    assert_eq!(ask(&app, &text, Method::GET, "/api/threads", None).await.status(), 401, "it was revoked meanwhile");
    assert_eq!(ask(&app, &kept, Method::GET, "/api/threads", None).await.status(), 200);
}

mod alone {
    use super::*;

    on_both_databases! {
        where_nobody_signs_in_it_is_no_other,
    }

    async fn where_nobody_signs_in_it_is_no_other(database: Database) {
        let app = TestApp::start(database).await;
        let team = app.get("/api/teams").await["data"][0]["id"].clone();
        let new = json!({ "team_id": team, "name": "script" });
        let made = app.send(Method::POST, "/api/api-keys", &new, 201).await;
        let app = taking_keys(app, false).await;
        is_refused(&app, made["key"].as_str().unwrap()).await;
        assert_eq!(app.send(Method::POST, "/api/api-keys", &new, 403).await["code"], "keys_disabled");
        let page = Person::stranger(&app).open("/").await.text().await.unwrap();
        assert!(page.contains("href=\"/audit\"") && !page.contains("href=\"/api-keys\""), "{page}");
    }
}

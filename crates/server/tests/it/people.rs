//! Everybody, for those who run the installation.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, location, until, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

mod declared;
mod race;

with_people_on_both_engines! {
    everybody_is_listed_for_whoever_runs_the_installation_and_for_nobody_else,
    somebody_is_found_by_id_address_and_how_the_name_begins,
    the_page_finds_somebody_and_stays_with_them,
    whoever_is_shut_out_is_out_with_everything_at_once,
    another_one_runs_the_installation_until_that_is_taken_back,
    nothing_else_can_be_set_of_a_user,
}

async fn change(person: &Person, user: &str, change: &Value, status: u16) -> Value {
    person.send_json(Method::PATCH, &format!("/api/users/{user}"), change, status).await
}

async fn everybody_is_listed_for_whoever_runs_the_installation_and_for_nobody_else(
    app: TestApp,
    provider: IdentityProvider,
) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let mut names = Vec::new();
    let mut path = "/api/users?limit=2".to_owned();
    loop {
        let part = admin.get(&path).await;
        names.extend(part["data"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = part["next_cursor"].as_str() else { break };
        path = format!("/api/users?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["admin", "ada", "grace"], "and not the local user");
    let own = admin.get(&format!("/api/users/{}", admin.id().await)).await;
    assert_eq!((&own["organization_admin"], &own["admin_declared"]), (&json!(true), &json!(true)));
    for path in ["/api/users".to_owned(), format!("/api/users/{}", grace.id().await)] {
        assert_eq!(ada.status(Method::GET, &path).await, 403, "{path}");
    }
    let refused = change(&ada, &ada.id().await, &json!({ "organization_admin": true }), 403).await;
    assert_eq!(refused["code"], "forbidden");
    for id in ["usr_00000000000000000000000001", "usr_00000000000000000000000009"] {
        assert_eq!(admin.status(Method::GET, &format!("/api/users/{id}")).await, 404, "{id}");
        change(&admin, id, &json!({ "disabled": true }), 404).await;
    }
}

/// The names of those whom a search finds, in their order, by parts of two.
async fn found(admin: &Person, q: &str) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = admin.get(&format!("/api/users?limit=2&q={q}{cursor}")).await;
        names.extend(part["data"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned()));
        let Some(next) = part["next_cursor"].as_str() else { return names };
        cursor = format!("&cursor={next}");
    }
}

async fn somebody_is_found_by_id_address_and_how_the_name_begins(app: TestApp, provider: IdentityProvider) {
    let admin = Person::signed_in(&app, &provider, "admin").await;
    for (subject, name) in
        [("a1", "Ada B"), ("a2", "ADA"), ("a3", "adam"), ("g1", "Grace"), ("e1", "Émile"), ("p1", "100%_x")]
    {
        provider.introduce(
            subject,
            json!({ "name": name, "email": format!("{subject}@example.com"), "email_verified": true }),
        );
        assert_eq!(Person::stranger(&app).sign_in_at("sso", &provider).await.status(), 303);
    }
    assert_eq!(found(&admin, "ada").await, ["ADA", "Ada B", "adam"], "by name, whatever the case");
    assert_eq!(found(&admin, "%20Ada%20b%20").await, ["Ada B"]);
    assert_eq!(found(&admin, "A1@EXAMPLE.com").await, ["Ada B"]);
    for subject in ["s1", "s2", "s3"] {
        provider.introduce(subject, json!({ "name": subject, "email": "shared@example.com" }));
        assert_eq!(Person::stranger(&app).sign_in_at("sso", &provider).await.status(), 303);
    }
    let mut shared = found(&admin, "shared@example.com").await;
    shared.sort_unstable();
    assert_eq!(shared, ["s1", "s2", "s3"]);
    assert_eq!(found(&admin, &admin.id().await).await, ["admin"]);
    assert_eq!(found(&admin, "%C3%89m").await, ["Émile"]);
    assert_eq!(found(&admin, "100%25_").await, ["100%_x"], "no character stands for others");
    assert_eq!(found(&admin, "%20").await.len(), 10, "whoever looks for nobody sees everybody");
    for nobody in [
        "race",
        "%25",
        "_",
        "ada%25",
        "a1@example",
        "usr_00000000000000000000000009",
        "usr_00000000000000000000000001",
        "Local",
    ] {
        assert_eq!(found(&admin, nobody).await, Vec::<String>::new(), "{nobody}");
    }
    let (all, by_name) = (admin.get("/api/users?limit=1").await, admin.get("/api/users?limit=1&q=ada").await);
    let path = |q: &str, cursor: &Value| format!("/api/users?{q}cursor={}", cursor["next_cursor"].as_str().unwrap());
    for bad in [
        path("q=ada&", &all),
        path("", &by_name),
        "/api/users?q=a%00".to_owned(),
        format!("/api/users?q={}", "x".repeat(255)),
    ] {
        assert_eq!(admin.status(Method::GET, &bad).await, 400, "{bad}");
    }
    let ada = Person::signed_in(&app, &provider, "a1").await;
    assert_eq!(ada.status(Method::GET, "/api/users?q=a1@example.com").await, 403);
}

async fn the_page_finds_somebody_and_stays_with_them(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let page = async |query: &str| admin.open(&format!("/admin{query}")).await.text().await.unwrap();
    let found = page("?q=Ada%40example.com").await;
    let (ada, grace) = (ada.id().await, grace.id().await);
    assert!(found.contains(&ada) && !found.contains(&grace) && found.contains("value=\"Ada@example.com\""), "{found}");
    assert!(page("?q=nobody").await.contains("Nobody is found by this"));
    let done = admin.submit(&format!("/admin/users/{ada}"), &[("act", "disable"), ("q", "ada&x")]).await;
    assert_eq!(location(&done), "/admin?q=ada%26x");
    assert_eq!(location(&admin.submit(&format!("/admin/users/{ada}"), &[("act", "enable")]).await), "/admin");
    let long = admin.open(&format!("/admin?q={}", "x".repeat(255))).await;
    assert_eq!(long.status(), 400);
    assert!(long.text().await.unwrap().contains("id=\"q-error\""));
    assert_eq!(admin.open("/admin?q=a%00").await.status(), 400);
}

async fn whoever_is_shut_out_is_out_with_everything_at_once(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "viewer").await;
    let key = ada.send_json(Method::POST, "/api/api-keys", &json!({ "team_id": ops, "name": "ci" }), 201).await;
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let by_key = async || {
        let program = Person::stranger(&app);
        let request = program.request(Method::GET, "/api/threads").header("authorization", &bearer);
        program.send(request).await.status().as_u16()
    };
    assert_eq!(by_key().await, 200);
    let thread = ada.thread().await;
    let run = ada.say(&thread, "Hello").await;
    let answer = app.model.next().await.begin();
    answer.say("word").await;
    let mut events = ada.follow(&run).await;
    events.until("message.delta").await;

    let id = ada.id().await;
    let changed = change(&admin, &id, &json!({ "disabled": true }), 200).await;
    assert!(changed["disabled_at"].is_string(), "{changed}");
    assert_eq!((ada.status(Method::GET, "/auth/me").await, by_key().await), (401, 401));
    while events.next().await.is_some() {}
    let status = async || app.database.ask("SELECT status FROM runs").await.remove(0);
    until("the run ends", Duration::from_secs(5), async || (status().await == "cancelled").then_some(())).await;
    let told = admin.get(&format!("/api/audit?target={id}")).await;
    assert_eq!(told["data"][0]["action"], "user.disabled", "{told}");

    let changed = change(&admin, &id, &json!({ "disabled": false }), 200).await;
    assert_eq!(changed["disabled_at"], Value::Null);
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 401, "what ended stays over");
    assert_eq!(by_key().await, 200, "a key counts again with its owner");
}

async fn another_one_runs_the_installation_until_that_is_taken_back(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let (own, id) = (admin.id().await, ada.id().await);
    change(&admin, &id, &json!({ "organization_admin": true }), 200).await;
    assert_eq!(ada.get("/auth/me").await["principal"]["organization_admin"], json!(true));
    assert_eq!(ada.status(Method::GET, "/api/users").await, 200);
    let refused = change(&ada, &own, &json!({ "organization_admin": false }), 409).await;
    assert_eq!(refused["code"], "admin_declared", "the configuration says so");
    change(&admin, &id, &json!({ "organization_admin": false }), 200).await;
    assert_eq!(ada.status(Method::GET, "/api/users").await, 403, "at once");
    let told = admin.get(&format!("/api/audit?target={id}")).await;
    let actions: Vec<_> = told["data"].as_array().unwrap().iter().map(|event| event["action"].clone()).collect();
    assert!(actions.starts_with(&[json!("admin.revoked"), json!("admin.granted")]), "{actions:?}");
}

async fn nothing_else_can_be_set_of_a_user(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let id = ada.id().await;
    for body in [
        json!({ "id": "usr_00000000000000000000000001" }),
        json!({ "organization_id": "org_00000000000000000000000001" }),
        json!({ "email_verified": true }),
        json!({ "disabled": "yes" }),
    ] {
        let refused = change(&admin, &id, &body, 400).await;
        assert_eq!(refused["code"], "invalid_body", "{body}");
    }
    let same = change(&admin, &id, &json!({}), 200).await;
    assert_eq!(same, change(&admin, &id, &json!({ "disabled": false }), 200).await, "nothing was changed");
    assert_eq!(admin.get(&format!("/api/audit?target={id}&action=user.enabled")).await["data"], json!([]));
}

#[tokio::test]
async fn the_user_of_a_server_on_which_nobody_signs_in_stays() {
    let app = TestApp::start(retinue_testkit::Database::sqlite()).await;
    let own = format!("/api/users/{}", app.get("/auth/me").await["user"]["id"].as_str().unwrap());
    let refused = app.send(Method::PATCH, &own, &json!({ "disabled": true }), 409).await;
    assert_eq!(refused["code"], "local_user_stays");
    app.thread().await;
}

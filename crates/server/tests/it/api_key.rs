//! API keys: whom they act for, what they may, and when they stop.

use std::time::Duration;

use reqwest::{Method, Response};
use retinue_app::Clock as _;
use retinue_store::Location;
use retinue_testkit::{IdentityProvider, Person, TestApp, until, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

mod other_team;
mod run;
mod turned_off;

with_people_on_both_engines! {
    a_key_acts_for_its_owner_and_is_told_once,
    a_key_may_no_more_than_its_scopes_and_its_owner,
    whatever_is_wrong_with_a_key_ends_the_request,
    a_key_stops_with_what_it_stands_on,
    a_stream_ends_with_its_key,
    a_key_is_seen_and_revoked_by_those_who_run_its_team,
    keys_make_no_keys_and_change_no_way_in,
    a_key_is_made_only_where_its_owner_belongs,
    a_key_reaches_no_other_team_of_its_owner,
    a_key_does_not_run_the_installation,
    so_many_keys_are_made_in_an_hour,
    of_too_many_ends_at_once_none_is_missed,
}

/// A key of somebody; its text and its id.
pub(crate) async fn key(owner: &Person, team: &str, scopes: &[&str]) -> (String, String) {
    let new = json!({ "team_id": team, "name": "script", "scopes": scopes });
    let made = owner.send_json(Method::POST, "/api/api-keys", &new, 201).await;
    (made["key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
}

async fn own_team(person: &Person) -> String {
    person.get("/api/teams").await["data"][0]["id"].as_str().unwrap().to_owned()
}

async fn ask(app: &TestApp, key: &str, method: Method, path: &str, body: Option<Value>) -> Response {
    let request = app.request(method, path).bearer_auth(key);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    request.send().await.unwrap()
}

async fn status(app: &TestApp, key: &str, method: Method, path: &str) -> u16 {
    ask(app, key, method, path, None).await.status().as_u16()
}

async fn body(response: Response) -> Value {
    response.json().await.unwrap()
}

const CONVERSING: [&str; 4] = ["threads:read", "threads:write", "agents:read", "agents:run"];

async fn a_key_acts_for_its_owner_and_is_told_once(app: TestApp, provider: IdentityProvider) {
    let People { ada, grace, .. } = people(&app, &provider).await;
    let (text, id) = key(&ada, &own_team(&ada).await, &CONVERSING).await;
    let me = body(ask(&app, &text, Method::GET, "/auth/me", None).await).await;
    assert_eq!((&me["user"]["id"], &me["principal"]["via"]), (&json!(ada.id().await), &json!("api_key")));
    let thread = body(ask(&app, &text, Method::POST, "/api/threads", Some(json!({ "title": "By key" }))).await).await;
    assert_eq!(ada.get("/api/threads").await["data"][0]["id"], thread["id"]);
    assert_eq!(grace.get("/api/threads").await["data"], json!([]));
    let theirs = grace.thread().await;
    assert_eq!(status(&app, &text, Method::GET, &format!("/api/threads/{theirs}")).await, 404);

    let header = app.request(Method::GET, "/api/threads").header("x-api-key", &text).send().await.unwrap();
    assert_eq!(header.status(), 200);
    let listed = ada.get("/api/api-keys").await["data"][0].clone();
    assert_eq!((&listed["id"], &listed["prefix"]), (&json!(id), &json!(text[..10])));
    let everything = app.database.everything().await;
    assert!(!everything.windows(text.len()).any(|window| window == text.as_bytes()), "the key is kept nowhere");
    until("its use is noted", Duration::from_secs(5), async || {
        ada.get("/api/api-keys").await["data"][0]["last_used_at"].is_string().then_some(())
    })
    .await;
}

async fn a_key_may_no_more_than_its_scopes_and_its_owner(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "viewer").await;
    let (reads, _) = key(&ada, &ops, &["threads:read"]).await;
    assert_eq!(status(&app, &reads, Method::GET, "/api/threads").await, 200);
    for (method, path) in [
        (Method::POST, "/api/threads"),
        (Method::GET, "/api/agents"),
        (Method::GET, "/api/teams"),
        (Method::GET, "/api/models"),
    ] {
        let refused = ask(&app, &reads, method, path, Some(json!({}))).await;
        assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"retinue\", error=\"insufficient_scope\"");
        assert_eq!(
            (refused.status().as_u16(), &body(refused).await["code"]),
            (403, &json!("insufficient_scope")),
            "{path}"
        );
    }
    let (all, _) = key(&ada, &ops, &["agents:write", "teams:write", "teams:read"]).await;
    let new = json!({ "team_id": ops, "name": "Helper" });
    assert_eq!(ask(&app, &all, Method::POST, "/api/agents", Some(new.clone())).await.status(), 403, "she is a viewer");
    let member = format!("/api/teams/{ops}/members/{}", ada.id().await);
    admin.send_json(Method::PATCH, &member, &json!({ "role": "editor" }), 200).await;
    assert_eq!(ask(&app, &all, Method::POST, "/api/agents", Some(new)).await.status(), 201, "at once");
    assert_eq!(ask(&app, &all, Method::POST, "/api/teams", Some(json!({ "name": "X" }))).await.status(), 403);
}

async fn whatever_is_wrong_with_a_key_ends_the_request(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let (text, _) = key(&ada, &own_team(&ada).await, &CONVERSING).await;
    let unknown = "rtn_00000000000000000000000000000000000000000000000";
    let swapped = text.replacen(&text[20..21], if &text[20..21] == "A" { "B" } else { "A" }, 1);
    for bad in [&text[..text.len() - 1], &format!("{text}A"), &swapped, unknown, "rtn_"] {
        // With the owner's cookie: it does not fall through to that.
        let response = ada.send(ada.request(Method::GET, "/api/threads").bearer_auth(bad)).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"retinue\", error=\"invalid_token\"");
        assert_eq!(
            (response.status().as_u16(), &body(response).await["code"]),
            (401, &json!("invalid_api_key")),
            "{bad}"
        );
    }
    for (name, value, code) in [
        ("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.".to_owned(), "credential_kind_disabled"),
        ("authorization", "Bearer".to_owned(), "invalid_request"),
        ("x-api-key", "secret".to_owned(), "credential_kind_disabled"),
        ("authorization", format!("Token {text}"), "invalid_request"),
        ("authorization", text.clone(), "invalid_request"),
        ("authorization", format!("Bearer,{text}"), "invalid_request"),
    ] {
        let response = ada.send(ada.request(Method::GET, "/api/threads").header(name, &value)).await;
        assert_eq!((response.status().as_u16(), &body(response).await["code"]), (401, &json!(code)), "{value}");
    }
    let both =
        app.request(Method::GET, "/api/threads").bearer_auth(&text).header("x-api-key", &text).send().await.unwrap();
    assert_eq!(body(both).await["code"], "invalid_request");
}

/// At once, with the key warm in memory.
async fn a_key_stops_with_what_it_stands_on(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    let counts = async |text: &str| status(&app, text, Method::GET, "/api/threads").await;

    let (text, id) = key(&ada, &ops, &CONVERSING).await;
    assert_eq!(counts(&text).await, 200);
    assert_eq!(ada.status(Method::DELETE, &format!("/api/api-keys/{id}")).await, 204);
    assert_eq!(counts(&text).await, 401, "it was revoked");
    assert_eq!(ada.status(Method::DELETE, &format!("/api/api-keys/{id}")).await, 204, "once more is as well");

    let (text, _) = key(&ada, &ops, &CONVERSING).await;
    assert_eq!(counts(&text).await, 200);
    let member = format!("/api/teams/{ops}/members/{}", ada.id().await);
    assert_eq!(admin.status(Method::DELETE, &member).await, 204);
    assert_eq!(counts(&text).await, 401, "its owner left the team");
    join(&admin, &ops, &ada, "viewer").await;
    assert_eq!(counts(&text).await, 401, "and came back, without it");

    let soon = (app.clock.now() + Duration::from_mins(5)).to_string();
    let new = json!({ "team_id": ops, "name": "short", "expires_at": soon });
    let short = ada.send_json(Method::POST, "/api/api-keys", &new, 201).await["key"].as_str().unwrap().to_owned();
    assert_eq!(counts(&short).await, 200);
    app.clock.advance(Duration::from_mins(5));
    assert_eq!(counts(&short).await, 401, "its time is over");
    let past = json!({ "team_id": ops, "name": "past", "expires_at": soon });
    assert_eq!(ada.send_json(Method::POST, "/api/api-keys", &past, 400).await["code"], "expires_in_the_past");

    let administration = app.administration().await;
    let user = administration.find(&ada.id().await).await.unwrap();
    administration.disable(&user).await.unwrap();
    until("another process is heard", Duration::from_secs(2), async || (counts(&text).await == 401).then_some(()))
        .await;
}

async fn a_stream_ends_with_its_key(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let (text, id) = key(&ada, &own_team(&ada).await, &CONVERSING).await;
    let thread = ada.thread().await;
    let run = ada.say(&thread, "Go on").await;
    let response = ask(&app, &text, Method::GET, &format!("/api/runs/{run}/events"), None).await;
    assert_eq!(response.status(), 200);
    let mut events = retinue_testkit::EventStream::new(response);
    assert_eq!(events.next().await.unwrap().name, "run.started");
    assert_eq!(ada.status(Method::DELETE, &format!("/api/api-keys/{id}")).await, 204);
    assert!(events.next().await.is_none(), "it ends, and the run goes on");
    assert_eq!(ada.get(&format!("/api/runs/{run}")).await["status"], "running");
}

async fn a_key_is_seen_and_revoked_by_those_who_run_its_team(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "viewer").await;
    let (text, id) = key(&ada, &ops, &CONVERSING).await;
    let (path, of_team) = (format!("/api/api-keys/{id}"), format!("/api/teams/{ops}/api-keys"));
    assert_eq!(grace.status(Method::DELETE, &path).await, 404);
    assert_eq!(grace.status(Method::GET, &of_team).await, 404);
    join(&admin, &ops, &grace, "editor").await;
    assert_eq!(grace.status(Method::DELETE, &path).await, 404, "an editor does not see it");
    assert_eq!(grace.status(Method::GET, &of_team).await, 403);
    assert_eq!(ada.status(Method::GET, &of_team).await, 403);
    let member = format!("/api/teams/{ops}/members/{}", grace.id().await);
    admin.send_json(Method::PATCH, &member, &json!({ "role": "admin" }), 200).await;
    let listed = grace.get(&of_team).await["data"][0].clone();
    assert_eq!((&listed["id"], &listed["user_id"], &listed["key"]), (&json!(id), &json!(ada.id().await), &Value::Null));
    assert_eq!(grace.status(Method::DELETE, &path).await, 204);
    assert_eq!(status(&app, &text, Method::GET, "/api/threads").await, 401);
}

async fn keys_make_no_keys_and_change_no_way_in(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let all: Vec<_> = retinue_model::api_key::KeyScope::ALL.iter().map(|scope| scope.as_str()).collect();
    let (text, id) = key(&ada, &own_team(&ada).await, &all).await;
    let session = ada.get("/api/sessions").await["data"][0]["id"].as_str().unwrap().to_owned();
    for (method, path) in [
        (Method::GET, "/api/api-keys".to_owned()),
        (Method::POST, "/api/api-keys".to_owned()),
        (Method::DELETE, format!("/api/api-keys/{id}")),
        (Method::GET, "/api/sessions".to_owned()),
        (Method::DELETE, format!("/api/sessions/{session}")),
        (Method::GET, "/api/identities".to_owned()),
        (Method::GET, "/account".to_owned()),
        (Method::GET, "/".to_owned()),
    ] {
        let refused = ask(&app, &text, method, &path, Some(json!({}))).await;
        assert_eq!(
            (refused.status().as_u16(), &body(refused).await["code"]),
            (403, &json!("session_required")),
            "{path}"
        );
    }
}

async fn a_key_is_made_only_where_its_owner_belongs(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let (ops, own) = (team(&admin, "Ops").await, own_team(&ada).await);
    for (new, status, code) in [
        (json!({ "team_id": ops, "name": "x" }), 404, "not_found"),
        (json!({ "team_id": own, "name": "x", "scopes": [] }), 400, "invalid_scope"),
        (json!({ "team_id": own, "name": "x", "scopes": ["everything"] }), 400, "invalid_scope"),
        (json!({ "team_id": own, "name": "\n" }), 400, "invalid_name"),
        (json!({ "team_id": own, "name": "x", "expires_at": "tomorrow" }), 400, "invalid_time"),
        (json!({ "team_id": own, "name": "x", "user_id": ada.id().await }), 400, "invalid_body"),
    ] {
        assert_eq!(ada.send_json(Method::POST, "/api/api-keys", &new, status).await["code"], code, "{new}");
    }
}

async fn a_key_reaches_no_other_team_of_its_owner(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    for team in [&ops, &other] {
        join(&admin, team, &ada, "admin").await;
    }
    let new = json!({ "team_id": other, "name": "Helper", "sharing": "team" });
    let helper = ada.send_json(Method::POST, "/api/agents", &new, 201).await["id"].as_str().unwrap().to_owned();
    let scopes = ["agents:read", "agents:run", "threads:write", "teams:read", "teams:write"];
    // Not even of somebody who runs the installation.
    for owner in [&ada, &admin] {
        let (text, _) = key(owner, &ops, &scopes).await;
        let ids = async |path: &str| {
            let found = body(ask(&app, &text, Method::GET, path, None).await).await;
            found["data"].as_array().unwrap().iter().map(|found| found["id"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids("/api/teams").await, [json!(ops)]);
        assert!(!ids("/api/agents").await.contains(&json!(helper)));
        let begun = ask(&app, &text, Method::POST, "/api/threads", Some(json!({ "agent_id": helper }))).await;
        assert_eq!((begun.status().as_u16(), &body(begun).await["code"]), (400, &json!("agent_unknown")));
        for (team, status) in [(&ops, 200), (&other, 404)] {
            let path = format!("/api/teams/{team}");
            assert_eq!(owner.status(Method::GET, &path).await, 200);
            assert_eq!(self::status(&app, &text, Method::GET, &path).await, status);
            let change = json!({ "name": format!("By key of {}", owner.id().await) });
            assert_eq!(ask(&app, &text, Method::PATCH, &path, Some(change)).await.status(), status);
        }
        let me = body(ask(&app, &text, Method::GET, "/auth/me", None).await).await;
        assert_eq!(me["teams"].as_array().unwrap().len(), 1, "{me}");
        let named = json!({ "team_id": other });
        let begun = ask(&app, &text, Method::POST, "/api/threads", Some(named)).await;
        assert_eq!((begun.status().as_u16(), &body(begun).await["code"]), (400, &json!("team_unknown")));
    }
}

async fn a_key_does_not_run_the_installation(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let scopes = ["agents:read", "teams:read", "teams:write", "audit:read"];
    let (text, _) = key(&admin, &ops, &scopes).await;
    let ada = ada.id().await;
    for (method, path, body) in [
        (Method::GET, "/api/teams?all=true".to_owned(), Value::Null),
        (Method::POST, "/api/teams".to_owned(), json!({ "name": "By key" })),
        (Method::GET, "/api/audit".to_owned(), Value::Null),
        (Method::GET, "/api/usage/organization".to_owned(), Value::Null),
        (Method::GET, "/api/users".to_owned(), Value::Null),
        (Method::PATCH, format!("/api/users/{ada}"), json!({ "disabled": true })),
    ] {
        let refused = ask(&app, &text, method, &path, Some(body)).await;
        assert_eq!(refused.status(), 403, "{path}");
    }
    for path in [format!("/api/users/{ada}/budget"), format!("/api/teams/{ops}/budget")] {
        for (method, body) in [(Method::PUT, json!({ "tokens_per_month": 1 })), (Method::DELETE, Value::Null)] {
            let refused = ask(&app, &text, method, &path, Some(body)).await;
            let (status, said) = (refused.status().as_u16(), self::body(refused).await);
            assert_eq!((status, &said["code"]), (403, &json!("session_required")), "{path}");
        }
    }
    assert_eq!(status(&app, &text, Method::GET, &format!("/api/teams/{ops}")).await, 200, "they are an admin of it");
}

async fn so_many_keys_are_made_in_an_hour(app: TestApp, provider: IdentityProvider) {
    let People { ada, grace, .. } = people(&app, &provider).await;
    let team = own_team(&ada).await;
    let make = async |person: &Person| {
        let new = json!({ "team_id": team, "name": "script" });
        person.send(person.request(Method::POST, "/api/api-keys").json(&new)).await
    };
    for number in 0..60 {
        let new = body(make(&ada).await).await;
        let id = new["id"].as_str().unwrap_or_else(|| panic!("{number}: {new}"));
        assert_eq!(ada.status(Method::DELETE, &format!("/api/api-keys/{id}")).await, 204);
        app.clock.advance(Duration::from_secs(1));
    }
    let before = app.database.ask("SELECT COUNT(*) FROM audit_events").await;
    let refused = make(&ada).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"3540".parse().unwrap()));
    assert_eq!(body(refused).await["code"], "too_many_keys");
    assert_eq!(app.database.ask("SELECT COUNT(*) FROM audit_events").await, before, "and nothing is told of it");
    assert_eq!(make(&grace).await.status(), 201, "others are not concerned");
}

/// More ended in other processes than is read at once, and what is told of this key is among what was not read.
async fn of_too_many_ends_at_once_none_is_missed(app: TestApp, provider: IdentityProvider) {
    let People { ada, .. } = people(&app, &provider).await;
    let (text, _) = key(&ada, &own_team(&ada).await, &CONVERSING).await;
    let counts = async || status(&app, &text, Method::GET, "/api/threads").await;
    assert_eq!(counts().await, 200);
    app.database.ask("UPDATE api_keys SET revoked_at = created_at").await;
    assert_eq!(counts().await, 200, "it is warm, and nobody told of it");
    let many = match app.database.location() {
        Location::Sqlite(_) => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) \
             SELECT randomblob(16), u.organization_id, u.id, u.created_at FROM n"
        }
        Location::Postgres { .. } => {
            "SELECT gen_random_uuid(), u.organization_id, u.id, u.created_at FROM generate_series(1, 10001)"
        }
    };
    let told = "INSERT INTO revocations (id, organization_id, user_id, created_at)";
    app.database.ask(&format!("{told} {many} CROSS JOIN users u WHERE u.name = 'grace'")).await;
    until("all is looked at again", Duration::from_secs(5), async || (counts().await == 401).then_some(())).await;
}

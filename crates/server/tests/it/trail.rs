//! The audit trail through its door: what is told, and to whom.

use std::time::Duration;

use reqwest::Method;
use retinue_app::Clock as _;
use retinue_model::api_key::KeyText;
use retinue_model::audit::Action;
use retinue_store::{Tenant, audit};
use retinue_testkit::{IdentityProvider, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::api_key::key;
use crate::team::{People, join, people, team};

mod account;
mod by_address;
mod console;
mod credential;
mod denied;
mod export;
mod key;
mod page;
mod retention;
mod setting;
mod sign_in;
mod watch;

use watch::{Watch, is_refused};

with_people_on_both_engines! {
    what_was_done_is_told_with_who_did_it_to_what,
    each_sees_their_part_of_it,
    a_list_goes_on_where_it_ended,
    what_no_database_takes_is_not_asked_of_it,
    a_page_asks_for_names_once,
    where_others_were_is_for_whoever_runs_the_installation,
    a_key_that_does_not_count_is_told_with_the_reason,
    that_a_revoked_key_is_used_is_not_hidden,
}

fn actions(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect()
}

async fn what_was_done_is_told_with_who_did_it_to_what(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    let (text, key_id) = key(&ada, &ops, &["agents:write"]).await;
    let new = json!({ "team_id": ops, "name": "Helper", "instructions": "Keep it quiet." });
    let made = app.request(Method::POST, "/api/agents").bearer_auth(&text).json(&new).send().await.unwrap();
    let request_id = made.headers()["x-request-id"].to_str().unwrap().to_owned();
    let agent = made.json::<Value>().await.unwrap()["id"].clone();

    let all = admin.get(&format!("/api/audit?team_id={ops}")).await;
    assert_eq!(actions(&all), ["agent.created", "api_key.created", "membership.added", "team.created"]);
    let event = &all["data"][0];
    assert_eq!(event["actor"]["user_id"], json!(ada.id().await));
    assert_eq!((&event["actor"]["via"], &event["actor"]["via_id"]), (&json!("api_key"), &json!(key_id)));
    assert_eq!(event["target"], json!({ "kind": "agent", "id": agent }));
    assert_eq!((&event["outcome"], &event["request_id"]), (&json!("done"), &json!(request_id)));
    assert_eq!(event["address"], "127.0.0.1");
    let told = all.to_string();
    assert!(!told.contains(&text) && !told.contains("Keep it quiet"), "no secret, and not what an agent is told");
    let member = &all["data"][2];
    assert_eq!((&member["user_id"], &member["details"]["role"]), (&json!(ada.id().await), &json!("editor")));

    let store = retinue_store::Store::open_beside(app.database.location()).await.unwrap();
    let verified = audit::verify(&Tenant::default_organization(), &store, None).await.unwrap();
    assert_eq!((verified.broken, verified.head.seq), (None, event["seq"].as_i64().unwrap()));
}

async fn each_sees_their_part_of_it(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    join(&admin, &ops, &ada, "admin").await;
    join(&admin, &other, &grace, "viewer").await;
    assert_eq!(ada.status(Method::GET, "/api/audit").await, 403);
    assert_eq!(ada.status(Method::GET, &format!("/api/audit?actor={}", ada.id().await)).await, 403);
    assert_eq!(actions(&ada.get(&format!("/api/audit?team_id={ops}")).await), ["membership.added", "team.created"]);
    assert_eq!(ada.status(Method::GET, &format!("/api/audit?team_id={other}")).await, 404);
    assert_eq!(grace.status(Method::GET, &format!("/api/audit?team_id={other}")).await, 403);
    assert_eq!(
        actions(&grace.get("/api/audit?mine=true").await),
        ["access.refused", "membership.added", "session.opened", "user.created"]
    );
    let all = admin.get("/api/audit?limit=200").await;
    assert!(actions(&all).contains(&"agent.created"), "what the configuration declares is told too");
    let found = admin.get("/api/audit?action=team.created").await;
    assert_eq!(actions(&found), ["team.created", "team.created"]);
    let found = admin.get(&format!("/api/audit?target={ops}&action=membership.added")).await;
    assert_eq!(actions(&found), ["membership.added"]);
    assert_eq!(admin.status(Method::GET, "/api/audit?action=team.painted").await, 400);
}

async fn a_list_goes_on_where_it_ended(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    for number in 0..5 {
        team(&admin, &format!("Team {number}")).await;
    }
    let (mut path, mut seqs) = ("/api/audit?limit=2".to_owned(), Vec::new());
    loop {
        let page = admin.get(&path).await;
        seqs.extend(page["data"].as_array().unwrap().iter().map(|event| event["seq"].as_i64().unwrap()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/audit?limit=2&cursor={cursor}");
    }
    let newest = seqs[0];
    assert_eq!(seqs, (1..=newest).rev().collect::<Vec<_>>());
}

/// Their address, and the session, which is theirs alone to end.
async fn where_others_were_is_for_whoever_runs_the_installation(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    join(&admin, &ops, &grace, "editor").await;
    let new = json!({ "team_id": ops, "name": "Helper", "sharing": "team" });
    grace.send_json(Method::POST, "/api/agents", &new, 201).await;
    let (part, own) = (format!("?team_id={ops}&action=agent.created"), "?mine=true&action=agent.created".to_owned());
    for (person, query, sees) in [(&ada, &part, false), (&admin, &part, true), (&grace, &own, true)] {
        let listed = person.get(&format!("/api/audit{query}")).await["data"][0].clone();
        let file = person.send(person.request(Method::GET, &format!("/api/audit/export{query}"))).await;
        let exported: Value = serde_json::from_str(file.text().await.unwrap().trim()).unwrap();
        for event in [listed, exported] {
            assert_eq!(event["actor"]["user_id"], json!(grace.id().await), "{event}");
            assert_eq!((event["address"].is_string(), event["actor"]["via_id"].is_string()), (sees, sees), "{event}");
        }
    }
    let taken_in = grace.get("/api/audit?mine=true&action=membership.added").await;
    assert!(taken_in["data"].as_array().unwrap().iter().all(|event| event["address"].is_null()), "{taken_in}");
}

/// Whoever shows it hears the same of all.
async fn a_key_that_does_not_count_is_told_with_the_reason(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    let (text, id) = key(&ada, &ops, &["threads:read"]).await;
    let soon = json!({ "team_id": ops, "name": "short", "expires_at": (app.clock.now() + Duration::from_mins(5)).to_string() });
    let short = ada.send_json(Method::POST, "/api/api-keys", &soon, 201).await;
    let other = team(&admin, "Other").await;
    join(&admin, &other, &ada, "viewer").await;
    let (left, left_id) = key(&ada, &other, &["threads:read"]).await;
    let membership = format!("/api/teams/{other}/members/{}", ada.id().await);
    assert_eq!(admin.status(Method::DELETE, &membership).await, 204);
    app.clock.advance(Duration::from_mins(5));
    assert_eq!(ada.status(Method::DELETE, &format!("/api/api-keys/{id}")).await, 204);
    let mut watch = Watch::over(&app).await;
    let unknown = KeyText::of_bits([7; 32]).expose().to_owned();
    for (text, reason, target) in [
        (text.as_str(), "key_revoked", Some(id.as_str())),
        (short["key"].as_str().unwrap(), "key_expired", short["id"].as_str()),
        (&left, "membership_ended", Some(left_id.as_str())),
        (&unknown, "key_unknown", None),
    ] {
        watch.hides(text);
        assert_eq!(app.request(Method::GET, "/api/threads").bearer_auth(text).send().await.unwrap().status(), 401);
        let refused = watch.one(Action::CredentialRefused).await;
        is_refused(&refused, "api_key", reason);
        assert_eq!(refused.target.as_ref().map(|target| target.id.as_str()), target);
    }
    for _ in 0..20 {
        assert_eq!(app.request(Method::GET, "/auth/me").bearer_auth(&unknown).send().await.unwrap().status(), 401);
    }
    assert_eq!(watch.told().await.len(), 9, "ten of a reason in a minute, with the one before");
    watch.is_whole().await;
}

/// By whoever shows many others.
async fn that_a_revoked_key_is_used_is_not_hidden(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    let (mine, other) = (key(&ada, &ops, &["threads:read"]).await, key(&ada, &ops, &["threads:read"]).await);
    for (_, id) in [&mine, &other] {
        assert_eq!(ada.status(Method::DELETE, &format!("/api/api-keys/{id}")).await, 204);
    }
    let shows = async |text: &str, times: u32| {
        for _ in 0..times {
            assert_eq!(app.request(Method::GET, "/auth/me").bearer_auth(text).send().await.unwrap().status(), 401);
        }
    };
    shows(KeyText::of_bits([7; 32]).expose(), 20).await;
    shows(&other.0, 20).await;
    let mut watch = Watch::over(&app).await;
    shows(&mine.0, 2).await;
    let refused = watch.one(Action::CredentialRefused).await;
    is_refused(&refused, "api_key", "key_revoked");
    assert_eq!(refused.target.map(|target| target.id), Some(mine.1));
    assert_eq!((refused.user_id, refused.team_id), (ada.id().await.parse().ok(), ops.parse().ok()));
}

/// However many people there are on it.
async fn what_no_database_takes_is_not_asked_of_it(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let long = format!("target={}", "x".repeat(201));
    for (query, code) in [
        ("target=%00", "invalid_query"),
        ("target=a%00b", "invalid_query"),
        (&long, "invalid_query"),
        ("since=-004713-01-01T00:00:00Z", "invalid_time"),
        ("until=-009999-01-02T01:59:59Z", "invalid_time"),
        ("until=0000-12-31T23:59:59Z", "invalid_time"),
    ] {
        for path in ["/api/audit", "/api/audit/export"] {
            let refused = admin.send(admin.request(Method::GET, &format!("{path}?{query}"))).await;
            assert_eq!(refused.status(), 400, "{path}?{query}");
            assert_eq!(refused.json::<Value>().await.unwrap()["code"], code, "{path}?{query}");
        }
    }
    for query in ["since=0001-01-01T00:00:00Z", "until=9999-12-30T22:00:00Z", "target=%F0%9F%94%91"] {
        assert_eq!(admin.status(Method::GET, &format!("/api/audit?{query}")).await, 200, "{query}");
    }
    for query in ["since=-004714-01-01", "until=-009998-01-01", "since=0000-12-31", "who=%00", "cursor=%00", "of=%00"] {
        assert_eq!(admin.open(&format!("/audit?{query}")).await.status(), 400, "{query}");
    }
}

async fn a_page_asks_for_names_once(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let cost = async || {
        let mut least = u64::MAX;
        for _ in 0..8 {
            let before = app.app.statements_run();
            assert_eq!(admin.open("/audit").await.status(), 200);
            least = least.min(app.app.statements_run() - before);
        }
        least
    };
    let few = cost().await;
    for number in 0..20 {
        retinue_testkit::Person::signed_in(&app, &provider, &format!("person-{number}")).await;
    }
    assert_eq!(cost().await, few);
    let page = admin.open("/audit").await.text().await.unwrap();
    assert!(page.contains("person-0") && page.contains("person-19"), "{page}");
}

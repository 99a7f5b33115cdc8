//! What a key of one team does not tell of its owner's other ones.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{IdentityProvider, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use super::{ask, body, key, status};
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    a_key_reads_no_budget_of_another_team,
    a_key_reads_no_agent_of_another_team_in_what_was_used,
    a_key_reads_what_concerns_its_owner_in_its_team,
}

async fn a_key_reads_no_budget_of_another_team(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Secret merger").await);
    for team in [&ops, &other] {
        join(&admin, team, &ada, "viewer").await;
        let path = format!("/api/teams/{team}/budget");
        admin.send_json(Method::PUT, &path, &json!({ "tokens_per_month": 1_000 }), 200).await;
    }
    let own = format!("/api/users/{}/budget", ada.id().await);
    admin.send_json(Method::PUT, &own, &json!({ "tokens_per_month": 5_000 }), 200).await;
    let bounded = |usage: &Value| {
        let budgets = usage["budgets"].as_array().unwrap();
        budgets.iter().map(|budget| budget["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ada.get("/api/usage").await;
    let ada_id = ada.id().await;
    assert_eq!(bounded(&all), [ada_id.as_str(), &ops, &other]);
    let (text, _) = key(&ada, &ops, &["agents:run"]).await;
    let seen = body(ask(&app, &text, Method::GET, "/api/usage", None).await).await;
    assert_eq!(bounded(&seen), [ada_id.as_str(), &ops]);
    assert!(!seen.to_string().contains("Secret"), "{seen}");
}

async fn a_key_reads_no_agent_of_another_team_in_what_was_used(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    for (team, name) in [(&ops, "Helper"), (&other, "Merger")] {
        join(&admin, team, &ada, "viewer").await;
        let new = json!({ "team_id": team, "name": name, "sharing": "team" });
        let agent = admin.send_json(Method::POST, "/api/agents", &new, 201).await["id"].clone();
        let thread = ada.send_json(Method::POST, "/api/threads", &json!({ "agent_id": agent }), 201).await;
        let run = ada.say(thread["id"].as_str().unwrap(), "Hello").await;
        app.model.next().await.answer("Hi").await;
        ada.follow(&run).await.rest().await;
    }
    let names = |usage: &Value| {
        let parts = usage["parts"].as_array().unwrap();
        parts.iter().map(|part| part["agent_name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&ada.get("/api/usage").await), BTreeSet::from(["Helper", "Merger"].map(str::to_owned)));
    let (text, _) = key(&ada, &ops, &["agents:run"]).await;
    let seen = body(ask(&app, &text, Method::GET, "/api/usage?month=2026-11", None).await).await;
    assert_eq!(names(&seen), BTreeSet::from(["Helper".to_owned()]), "{seen}");
}

async fn a_key_reads_what_concerns_its_owner_in_its_team(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    for team in [&ops, &other] {
        join(&admin, team, &ada, "editor").await;
        let new = json!({ "team_id": team, "name": "Helper", "sharing": "team" });
        ada.send_json(Method::POST, "/api/agents", &new, 201).await;
    }
    app.clock.advance(Duration::from_secs(1));
    let (text, _) = key(&ada, &ops, &["audit:read", "agents:write"]).await;
    let own = ada.get("/api/audit?mine=true").await["data"].clone();
    let of =
        |events: &Value, team: &str| events.as_array().unwrap().iter().filter(|event| event["team_id"] == team).count();
    assert_eq!((of(&own, &ops), of(&own, &other)), (3, 2));
    assert!(own[0]["address"].is_string() && own.to_string().contains("ses_"), "one sees where one was oneself: {own}");

    let listed = body(ask(&app, &text, Method::GET, "/api/audit?mine=true", None).await).await["data"].clone();
    let file = ask(&app, &text, Method::GET, "/api/audit/export?mine=true&action=agent.created", None).await;
    let exported: Value = serde_json::from_str(file.text().await.unwrap().trim()).unwrap();
    assert_eq!((of(&listed, &ops), listed.as_array().unwrap().len()), (3, 3), "{listed}");
    assert_eq!((&exported["action"], &exported["team_id"]), (&json!("agent.created"), &json!(ops)));
    for event in listed.as_array().unwrap().iter().chain([&exported]) {
        assert!(event["address"].is_null() && event["actor"]["via_id"].is_null(), "{event}");
    }
    assert!(!listed.to_string().contains("ses_") && !listed.to_string().contains(&other), "{listed}");
    // A list that goes on stays there, and so does a team's part, which they do not run.
    let rest = body(ask(&app, &text, Method::GET, "/api/audit?mine=true&limit=2", None).await).await;
    let cursor = rest["next_cursor"].as_str().unwrap();
    let path = format!("/api/audit?mine=true&limit=2&cursor={cursor}");
    let last = body(ask(&app, &text, Method::GET, &path, None).await).await;
    assert_eq!((last["data"].as_array().unwrap().len(), &last["next_cursor"]), (1, &Value::Null));
    for (team, code) in [(&ops, 403), (&other, 404)] {
        assert_eq!(status(&app, &text, Method::GET, &format!("/api/audit?team_id={team}")).await, code);
    }
    // Those of its team's admin no more.
    let (text, _) = key(&admin, &ops, &["audit:read"]).await;
    let part = body(ask(&app, &text, Method::GET, &format!("/api/audit?team_id={ops}"), None).await).await;
    for event in part["data"].as_array().unwrap() {
        assert!(event["address"].is_null() && !event.to_string().contains("ses_"), "{event}");
    }
}

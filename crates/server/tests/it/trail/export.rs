//! The trail as a file: what is in it, and to whom it is given for how long.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use retinue_app::Clock as _;
use retinue_model::TeamId;
use retinue_model::audit::{Action, Actor, AuditEvent};
use retinue_model::visible::is_unseen;
use retinue_store::{Batch, Store, Tenant, audit};
use retinue_testkit::{IdentityProvider, Person, TestApp, until, with_people_on_both_engines};
use serde_json::{Value, json};

use super::watch::{Watch, plain};
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    an_export_has_each_event_on_a_line_of_its_own,
    an_export_is_of_what_is_asked_for_and_for_whom_the_list_is,
    an_export_has_all_of_it_however_much_that_is,
    an_export_breaks_off_when_the_right_to_it_ends,
}

const US: Tenant = Tenant::default_organization();
/// What somebody may have written who wants to be more than text.
const HOSTILE: &str = "=cmd()|' /C calc'!A0 \"quoted\" \\ \r\n{\"seq\":1}\n\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{85}\u{2028}\u{2029}\u{202e}\0\u{7f}";

/// Adds events that are a team's business, each with a text of its own.
pub(super) async fn fill(app: &TestApp, team: &str, texts: impl Iterator<Item = String>) {
    let store = Store::open_beside(app.database.location()).await.unwrap();
    let team_id: TeamId = team.parse().unwrap();
    let mut batch = Batch::default();
    for (number, text) in texts.enumerate() {
        let event = AuditEvent {
            team_id: Some(team_id),
            details: Some(json!({ "name": text }).to_string()),
            ..plain(number, app.clock.now(), (Actor::System, "test"), Action::AgentChanged)
        };
        audit::record_with(&US, &mut batch, event);
    }
    store.write_patiently(batch).await.unwrap();
}

async fn lines(person: &Person, query: &str) -> Vec<Value> {
    let response = person.send(person.request(Method::GET, &format!("/api/audit/export{query}"))).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let text = response.text().await.unwrap();
    assert!(!text.chars().any(|c| is_unseen(c) && c != '\n'), "{text:?}");
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn listed(person: &Person, query: &str) -> Vec<Value> {
    person.get(&format!("/api/audit?limit=200{query}")).await["data"].as_array().unwrap().clone()
}

async fn an_export_has_each_event_on_a_line_of_its_own(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "=cmd()|' /C calc'!A0 “Ops” 字").await;
    fill(&app, &ops, [HOSTILE.to_owned(), "plain".to_owned()].into_iter()).await;
    let lines = lines(&admin, "").await;
    assert_eq!(lines, listed(&admin, "").await, "the same as the list");
    assert_eq!(lines[0]["action"], "audit.exported", "and so is that it was exported");
    assert_eq!(lines[2]["details"]["name"], HOSTILE, "nothing is lost of it");
    assert_eq!(lines[3]["details"]["name"], "=cmd()|' /C calc'!A0 “Ops” 字");
    let response = admin.send(admin.request(Method::GET, "/api/audit/export")).await;
    let asked = admin.send(admin.request(Method::HEAD, "/api/audit/export")).await;
    assert_eq!(
        (asked.status(), &asked.headers()["content-type"]),
        (response.status(), &response.headers()["content-type"])
    );
    let told = admin.get("/api/audit?action=audit.exported").await;
    assert_eq!(told["data"].as_array().unwrap().len(), 2, "whoever only asks what it would be takes nothing out");
    let name = response.headers()["content-disposition"].to_str().unwrap().to_owned();
    let day = name.strip_prefix("attachment; filename=\"retinue-audit-").unwrap().strip_suffix(".jsonl\"").unwrap();
    assert!(day.len() == 10 && day.chars().all(|c| c.is_ascii_digit() || c == '-'), "{name}");
}

async fn an_export_is_of_what_is_asked_for_and_for_whom_the_list_is(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    join(&admin, &ops, &ada, "admin").await;
    join(&admin, &other, &grace, "viewer").await;
    let mut watch = Watch::over(&app).await;
    let ada_id = ada.id().await;
    for (person, query, status) in [
        (&ada, String::new(), 403),
        (&ada, format!("?actor={ada_id}"), 403),
        (&ada, format!("?team_id={other}"), 404),
        (&grace, format!("?team_id={other}"), 403),
        (&admin, "?team_id=team_01h00000000000000000000000".to_owned(), 404),
        (&admin, "?action=team.painted".to_owned(), 400),
        (&admin, "?since=yesterday".to_owned(), 400),
        (&admin, "?limit=10".to_owned(), 400),
        (&admin, format!("?mine=true&team_id={ops}"), 400),
        (&Person::stranger(&app), "?mine=true".to_owned(), 401),
    ] {
        assert_eq!(person.status(Method::GET, &format!("/api/audit/export{query}")).await, status, "{query}");
    }
    let mut refused = Vec::new();
    // Those three who may know of it, a moment after the answer.
    until("the refusals are told", Duration::from_secs(5), async || {
        refused.extend(watch.told().await);
        (refused.len() == 3).then_some(())
    })
    .await;
    assert!(refused.iter().all(|event| event.action == Action::AccessRefused), "nothing was taken out: {refused:?}");
    let of_team = lines(&ada, &format!("?team_id={ops}&outcome=done")).await;
    assert_eq!(of_team, listed(&ada, &format!("&team_id={ops}")).await);
    let told = watch.one(Action::AuditExported).await;
    assert_eq!(told.team_id.map(|id| id.to_string()), Some(ops.clone()), "the team's admins see who took it out");
    assert_eq!(told.details.as_deref(), Some("{\"outcome\":\"done\"}"));
    assert_eq!(told.actor, Actor::User(ada_id.parse().unwrap()));
    let by_admin = lines(&ada, &format!("?team_id={ops}&actor={}", admin.id().await)).await;
    let actions: Vec<_> = by_admin.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["membership.added", "team.created"]);
    watch.told().await;
    let own = lines(&grace, "?mine=true").await;
    assert_eq!(own, listed(&grace, "&mine=true").await);
    assert_eq!(watch.one(Action::AuditExported).await.details.as_deref(), Some("{\"mine\":true}"));
    let some = lines(&admin, "?action=team.created&since=2020-01-01T00:00:00Z").await;
    assert_eq!(some.len(), 2);
}

async fn an_export_has_all_of_it_however_much_that_is(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    fill(&app, &ops, (0..1_203).map(|number| number.to_string())).await;
    let lines = lines(&admin, &format!("?team_id={ops}")).await;
    let seqs: Vec<i64> = lines.iter().map(|line| line["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, (seqs[0] + 1 - 1_205..=seqs[0]).rev().collect::<Vec<_>>());
}

/// Nobody reads on, and there is much more than there is room for on the way: it waits, and goes on with what is so then.
async fn an_export_breaks_off_when_the_right_to_it_ends(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    join(&admin, &ops, &grace, "admin").await;
    fill(&app, &ops, (0..8_000).map(|number| format!("{number} {}", "x".repeat(4_000)))).await;
    let path = format!("/api/audit/export?team_id={ops}");
    let (of_ada, of_grace) = (ada.send(ada.request(Method::GET, &path)), grace.send(grace.request(Method::GET, &path)));
    let (of_ada, of_grace) = (of_ada.await, of_grace.await);
    assert_eq!((of_ada.status(), of_grace.status()), (StatusCode::OK, StatusCode::OK));
    let role = format!("/api/teams/{ops}/members/{}", ada.id().await);
    admin.send_json(Method::PATCH, &role, &json!({ "role": "viewer" }), 200).await;
    let elsewhere = Person::signed_in(&app, &provider, "grace").await;
    let sessions = elsewhere.get("/api/sessions").await;
    let other = sessions["data"].as_array().unwrap().iter().find(|session| session["current"] == json!(false));
    let other = other.unwrap()["id"].as_str().unwrap();
    assert_eq!(elsewhere.status(Method::DELETE, &format!("/api/sessions/{other}")).await, 204);
    for response in [of_ada, of_grace] {
        // Whoever reads it sees that it is not the whole.
        assert!(response.text().await.is_err());
    }
}

//! What somebody asked for is not written if, before that, what it stood on ended: their session, their key, their team, or that
//! they run the installation.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use retinue_app::team::{self as teams, Change};
use retinue_app::{Caller, Context, Visit};
use retinue_model::{Name, TeamId};
use retinue_testkit::{Database, EventStream, IdentityProvider, Person, TestApp, until, with_people_on_both_engines};
use serde_json::json;

use crate::api_key::key;
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    nothing_is_changed_by_a_session_that_ended_meanwhile,
    nothing_is_changed_by_a_key_that_was_revoked_meanwhile,
    the_keys_of_a_team_end_with_it,
    the_keys_of_a_team_end_when_the_operator_deletes_it,
    what_a_leaver_had_does_not_come_back_with_them,
}

fn visit(app: &TestApp) -> Visit {
    Visit::new(app.app.clone(), Arc::from("a request"), Caller::default())
}

async fn rename(ctx: &Context, team: &str) -> Result<(), &'static str> {
    let id: TeamId = team.parse().unwrap();
    let change = Change { name: Some(Name::new("Theirs").unwrap()), slug: None };
    teams::change(ctx, id, change).await.map(drop).map_err(|error| error.code())
}

async fn nothing_is_changed_by_a_session_that_ended_meanwhile(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let ctx = visit(&app).authenticate(Some(&admin.session_cookie())).await.unwrap();
    app.database.ask("UPDATE sessions SET ended_at = created_at").await;
    assert_eq!(rename(&ctx, &ops).await, Err("session_ended"));
    app.database.ask("UPDATE sessions SET ended_at = NULL").await;
    assert_eq!(rename(&ctx, &ops).await, Ok(()), "whoever is in may");
}

async fn nothing_is_changed_by_a_key_that_was_revoked_meanwhile(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    let (text, _) = key(&ada, &ops, &["teams:write"]).await;
    let ctx = visit(&app).authenticate_key(&text).await.unwrap();
    for (column, value) in [("revoked_at", "created_at"), ("expires_at", "created_at")] {
        app.database.ask(&format!("UPDATE api_keys SET {column} = {value}")).await;
        assert_eq!(rename(&ctx, &ops).await, Err("invalid_api_key"), "{column}");
        app.database.ask(&format!("UPDATE api_keys SET {column} = NULL")).await;
    }
    assert_eq!(rename(&ctx, &ops).await, Ok(()), "one that counts may");
}

/// Somebody is demoted right after it was decided that they may: what is required first in each batch does it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_runs_the_installation_no_more_changes_nothing() {
    let (app, provider) = TestApp::with_provider(Database::sqlite()).await;
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let own = json!({ "organization_admin": true });
    admin.send_json(Method::PATCH, &format!("/api/users/{}", ada.id().await), &own, 200).await;
    assert_eq!(ada.get("/auth/me").await["principal"]["organization_admin"], true);
    app.database
        .ask(
            "CREATE TRIGGER demote AFTER UPDATE OF disabled_at ON users WHEN new.name = 'ada' BEGIN \
             UPDATE users SET organization_admin = 0 WHERE id = new.id; END",
        )
        .await;
    let member = json!({ "user_id": ada.id().await, "role": "admin" });
    let refused = ada.send_json(Method::POST, &format!("/api/teams/{ops}/members"), &member, 403).await;
    assert_eq!(refused["code"], "forbidden");
    let shut_out = json!({ "disabled": true });
    let path = format!("/api/users/{}", admin.id().await);
    ada.send_json(Method::PATCH, &path, &shut_out, 403).await;
    app.database.ask("DROP TRIGGER demote").await;
    ada.send_json(Method::POST, &format!("/api/teams/{ops}/members"), &member, 201).await;
}

/// A program with a key of a team, and an answer that it follows.
struct Program {
    text: String,
    stream: EventStream,
}

impl Program {
    async fn of(app: &TestApp, owner: &Person, team: &str) -> Self {
        let (text, _) = key(owner, team, &["threads:read", "threads:write", "agents:read", "agents:run"]).await;
        let run = owner.say(&owner.thread().await, "Go on").await;
        let path = format!("/api/runs/{run}/events");
        let mut stream = EventStream::new(app.request(Method::GET, &path).bearer_auth(&text).send().await.unwrap());
        assert_eq!(stream.next().await.unwrap().name, "run.started");
        Self { text, stream }
    }

    async fn status(&self, app: &TestApp) -> StatusCode {
        app.request(Method::GET, "/api/threads").bearer_auth(&self.text).send().await.unwrap().status()
    }
}

async fn the_keys_of_a_team_end_with_it(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "viewer").await;
    let mut program = Program::of(&app, &ada, &ops).await;
    assert_eq!(admin.status(Method::DELETE, &format!("/api/teams/{ops}?agents=delete")).await, 204);
    assert_eq!(program.status(&app).await, 401, "at once");
    assert!(program.stream.next().await.is_none());
}

async fn the_keys_of_a_team_end_when_the_operator_deletes_it(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "viewer").await;
    let mut program = Program::of(&app, &ada, &ops).await;
    let administration = app.administration().await;
    let team = administration.find_team("ops").await.unwrap();
    administration.delete_team(&team, retinue_app::administration::Heirs::Nobody).await.unwrap();
    until("the server has heard of it", Duration::from_secs(5), async || {
        (program.status(&app).await == 401).then_some(())
    })
    .await;
    assert!(program.stream.next().await.is_none());
}

async fn what_a_leaver_had_does_not_come_back_with_them(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    let (text, _) = key(&ada, &ops, &["threads:read"]).await;
    let invitations = format!("/api/teams/{ops}/invitations");
    let made = ada.send_json(Method::POST, &invitations, &json!({ "role": "admin" }), 201).await;
    let (_, token) = made["link"].as_str().unwrap().split_once("token=").unwrap();
    let path = format!("/api/teams/{ops}/members/{}", ada.id().await);
    assert_eq!(admin.status(Method::DELETE, &path).await, 204);
    join(&admin, &ops, &ada, "admin").await;
    let status = app.request(Method::GET, "/api/threads").bearer_auth(&text).send().await.unwrap().status();
    assert_eq!(status, 401);
    let page = grace.submit("/invitations/accept", &[("token", token)]).await;
    assert_eq!(page.status(), 409);
    assert_eq!(ada.get(&invitations).await["data"], json!([]));
}

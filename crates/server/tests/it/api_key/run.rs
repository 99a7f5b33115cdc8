//! Runs and keys: whoever began it, a run is its owner's, and one that a key began ends with the key.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use retinue_app::Auth;
use retinue_app::auth::Mode;
use retinue_testkit::{
    IdentityProvider, Person, TestApp, on_both_engines, until, with_passwords, with_people_on_both_engines,
};
use serde_json::json;

use super::{CONVERSING, ask, body, key, own_team, status};
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    whoever_began_a_run_its_owner_stops_it,
    a_conversation_that_is_deleted_stops_what_a_key_began,
    a_run_ends_with_the_key_that_began_it,
    a_key_has_nothing_done_for_another_team,
}

mod left_behind {
    use super::*;

    on_both_engines! {
        a_key_of_the_local_user_ends_where_people_sign_in,
    }
}

/// A run that a key began, with the model at work on it; its thread and its id.
async fn begun_by_key(app: &TestApp, owner: &Person, text: &str) -> (String, String) {
    let thread = owner.thread().await;
    let said = json!({ "input": "Go on" });
    let run = body(ask(app, text, Method::POST, &format!("/api/threads/{thread}/runs"), Some(said)).await).await;
    (thread, run["id"].as_str().unwrap().to_owned())
}

async fn comes_to(owner: &Person, run: &str, status: &str) {
    let path = format!("/api/runs/{run}");
    until(status, Duration::from_secs(5), async || (owner.get(&path).await["status"] == status).then_some(())).await;
}

async fn whoever_began_a_run_its_owner_stops_it(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let (text, id) = key(&ada, &own_team(&ada).await, &CONVERSING).await;

    let (_, run) = begun_by_key(&app, &ada, &text).await;
    let answer = app.model.next().await.begin();
    assert_eq!(ada.get(&format!("/api/runs/{run}")).await["api_key_id"], json!(id));
    let stopped = ada.send_json(Method::POST, &format!("/api/runs/{run}/cancel"), &json!({}), 200).await;
    assert_eq!(stopped["status"], "cancelled");
    answer.closed().await;

    let thread = ada.thread().await;
    let run = ada.say(&thread, "Go on").await;
    let answer = app.model.next().await.begin();
    assert_eq!(ada.get(&format!("/api/runs/{run}")).await["api_key_id"], json!(null));
    let stopped = body(ask(&app, &text, Method::POST, &format!("/api/runs/{run}/cancel"), None).await).await;
    assert_eq!(stopped["status"], "cancelled");
    answer.closed().await;
}

async fn a_conversation_that_is_deleted_stops_what_a_key_began(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let (text, _) = key(&ada, &own_team(&ada).await, &CONVERSING).await;
    let (thread, _) = begun_by_key(&app, &ada, &text).await;
    let answer = app.model.next().await.begin();
    assert_eq!(ada.status(Method::DELETE, &format!("/api/threads/{thread}")).await, 204);
    answer.closed().await;
}

async fn a_run_ends_with_the_key_that_began_it(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let team = own_team(&ada).await;
    let (text, id) = key(&ada, &team, &CONVERSING).await;
    let (other, _) = key(&ada, &team, &CONVERSING).await;
    let (_, run) = begun_by_key(&app, &ada, &text).await;
    let answer = app.model.next().await.begin();
    let (_, going) = begun_by_key(&app, &ada, &other).await;
    let going_on = app.model.next().await.begin();

    assert_eq!(ada.status(Method::DELETE, &format!("/api/api-keys/{id}")).await, 204);
    answer.closed().await;
    comes_to(&ada, &run, "cancelled").await;
    going_on.finish().await;
    comes_to(&ada, &going, "completed").await;
}

async fn a_key_has_nothing_done_for_another_team(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    for team in [&ops, &other] {
        join(&admin, team, &ada, "viewer").await;
    }
    let begun = ada.send_json(Method::POST, "/api/threads", &json!({ "team_id": other }), 201).await;
    let thread = begun["id"].as_str().unwrap();
    let (text, _) = key(&ada, &ops, &CONVERSING).await;
    let (said, path) = (json!({ "input": "At whose cost?" }), format!("/api/threads/{thread}/runs"));
    let refused = ask(&app, &text, Method::POST, &path, Some(said.clone())).await;
    assert_eq!((refused.status().as_u16(), &body(refused).await["code"]), (409, &json!("thread_of_another_team")));

    let run = ada.send_json(Method::POST, &path, &said, 201).await["id"].as_str().unwrap().to_owned();
    app.model.next().await.answer("Theirs.").await;
    comes_to(&ada, &run, "completed").await;
    let retry = ask(&app, &text, Method::POST, &format!("/api/runs/{run}/retry"), None).await;
    assert_eq!((retry.status().as_u16(), &body(retry).await["code"]), (409, &json!("thread_of_another_team")));
}

/// Nobody comes as the local user where people sign in: not by a key either that they left behind.
async fn a_key_of_the_local_user_ends_where_people_sign_in(app: TestApp) {
    let team = app.get("/api/teams").await["data"][0]["id"].clone();
    let new = json!({ "team_id": team, "name": "left behind", "scopes": ["threads:read", "teams:write"] });
    let made = app.send(Method::POST, "/api/api-keys", &new, 201).await;
    let text = made["key"].as_str().unwrap();
    assert_eq!(status(&app, text, Method::GET, "/api/threads").await, 200);
    let local =
        |url: &str| Auth { mode: Mode::Local, local: Some(with_passwords()), ..Auth::single_user(url.to_owned()) };
    let app = app.restart_letting_in(Arc::new(local)).await;
    assert_eq!(status(&app, text, Method::GET, "/api/threads").await, 401);
}

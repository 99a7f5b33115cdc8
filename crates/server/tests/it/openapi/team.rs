//! Good and bad questions about teams, agents and keys.

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp};
use serde_json::json;

use super::{Question, ask};
use crate::api_key::key;
use crate::invitation::invite;
use crate::team::{join, team};

const NO_TEAM: &str = "team_01h455vb4pex5vsknk084sn02q";

fn asked_with(method: &Method, path: &'static str, query: &str, status: u16) -> Question {
    let mut question = ask(method.clone(), path, "", None, status);
    question.url.push_str(query);
    question
}

/// Ada is an admin of a team, in which there is somebody else too.
pub(super) async fn about_teams(app: &TestApp, provider: &IdentityProvider, ada: &Person) -> Vec<Question> {
    let admin = Person::signed_in(app, provider, "admin").await;
    let grace = Person::signed_in(app, provider, "grace").await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, ada, "admin").await;
    join(&admin, &ops, &grace, "viewer").await;
    let doomed = team(&admin, "Doomed").await;
    join(&admin, &doomed, ada, "admin").await;
    let lina = Person::signed_in(app, provider, "lina").await.id().await;
    let new = json!({ "team_id": ops, "name": "Helper" });
    let helper = ada.send_json(Method::POST, "/api/agents", &new, 201).await["id"].as_str().unwrap().to_owned();
    let declared = ada.get("/api/agents").await["data"][0]["id"].as_str().unwrap().to_owned();
    let (_, key) = key(ada, &ops, &["threads:read"]).await;
    let (no_team, no_agent, no_key) = (NO_TEAM, "agt_01h455vb4pex5vsknk084sn02q", "key_01h455vb4pex5vsknk084sn02q");
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let member = |method: &Method, user: &str, body, status| {
        let mut question = ask(method.clone(), "/api/teams/{id}/members/{user_id}", &ops, body, status);
        question.url = question.url.replace("{user_id}", user);
        question
    };
    let (invited, _) = invite(ada, &ops, &json!({ "role": "viewer" })).await;
    let taken_back = |status| {
        let mut question = ask(Method::DELETE, "/api/teams/{id}/invitations/{invitation_id}", &ops, None, status);
        question.url = question.url.replace("{invitation_id}", &invited);
        question
    };
    let gone = |id: &str, status| {
        let mut question = ask(Method::DELETE, "/api/teams/{id}", id, None, status);
        question.url.push_str("?agents=delete");
        question
    };
    let (grace, own) = (grace.id().await, ada.id().await);
    let mut questions = vec![
        ask(get.clone(), "/api/teams", "", None, 200),
        ask(post.clone(), "/api/teams", "", Some(json!({ "name": "X" })), 403),
        ask(post.clone(), "/api/teams", "", Some(json!({ "name": "" })), 400),
        ask(get.clone(), "/api/teams/{id}", &ops, None, 200),
        ask(get.clone(), "/api/teams/{id}", no_team, None, 404),
        ask(patch.clone(), "/api/teams/{id}", &ops, Some(json!({ "name": "Operations" })), 200),
        ask(patch.clone(), "/api/teams/{id}", &ops, Some(json!({ "name": "Doomed" })), 409),
        ask(patch.clone(), "/api/teams/{id}", &ops, Some(json!({ "slug": "other" })), 403),
        ask(patch.clone(), "/api/teams/{id}", no_team, Some(json!({})), 404),
        ask(get.clone(), "/api/teams/{id}/members", &ops, None, 200),
        ask(get.clone(), "/api/teams/{id}/members", no_team, None, 404),
        ask(post.clone(), "/api/teams/{id}/members", &ops, Some(json!({ "user_id": lina, "role": "viewer" })), 201),
        ask(post.clone(), "/api/teams/{id}/members", &ops, Some(json!({ "user_id": lina, "role": "viewer" })), 409),
        ask(post.clone(), "/api/teams/{id}/members", &ops, Some(json!({ "role": "viewer" })), 400),
        member(&patch, &grace, Some(json!({ "role": "editor" })), 200),
        member(&patch, &grace, Some(json!({ "role": "king" })), 400),
        member(&patch, "usr_01h455vb4pex5vsknk084sn02q", Some(json!({ "role": "editor" })), 404),
        member(&delete, &grace, None, 204),
        member(&delete, &grace, None, 404),
        member(&patch, &own, Some(json!({ "role": "admin" })), 200),
        ask(get.clone(), "/api/teams/{id}/invitations", &ops, None, 200),
        ask(get.clone(), "/api/teams/{id}/invitations", no_team, None, 404),
        ask(post.clone(), "/api/teams/{id}/invitations", &ops, Some(json!({ "role": "viewer" })), 201),
        ask(post.clone(), "/api/teams/{id}/invitations", &ops, Some(json!({ "role": "king" })), 400),
        ask(post.clone(), "/api/teams/{id}/invitations", no_team, Some(json!({ "role": "viewer" })), 404),
        taken_back(204),
        taken_back(404),
        ask(post.clone(), "/invitations/accept", "", Some(json!({ "token": "none" })), 409),
        ask(get.clone(), "/api/teams/{id}/api-keys", &ops, None, 200),
        ask(get.clone(), "/api/teams/{id}/api-keys", no_team, None, 404),
        gone(&doomed, 204),
        gone(no_team, 404),
        ask(delete.clone(), "/api/teams/{id}", &ops, None, 400),
        ask(post.clone(), "/api/agents", "", Some(json!({ "team_id": ops, "name": "Second", "sharing": "team" })), 201),
        ask(post.clone(), "/api/agents", "", Some(json!({ "team_id": ops, "name": "Second" })), 409),
        ask(post.clone(), "/api/agents", "", Some(json!({ "team_id": no_team, "name": "x" })), 404),
        ask(
            patch.clone(),
            "/api/agents/{id}",
            &helper,
            Some(json!({ "model": null, "limits": { "seconds": 5 } })),
            200,
        ),
        ask(patch.clone(), "/api/agents/{id}", &helper, Some(json!({ "version": 1, "name": "Late" })), 409),
        ask(patch.clone(), "/api/agents/{id}", &declared, Some(json!({ "name": "Mine" })), 403),
        ask(patch, "/api/agents/{id}", no_agent, Some(json!({})), 404),
        ask(get.clone(), "/api/agents/{id}/versions", &helper, None, 200),
        ask(get.clone(), "/api/agents/{id}/versions", no_agent, None, 404),
        ask(delete.clone(), "/api/agents/{id}", &helper, None, 204),
        ask(post.clone(), "/api/agents/{id}/restore", &helper, None, 200),
        ask(post.clone(), "/api/agents/{id}/restore", &helper, None, 404),
        ask(delete.clone(), "/api/agents/{id}", &helper, None, 204),
        ask(delete.clone(), "/api/agents/{id}", &helper, None, 404),
        ask(get, "/api/api-keys", "", None, 200),
        ask(post.clone(), "/api/api-keys", "", Some(json!({ "team_id": ops, "name": "x" })), 201),
        ask(post, "/api/api-keys", "", Some(json!({ "team_id": no_team, "name": "x" })), 404),
        ask(delete.clone(), "/api/api-keys/{id}", &key, None, 204),
        ask(delete, "/api/api-keys/{id}", no_key, None, 404),
    ];
    questions.extend(about_what_was_done(&ops, &own));
    questions
}

/// The trail, what was used, budgets, and who may what, asked by Ada, who runs a team and no more.
fn about_what_was_done(ops: &str, own: &str) -> Vec<Question> {
    let (get, put, patch, delete) = (Method::GET, Method::PUT, Method::PATCH, Method::DELETE);
    vec![
        ask(get.clone(), "/api/audit", "", None, 403),
        asked_with(&get, "/api/audit", "?mine=true", 200),
        asked_with(&get, "/api/audit", &format!("?team_id={ops}&limit=5"), 200),
        asked_with(&get, "/api/audit", &format!("?team_id={NO_TEAM}"), 404),
        asked_with(&get, "/api/audit", "?mine=true&actor=x", 400),
        ask(get.clone(), "/api/audit/export", "", None, 403),
        asked_with(&get, "/api/audit/export", "?mine=true", 200),
        asked_with(&get, "/api/audit/export", &format!("?team_id={NO_TEAM}"), 404),
        asked_with(&get, "/api/audit/export", "?limit=1", 400),
        ask(get.clone(), "/api/usage", "", None, 200),
        asked_with(&get, "/api/usage", "?cursor=x", 400),
        ask(get.clone(), "/api/usage/organization", "", None, 403),
        ask(get.clone(), "/api/teams/{id}/usage", ops, None, 200),
        ask(get.clone(), "/api/teams/{id}/usage", NO_TEAM, None, 404),
        ask(get.clone(), "/api/teams/{id}/budget", ops, None, 200),
        ask(get.clone(), "/api/teams/{id}/budget", NO_TEAM, None, 404),
        ask(put.clone(), "/api/teams/{id}/budget", ops, Some(json!({ "tokens_per_month": 5 })), 403),
        ask(put.clone(), "/api/teams/{id}/budget", ops, Some(json!({ "tokens_per_month": -5 })), 400),
        ask(delete.clone(), "/api/teams/{id}/budget", NO_TEAM, None, 404),
        ask(get.clone(), "/api/users/{id}/budget", own, None, 403),
        ask(put, "/api/users/{id}/budget", own, Some(json!({ "tokens_per_month": null })), 403),
        ask(delete, "/api/users/{id}/budget", own, None, 403),
        asked_with(&get, "/api/access/explain", &format!("?user={own}&action=team.read&resource={ops}"), 403),
        asked_with(&get, "/api/access/explain", &format!("?user={own}&action=team.eat"), 400),
        ask(get.clone(), "/api/users", "", None, 403),
        ask(get.clone(), "/api/users/{id}", own, None, 403),
        ask(get.clone(), "/api/users/{id}/offboard", own, None, 403),
        ask(Method::POST, "/api/users/{id}/offboard", own, Some(json!({})), 403),
        ask(Method::POST, "/api/users/{id}/offboard", own, Some(json!({ "threads": "burn" })), 400),
        ask(patch, "/api/users/{id}", own, Some(json!({ "disabled": true })), 403),
    ]
}

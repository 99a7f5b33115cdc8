//! Why somebody may do something, or may not: what is explained is what happens.

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

mod doors;

with_people_on_both_engines! {
    the_chain_is_told_to_whoever_runs_the_installation_and_to_nobody_else,
    whoever_is_shut_out_may_nothing,
    what_does_not_exist_is_not_explained,
}

async fn explain(admin: &Person, user: &str, action: &str, resource: &str) -> Value {
    admin.get(&format!("/api/access/explain?user={user}&action={action}&resource={resource}")).await
}

/// An agent that somebody makes in a team.
async fn agent(maker: &Person, team: &str, sharing: &str) -> String {
    let new = json!({ "team_id": team, "name": format!("Helper {sharing}"), "sharing": sharing });
    maker.send_json(Method::POST, "/api/agents", &new, 201).await["id"].as_str().unwrap().to_owned()
}

async fn the_chain_is_told_to_whoever_runs_the_installation_and_to_nobody_else(
    app: TestApp,
    provider: IdentityProvider,
) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    let (id, agent) = (ada.id().await, agent(&ada, &ops, "team").await);
    let told = explain(&admin, &id, "agent.change", &agent).await;
    assert_eq!(told["allowed"], json!(true), "{told}");
    assert_eq!(told["identities"][0]["subject"], "ada");
    assert_eq!((&told["membership"]["role"], &told["membership"]["origin"]), (&json!("editor"), &json!("person")));
    assert_eq!((&told["maker"], &told["user"]["organization_admin"]), (&json!(true), &json!(false)));
    assert_eq!(told["policy"]["by"], "its maker, if editor, unless shared with the organization");
    assert_eq!(
        told["sentence"],
        "Yes: ada may do agent.change, as its maker, if editor, unless shared with the organization."
    );
    let told = explain(&admin, &id, "team.delete", &ops).await;
    assert_eq!((&told["allowed"], &told["visible"]), (&json!(false), &json!(true)));
    assert_eq!(told["sentence"], "No: team.delete takes team admin, or organization admin.");
    let thread = ada.thread().await;
    let told = explain(&admin, &admin.id().await, "thread.use", &thread).await;
    assert_eq!(
        (&told["allowed"], &told["visible"], &told["policy"]["by"]),
        (&json!(false), &json!(false), &Value::Null)
    );
    assert_eq!(explain(&admin, &id, "thread.use", &thread).await["policy"]["by"], "oneself");
    let own = format!("/api/access/explain?user={id}&action=team.read&resource={ops}");
    assert_eq!(ada.status(Method::GET, &own).await, 403, "not even of oneself");
}

async fn whoever_is_shut_out_may_nothing(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    app.database.ask("UPDATE users SET disabled_at = updated_at WHERE name = 'ada'").await;
    let told = explain(&admin, &ada.id().await, "team.read", &ops).await;
    assert_eq!((&told["allowed"], &told["user"]["disabled"]), (&json!(false), &json!(true)));
}

async fn what_does_not_exist_is_not_explained(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let (id, nil) = (ada.id().await, "00000000000000000000000009");
    for (user, action, resource, status) in [
        (id.clone(), "agent.use", format!("agt_{nil}"), 404),
        (id.clone(), "thread.use", format!("thr_{nil}"), 404),
        (id.clone(), "team.read", format!("team_{nil}"), 404),
        (format!("usr_{nil}"), "team.create", "organization".to_owned(), 404),
        (id.clone(), "agent.eat", "organization".to_owned(), 400),
        (id.clone(), "agent.use", "msg_1".to_owned(), 400),
        (id.clone(), "user.disable", format!("usr_{nil}"), 404),
        (id.clone(), "thread.use", id.clone(), 400),
        (id.clone(), "api_key.revoke", id.clone(), 400),
        (id.clone(), "team.read", "organization".to_owned(), 400),
        (id.clone(), "audit.read", "team_00000000000000000000000001".to_owned(), 400),
        ("ada".to_owned(), "agent.use", "organization".to_owned(), 400),
    ] {
        let path = format!("/api/access/explain?user={user}&action={action}&resource={resource}");
        assert_eq!(admin.status(Method::GET, &path).await, status, "{path}");
    }
}

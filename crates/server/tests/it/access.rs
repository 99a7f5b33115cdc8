//! Why somebody may do something, or may not: what is explained is what happens.

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    the_chain_is_told_to_whoever_runs_the_installation_and_to_nobody_else,
    what_is_explained_is_what_the_doors_do,
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

/// What a door answers to whom an explanation says this of.
fn expected(told: &Value) -> u16 {
    match (told["allowed"].as_bool().unwrap(), told["visible"].as_bool().unwrap()) {
        (true, _) => 200,
        (false, true) => 403,
        (false, false) => 404,
    }
}

async fn what_is_explained_is_what_the_doors_do(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let viewer = Person::signed_in(&app, &provider, "vera").await;
    let team_admin = Person::signed_in(&app, &provider, "tom").await;
    let ops = team(&admin, "Ops").await;
    for (person, role) in [(&ada, "editor"), (&viewer, "viewer"), (&team_admin, "admin")] {
        join(&admin, &ops, person, role).await;
    }
    let mut agents = Vec::new();
    for sharing in ["private", "team"] {
        agents.push(agent(&ada, &ops, sharing).await);
    }
    let of_all = agent(&team_admin, &ops, "organization").await;
    agents.push(of_all);
    let mut tried = 0;
    for person in [&admin, &ada, &grace, &viewer, &team_admin] {
        let id = person.id().await;
        let doors = [
            ("team.read", ops.clone(), Method::GET, format!("/api/teams/{ops}")),
            ("team.change", ops.clone(), Method::PATCH, format!("/api/teams/{ops}")),
            ("member.read", ops.clone(), Method::GET, format!("/api/teams/{ops}/members")),
            ("api_key.read_of_team", ops.clone(), Method::GET, format!("/api/teams/{ops}/api-keys")),
            ("audit.read_of_team", ops.clone(), Method::GET, format!("/api/audit?team_id={ops}")),
            ("audit.read", "organization".to_owned(), Method::GET, "/api/audit".to_owned()),
            ("team.list", "organization".to_owned(), Method::GET, "/api/teams?all=true".to_owned()),
        ];
        let of_agents = agents.iter().flat_map(|agent| {
            let path = format!("/api/agents/{agent}");
            [
                ("agent.read", agent.clone(), Method::GET, path.clone()),
                ("agent.change", agent.clone(), Method::PATCH, path),
            ]
        });
        for (action, resource, method, path) in doors.into_iter().chain(of_agents) {
            let told = explain(&admin, &id, action, &resource).await;
            // A change of nothing is refused as any other is.
            let request = person.request(method, &path).json(&json!({}));
            let status = person.send(request).await.status().as_u16();
            assert_eq!(status, expected(&told), "{} {action} {path}: {told}", told["user"]["name"]);
            tried += 1;
        }
    }
    assert_eq!(tried, 5 * 13);
    app.database.ask("UPDATE users SET disabled_at = updated_at WHERE name = 'tom'").await;
    let told = explain(&admin, &team_admin.id().await, "team.read", &ops).await;
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

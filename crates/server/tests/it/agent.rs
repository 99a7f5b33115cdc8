//! Agents of a team, through their door: changed in versions, by whoever may.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, location, until, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

mod page;
mod typed;

with_people_on_both_engines! {
    each_change_makes_a_version,
    old_versions_are_kept_if_a_run_used_them,
    nobody_becomes_the_default_assistant_by_a_name,
    a_team_has_room_for_so_many_agents,
    what_one_keeps_to_oneself_takes_nobodys_room,
    what_was_private_stays_its_makers,
    of_two_changes_at_once_one_is_made,
    who_is_not_the_maker_changes_what_is_shared,
    what_all_use_is_changed_by_those_who_may_share_it,
    whoever_deleted_an_agent_takes_that_back,
    of_two_who_delete_an_agent_one_does,
    a_run_asks_no_more_often_than_its_agent_may,
}

/// An agent that somebody makes in a team; the path to it.
async fn agent(maker: &Person, team: &str, sharing: &str) -> String {
    let new = json!({ "team_id": team, "name": "Reviewer", "instructions": "Review.", "sharing": sharing });
    let made = maker.send_json(Method::POST, "/api/agents", &new, 201).await;
    format!("/api/agents/{}", made["id"].as_str().unwrap())
}

/// Changes something, and checks the status.
async fn change(person: &Person, path: &str, change: Value, status: u16) -> Value {
    person.send_json(Method::PATCH, path, &change, status).await
}

async fn each_change_makes_a_version(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    let path = agent(&ada, &ops, "private").await;
    let limits = json!({ "turns": 2 });
    let changed = change(&ada, &path, json!({ "instructions": "Review twice.", "limits": limits }), 200).await;
    assert_eq!((&changed["version"], &changed["limits"]["turns"]), (&json!(2), &json!(2)));
    assert_eq!(change(&ada, &path, json!({ "slug": "reviewer-2", "version": 2 }), 200).await["version"], 3);
    assert_eq!(change(&ada, &path, json!({ "name": "Reviewer" }), 200).await["version"], 3, "that it is already");
    assert_eq!(change(&ada, &path, json!({ "name": "Late", "version": 2 }), 409).await["code"], "agent_changed");
    let now = ada.get(&path).await;
    assert_eq!((&now["slug"], &now["name"]), (&json!("reviewer-2"), &json!("Reviewer")));
    let versions = ada.get(&format!("{path}/versions")).await;
    let told: Vec<_> = versions["data"].as_array().unwrap().iter().map(|one| &one["instructions"]).collect();
    assert_eq!(told, ["Review twice.", "Review twice.", "Review."]);
    assert_eq!(versions["data"][0]["changed_by"], json!(ada.id().await));
}

async fn nobody_becomes_the_default_assistant_by_a_name(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    join(&admin, &ops, &grace, "viewer").await;
    let before = grace.send_json(Method::POST, "/api/threads", &json!({}), 201).await["agent_id"].clone();
    for number in 0..201 {
        let new = json!({ "team_id": ops, "name": format!("! helper {number}"), "sharing": "team" });
        ada.send_json(Method::POST, "/api/agents", &new, 201).await;
    }
    let thread = grace.send_json(Method::POST, "/api/threads", &json!({}), 201).await;
    assert_eq!(thread["agent_id"], before);
    let page = grace.open("/").await.text().await.unwrap();
    let first = page.find(before.as_str().unwrap()).expect("the default one is offered");
    assert!(page.find("! helper 0").is_none_or(|other| first < other), "and it comes first");
}

async fn a_team_has_room_for_so_many_agents(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let new = |number: usize| json!({ "team_id": ops, "name": format!("Helper {number}"), "sharing": "team" });
    let mut last = String::new();
    for number in 0..500 {
        let made = admin.send_json(Method::POST, "/api/agents", &new(number), 201).await;
        made["id"].as_str().unwrap().clone_into(&mut last);
    }
    assert_eq!(admin.send_json(Method::POST, "/api/agents", &new(500), 409).await["code"], "too_many_agents");
    // One that is private has room, and is not shared as long as there is none for that.
    let private = agent(&admin, &ops, "private").await;
    assert_eq!(change(&admin, &private, json!({ "description": "Mine." }), 200).await["version"], 2);
    assert_eq!(change(&admin, &private, json!({ "sharing": "team" }), 409).await["code"], "too_many_agents");
    assert_eq!(admin.get(&private).await["sharing"], "private");
    let one = format!("/api/agents/{last}");
    assert_eq!(
        change(&admin, &one, json!({ "description": "Ours." }), 200).await["version"],
        2,
        "it takes no more room"
    );
    assert_eq!(admin.status(Method::DELETE, &one).await, 204);
    change(&admin, &private, json!({ "sharing": "team" }), 200).await;
    assert_eq!(admin.send_json(Method::POST, "/api/agents", &new(500), 409).await["code"], "too_many_agents");
    change(&admin, &private, json!({ "sharing": "private" }), 200).await;
    admin.send_json(Method::POST, "/api/agents", &new(500), 201).await;
}

/// Of an editor, whose private agents nobody else sees, and so nobody else could delete.
async fn what_one_keeps_to_oneself_takes_nobodys_room(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    for team in [&ops, &other] {
        join(&admin, team, &ada, "editor").await;
    }
    join(&admin, &ops, &grace, "editor").await;
    let new = |number: usize, sharing: &str| json!({ "team_id": ops, "name": format!("Helper {number}"), "sharing": sharing });
    let mut last = String::new();
    for number in 0..50 {
        let made = ada.send_json(Method::POST, "/api/agents", &new(number, "private"), 201).await;
        last = format!("/api/agents/{}", made["id"].as_str().unwrap());
    }
    let refused = ada.send_json(Method::POST, "/api/agents", &new(50, "private"), 409).await;
    assert_eq!(refused["code"], "too_many_agents");
    assert!(refused["detail"].as_str().unwrap().contains("50 private agents"), "{refused}");
    // Others have room, and she has it elsewhere and for what is shared, but not to take that back.
    grace.send_json(Method::POST, "/api/agents", &new(51, "private"), 201).await;
    agent(&ada, &other, "private").await;
    let shared = ada.send_json(Method::POST, "/api/agents", &new(52, "team"), 201).await;
    let shared = format!("/api/agents/{}", shared["id"].as_str().unwrap());
    assert_eq!(change(&ada, &shared, json!({ "sharing": "private" }), 409).await["code"], "too_many_agents");
    assert_eq!(change(&ada, &last, json!({ "description": "Mine." }), 200).await["version"], 2);
    assert_eq!(ada.status(Method::DELETE, &last).await, 204);
    assert_eq!(change(&ada, &shared, json!({ "sharing": "private" }), 200).await["sharing"], "private");
    assert_eq!(ada.send_json(Method::POST, "/api/agents", &new(53, "private"), 409).await["code"], "too_many_agents");
}

async fn old_versions_are_kept_if_a_run_used_them(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let path = agent(&admin, &ops, "team").await;
    change(&admin, &path, json!({ "description": "Used." }), 200).await;
    let new = json!({ "agent_id": path.rsplit('/').next().unwrap() });
    let thread = admin.send_json(Method::POST, "/api/threads", &new, 201).await;
    let run = admin.say(thread["id"].as_str().unwrap(), "Hello").await;
    app.model.next().await.answer("Hi").await;
    admin.follow(&run).await.rest().await;
    for number in 3..=205 {
        change(&admin, &path, json!({ "description": format!("No. {number}.") }), 200).await;
    }
    let numbers = async |query: &str| {
        let all = admin.get(&format!("{path}/versions?limit=200{query}")).await;
        all["data"].as_array().unwrap().iter().map(|one| one["version"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers("").await, (6..=205).rev().collect::<Vec<_>>());
    assert_eq!(numbers("&before=6").await, [2]);
}

async fn what_was_private_stays_its_makers(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    join(&admin, &ops, &grace, "editor").await;
    let path = agent(&ada, &ops, "private").await;
    for (number, sharing) in ["private", "team", "team", "private", "team"].iter().enumerate() {
        change(&ada, &path, json!({ "instructions": format!("Draft {number}."), "sharing": sharing }), 200).await;
    }
    let told = async |person: &Person| {
        let all = person.get(&format!("{path}/versions?limit=200")).await;
        all["data"].as_array().unwrap().iter().map(|one| one["instructions"].clone()).collect::<Vec<_>>()
    };
    for other in [&grace, &admin] {
        assert_eq!(told(other).await, ["Draft 4.", "Draft 2.", "Draft 1."]);
    }
    assert_eq!(told(&ada).await, ["Draft 4.", "Draft 3.", "Draft 2.", "Draft 1.", "Draft 0.", "Review."]);
}

async fn of_two_changes_at_once_one_is_made(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let path = agent(&admin, &ops, "team").await;
    let all = join_all((0..8).map(|number| {
        let (admin, path) = (&admin, &path);
        async move {
            let change = json!({ "description": format!("No. {number}"), "version": 1 });
            admin.send(admin.request(Method::PATCH, path).json(&change)).await.status().as_u16()
        }
    }));
    let mut statuses = all.await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(admin.get(&path).await["version"], 2);
}

async fn who_is_not_the_maker_changes_what_is_shared(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    join(&admin, &ops, &grace, "editor").await;
    let path = agent(&ada, &ops, "private").await;
    change(&grace, &path, json!({ "name": "Mine" }), 404).await;
    change(&ada, &path, json!({ "sharing": "team" }), 200).await;
    assert_eq!(change(&grace, &path, json!({ "name": "Ours" }), 200).await["name"], "Ours");
    assert_eq!(change(&grace, &path, json!({ "sharing": "organization" }), 403).await["code"], "role_too_low");
    let member = format!("/api/teams/{ops}/members/{}", grace.id().await);
    admin.send_json(Method::PATCH, &member, &json!({ "role": "viewer" }), 200).await;
    change(&grace, &path, json!({ "name": "Mine" }), 403).await;
    assert_eq!(ada.status(Method::DELETE, &path).await, 204);
    change(&ada, &path, json!({ "name": "Again" }), 404).await;
}

async fn what_all_use_is_changed_by_those_who_may_share_it(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    join(&admin, &ops, &grace, "editor").await;
    let path = agent(&ada, &ops, "team").await;
    change(&grace, &path, json!({ "instructions": "Ours." }), 200).await;
    change(&admin, &path, json!({ "sharing": "organization" }), 200).await;
    // Not even its maker.
    for editor in [&ada, &grace] {
        assert_eq!(change(editor, &path, json!({ "instructions": "Theirs." }), 403).await["code"], "role_too_low");
        assert_eq!(editor.status(Method::DELETE, &path).await, 403);
        assert_eq!(editor.status(Method::GET, &format!("{path}/versions")).await, 403);
    }
    change(&admin, &path, json!({ "instructions": "For all." }), 200).await;
    let member = format!("/api/teams/{ops}/members/{}", ada.id().await);
    admin.send_json(Method::PATCH, &member, &json!({ "role": "admin" }), 200).await;
    change(&ada, &path, json!({ "instructions": "For everybody." }), 200).await;
    change(&ada, &path, json!({ "sharing": "team" }), 200).await;
    change(&grace, &path, json!({ "instructions": "Ours again." }), 200).await;
    change(&admin, &path, json!({ "sharing": "organization" }), 200).await;
    assert_eq!(admin.status(Method::DELETE, &path).await, 204);
}

async fn whoever_deleted_an_agent_takes_that_back(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    join(&admin, &ops, &grace, "editor").await;
    let path = agent(&ada, &ops, "team").await;
    let page = path.strip_prefix("/api").unwrap();
    let restore = format!("{page}/restore");
    let offered = async |person: &Person| person.open("/agents").await.text().await.unwrap().contains(&restore);
    assert_eq!(ada.submit(&restore, &[]).await.status(), 404, "it is there");
    let before = ada.get(&path).await;
    assert_eq!(location(&ada.submit(&format!("{page}/delete"), &[]).await), "/agents");
    assert!(offered(&ada).await && !offered(&grace).await && !offered(&admin).await);
    for other in [&grace, &admin] {
        assert_eq!(other.submit(&restore, &[]).await.status(), 404);
    }
    assert_eq!(location(&ada.submit(&restore, &[]).await), page);
    assert_eq!(ada.get(&path).await, before);
    assert!(!offered(&ada).await);
    let told = admin.get(&format!("/api/audit?team_id={ops}&action=agent.restored")).await;
    assert_eq!(told["data"][0]["actor"]["user_id"], json!(ada.id().await));

    // By a program too, as it deletes.
    let (by_api, delete) = (format!("{path}/restore"), ["agents:write"]);
    let (key, _) = crate::api_key::key(&ada, &ops, &delete).await;
    let (reads, _) = crate::api_key::key(&ada, &ops, &["agents:read"]).await;
    let by_key = async |key: &str, method: Method, path: &str| {
        app.request(method, path).bearer_auth(key).send().await.unwrap().status().as_u16()
    };
    assert_eq!(by_key(&key, Method::DELETE, &path).await, 204);
    assert_eq!((by_key(&reads, Method::POST, &by_api).await, grace.status(Method::POST, &by_api).await), (403, 404));
    assert_eq!(ada.send_json(Method::POST, &by_api, &json!({}), 200).await, before);
    assert_eq!(by_key(&key, Method::DELETE, &path).await, 204);
    assert_eq!(by_key(&key, Method::POST, &by_api).await, 200);
    assert_eq!(ada.get(&path).await, before);
    assert_eq!(ada.status(Method::POST, &by_api).await, 404, "it is there");

    // Another one has its short name by now.
    ada.submit(&format!("{page}/delete"), &[]).await;
    let other = agent(&ada, &ops, "team").await;
    assert_eq!(ada.submit(&restore, &[]).await.status(), 409);
    assert_eq!(ada.status(Method::DELETE, &other).await, 204);
    assert!(!offered(&ada).await, "what was deleted last is offered");
    assert_eq!(ada.submit(&restore, &[]).await.status(), 404);
    // Not for ever, nor to whoever may not delete it any more.
    let path = agent(&ada, &ops, "team").await;
    let restore = format!("{}/restore", path.strip_prefix("/api").unwrap());
    assert_eq!(ada.status(Method::DELETE, &path).await, 204);
    let member = format!("/api/teams/{ops}/members/{}", ada.id().await);
    admin.send_json(Method::PATCH, &member, &json!({ "role": "viewer" }), 200).await;
    assert_eq!(ada.submit(&restore, &[]).await.status(), 404);
    admin.send_json(Method::PATCH, &member, &json!({ "role": "editor" }), 200).await;
    app.clock.advance(Duration::from_mins(11));
    assert_eq!(ada.submit(&restore, &[]).await.status(), 404);
}

async fn of_two_who_delete_an_agent_one_does(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    for editor in [&ada, &grace] {
        join(&admin, &ops, editor, "editor").await;
    }
    for _ in 0..5 {
        let path = agent(&ada, &ops, "team").await;
        let (one, two) = tokio::join!(ada.status(Method::DELETE, &path), grace.status(Method::DELETE, &path));
        assert!(
            [one, two].contains(&204) && [one, two].iter().all(|status| [204, 404, 409].contains(status)),
            "{one} {two}"
        );
        let id = path.rsplit('/').next().unwrap();
        let told = admin.get(&format!("/api/audit?action=agent.deleted&target={id}")).await;
        assert_eq!(told["data"].as_array().unwrap().len(), 1, "{told}");
    }
}

async fn a_run_asks_no_more_often_than_its_agent_may(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let path = agent(&admin, &ops, "team").await;
    let id = path.rsplit('/').next().unwrap();
    for turns in [1, 2] {
        change(&admin, &path, json!({ "limits": { "turns": turns } }), 200).await;
        let thread = admin.send_json(Method::POST, "/api/threads", &json!({ "agent_id": id }), 201).await;
        let run = admin.say(thread["id"].as_str().unwrap(), "Try").await;
        for _ in 0..turns {
            app.model.next().await.refuse(503, &json!({}));
        }
        let failed = async || (admin.get(&format!("/api/runs/{run}")).await["status"] == "failed").then_some(());
        until("it gives up", Duration::from_secs(10), failed).await;
        assert!(app.model.is_quiet().await, "{turns}");
    }
}

//! `retinue team …` and `retinue member …`, as they are typed, beside a running server.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{Database, Person, on_both_databases, until};
use serde_json::{Value, json};

use crate::user::Typed;

on_both_databases! {
    teams_and_members_are_kept_beside_a_running_server,
}

const PASSWORD: &str = "correct horse battery staple";

/// In a folder where people sign in with addresses, over a database.
pub(crate) fn typed(database: &Database) -> Typed {
    let typed = Typed::on(database.is_on_a_server().then_some(database));
    std::fs::write(typed.folder.path().join("retinue.toml"), "[auth]\nmode = \"local\"\n").unwrap();
    typed
}

/// What the trail says of the command line, the newest first.
pub(crate) async fn told(person: &Person) -> Vec<String> {
    let found = person.get("/api/audit?limit=200").await;
    let events = found["data"].as_array().unwrap().iter().filter(|event| event["actor"]["kind"] == "operator");
    events.map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

async fn teams_and_members_are_kept_beside_a_running_server(database: Database) {
    let typed = typed(&database);
    typed.said(&["user", "add", "ada@example.com", "--admin"], PASSWORD);
    typed.said(&["user", "add", "grace@example.com"], PASSWORD);
    let server = typed.serve("local").await;
    let [ada, grace] = [(); 2].map(|()| Person::at(format!("http://{}", server.address())));
    for (person, address) in [(&ada, "ada@example.com"), (&grace, "grace@example.com")] {
        assert_eq!(person.sign_in_with(address, PASSWORD).await.status(), 303);
    }
    let said = typed.said(&["team", "create", "Code review"], "");
    assert!(said.starts_with("Made the team Code review (code-review, team_") && said.contains("member add"), "{said}");
    let made = typed.json(&["team", "create", "Ops", "--slug", "operations"], "");
    assert_eq!((&made["slug"], &made["name"]), (&json!("operations"), &json!("Ops")));
    let ops = made["id"].as_str().unwrap().to_owned();
    let listed = typed.said(&["team", "list"], "");
    assert!(listed.starts_with("ID") && listed.contains("code-review") && listed.contains(&ops), "{listed}");
    assert_eq!(typed.json(&["team", "list"], "").as_array().unwrap().len(), 3);
    typed.said(&["team", "rename", "operations", "--slug", "ops", "--name", "Operations"], "");
    assert_eq!(typed.json(&["team", "rename", &ops, "--name", "Operations"], "")["slug"], "ops", "by id too");

    let nobody = typed.said(&["member", "list", "--team", "ops"], "");
    assert!(nobody.starts_with("Nobody belongs to this team."), "{nobody}");
    typed.said(&["member", "add", "ada@example.com", "--team", "ops", "--role", "admin"], "");
    let said = typed.said(&["member", "add", "grace@example.com", "--team", &ops], "");
    assert!(said.starts_with("grace (grace@example.com, usr_") && said.ends_with("is viewer of ops now.\n"), "{said}");
    let role = async || {
        let teams = grace.get("/api/teams").await;
        let found = teams["data"].as_array().unwrap().iter().find(|team| team["slug"] == "ops").cloned();
        found.map(|team| team["role"].clone())
    };
    until("the server hears of it", Duration::from_secs(20), async || {
        (role().await == Some(json!("viewer"))).then_some(())
    })
    .await;
    typed.said(&["member", "set-role", "grace@example.com", "editor", "--team", "ops"], "");
    assert_eq!(role().await, Some(json!("editor")), "roles are read live");
    let members = typed.json(&["member", "list", "--team", "ops"], "");
    let roles: Vec<_> = members.as_array().unwrap().iter().map(|member| member["role"].clone()).collect();
    assert_eq!(roles, [json!("admin"), json!("editor")]);
    let listed = typed.said(&["user", "list"], "");
    assert!(listed.contains("ops (editor)") && listed.contains("ops (admin)"), "{listed}");
    let shown = typed.json(&["user", "show", "grace@example.com"], "");
    assert_eq!((&shown["teams"][1]["slug"], &shown["contents"]["memberships"]), (&json!("ops"), &json!(2)), "{shown}");
    let shown = typed.said(&["user", "show", "ada@example.com"], "");
    assert!(shown.contains("ops: admin (person)") && shown.contains("the installation"), "{shown}");

    for (wrong, word) in [
        (&["member", "remove", "ada@example.com", "--team", "ops"][..], "only admin"),
        (&["member", "set-role", "ada@example.com", "viewer", "--team", "ops"], "only admin"),
        (&["member", "add", "ada@example.com", "--team", "ops"], "already"),
        (&["member", "set-role", "grace@example.com", "viewer", "--team", "code-review"], "retinue member add"),
        (&["member", "list", "--team", "nowhere"], "retinue team list"),
        (&["member", "add", "nobody@example.com", "--team", "ops"], "retinue user list"),
        (&["team", "create", "Ops", "--slug", "ops"], "short name"),
        (&["team", "create", "a\u{1b}b"], "can be seen"),
        (&["team", "delete", "default", "--delete-agents"], "default team stays"),
        (&["team", "delete", "ops", "--move-to", "ops"], "another team"),
    ] {
        let complaint = typed.complaint(wrong, "");
        assert!(complaint.contains(word) && !complaint.contains('\u{1b}'), "{wrong:?}: {complaint}");
    }
    typed.said(&["member", "remove", "grace@example.com", "--team", "ops"], "");
    assert_eq!(role().await, None);
    let said = typed.said(&["team", "delete", "ops", "--move-to", "code-review"], "");
    assert!(said.starts_with("Operations (ops, team_") && said.contains("0 agents are code-review’s now"), "{said}");
    assert_eq!(typed.json(&["team", "delete", "code-review", "--delete-agents"], "")["threads"], 0);
    assert_eq!(ada.status(Method::GET, &format!("/api/teams/{ops}")).await, 404);
    let told = told(&ada).await;
    let actions: Vec<_> = told.iter().map(String::as_str).take(5).collect();
    let last = ["team.deleted", "team.deleted", "membership.removed", "membership.changed", "membership.added"];
    assert_eq!(actions, last, "{told:?}");
    assert_eq!(typed.json(&["team", "list"], ""), json!([ada.get("/api/teams").await["data"][0].clone()].map(plain)));
    assert!(server.stop().await.success());
}

/// Without what one is in it oneself.
fn plain(mut team: Value) -> Value {
    team.as_object_mut().unwrap().remove("role");
    team
}

//! Teams and who belongs to them, by roles.

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, on_both_engines, with_people_on_both_engines};
use serde_json::{Value, json};

mod counts_for;
mod member;
mod page;
pub(crate) mod typed;
mod undo;

with_people_on_both_engines! {
    an_organization_admin_makes_teams_and_nobody_else,
    a_team_is_seen_by_its_members_and_by_whoever_runs_the_installation,
    short_names_are_one_of_a_kind,
    its_short_name_is_not_for_a_teams_admin_to_change,
    names_are_one_of_a_kind_too,
    a_team_is_deleted_and_nobody_loses_a_conversation,
    what_a_deleted_team_had_goes_only_where_one_is_admin,
    nothing_else_can_be_set_in_a_team,
    a_team_that_is_not_there_has_no_lists_for_anybody,
}

/// Who runs the installation, and two others.
pub(crate) struct People {
    pub(crate) admin: Person,
    pub(crate) ada: Person,
    pub(crate) grace: Person,
}

pub(crate) async fn people(app: &TestApp, provider: &IdentityProvider) -> People {
    People {
        admin: Person::signed_in(app, provider, "admin").await,
        ada: Person::signed_in(app, provider, "ada").await,
        grace: Person::signed_in(app, provider, "grace").await,
    }
}

/// A team that the admin makes; its id.
pub(crate) async fn team(admin: &Person, name: &str) -> String {
    let team = admin.send_json(Method::POST, "/api/teams", &json!({ "name": name }), 201).await;
    team["id"].as_str().unwrap().to_owned()
}

/// Takes somebody into a team.
pub(crate) async fn join(admin: &Person, team: &str, person: &Person, role: &str) {
    let member = json!({ "user_id": person.id().await, "role": role });
    admin.send_json(Method::POST, &format!("/api/teams/{team}/members"), &member, 201).await;
}

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|team| team["name"].as_str().unwrap()).collect()
}

async fn an_organization_admin_makes_teams_and_nobody_else(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let refused = ada.send_json(Method::POST, "/api/teams", &json!({ "name": "Mine" }), 403).await;
    assert_eq!(refused["code"], "forbidden");
    let made = admin.send_json(Method::POST, "/api/teams", &json!({ "name": "Code review" }), 201).await;
    assert_eq!((&made["slug"], &made["role"]), (&json!("code-review"), &json!("admin")));
    assert_eq!(names(&admin.get("/api/teams").await), ["Default", "Code review"]);
    assert_eq!(names(&ada.get("/api/teams").await), ["Default"]);
    let me = admin.get("/auth/me").await;
    let roles: Vec<_> = me["teams"].as_array().unwrap().iter().map(|team| (&team["slug"], &team["role"])).collect();
    assert_eq!(roles, [(&json!("default"), &json!("admin")), (&json!("code-review"), &json!("admin"))]);
}

async fn a_team_is_seen_by_its_members_and_by_whoever_runs_the_installation(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "viewer").await;
    let path = format!("/api/teams/{ops}");
    assert_eq!(ada.get(&path).await["role"], "viewer");
    assert_eq!(grace.status(Method::GET, &path).await, 404);
    assert_eq!(grace.status(Method::DELETE, &format!("{path}?agents=delete")).await, 404);
    let refused = ada.send_json(Method::PATCH, &path, &json!({ "name": "Theirs" }), 403).await;
    assert_eq!(refused["code"], "role_too_low");
    grace.send_json(Method::PATCH, &path, &json!({ "name": "Theirs" }), 404).await;
    let renamed = admin.send_json(Method::PATCH, &path, &json!({ "name": "Operations" }), 200).await;
    assert_eq!((&renamed["name"], &renamed["slug"]), (&json!("Operations"), &json!("ops")));
    assert_eq!(names(&ada.get("/api/teams").await), ["Default", "Operations"]);
    // Whoever runs the installation sees a team that they left.
    join(&admin, &ops, &grace, "admin").await;
    let own = admin.id().await;
    assert_eq!(admin.status(Method::DELETE, &format!("{path}/members/{own}")).await, 204);
    assert_eq!(admin.get(&path).await["role"], Value::Null);
    assert_eq!(names(&admin.get("/api/teams").await), ["Default"]);
    let all = admin.get("/api/teams?all=true").await;
    assert!(["Default", "Operations"].iter().all(|name| names(&all).contains(name)), "{all}");
    assert_eq!(ada.status(Method::GET, "/api/teams?all=true").await, 403);
}

async fn short_names_are_one_of_a_kind(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    for (new, status, code) in [
        (json!({ "name": "Others", "slug": "ops" }), 409, "slug_taken"),
        (json!({ "name": "Other", "slug": "OPS" }), 400, "invalid_slug"),
        (json!({ "name": "Other", "slug": "оps" }), 400, "invalid_slug"),
        (json!({ "name": "Other", "slug": "-" }), 400, "invalid_slug"),
        (json!({ "name": "sp\u{202e}o" }), 400, "invalid_name"),
        (json!({ "name": "x".repeat(100_000) }), 400, "invalid_name"),
        (json!({ "name": "" }), 400, "invalid_name"),
        (json!({ "slug": "nameless" }), 400, "invalid_body"),
    ] {
        let refused = admin.send_json(Method::POST, "/api/teams", &new, status).await;
        assert_eq!(refused["code"], code, "{new}");
    }
    let other = team(&admin, "Other").await;
    let refused = admin.send_json(Method::PATCH, &format!("/api/teams/{other}"), &json!({ "slug": "ops" }), 409).await;
    assert_eq!(refused["code"], "slug_taken");
    admin.send_json(Method::PATCH, &format!("/api/teams/{ops}"), &json!({ "slug": "ops-2" }), 200).await;
    admin.send_json(Method::PATCH, &format!("/api/teams/{other}"), &json!({ "slug": "ops" }), 200).await;
}

async fn its_short_name_is_not_for_a_teams_admin_to_change(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    let path = format!("/api/teams/{ops}");
    let refused = ada.send_json(Method::PATCH, &path, &json!({ "slug": "finance" }), 403).await;
    assert_eq!(refused["code"], "forbidden", "rules for groups go by it");
    let renamed = ada.send_json(Method::PATCH, &path, &json!({ "name": "Finance", "slug": "ops" }), 200).await;
    assert_eq!((&renamed["name"], &renamed["slug"]), (&json!("Finance"), &json!("ops")));
}

async fn names_are_one_of_a_kind_too(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let beta = team(&admin, "Beta Crew").await;
    for name in ["Beta Crew", "BETA  crew", "default", "DEFAULT"] {
        let new = json!({ "name": name, "slug": "another" });
        assert_eq!(admin.send_json(Method::POST, "/api/teams", &new, 409).await["code"], "name_taken", "{name}");
        assert_eq!(admin.submit("/teams", &[("name", name)]).await.status(), 409, "{name}");
    }
    // It may be written another way by those whose it is.
    let path = format!("/api/teams/{beta}");
    admin.send_json(Method::PATCH, &path, &json!({ "name": "BETA CREW" }), 200).await;
    assert_eq!(admin.send_json(Method::PATCH, &path, &json!({ "name": "Default" }), 409).await["code"], "name_taken");
    admin.send_json(Method::PATCH, &path, &json!({ "name": "Gamma" }), 200).await;
    admin.send_json(Method::POST, "/api/teams", &json!({ "name": "beta crew", "slug": "beta-2" }), 201).await;
    // What looks the same in another script has another short name, which stands beside it.
    team(&admin, "\u{412}eta crew").await;
    let page = admin.open("/api-keys").await.text().await.unwrap();
    assert!(page.contains("beta crew (beta-2)") && page.contains("\u{412}eta crew (eta-crew)"), "{page}");
}

async fn a_team_is_deleted_and_nobody_loses_a_conversation(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    let new = json!({ "team_id": ops, "name": "Helper", "sharing": "team" });
    let agent = ada.send_json(Method::POST, "/api/agents", &new, 201).await["id"].as_str().unwrap().to_owned();
    let thread = ada.send_json(Method::POST, "/api/threads", &json!({ "agent_id": agent }), 201).await;
    assert_eq!(thread["team_id"], json!(ops));
    let path = format!("/api/teams/{ops}");
    assert_eq!(admin.status(Method::DELETE, &path).await, 400, "what becomes of its agents is asked");
    assert_eq!(ada.status(Method::DELETE, &format!("{path}?agents=delete")).await, 403);
    assert_eq!(admin.status(Method::DELETE, &format!("{path}?agents=delete")).await, 204);
    assert_eq!(admin.status(Method::GET, &path).await, 404);
    assert_eq!(ada.status(Method::GET, &format!("/api/agents/{agent}")).await, 404);
    let kept = ada.get(&format!("/api/threads/{}", thread["id"].as_str().unwrap())).await;
    assert_eq!(kept["team_id"], ada.get("/api/teams").await["data"][0]["id"], "it counts for the default team");
    let run = json!({ "input": "Are you there?" });
    let refused = format!("/api/threads/{}/runs", thread["id"].as_str().unwrap());
    assert_eq!(ada.send_json(Method::POST, &refused, &run, 400).await["code"], "agent_unknown");
    let default = admin.get("/api/teams").await["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(admin.status(Method::DELETE, &format!("/api/teams/{default}?agents=delete")).await, 409);
}

async fn what_a_deleted_team_had_goes_only_where_one_is_admin(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    join(&admin, &ops, &ada, "admin").await;
    join(&admin, &other, &ada, "editor").await;
    join(&admin, &other, &grace, "viewer").await;
    let new = json!({ "team_id": ops, "name": "Helper", "sharing": "team" });
    let agent = ada.send_json(Method::POST, "/api/agents", &new, 201).await["id"].as_str().unwrap().to_owned();
    let (path, agent) = (format!("/api/teams/{ops}"), format!("/api/agents/{agent}"));
    for heir in [ops.as_str(), &other, "team_01h455vb4pex5vsknk084sn02q", "nonsense"] {
        let status = ada.status(Method::DELETE, &format!("{path}?agents=move&move_to={heir}")).await;
        assert_eq!(status, 400, "{heir}");
    }
    assert_eq!(grace.status(Method::GET, &agent).await, 404);
    assert_eq!(admin.status(Method::DELETE, &format!("{path}?agents=move&move_to={other}")).await, 204);
    assert_eq!(grace.get(&agent).await["team_id"], json!(other));
}

/// What is not said to be changeable is refused, not passed over.
async fn nothing_else_can_be_set_in_a_team(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    for field in ["id", "organization_id", "created_at", "role", "owner_user_id"] {
        let change = json!({ "name": "Ops", field: "x" });
        let refused = ada.send_json(Method::PATCH, &format!("/api/teams/{ops}"), &change, 400).await;
        assert_eq!(refused["code"], "invalid_body", "{field}");
    }
    let member = json!({ "user_id": ada.id().await, "role": "admin", "team_id": ops });
    assert_eq!(
        ada.send_json(Method::POST, &format!("/api/teams/{ops}/members"), &member, 400).await["code"],
        "invalid_body"
    );
}

mod alone {
    use super::{Method, TestApp, json, on_both_engines};

    on_both_engines! {
        the_local_user_runs_the_default_team,
    }

    async fn the_local_user_runs_the_default_team(app: TestApp) {
        let me = app.get("/auth/me").await;
        assert_eq!(me["teams"][0]["role"], "admin");
        let made = app.send(Method::POST, "/api/teams", &json!({ "name": "Second" }), 201).await;
        assert_eq!(made["role"], "admin");
    }
}

/// Also for whoever runs the installation, who may see every team there is.
async fn a_team_that_is_not_there_has_no_lists_for_anybody(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let lists = ["members", "invitations", "api-keys", "usage", "budget"];
    for list in lists {
        assert_eq!(admin.status(Method::GET, &format!("/api/teams/{ops}/{list}")).await, 200, "{list}");
    }
    assert_eq!(admin.status(Method::GET, &format!("/api/audit?team_id={ops}")).await, 200);
    assert_eq!(admin.status(Method::DELETE, &format!("/api/teams/{ops}?agents=delete")).await, 204);
    for person in [&admin, &ada] {
        for list in lists {
            let path = format!("/api/teams/{ops}/{list}");
            assert_eq!(person.status(Method::GET, &path).await, 404, "{list}");
        }
        assert_eq!(person.status(Method::GET, &format!("/api/audit?team_id={ops}")).await, 404);
        let new = json!({ "team_id": ops, "name": "Key" });
        assert_eq!(person.send_json(Method::POST, "/api/api-keys", &new, 404).await["code"], "not_found");
    }
}

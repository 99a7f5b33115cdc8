//! Offboarding: whoever leaves is out at once, what was theirs is kept or deleted, and nobody reads what they left who should
//! not.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, location, until, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

mod operator;
mod race;
mod typed;

with_people_on_both_engines! {
    whoever_leaves_is_out_with_everything_at_once,
    what_is_kept_is_read_by_nobody,
    what_is_deleted_is_gone_from_everywhere,
    the_installation_and_its_teams_are_still_run_by_somebody,
    nobody_else_offboards_and_nobody_reads_by_it,
    the_page_asks_once_and_shows_what_was_done,
    what_is_done_is_done_once,
    whoever_comes_back_belongs_to_the_default_team,
}

/// What somebody has who leaves.
pub(crate) struct Things {
    pub(crate) thread: String,
    pub(crate) run: String,
    pub(crate) private: String,
    pub(crate) shared: String,
    pub(crate) key: String,
    pub(crate) invitation: String,
}

pub(crate) fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap_or_else(|| panic!("{thing}")).to_owned()
}

/// Ada makes a thing of each kind in a team in which she is an admin.
pub(crate) async fn things(app: &TestApp, ada: &Person, team: &str) -> Things {
    let thread = ada.thread().await;
    let run = ada.say(&thread, "The combination is xylophone").await;
    app.model.next().await.answer("I keep the xylophone to myself").await;
    let events = ada.follow(&run).await.rest().await;
    assert_eq!(events.last().unwrap().name, "run.completed");
    let agent = |name: &str, sharing: &str| json!({ "team_id": team, "name": name, "sharing": sharing });
    let private = ada.send_json(Method::POST, "/api/agents", &agent("Diary", "private"), 201).await;
    let shared = ada.send_json(Method::POST, "/api/agents", &agent("Reviewer", "team"), 201).await;
    let key = ada.send_json(Method::POST, "/api/api-keys", &json!({ "team_id": team, "name": "ci" }), 201).await;
    let path = format!("/api/teams/{team}/invitations");
    let invitation = ada.send_json(Method::POST, &path, &json!({ "role": "viewer" }), 201).await;
    Things {
        thread,
        run,
        private: id(&private),
        shared: id(&shared),
        key: key["key"].as_str().unwrap().to_owned(),
        invitation: invitation["link"].as_str().unwrap().to_owned(),
    }
}

pub(crate) fn path(user: &str) -> String {
    format!("/api/users/{user}/offboard")
}

pub(crate) async fn offboard(admin: &Person, user: &str, choice: &Value) -> Value {
    admin.send_json(Method::POST, &path(user), choice, 200).await
}

async fn by_key(app: &TestApp, key: &str) -> u16 {
    let program = Person::stranger(app);
    let request = program.request(Method::GET, "/api/threads").header("authorization", format!("Bearer {key}"));
    program.send(request).await.status().as_u16()
}

/// Whatever somebody may look at that could show what Ada said.
async fn sees_nothing_of(person: &Person, things: &Things) {
    for (method, path) in [
        (Method::GET, format!("/api/threads/{}", things.thread)),
        (Method::GET, format!("/api/threads/{}/messages", things.thread)),
        (Method::GET, format!("/api/runs/{}", things.run)),
        (Method::GET, format!("/api/runs/{}/events", things.run)),
        (Method::POST, format!("/api/runs/{}/cancel", things.run)),
        (Method::DELETE, format!("/api/threads/{}", things.thread)),
        (Method::GET, format!("/threads/{}", things.thread)),
        (Method::GET, format!("/api/agents/{}", things.private)),
    ] {
        assert_eq!(person.status(method, &path).await, 404, "{path}");
    }
    assert_eq!(person.get("/api/threads?q=xylophone").await["data"], json!([]));
    assert_eq!(person.get("/api/threads").await["data"], json!([]));
    let agents = person.get("/api/agents?limit=200").await;
    assert!(!agents.to_string().contains("Diary"), "{agents}");
}

async fn whoever_leaves_is_out_with_everything_at_once(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    let things = things(&app, &ada, &ops).await;
    let run = ada.say(&things.thread, "More").await;
    let answer = app.model.next().await.begin();
    answer.say("word").await;
    let mut events = ada.follow(&run).await;
    events.until("message.delta").await;
    let leaver = ada.id().await;

    let plan = admin.get(&path(&leaver)).await;
    let contents = &plan["contents"];
    assert_eq!(
        (&contents["threads"], &contents["private_agents"], &contents["shared_agents"], &contents["api_keys"]),
        (&json!(1), &json!(1), &json!(1), &json!(1)),
        "{plan}"
    );
    assert_eq!((&contents["runs"], &contents["memberships"]), (&json!(1), &json!(2)), "{plan}");
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200, "looking changes nothing");

    let report = offboard(&admin, &leaver, &json!({})).await;
    assert_eq!(report["policy"], json!({ "threads": "keep", "agents": "keep" }));
    assert_eq!(
        report["ended"],
        json!({
            "sessions": 1, "runs": 1, "api_keys": 1, "invitations": 1, "memberships": 2, "organization_admin": false,
        })
    );
    assert_eq!(report["kept"], json!({ "threads": 1, "agents": 1, "shared_agents": 1 }));
    assert_eq!(report["begun_by"], json!(admin.id().await));
    assert!(report["finished_at"].is_string());
    assert_eq!((ada.status(Method::GET, "/auth/me").await, by_key(&app, &things.key).await), (401, 401));
    while events.next().await.is_some() {}
    let status = async || app.database.ask("SELECT status FROM runs ORDER BY position DESC LIMIT 1").await.remove(0);
    until("the run ends", Duration::from_secs(5), async || (status().await == "cancelled").then_some(())).await;
    let token = things.invitation.split_once("token=").unwrap().1;
    let accepted = grace.submit("/invitations/accept", &[("token", token)]).await;
    assert_eq!(accepted.status(), 409, "the invitation was taken back");
    assert_eq!(
        Person::stranger(&app).sign_in(&provider, "ada", "/").await.status(),
        403,
        "they are known, and refused"
    );

    let told = admin.get(&format!("/api/audit?target={leaver}")).await;
    let told: Vec<_> = told["data"].as_array().unwrap().iter().map(|event| event["action"].clone()).collect();
    assert!(
        told.starts_with(&[json!("user.offboarded"), json!("user.offboarded"), json!("user.disabled")]),
        "{told:?}"
    );
    let trail = admin.get("/api/audit?limit=200").await.to_string();
    for action in ["api_key.revoked", "invitation.revoked", "membership.removed"] {
        assert!(trail.contains(action), "{action}");
    }
    // Let in again, they have what was kept, and nothing that acts for them.
    let change = json!({ "disabled": false });
    admin.send_json(Method::PATCH, &format!("/api/users/{leaver}"), &change, 200).await;
    let back = Person::signed_in(&app, &provider, "ada").await;
    assert_eq!(back.get("/api/threads").await["data"][0]["id"], json!(things.thread));
    assert_eq!(by_key(&app, &things.key).await, 401, "a key that was revoked stays so");
    let teams = back.get("/api/teams").await;
    let teams: Vec<_> = teams["data"].as_array().unwrap().iter().map(|team| (&team["slug"], &team["role"])).collect();
    assert_eq!(teams, [(&json!("default"), &json!("viewer"))], "as newcomers do");
}

async fn what_is_kept_is_read_by_nobody(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    for person in [&ada, &grace] {
        join(&admin, &ops, person, "admin").await;
    }
    let things = things(&app, &ada, &ops).await;
    offboard(&admin, &ada.id().await, &json!({ "threads": "keep", "agents": "keep" })).await;
    for person in [&admin, &grace] {
        sees_nothing_of(person, &things).await;
        assert_eq!(
            person.status(Method::GET, &format!("/api/agents/{}", things.shared)).await,
            200,
            "it is the team’s"
        );
    }
    let kept = app.database.ask("SELECT content FROM messages").await;
    assert_eq!(kept.len(), 2, "it is there, for nobody");
}

async fn what_is_deleted_is_gone_from_everywhere(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    for person in [&ada, &grace] {
        join(&admin, &ops, person, "admin").await;
    }
    let things = things(&app, &ada, &ops).await;
    for _ in 0..45 {
        ada.thread().await;
    }
    let own = grace.thread().await;
    let used = admin.get("/api/usage/organization").await;
    let report = offboard(&admin, &ada.id().await, &json!({ "threads": "delete", "agents": "delete" })).await;
    assert_eq!(report["deleted"], json!({ "threads": 46, "agents": 1 }));
    assert_eq!(report["kept"], json!({ "threads": 0, "agents": 0, "shared_agents": 1 }));
    for table in ["messages", "runs", "events"] {
        assert_eq!(app.database.ask(&format!("SELECT COUNT(*) FROM {table}")).await, ["0"], "{table}");
    }
    assert_eq!(app.database.ask("SELECT COUNT(*) FROM threads").await, ["1"], "what is Grace’s stays");
    assert_eq!(grace.get("/api/threads").await["data"][0]["id"], json!(own));
    assert_eq!(admin.status(Method::GET, &format!("/api/threads/{}", things.thread)).await, 404);
    let named = grace.get("/api/agents?limit=200").await.to_string();
    assert!(named.contains("Reviewer") && !named.contains("Diary"), "{named}");
    assert_eq!(admin.get("/api/usage/organization").await, used, "what was used stays counted");
    let batches = admin.get("/api/audit?action=threads.deleted").await;
    let counts: Vec<_> =
        batches["data"].as_array().unwrap().iter().map(|event| event["details"]["threads"].clone()).collect();
    assert_eq!(counts, [json!(6), json!(20), json!(20)], "in bounded steps, each of which is told");
    assert!(!batches.to_string().contains("xylophone"));
}

async fn the_installation_and_its_teams_are_still_run_by_somebody(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    let (own, leaver, heir) = (admin.id().await, ada.id().await, grace.id().await);
    admin.send_json(Method::DELETE, &format!("/api/teams/{ops}/members/{own}"), &json!({}), 204).await;
    let plan = admin.get(&path(&leaver)).await;
    assert_eq!(plan["alone_in"][0]["slug"], "ops");
    let refused = admin.send_json(Method::POST, &path(&leaver), &json!({}), 409).await;
    assert_eq!(refused["code"], "last_team_admin");
    assert!(refused["detail"].as_str().unwrap().contains("ops"), "{refused}");
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200, "nothing was done");
    for nobody in [leaver.as_str(), "usr_00000000000000000000000001", "usr_00000000000000000000000009"] {
        let refused = admin.send_json(Method::POST, &path(&leaver), &json!({ "teams_to": nobody }), 409).await;
        assert_eq!(refused["code"], "heir_unknown", "{nobody}");
    }
    let report = offboard(&admin, &leaver, &json!({ "teams_to": heir })).await;
    assert_eq!((&report["transferred"]["teams"], &report["teams_to"]), (&json!(1), &json!(heir)));
    let role = async || grace.get(&format!("/api/teams/{ops}")).await["role"].clone();
    assert_eq!(role().await, "admin", "at once");
    let members = grace.get(&format!("/api/teams/{ops}/members")).await;
    assert_eq!(members["data"].as_array().unwrap().len(), 1, "{members}");

    let refused = admin.send_json(Method::POST, &path(&own), &json!({}), 409).await;
    assert_eq!(refused["code"], "offboards_oneself");
    let change = json!({ "organization_admin": true });
    admin.send_json(Method::PATCH, &format!("/api/users/{heir}"), &change, 200).await;
    let refused = grace.send_json(Method::POST, &path(&own), &json!({}), 409).await;
    assert_eq!(refused["code"], "admin_declared", "the configuration says so");
}

async fn nobody_else_offboards_and_nobody_reads_by_it(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let leaver = ada.id().await;
    assert_eq!(grace.status(Method::GET, &path(&leaver)).await, 403);
    let refused = grace.send_json(Method::POST, &path(&leaver), &json!({}), 403).await;
    assert_eq!(refused["code"], "forbidden");
    for nobody in ["usr_00000000000000000000000001", "usr_00000000000000000000000009"] {
        admin.send_json(Method::POST, &path(nobody), &json!({}), 404).await;
    }
    for choice in [json!({ "threads": "transfer" }), json!({ "agents": "transfer" })] {
        let refused = admin.send_json(Method::POST, &path(&leaver), &choice, 403).await;
        assert_eq!(refused["code"], "transfer_refused", "{choice}");
    }
    for choice in [
        json!({ "to": admin.id().await }),
        json!({ "threads": "transfer", "to": admin.id().await }),
        json!({ "threads": "burn" }),
        json!({ "policy": {} }),
    ] {
        admin.send_json(Method::POST, &path(&leaver), &choice, 400).await;
    }
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200, "nothing was done");
}

async fn the_page_asks_once_and_shows_what_was_done(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "<i>Ops</i>").await;
    join(&admin, &ops, &ada, "admin").await;
    let own = admin.id().await;
    admin.send_json(Method::DELETE, &format!("/api/teams/{ops}/members/{own}"), &json!({}), 204).await;
    ada.thread().await;
    let leaver = ada.id().await;
    let path = format!("/admin/users/{leaver}/offboard");
    let people = admin.open("/admin").await.text().await.unwrap();
    assert!(people.contains(&path) && !people.contains(&format!("/admin/users/{own}/offboard")), "{people}");
    assert_eq!(ada.open(&path).await.status(), 403);
    let page = admin.open(&path).await.text().await.unwrap();
    assert!(page.contains("Their 1 conversation") && page.contains("2 memberships"), "{page}");
    assert!(page.contains("&#60;i&#62;Ops") && !page.contains("<i>Ops"), "{page}");
    assert!(page.contains("name=\"teams_to\"") && !page.contains("transfer"), "{page}");
    let refused =
        admin.submit(&path, &[("threads", "delete"), ("agents", "keep"), ("teams_to", "nobody@example.com")]).await;
    assert_eq!(refused.status(), 400);
    let page = refused.text().await.unwrap();
    assert!(page.contains("value=\"nobody@example.com\"") && page.contains("value=\"delete\" selected"), "{page}");
    assert_eq!(admin.submit(&path, &[("threads", "transfer"), ("agents", "keep")]).await.status(), 403);
    let done = admin.submit(&path, &[("threads", "delete"), ("agents", "keep"), ("teams_to", &own)]).await;
    assert_eq!((done.status().as_u16(), location(&done)), (303, path.clone()));
    let page = admin.open(&path).await.text().await.unwrap();
    assert!(page.contains("What was done") && page.contains("conversations: 1 · private agents: 0"), "{page}");
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 401);
}

async fn what_is_done_is_done_once(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    ada.thread().await;
    let leaver = ada.id().await;
    let first = offboard(&admin, &leaver, &json!({})).await;
    assert_eq!(offboard(&admin, &leaver, &json!({ "threads": "keep" })).await, first, "there was nothing left to do");
    let second = offboard(&admin, &leaver, &json!({ "threads": "delete" })).await;
    assert_eq!(
        (&second["deleted"]["threads"], &second["resumed"]),
        (&json!(1), &json!(0)),
        "what was kept can go later"
    );
    assert_eq!(second["ended"]["sessions"], 0);
    let told = admin.get(&format!("/api/audit?target={leaver}&action=user.disabled")).await;
    assert_eq!(told["data"].as_array().unwrap().len(), 1);
}

async fn whoever_comes_back_belongs_to_the_default_team(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let default = default_team(&admin).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &grace, "editor").await;
    let (ada, grace) = (ada.id().await, grace.id().await);
    offboard(&admin, &ada, &json!({})).await;
    let let_in = async |user: &str| {
        admin.send_json(Method::PATCH, &format!("/api/users/{user}"), &json!({ "disabled": false }), 200).await;
    };
    let roles = async |team: &str, user: &str| {
        let members = admin.get(&format!("/api/teams/{team}/members")).await["data"].as_array().unwrap().clone();
        let theirs = members.into_iter().filter(|member| member["user_id"] == user);
        theirs.map(|member| (member["role"].clone(), member["origin"].clone())).collect::<Vec<_>>()
    };
    let told =
        async || admin.get("/api/audit?action=membership.added&mine=false").await["data"].as_array().unwrap().len();
    let before = told().await;
    assert!(roles(&default, &ada).await.is_empty());
    let_in(&ada).await;
    assert_eq!(roles(&default, &ada).await, [(json!("viewer"), json!("default"))], "as newcomers do");
    assert_eq!(told().await, before + 1);

    admin.send_json(Method::PATCH, &format!("/api/users/{grace}"), &json!({ "disabled": true }), 200).await;
    let_in(&grace).await;
    assert_eq!(
        roles(&ops, &grace).await,
        [(json!("editor"), json!("person"))],
        "whoever was only shut out has what they had"
    );
    assert_eq!((roles(&default, &grace).await.len(), told().await), (1, before + 1));
}

/// The team to which everybody belongs.
async fn default_team(admin: &Person) -> String {
    let all = admin.get("/api/teams?all=true").await;
    let found = all["data"].as_array().unwrap().iter().find(|team| team["slug"] == "default").cloned();
    id(&found.unwrap())
}

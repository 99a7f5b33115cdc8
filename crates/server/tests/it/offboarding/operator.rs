//! Handing over, which is for whoever has the machine, where the configuration declares it.

use reqwest::Method;
use retinue_app::offboarding::{self, Choice};
use retinue_model::offboarding::{Fate, Policy};
use retinue_model::{Result, UserId};
use retinue_testkit::{Database, Options, Person, TestApp, on_both_databases};
use serde_json::{Value, json};

use super::{Things, id, path, sees_nothing_of, things};
use crate::team::{People, join, people, team};

on_both_databases! {
    conversations_go_to_one_person_and_to_nobody_else,
    what_is_not_declared_is_not_handed_over,
    an_heir_is_somebody_who_may_come_in,
    nobody_offboards_where_nobody_signs_in,
}

const TO_HEIR: Choice =
    Choice { threads: Some(Fate::Transfer), agents: Some(Fate::Transfer), to: None, teams_to: None };

struct Story {
    app: TestApp,
    people: People,
    things: Things,
    ops: String,
}

/// Ada has things in a team of hers, and the configuration declares this.
async fn begin(database: Database, offboarding: Policy) -> Story {
    let options = Options { offboarding, ..Options::default() };
    let (app, provider) = TestApp::with_provider_and_options(database, options).await;
    let people = people(&app, &provider).await;
    let ops = team(&people.admin, "Ops").await;
    join(&people.admin, &ops, &people.ada, "admin").await;
    let things = things(&app, &people.ada, &ops).await;
    Story { app, people, things, ops }
}

const ALL: Policy = Policy { threads: Fate::Transfer, agents: Fate::Transfer };

async fn user(person: &Person) -> UserId {
    person.id().await.parse().unwrap()
}

impl Story {
    async fn offboard(&self, choice: Choice) -> Result<Value> {
        let leaver = self.app.database.ask("SELECT name FROM users WHERE name = 'ada'").await;
        assert_eq!(leaver, ["ada"]);
        let leaver = self.app.administration().await.list().await?.into_iter().find(|user| user.name == "ada").unwrap();
        offboarding::for_operator(&self.app.app, leaver.id, choice).await.map(|report| json!(report))
    }

    async fn code(&self, choice: Choice) -> &'static str {
        self.offboard(choice).await.unwrap_err().code()
    }
}

async fn conversations_go_to_one_person_and_to_nobody_else(database: Database) {
    let story = begin(database, ALL).await;
    let People { admin, ada, grace } = &story.people;
    let heir = user(grace).await;
    assert_eq!(
        story.code(Choice { to: Some(heir), ..TO_HEIR }).await,
        "heir_not_member",
        "she could not use the agent"
    );
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200, "nothing was done");
    join(admin, &story.ops, grace, "editor").await;
    // By the declared policy alone.
    let report = story.offboard(Choice { to: Some(heir), ..Choice::default() }).await.unwrap();
    assert_eq!(report["transferred"], json!({ "threads": 1, "agents": 2, "teams": 0 }));
    assert_eq!((&report["to"], &report["begun_by"]), (&json!(heir), &Value::Null));
    assert_eq!(grace.get("/api/threads?q=xylophone").await["data"][0]["id"], json!(story.things.thread));
    let messages = grace.get(&format!("/api/threads/{}/messages", story.things.thread)).await;
    assert_eq!(messages["data"].as_array().unwrap().len(), 2);
    let run = grace.say(&story.things.thread, "Go on").await;
    story.app.model.next().await.answer("So I do").await;
    assert_eq!(grace.follow(&run).await.rest().await.last().unwrap().name, "run.completed");
    let path = format!("/api/agents/{}", story.things.private);
    grace.send_json(Method::PATCH, &path, &json!({ "description": "Mine now" }), 200).await;
    sees_nothing_of(admin, &story.things).await;
    let told = admin.get("/api/audit?action=threads.transferred").await;
    let event = &told["data"][0];
    assert_eq!((&event["user_id"], &event["details"]["threads"]), (&json!(heir), &json!(1)), "{told}");
    assert_eq!(event["actor"]["kind"], "operator", "{told}");
    // Those who run the installation go no further than that.
    let refused = admin.send_json(Method::POST, &path_of(&report), &json!({}), 403).await;
    assert_eq!(refused["code"], "transfer_refused");
}

fn path_of(report: &Value) -> String {
    path(report["user_id"].as_str().unwrap())
}

async fn what_is_not_declared_is_not_handed_over(database: Database) {
    let story = begin(database, Policy { threads: Fate::Keep, agents: Fate::Transfer }).await;
    let People { admin, ada, grace } = &story.people;
    join(admin, &story.ops, grace, "editor").await;
    let heir = user(grace).await;
    let threads = Choice { threads: Some(Fate::Transfer), agents: Some(Fate::Keep), to: Some(heir), teams_to: None };
    assert_eq!(story.code(threads).await, "transfer_not_declared");
    assert_eq!(story.code(Choice { to: Some(heir), ..TO_HEIR }).await, "transfer_not_declared");
    assert_eq!(story.code(Choice::default()).await, "heir_missing", "agents are declared to be");
    let kept = Choice { agents: Some(Fate::Keep), to: Some(heir), ..Choice::default() };
    assert_eq!(story.code(kept).await, "heir_unused");
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200, "nothing was done");
    let report = story.offboard(Choice { to: Some(heir), ..Choice::default() }).await.unwrap();
    assert_eq!(report["transferred"], json!({ "threads": 0, "agents": 2, "teams": 0 }));
    assert_eq!(grace.get(&format!("/api/agents/{}", story.things.private)).await["name"], "Diary");
    assert_eq!(grace.status(Method::GET, &format!("/api/threads/{}", story.things.thread)).await, 404);
}

async fn an_heir_is_somebody_who_may_come_in(database: Database) {
    let story = begin(database, ALL).await;
    let People { admin, ada, grace } = &story.people;
    let heir = user(grace).await;
    join(admin, &story.ops, grace, "editor").await;
    for nobody in [user(ada).await, "usr_00000000000000000000000001".parse().unwrap()] {
        assert_eq!(story.code(Choice { to: Some(nobody), ..TO_HEIR }).await, "heir_unknown");
    }
    let change = async |disabled: bool| {
        let path = format!("/api/users/{heir}");
        admin.send_json(Method::PATCH, &path, &json!({ "disabled": disabled }), 200).await;
    };
    change(true).await;
    assert_eq!(story.code(Choice { to: Some(heir), ..TO_HEIR }).await, "heir_unknown");
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200, "nothing was done");
    change(false).await;
    // A conversation that counted for a team of hers alone counts for one of the heir's.
    let other = team(admin, "Other").await;
    join(admin, &other, ada, "viewer").await;
    let thread = ada.send_json(Method::POST, "/api/threads", &json!({ "team_id": other }), 201).await;
    story.offboard(Choice { to: Some(heir), ..TO_HEIR }).await.unwrap();
    // She is known anew, for she was shut out meanwhile.
    let mine = "SELECT COUNT(*) FROM threads t \
        JOIN memberships m ON m.team_id = t.team_id AND m.user_id = t.owner_user_id";
    assert_eq!(story.app.database.ask(mine).await, ["2"], "{}", id(&thread));
}

async fn nobody_offboards_where_nobody_signs_in(database: Database) {
    let app = TestApp::start(database).await;
    let added = app.administration().await;
    let email = retinue_model::Email::new("ada@example.com").unwrap();
    let new = retinue_app::administration::NewUser { name: None, email, admin: false, password: None };
    let ada = added.add(new).await.unwrap();
    let refused = offboarding::for_operator(&app.app, ada.id, Choice::default()).await.unwrap_err();
    assert_eq!(refused.code(), "single_user");
    let refused = app.send(Method::POST, &path(&ada.id.to_string()), &json!({}), 409).await;
    assert_eq!(refused["code"], "single_user");
}

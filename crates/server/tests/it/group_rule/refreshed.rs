//! What a provider says of groups when it is asked about a session again.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{Database, EventStream, Person, on_both_databases};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{RULES, comes_in, in_groups, membership, ops, start};
use crate::api_key::key;
use crate::invitation::role;
use crate::linking::comes;
use crate::team::join;

on_both_databases! {
    a_refresh_takes_over_what_the_provider_says_now,
    whoever_is_taken_out_loses_their_keys_and_what_those_follow,
    of_two_last_admins_who_go_at_once_one_stays,
}

const DUE: Duration = Duration::from_mins(16);

async fn a_refresh_takes_over_what_the_provider_says_now(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (admin, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    let given_at = membership(&admin, &ops, &ada).await["evidence"]["at"].clone();
    for (groups, expected) in [
        (json!(["engineers"]), Some("editor")),
        (json!(["leads"]), Some("admin")),
        (Value::Null, Some("admin")),
        (json!("none"), Some("admin")),
        (json!(["guests"]), Some("viewer")),
        (json!([]), None),
        (Value::Null, None),
        (json!(["guests"]), Some("viewer")),
    ] {
        sso.introduce("ada", in_groups("ada", &groups));
        app.clock.advance(DUE);
        assert_eq!(role(&ada, &ops).await.as_deref(), expected, "{groups}");
        let roles: Vec<_> = ada.get("/auth/me").await["teams"].as_array().unwrap().clone();
        let known = roles.iter().find(|own| own["id"] == json!(ops)).map(|own| own["role"].clone());
        assert_eq!(known, expected.map(|role| json!(role)), "the session knows");
    }
    sso.introduce("admin", in_groups("admin", &json!([])));
    let now = membership(&admin, &ops, &ada).await["evidence"]["at"].clone();
    assert!(now.as_str().unwrap() > given_at.as_str().unwrap(), "{now} {given_at}");
    // A refresh may give no ID token: then UserInfo is asked.
    sso.set(|script| script.token_answer = json!({ "id_token": null }));
    sso.introduce("ada", in_groups("ada", &json!([])));
    app.clock.advance(DUE);
    assert_eq!(role(&ada, &ops).await, None);
}

async fn whoever_is_taken_out_loses_their_keys_and_what_those_follow(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (_, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    let scopes = ["threads:read", "threads:write", "agents:read", "agents:run"];
    let (text, _) = key(&ada, &ops, &scopes).await;
    let ask = async |path: &str| app.request(Method::GET, path).bearer_auth(&text).send().await.unwrap();
    assert_eq!(ask("/api/threads").await.status(), 200);
    let run = ada.say(&ada.thread().await, "Go on").await;
    let _answer = app.model.next().await.begin();
    let mut events = EventStream::new(ask(&format!("/api/runs/{run}/events")).await);
    assert_eq!(events.next().await.unwrap().name, "run.started");
    sso.introduce("ada", in_groups("ada", &json!([])));
    app.clock.advance(DUE);
    assert_eq!(role(&ada, &ops).await, None);
    assert_eq!(ask("/api/threads").await.status(), 401);
    let end = async { while events.next().await.is_some() {} };
    timeout(Duration::from_secs(3), end).await.expect("the stream goes on");
    assert_eq!(ada.get(&format!("/api/runs/{run}")).await["status"], "running");
}

/// Each of them is looked at alone, and both look at the same moment.
async fn of_two_last_admins_who_go_at_once_one_stays(database: Database) {
    let (app, [sso, other]) = start(database, RULES).await;
    let (admin, ops) = ops(&app, &sso).await;
    let own = format!("/api/teams/{ops}/members/{}", admin.id().await);
    for round in 0..5 {
        let (name, theirs) = (format!("ada {round}"), format!("grace {round}"));
        let ada = comes_in(&app, &sso, &name, json!(["leads"])).await;
        let grace = comes(&app, ("other", &other), &theirs, in_groups("grace", &json!(["leads"]))).await;
        assert_eq!(admin.status(Method::DELETE, &own).await, 204);
        sso.introduce(&name, in_groups("ada", &json!([])));
        other.introduce(&theirs, in_groups("grace", &json!([])));
        app.clock.advance(DUE);
        let (one, two) = tokio::join!(role(&ada, &ops), role(&grace, &ops));
        let left: Vec<_> = [&one, &two].into_iter().flatten().collect();
        assert_eq!(left, ["admin"], "{one:?} {two:?}");
        sso.introduce("admin", in_groups("admin", &json!([])));
        back(&admin, &ops).await;
        for person in [&ada, &grace] {
            let member = format!("/api/teams/{ops}/members/{}", person.id().await);
            admin.status(Method::DELETE, &member).await;
        }
    }
}

/// Whoever runs the installation may take part again.
async fn back(admin: &Person, ops: &str) {
    join(admin, ops, admin, "admin").await;
}

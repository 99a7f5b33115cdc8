//! What a provider says of groups too late: it was asked about somebody again since, or their identity is gone.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, on_both_databases};
use serde_json::{Value, json};

use super::{RULES, comes_in, in_groups, membership, ops, start, told};
use crate::invitation::role;
use crate::linking::comes;
use crate::team::join;

on_both_databases! {
    what_is_answered_after_an_identity_went_gives_nothing,
    what_was_asked_later_counts_whichever_answer_comes_first,
    a_sign_in_that_is_overtaken_gives_nothing_and_lets_in,
    what_a_last_admin_kept_goes_when_there_is_another_one,
}

const DUE: Duration = Duration::from_mins(16);

/// Ada, who came by this provider, comes in by the other one too.
async fn comes_by(app: &TestApp, ada: &Person, other: &IdentityProvider) -> Person {
    other.introduce("ada there", in_groups("ada", &json!([])));
    assert_eq!(ada.add_identity("other", other).await.status(), 303);
    comes(app, ("other", other), "ada there", in_groups("ada", &json!([]))).await
}

/// Where the identity by which they came first is to be removed.
async fn first_identity(person: &Person) -> String {
    let identities = person.get("/api/identities").await;
    format!("/api/identities/{}", identities["data"][0]["id"].as_str().unwrap())
}

/// Begins something at the server that waits for the provider.
async fn asks(person: &Person, provider: &IdentityProvider, path: &'static str) -> tokio::task::JoinHandle<u16> {
    let request = person.request(Method::GET, "/api/teams");
    let asking = tokio::spawn(async move { request.send().await.unwrap().status().as_u16() });
    provider.held(path, 1).await;
    asking
}

async fn what_is_answered_after_an_identity_went_gives_nothing(database: Database) {
    let (app, [sso, other]) = start(database, RULES).await;
    let (_, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    comes_by(&app, &ada, &other).await;
    app.clock.advance(DUE);
    let there = comes(&app, ("other", &other), "ada there", in_groups("ada", &json!([]))).await;
    assert_eq!(role(&there, &ops).await.as_deref(), Some("editor"));
    sso.introduce("ada", in_groups("ada", &json!(["engineers", "leads"])));
    sso.hold("/token");
    let asking = asks(&ada, &sso, "/token").await;
    let path = first_identity(&there).await;
    assert_eq!(there.status(Method::DELETE, &path).await, 204);
    assert_eq!(role(&there, &ops).await, None);
    sso.release("/token");
    assert_eq!(asking.await.unwrap(), 401);
    assert_eq!(role(&there, &ops).await, None, "nobody says any more that they are in these groups");
}

async fn what_was_asked_later_counts_whichever_answer_comes_first(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (_, ops) = ops(&app, &sso).await;
    let slow = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    let quick = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    app.clock.advance(DUE);
    sso.set(|script| script.token_answer = json!({ "id_token": null }));
    sso.hold("/userinfo");
    let asking = asks(&slow, &sso, "/userinfo").await;
    app.clock.advance(Duration::from_secs(1));
    sso.set(|script| script.token_answer = json!({}));
    sso.introduce("ada", in_groups("ada", &json!([])));
    assert_eq!(role(&quick, &ops).await, None);
    // What was so when the slow one asked.
    sso.introduce("ada", in_groups("ada", &json!(["engineers"])));
    sso.release("/userinfo");
    assert_eq!(asking.await.unwrap(), 200);
    assert_eq!(role(&quick, &ops).await, None);
    app.clock.advance(DUE);
    assert_eq!(role(&slow, &ops).await.as_deref(), Some("editor"), "what is said from now on counts");
}

async fn a_sign_in_that_is_overtaken_gives_nothing_and_lets_in(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (_, ops) = ops(&app, &sso).await;
    comes_in(&app, &sso, "ada", json!([])).await;
    app.database.ask("UPDATE identities SET groups_at = (SELECT MAX(expires_at) FROM sessions)").await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    assert_eq!(role(&ada, &ops).await, None);
}

async fn what_a_last_admin_kept_goes_when_there_is_another_one(database: Database) {
    let (app, [sso, other]) = start(database, RULES).await;
    let (admin, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["leads"])).await;
    let there = comes_by(&app, &ada, &other).await;
    let own = format!("/api/teams/{ops}/members/{}", admin.id().await);
    assert_eq!(admin.status(Method::DELETE, &own).await, 204);
    app.clock.advance(Duration::from_secs(1));
    let path = first_identity(&there).await;
    assert_eq!(there.status(Method::DELETE, &path).await, 204);
    let sweep = async || {
        app.clock.advance(Duration::from_secs(1));
        retinue_app::group_rule::take_back(&app.app).await.unwrap();
    };
    sweep().await;
    assert_eq!(role(&there, &ops).await.as_deref(), Some("admin"), "nobody else runs the team");
    let refused = async || {
        let all = told(&admin, &ops, "membership.removed").await;
        all.into_iter().filter(|event| event["reason"] == "last_admin").count()
    };
    assert_eq!(refused().await, 1, "it is told once");
    let grace = comes_in(&app, &sso, "grace", json!(["leads"])).await;
    join(&admin, &ops, &admin, "viewer").await;
    sweep().await;
    assert_eq!(role(&there, &ops).await, None);
    assert_eq!(membership(&admin, &ops, &there).await, Value::Null);
    assert_eq!(role(&grace, &ops).await.as_deref(), Some("admin"), "somebody still says so of this one");
}

/// Both are written together, or neither.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_stays_if_what_it_gave_can_t_be_taken_back() {
    let (app, [sso, other]) = start(Database::sqlite(), RULES).await;
    let (_, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    let there = comes_by(&app, &ada, &other).await;
    let stop = "CREATE TRIGGER stop BEFORE DELETE ON memberships BEGIN SELECT RAISE(ABORT, 'stop'); END";
    app.database.ask(stop).await;
    let path = first_identity(&there).await;
    assert_eq!(there.status(Method::DELETE, &path).await, 500);
    assert_eq!(there.get("/api/identities").await["data"].as_array().unwrap().len(), 2);
    app.database.ask("DROP TRIGGER stop").await;
    assert_eq!(there.status(Method::DELETE, &path).await, 204);
    assert_eq!(role(&there, &ops).await, None);
}

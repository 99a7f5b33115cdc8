//! That somebody who is signed in tried what they may not do.

use reqwest::Method;
use retinue_model::audit::{Action, Actor, AuditEvent, Outcome};
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use super::watch::{Watch, is_by};
use crate::api_key::key;
use crate::invitation::{accept, invite};
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    whoever_may_not_is_told_with_what_they_tried,
    what_is_told_of_one_who_tries_on_is_bounded,
    another_name_is_told,
}

pub(super) async fn was_denied(event: &AuditEvent, person: &Person, (via, reason): (&str, &str)) {
    assert_eq!(event.actor, Actor::User(person.id().await.parse().unwrap()), "{event:?}");
    assert_eq!((event.via.as_str(), event.outcome, event.reason.as_deref()), (via, Outcome::Refused, Some(reason)));
    assert_eq!(event.request_id.as_ref().map(String::len), Some(16), "{event:?}");
}

fn detail(event: &AuditEvent, name: &str) -> Value {
    serde_json::from_str::<Value>(event.details.as_deref().unwrap()).unwrap()[name].clone()
}

async fn whoever_may_not_is_told_with_what_they_tried(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "viewer").await;
    let (text, key_id) = key(&ada, &ops, &["threads:read"]).await;
    let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
    assert_eq!(accept(&grace, &path).await.0, 204);
    let mut watch = Watch::over(&app).await;

    let members = format!("/api/teams/{ops}/members");
    ada.send_json(Method::POST, &members, &json!({ "user_id": ada.id().await, "role": "admin" }), 403).await;
    let told = watch.one(Action::AccessRefused).await;
    was_denied(&told, &ada, ("session", "role_too_low")).await;
    assert_eq!(told.team_id, ops.parse().ok());
    assert_eq!(
        (detail(&told, "action"), detail(&told, "door")),
        (json!("member.add"), json!("POST /api/teams/{id}/members"))
    );
    let ada_s = format!("{members}/{}", ada.id().await);
    ada.send_json(Method::PATCH, &ada_s, &json!({ "role": "admin" }), 403).await;
    let told = watch.one(Action::AccessRefused).await;
    let target = told.target.as_ref().map(|target| (target.kind.as_str(), target.id.clone()));
    assert_eq!((target, told.team_id), (Some(("user", ada.id().await)), ops.parse().ok()));
    for path in ["/api/users", "/admin"] {
        assert_eq!(ada.status(Method::GET, path).await, 403);
        let told = watch.one(Action::AccessRefused).await;
        was_denied(&told, &ada, ("session", "forbidden")).await;
        assert_eq!(detail(&told, "door"), json!(format!("GET {path}")));
    }
    for (path, reason) in [("/api/agents", "insufficient_scope"), ("/api/sessions", "session_required")] {
        assert_eq!(app.request(Method::GET, path).bearer_auth(&text).send().await.unwrap().status(), 403);
        let told = watch.one(Action::AccessRefused).await;
        was_denied(&told, &ada, ("api_key", reason)).await;
        assert_eq!(told.via_id.as_ref(), Some(&key_id));
    }
    assert_eq!(accept(&ada, &path).await.1, "invitation_spent");
    was_denied(&watch.one(Action::AccessRefused).await, &ada, ("session", "invitation_spent")).await;
    // What does not exist for somebody is no refusal.
    assert_eq!(ada.status(Method::GET, "/api/teams/team_00000000000000000000000009").await, 404);
    watch.nothing().await;
    watch.is_whole().await;
}

async fn what_is_told_of_one_who_tries_on_is_bounded(app: TestApp, provider: IdentityProvider) {
    let People { ada, .. } = people(&app, &provider).await;
    let mut watch = Watch::over(&app).await;
    for _ in 0..20 {
        assert_eq!(ada.status(Method::GET, "/api/users").await, 403);
    }
    assert_eq!(watch.told().await.len(), 10);
}

async fn another_name_is_told(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let mut watch = Watch::over(&app).await;
    assert_eq!(ada.submit("/account/name", &[("name", "Countess")]).await.status(), 303);
    let told = watch.one(Action::UserChanged).await;
    is_by(&ada, &told, "session", ("user", &ada.id().await)).await;
    assert_eq!((detail(&told, "name"), detail(&told, "name_before")), (json!("Countess"), json!("ada")));
}

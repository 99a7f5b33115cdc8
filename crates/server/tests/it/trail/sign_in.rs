//! Who came in, who was refused, and who went.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use retinue_model::audit::{Action, Actor};
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use super::watch::{Watch, is_by, is_on, is_refused};

with_people_on_both_engines! {
    who_comes_in_at_a_provider_is_told,
    who_goes_is_told_once,
    whom_a_provider_signs_out_is_told,
    whom_a_provider_does_not_vouch_for_is_told,
    who_is_refused_is_told_with_the_reason,
    no_stranger_fills_the_trail,
    another_identity_is_told_and_the_last_one_stays,
    all_who_go_with_the_keys_are_told_of_at_once,
    a_conversation_that_is_deleted_is_told_once,
}

/// The ids of somebody's sessions, the newest first.
async fn sessions(person: &Person) -> Vec<String> {
    let listed = person.get("/api/sessions").await;
    listed["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn details(event: &retinue_model::audit::AuditEvent) -> Value {
    serde_json::from_str(event.details.as_deref().unwrap_or("{}")).unwrap()
}

async fn who_comes_in_at_a_provider_is_told(app: TestApp, provider: IdentityProvider) {
    let (mut watch, ada) = (Watch::over(&app).await, Person::stranger(&app));
    let answer = ada.sign_in(&provider, "ada", "/").await;
    let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    watch.hides(&ada.session_cookie());
    let id = ada.id().await;
    let [made, opened] = watch.all([Action::UserCreated, Action::SignedIn]).await;
    is_on(&made, ("user", &id));
    is_by(&ada, &opened, "oidc", ("session", &sessions(&ada).await[0])).await;
    assert_eq!((opened.request_id, opened.user_id), (Some(request_id), Some(id.parse().unwrap())));
    let again = Person::signed_in(&app, &provider, "ada").await;
    let opened = watch.one(Action::SignedIn).await;
    is_by(&again, &opened, "oidc", ("session", &sessions(&again).await[0])).await;
    assert_eq!(details(&opened), json!({ "provider": "sso" }));
    watch.is_whole().await;
}

async fn who_goes_is_told_once(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let (phone, desk) =
        (Person::signed_in(&app, &provider, "ada").await, Person::signed_in(&app, &provider, "ada").await);
    let [of_desk, of_phone, _] = sessions(&ada).await.try_into().unwrap();
    let mut watch = Watch::over(&app).await;
    let path = format!("/api/sessions/{of_phone}");
    let ends = join_all((0..4).map(|_| ada.status(Method::DELETE, &path))).await;
    assert_eq!(ends, [204; 4]);
    is_by(&ada, &watch.one(Action::SessionEnded).await, "session", ("session", &of_phone)).await;
    assert_eq!(phone.status(Method::GET, "/auth/me").await, 401);
    let user = ada.id().await;
    assert_eq!(desk.status(Method::POST, "/auth/logout").await, 200);
    let ended = watch.one(Action::SessionEnded).await;
    is_on(&ended, ("session", &of_desk));
    assert_eq!((ended.actor, ended.via_id), (Actor::User(user.parse().unwrap()), Some(of_desk)));
    assert_eq!(ada.submit("/account/sessions/end-others", &[]).await.status(), 303);
    assert_eq!(details(&watch.one(Action::SessionEnded).await), json!({ "which": "others" }));
    // The one that the browser had before goes.
    assert_eq!(ada.sign_in(&provider, "ada", "/").await.status(), 303);
    watch.all([Action::SignedIn, Action::SessionEnded]).await;
    let of_another = format!("/api/sessions/{}", sessions(&Person::signed_in(&app, &provider, "grace").await).await[0]);
    watch.told().await;
    assert_eq!(ada.status(Method::DELETE, &of_another).await, 404);
    watch.nothing().await;
}

async fn whom_a_provider_signs_out_is_told(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let (id, mut watch) = (ada.id().await, Watch::over(&app).await);
    let tell = async |token: &str| {
        let request = app.request(Method::POST, "/auth/backchannel-logout").body(format!("logout_token={token}"));
        request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap().status().as_u16()
    };
    let token = provider.logout_token(&json!({ "sub": "ada", "sid": null }));
    watch.hides(&token);
    assert_eq!(tell(&token).await, 200);
    let ended = watch.one(Action::SessionEnded).await;
    assert_eq!((ended.actor, ended.user_id), (Actor::Provider, Some(id.parse().unwrap())));
    assert_eq!(details(&ended)["provider"], "sso");
    assert_eq!(details(&ended)["subject"].as_str().unwrap().len(), 12, "as it may stand in a log");
    assert_eq!(tell(&token).await, 400);
    is_refused(&watch.one(Action::SessionEnded).await, "logout_token", "logout_token_replayed");
    assert_eq!(tell(&provider.logout_token(&json!({ "sub": "nobody", "sid": null, "jti": "another" }))).await, 200);
    assert_eq!(watch.one(Action::SessionEnded).await.user_id, None, "it was of nobody here");
}

async fn whom_a_provider_does_not_vouch_for_is_told(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let (id, session, mut watch) = (ada.id().await, sessions(&ada).await.remove(0), Watch::over(&app).await);
    provider.revoke();
    app.clock.advance(Duration::from_mins(15));
    let asked = join_all((0..4).map(|_| ada.status(Method::GET, "/auth/me"))).await;
    assert_eq!(asked, [401; 4]);
    let ended = watch.one(Action::SessionEnded).await;
    is_on(&ended, ("session", &session));
    assert_eq!((ended.actor, ended.user_id), (Actor::Provider, Some(id.parse().unwrap())));
}

async fn who_is_refused_is_told_with_the_reason(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let (administration, id) = (app.administration().await, ada.id().await);
    administration.disable(&administration.find(&id).await.unwrap()).await.unwrap();
    let mut watch = Watch::over(&app).await;
    assert_eq!(Person::stranger(&app).sign_in(&provider, "ada", "/").await.status(), 403);
    is_refused(&watch.one(Action::SignInRefused).await, "oidc", "user_disabled");
    let answer = ada.open("/auth/callback?state=x&code=secret").await;
    let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    watch.hides("secret");
    let refused = watch.one(Action::SignInRefused).await;
    is_refused(&refused, "oidc", "sign_in_unknown");
    assert_eq!(refused.request_id, Some(request_id));
    watch.is_whole().await;
}

async fn no_stranger_fills_the_trail(app: TestApp, _provider: IdentityProvider) {
    let (mut watch, stranger) = (Watch::over(&app).await, Person::stranger(&app));
    for _ in 0..25 {
        assert_eq!(stranger.status(Method::GET, "/auth/callback?state=x&code=y").await, 400);
    }
    assert_eq!(watch.told().await.len(), 10, "of one reason from one network in a minute");
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(stranger.status(Method::GET, "/auth/callback?state=x&code=y").await, 400);
    assert_eq!(details(&watch.one(Action::SignInRefused).await), json!({ "left_out": 15 }));
}

async fn another_identity_is_told_and_the_last_one_stays(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let mut watch = Watch::over(&app).await;
    provider.greet("lovelace");
    watch.hides("lovelace");
    assert_eq!(ada.add_identity("sso", &provider).await.status(), 303);
    let added = watch.one(Action::IdentityAdded).await;
    let listed = ada.get("/api/identities").await;
    let (first, second) = (listed["data"][0]["id"].as_str().unwrap(), listed["data"][1]["id"].as_str().unwrap());
    is_by(&ada, &added, "session", ("identity", second)).await;
    assert_eq!((&details(&added)["provider"], &details(&added)["origin"]), (&json!("sso"), &json!("user")));
    assert_eq!(ada.status(Method::DELETE, &format!("/api/identities/{second}")).await, 204);
    is_by(&ada, &watch.one(Action::IdentityRemoved).await, "session", ("identity", second)).await;
    assert_eq!(ada.status(Method::DELETE, &format!("/api/identities/{second}")).await, 404);
    assert_eq!(ada.status(Method::DELETE, &format!("/api/identities/{first}")).await, 409);
    watch.nothing().await;
}

async fn all_who_go_with_the_keys_are_told_of_at_once(app: TestApp, provider: IdentityProvider) {
    Person::signed_in(&app, &provider, "ada").await;
    Person::signed_in(&app, &provider, "grace").await;
    let mut watch = Watch::over(&app).await;
    retinue_app::key::take(&app.app, app.foreign_keys()).await.unwrap();
    let ended = watch.one(Action::SessionEnded).await;
    assert_eq!((ended.actor, details(&ended)), (Actor::System, json!({ "which": "all", "why": "keys_forgotten" })));
}

async fn a_conversation_that_is_deleted_is_told_once(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let (_, thread) = ada.post("/api/threads", &json!({ "title": "Secret plans" })).await;
    let (path, mut watch) = (format!("/api/threads/{}", thread["id"].as_str().unwrap()), Watch::over(&app).await);
    watch.hides("Secret plans");
    assert_eq!(grace.status(Method::DELETE, &path).await, 404);
    watch.nothing().await;
    let mut deleted = join_all((0..4).map(|_| ada.status(Method::DELETE, &path))).await;
    deleted.sort_unstable();
    assert_eq!(deleted, [204, 404, 404, 404]);
    is_by(&ada, &watch.one(Action::ThreadDeleted).await, "session", ("thread", thread["id"].as_str().unwrap())).await;
}

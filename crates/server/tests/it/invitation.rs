//! Invitations into teams: who gets in by one, and who does not.

mod by_address;
mod mailed;
mod page;
mod refused;
mod typed;

use futures_util::future::join_all;
use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    a_link_lets_one_person_in_once_and_looking_at_it_uses_nothing,
    of_two_who_come_at_once_one_gets_in,
    whoever_comes_twice_at_once_gets_in_once,
    nobody_s_role_becomes_lower_by_an_invitation,
    whoever_is_not_signed_in_is_led_there_and_back,
    what_is_done_with_invitations_is_told,
}

/// An invitation that somebody makes; its id, and its link as a path.
pub(crate) async fn invite(by: &Person, team: &str, new: &Value) -> (String, String) {
    let made = by.send_json(Method::POST, &format!("/api/teams/{team}/invitations"), new, 201).await;
    let link = made["link"].as_str().unwrap();
    let path = &link[link.find("/invitations/").unwrap()..];
    (made["id"].as_str().unwrap().to_owned(), path.to_owned())
}

pub(crate) fn token(path: &str) -> &str {
    path.split_once("token=").unwrap().1
}

/// Accepts an invitation; the status, and the code of an error.
pub(crate) async fn accept(person: &Person, path: &str) -> (u16, String) {
    let request = person.request(Method::POST, "/invitations/accept").json(&json!({ "token": token(path) }));
    let response = person.send(request).await;
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

/// What somebody is in a team; nothing if they do not belong to it.
pub(crate) async fn role(person: &Person, team: &str) -> Option<String> {
    let teams = person.get("/api/teams?limit=200").await;
    let own = teams["data"].as_array().unwrap().iter().find(|own| own["id"] == json!(team))?;
    Some(own["role"].as_str().unwrap().to_owned())
}

async fn a_link_lets_one_person_in_once_and_looking_at_it_uses_nothing(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops <& Co>").await;
    let (id, path) = invite(&admin, &ops, &json!({ "role": "editor" })).await;
    let list = format!("/api/teams/{ops}/invitations");
    let open = admin.get(&list).await;
    assert_eq!((&open["data"][0]["id"], &open["data"][0]["role"]), (&json!(id), &json!("editor")));
    assert!(!open.to_string().contains(token(&path)), "its link is told once");
    for looker in [&Person::stranger(&app), &ada, &grace, &ada] {
        let page = looker.open(&path).await;
        assert_eq!((page.status().as_u16(), page.headers()["referrer-policy"].to_str().unwrap()), (200, "no-referrer"));
        let page = page.text().await.unwrap();
        assert!(page.contains("admin") && page.contains("Ops &#60;&#38; Co&#62;") && page.contains("editor"), "{page}");
    }
    assert_eq!(role(&ada, &ops).await, None);
    let form = ada.submit("/invitations/accept", &[("token", token(&path))]).await;
    assert_eq!((form.status().as_u16(), &form.headers()["location"]), (303, &format!("/teams/{ops}").parse().unwrap()));
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));
    let members = ada.get(&format!("/api/teams/{ops}/members")).await;
    assert_eq!(members["data"][1]["origin"], "invitation");
    for replayed in [&grace, &ada] {
        assert_eq!(accept(replayed, &path).await, (409, "invitation_spent".to_owned()));
    }
    let dead = grace.open(&path).await;
    assert_eq!(dead.status(), 409);
    let dead = dead.text().await.unwrap();
    assert!(!dead.contains("Ops") && !dead.contains("<form"), "{dead}");
    assert_eq!(admin.get(&list).await["data"], json!([]));
    let everything = app.database.everything().await;
    assert!(!everything.windows(43).any(|window| window == token(&path).as_bytes()), "a link is kept nowhere");
}

async fn of_two_who_come_at_once_one_gets_in(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    for round in 0..8 {
        let ops = team(&admin, &format!("Ops {round}")).await;
        let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
        let mut both = join_all([accept(&ada, &path), accept(&grace, &path)]).await;
        both.sort_unstable();
        assert_eq!(both, [(204, String::new()), (409, "invitation_spent".to_owned())]);
        let members = admin.get(&format!("/api/teams/{ops}/members")).await;
        assert_eq!(members["data"].as_array().unwrap().len(), 2);
    }
}

async fn whoever_comes_twice_at_once_gets_in_once(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    for round in 0..8 {
        let ops = team(&admin, &format!("Ops {round}")).await;
        let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
        let both = join_all([accept(&ada, &path), accept(&ada, &path)]).await;
        assert_eq!(both.iter().filter(|(status, _)| *status == 204).count(), 1, "{both:?}");
        assert_eq!(role(&ada, &ops).await.as_deref(), Some("viewer"));
        let told = admin.get(&format!("/api/audit?team_id={ops}&action=invitation.accepted")).await;
        assert_eq!(told["data"].as_array().unwrap().len(), 1);
    }
}

async fn nobody_s_role_becomes_lower_by_an_invitation(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    for lower in ["viewer", "editor"] {
        let (_, path) = invite(&admin, &ops, &json!({ "role": lower })).await;
        assert_eq!(accept(&ada, &path).await, (409, "member_already".to_owned()), "{lower}");
        assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));
        assert_eq!(ada.open(&path).await.status(), 200, "it still counts for somebody else");
    }
    let (_, path) = invite(&admin, &ops, &json!({ "role": "admin" })).await;
    assert_eq!(accept(&ada, &path).await.0, 204);
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("admin"));
    let told = admin.get(&format!("/api/audit?team_id={ops}&action=membership.changed")).await;
    let details = &told["data"][0]["details"];
    assert_eq!((&details["role"], &details["role_before"]), (&json!("admin"), &json!("editor")));
    let (_, path) = invite(&ada, &ops, &json!({ "role": "viewer" })).await;
    assert_eq!(accept(&grace, &path).await.0, 204, "whoever became an admin by one may invite");
}

async fn whoever_is_not_signed_in_is_led_there_and_back(app: TestApp, provider: IdentityProvider) {
    let admin = Person::signed_in(&app, &provider, "admin").await;
    let ops = team(&admin, "Ops").await;
    let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
    let new = Person::stranger(&app);
    assert_eq!(accept(&new, &path).await.0, 401);
    let page = new.open(&path).await.text().await.unwrap();
    let (_, rest) = page.split_once("href=\"/sign-in?").unwrap_or_else(|| panic!("{page}"));
    let query = rest.split_once('"').unwrap().0.replace("&#38;", "&");
    assert!(!page.contains("<form") && !page.contains("/auth/register"), "{page}");
    let sign_in = new.open(&format!("/sign-in?{query}")).await.text().await.unwrap();
    assert!(sign_in.contains(&query), "the way to the provider carries it on: {sign_in}");
    provider.greet("new");
    let begun = new.begin(&format!("/auth/login?{query}")).await;
    let back = new.come_back(&provider.visit(&begun)).await;
    assert_eq!(back.headers()["location"].to_str().unwrap(), path);
    let page = new.open(&path).await.text().await.unwrap();
    assert!(page.contains("signed in here as <bdi>new</bdi>") && page.contains("<form"), "{page}");
    assert_eq!(accept(&new, &path).await.0, 204);
    assert_eq!(role(&new, &ops).await.as_deref(), Some("viewer"));
}

async fn what_is_done_with_invitations_is_told(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let new = json!({ "role": "viewer", "email": "someone@example.com" });
    let (first, _) = invite(&admin, &ops, &new).await;
    let revoke = format!("/api/teams/{ops}/invitations/{first}");
    assert_eq!(admin.status(Method::DELETE, &revoke).await, 204);
    let (second, path) = invite(&admin, &ops, &json!({ "role": "editor" })).await;
    assert_eq!(accept(&ada, &path).await.0, 204);
    let told = admin.get(&format!("/api/audit?team_id={ops}")).await;
    let events: Vec<_> =
        told["data"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
    let expected = [
        "membership.added",
        "invitation.accepted",
        "invitation.created",
        "invitation.revoked",
        "invitation.created",
        "team.created",
    ];
    assert_eq!(events, expected);
    let accepted = &told["data"][1];
    assert_eq!(accepted["target"], json!({ "kind": "invitation", "id": second }));
    assert_eq!(
        (&accepted["actor"]["user_id"], &accepted["details"]["role"]),
        (&json!(ada.id().await), &json!("editor"))
    );
    assert_eq!(accepted["details"]["invited_by"], json!(admin.id().await));
    let text = told.to_string();
    assert!(!text.contains(token(&path)) && !text.contains("someone@"), "neither a secret nor an address");
}

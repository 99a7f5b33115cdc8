//! Invitations that do not count, and what may not be asked for.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use retinue_testkit::{IdentityProvider, TestApp, on_both_engines, with_people_on_both_engines};
use serde_json::json;

use super::{accept, invite, role};
use crate::linking::{comes, has};
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    what_is_over_or_taken_back_opens_nothing,
    an_invitation_is_worth_what_whoever_made_it_may,
    an_invitation_goes_with_its_team,
    one_for_an_address_counts_for_whoever_has_shown_that_it_is_theirs,
    whoever_is_shut_out_accepts_nothing,
    only_those_who_run_a_team_invite_into_it,
    what_can_not_be_is_refused,
    a_team_has_so_many_open_invitations_and_no_more,
}

fn spent() -> (u16, String) {
    (409, "invitation_spent".to_owned())
}

async fn what_is_over_or_taken_back_opens_nothing(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let list = format!("/api/teams/{ops}/invitations");
    let (id, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
    for _ in 0..2 {
        let revoked = admin.status(Method::DELETE, &format!("{list}/{id}")).await;
        assert!(revoked == 204 || revoked == 404, "{revoked}");
        assert_eq!(accept(&ada, &path).await, spent());
    }
    let soon = retinue_app::Clock::now(&*app.clock).checked_add(Duration::from_mins(10)).unwrap();
    let new = json!({ "role": "viewer", "expires_at": soon.to_string() });
    let (id, path) = invite(&admin, &ops, &new).await;
    app.clock.advance(Duration::from_mins(10) - Duration::from_secs(1));
    assert_eq!(ada.open(&path).await.status(), 200);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(ada.open(&path).await.status(), 409);
    assert_eq!(accept(&ada, &path).await, spent());
    assert_eq!(admin.status(Method::DELETE, &format!("{list}/{id}")).await, 404);
    assert_eq!(admin.get(&list).await["data"], json!([]));
    for none in ["", "none", &"A".repeat(43), &"A".repeat(100_000)] {
        assert_eq!(accept(&ada, &format!("token={none}")).await, spent(), "{none:.50}");
    }
    assert_eq!(role(&ada, &ops).await, None);
}

async fn an_invitation_is_worth_what_whoever_made_it_may(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    let own = format!("/api/teams/{ops}/members/{}", ada.id().await);
    let (_, path) = invite(&ada, &ops, &json!({ "role": "admin" })).await;
    admin.send_json(Method::PATCH, &own, &json!({ "role": "editor" }), 200).await;
    assert_eq!(accept(&grace, &path).await, spent());
    assert_eq!(grace.open(&path).await.status(), 409);
    assert_eq!(admin.status(Method::DELETE, &own).await, 204);
    assert_eq!(accept(&ada, &path).await, spent(), "nobody comes back by what they said before");
    join(&admin, &ops, &ada, "admin").await;
    app.database.ask("UPDATE users SET disabled_at = updated_at WHERE name = 'ada'").await;
    assert_eq!(accept(&grace, &path).await, spent());
    app.database.ask("UPDATE users SET disabled_at = NULL WHERE name = 'ada'").await;
    // Whether the right goes first or the invitation is used first: never both, and never by halves.
    let change = admin.request(Method::PATCH, &own).json(&json!({ "role": "viewer" }));
    let (taken, used) = tokio::join!(admin.send(change), accept(&grace, &path));
    assert_eq!(taken.status(), 200);
    assert_eq!(role(&grace, &ops).await.is_some(), used.0 == 204, "{used:?}");
    assert!(used.0 == 204 || used == spent(), "{used:?}");
}

async fn an_invitation_goes_with_its_team(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    for _ in 0..5 {
        let ops = team(&admin, "Ops").await;
        let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
        let delete = format!("/api/teams/{ops}?agents=delete");
        let (deleted, used) = tokio::join!(admin.status(Method::DELETE, &delete), accept(&ada, &path));
        assert_eq!(deleted, 204);
        assert!(used.0 == 204 || used == spent(), "{used:?}");
        assert_eq!(role(&ada, &ops).await, None);
        assert_eq!(accept(&ada, &path).await, spent());
    }
}

async fn one_for_an_address_counts_for_whoever_has_shown_that_it_is_theirs(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let says = comes(&app, ("sso", &provider), "says", has("owner@example.com", false)).await;
    let ops = team(&admin, "Ops").await;
    let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer", "email": "Owner@Example.com" })).await;
    let page = ada.open(&path).await.text().await.unwrap();
    assert!(page.contains("owner@example.com"), "{page}");
    for other in [&ada, &says, &admin] {
        assert_eq!(accept(other, &path).await, (409, "invitation_of_another".to_owned()));
    }
    assert_eq!(role(&says, &ops).await, None);
    let refused = ada.submit("/invitations/accept", &[("token", super::token(&path))]).await;
    assert_eq!(refused.status(), 409);
    assert!(refused.text().await.unwrap().contains("nobody has shown that it is yours"));
    let owner = comes(&app, ("sso", &provider), "owner", has("OWNER@example.com", true)).await;
    assert_eq!(accept(&owner, &path).await.0, 204, "what others tried used nothing up");
}

async fn whoever_is_shut_out_accepts_nothing(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
    app.database.ask("UPDATE users SET disabled_at = updated_at WHERE name = 'ada'").await;
    // The session is in memory still; what is written looks at the row.
    let (status, _) = accept(&ada, &path).await;
    assert!(status == 403 || status == 401, "{status}");
    assert_eq!(admin.get(&format!("/api/teams/{ops}/invitations")).await["data"].as_array().unwrap().len(), 1);
}

async fn only_those_who_run_a_team_invite_into_it(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    join(&admin, &other, &grace, "admin").await;
    let (id, _) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
    let list = format!("/api/teams/{ops}/invitations");
    let (new, one) = (json!({ "role": "viewer" }), format!("{list}/{id}"));
    assert_eq!(ada.status(Method::GET, &list).await, 404);
    ada.send_json(Method::POST, &list, &new, 404).await;
    assert_eq!(ada.status(Method::DELETE, &one).await, 404);
    for role in ["viewer", "editor"] {
        let member = format!("/api/teams/{ops}/members/{}", ada.id().await);
        if role == "viewer" {
            join(&admin, &ops, &ada, role).await;
        } else {
            admin.send_json(Method::PATCH, &member, &json!({ "role": role }), 200).await;
        }
        assert_eq!(ada.status(Method::GET, &list).await, 403);
        assert_eq!(ada.send_json(Method::POST, &list, &new, 403).await["code"], "role_too_low");
        assert_eq!(ada.status(Method::DELETE, &one).await, 403);
    }
    // An admin of another team, by way of that one.
    assert_eq!(grace.status(Method::DELETE, &format!("/api/teams/{other}/invitations/{id}")).await, 404);
    assert_eq!(admin.status(Method::DELETE, &format!("/api/teams/{other}/invitations/{id}")).await, 404);
    assert_eq!(admin.get(&list).await["data"].as_array().unwrap().len(), 1);
}

async fn what_can_not_be_is_refused(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    for (new, code) in [
        (json!({}), "invalid_body"),
        (json!({ "role": "owner" }), "invalid_role"),
        (json!({ "role": "viewer", "email": "nobody" }), "invalid_email"),
        (json!({ "role": "viewer", "email": "a@example.com\r\nBcc: b@example.com" }), "invalid_email"),
        (json!({ "role": "viewer", "email": "ädä@example.com" }), "email_not_ascii"),
        (json!({ "role": "viewer", "email": format!("{}@example.com", "a".repeat(100_000)) }), "email_too_long"),
        (json!({ "role": "viewer", "expires_at": "tomorrow" }), "invalid_time"),
        (json!({ "role": "viewer", "expires_at": "2020-01-01T00:00:00Z" }), "expires_in_the_past"),
        (json!({ "role": "viewer", "expires_at": "2999-01-01T00:00:00Z" }), "expires_too_late"),
        (json!({ "role": "viewer", "invited_by": admin.id().await }), "invalid_body"),
        (json!({ "role": "viewer", "team_id": ops }), "invalid_body"),
        (json!({ "role": "viewer", "mailed": true }), "invalid_body"),
    ] {
        let refused = admin.send_json(Method::POST, &format!("/api/teams/{ops}/invitations"), &new, 400).await;
        assert_eq!(refused["code"], code, "{new:.100}");
    }
}

async fn a_team_has_so_many_open_invitations_and_no_more(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    let (path, new) = (format!("/api/teams/{ops}/invitations"), json!({ "role": "viewer" }));
    let send = async || admin.send(admin.request(Method::POST, &path).json(&new)).await.status().as_u16();
    let mut done = 0;
    for _ in 0..11 {
        let statuses = join_all((0..20).map(|_| send())).await;
        done += statuses.iter().filter(|status| **status == 201).count();
        assert!(statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
    }
    assert_eq!(done, 200);
    let refused = admin.send_json(Method::POST, &path, &new, 409).await;
    assert_eq!(refused["code"], "too_many_invitations");
    invite(&admin, &other, &new).await;
    let mut seen = Vec::new();
    let mut place = format!("{path}?limit=150");
    loop {
        let page = admin.get(&place).await;
        seen.extend(page["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        let elsewhere = format!("/api/teams/{other}/invitations?cursor={cursor}");
        assert_eq!(admin.status(Method::GET, &elsewhere).await, 400, "a place in another list");
        place = format!("{path}?limit=150&cursor={cursor}");
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 200);
    assert_eq!(admin.status(Method::DELETE, &format!("{path}/{}", seen[0])).await, 204);
    invite(&admin, &ops, &new).await;
}

mod alone {
    use super::{Method, TestApp, json, on_both_engines};

    on_both_engines! {
        where_nobody_signs_in_nobody_is_invited,
    }

    async fn where_nobody_signs_in_nobody_is_invited(app: TestApp) {
        let ops = app.get("/api/teams").await["data"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/teams/{ops}/invitations");
        let refused = app.send(Method::POST, &path, &json!({ "role": "viewer" }), 409).await;
        assert_eq!(refused["code"], "nobody_signs_in");
    }
}

//! Who belongs to a team, and the last of its admins.

use futures_util::future::join_all;
use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use super::{People, join, people, team};
use crate::group_rule::told;
use crate::linking::{comes, has};

with_people_on_both_engines! {
    roles_are_what_the_table_says_at_each_moment,
    the_last_admin_of_a_team_stays,
    of_two_admins_who_take_each_other_s_role_one_stays,
    of_two_who_take_somebody_out_one_is_told_of,
    what_is_told_of_two_changes_at_once_follows_one_on_the_other,
    a_list_of_members_goes_on_where_it_ended,
    whoever_is_named_may_come_in_and_is_known_by_somebody_trusted,
    as_the_local_user_nobody_runs_a_team_where_people_sign_in,
}

async fn change(by: &Person, team: &str, whom: &Person, role: &str) -> (u16, Value) {
    let path = format!("/api/teams/{team}/members/{}", whom.id().await);
    let response = by.send(by.request(Method::PATCH, &path).json(&json!({ "role": role }))).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn roles_are_what_the_table_says_at_each_moment(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let members = format!("/api/teams/{ops}/members");
    assert_eq!(ada.status(Method::GET, &members).await, 404);
    join(&admin, &ops, &ada, "viewer").await;
    assert_eq!(ada.get(&members).await["data"].as_array().unwrap().len(), 2);
    let grace_id = grace.id().await;
    let add = json!({ "user_id": grace_id, "role": "viewer" });
    assert_eq!(ada.send_json(Method::POST, &members, &add, 403).await["code"], "role_too_low");
    // With the same session, at once: nothing of a role is in it.
    assert_eq!(change(&admin, &ops, &ada, "admin").await.0, 200);
    ada.send_json(Method::POST, &members, &add, 201).await;
    assert_eq!(ada.send_json(Method::POST, &members, &add, 409).await["code"], "member_already");
    assert_eq!(change(&admin, &ops, &ada, "viewer").await.0, 200);
    assert_eq!(change(&ada, &ops, &grace, "admin").await.0, 403);
    assert_eq!(change(&ada, &ops, &ada, "admin").await.0, 403, "not oneself either");
    assert_eq!(change(&admin, &ops, &grace, "owner").await.1["code"], "invalid_role");
    assert_eq!(ada.status(Method::DELETE, &format!("{members}/{}", ada.id().await)).await, 204, "anybody may leave");
    assert_eq!(ada.status(Method::GET, &members).await, 404);
    assert_eq!(admin.status(Method::DELETE, &format!("{members}/{grace_id}")).await, 204);
    assert_eq!(admin.status(Method::DELETE, &format!("{members}/{grace_id}")).await, 404);
}

async fn the_last_admin_of_a_team_stays(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let own = format!("/api/teams/{ops}/members/{}", admin.id().await);
    join(&admin, &ops, &ada, "editor").await;
    assert_eq!(change(&admin, &ops, &admin, "editor").await.1["code"], "last_admin");
    assert_eq!(admin.status(Method::DELETE, &own).await, 409);
    // One who may not come in is none.
    join(&admin, &ops, &grace, "admin").await;
    app.database.ask("UPDATE users SET disabled_at = updated_at WHERE name = 'grace'").await;
    assert_eq!(admin.status(Method::DELETE, &own).await, 409);
    assert_eq!(change(&admin, &ops, &ada, "admin").await.0, 200);
    assert_eq!(admin.status(Method::DELETE, &own).await, 204);
}

/// Both pass their checks, and the database lets one through.
async fn of_two_admins_who_take_each_other_s_role_one_stays(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    for round in 0..10 {
        let ops = team(&admin, &format!("Ops {round}")).await;
        join(&admin, &ops, &ada, "admin").await;
        join(&admin, &ops, &grace, "admin").await;
        let own = format!("/api/teams/{ops}/members/{}", admin.id().await);
        assert_eq!(admin.status(Method::DELETE, &own).await, 204);
        let both = join_all([change(&ada, &ops, &grace, "viewer"), change(&grace, &ops, &ada, "viewer")]).await;
        let done = both.iter().filter(|(status, _)| *status == 200).count();
        assert_eq!(done, 1, "{both:?}");
        let members = admin.get(&format!("/api/teams/{ops}/members")).await;
        let admins = members["data"].as_array().unwrap().iter().filter(|member| member["role"] == "admin").count();
        assert_eq!(admins, 1);
    }
}

/// A team of which two are admins, and somebody else is a viewer: where that one is found.
async fn two_admins(by: &Person, (other, viewer): (&Person, &Person), name: &str) -> (String, String) {
    let ops = team(by, name).await;
    join(by, &ops, other, "admin").await;
    join(by, &ops, viewer, "viewer").await;
    let path = format!("/api/teams/{ops}/members/{}", viewer.id().await);
    (ops, path)
}

async fn of_two_who_take_somebody_out_one_is_told_of(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    for round in 0..10 {
        let (ops, path) = two_admins(&admin, (&ada, &grace), &format!("Ops {round}")).await;
        let both = join_all([admin.status(Method::DELETE, &path), ada.status(Method::DELETE, &path)]).await;
        assert!(both.contains(&204) && both.iter().all(|status| [204, 404].contains(status)), "{both:?}");
        assert_eq!(told(&admin, &ops, "membership.removed").await.len(), 1, "{both:?}");
    }
}

async fn what_is_told_of_two_changes_at_once_follows_one_on_the_other(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    for round in 0..10 {
        let (ops, _) = two_admins(&admin, (&ada, &grace), &format!("Ops {round}")).await;
        let both = join_all([change(&admin, &ops, &grace, "editor"), change(&ada, &ops, &grace, "admin")]).await;
        assert!(both.iter().all(|(status, _)| *status == 200), "{both:?}");
        let told = told(&admin, &ops, "membership.changed").await;
        let [second, first] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(first["details"]["role_before"], "viewer");
        assert_eq!(second["details"]["role_before"], first["details"]["role"], "{told:?}");
    }
}

async fn a_list_of_members_goes_on_where_it_ended(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    join(&admin, &ops, &ada, "viewer").await;
    join(&admin, &ops, &grace, "editor").await;
    let (mut path, mut found) = (format!("/api/teams/{ops}/members?limit=1"), Vec::new());
    loop {
        let page = admin.get(&path).await;
        found.extend(page["data"].as_array().unwrap().iter().map(|member| member["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        let elsewhere = format!("/api/teams/{other}/members?cursor={cursor}");
        assert_eq!(admin.status(Method::GET, &elsewhere).await, 400, "a place in another list");
        path = format!("/api/teams/{ops}/members?limit=1&cursor={cursor}");
    }
    assert_eq!(found, ["admin", "ada", "grace"]);
}

async fn whoever_is_named_may_come_in_and_is_known_by_somebody_trusted(app: TestApp, provider: IdentityProvider) {
    let admin = Person::signed_in(&app, &provider, "admin").await;
    let ada = comes(&app, ("sso", &provider), "ada", has("Ada@example.com", true)).await;
    let grace = comes(&app, ("sso", &provider), "grace", has("grace@example.com", false)).await;
    let ops = team(&admin, "Ops").await;
    let members = format!("/api/teams/{ops}/members");
    let add = async |who: Value, status| {
        let mut new = who;
        new["role"] = json!("viewer");
        admin.send_json(Method::POST, &members, &new, status).await
    };
    assert_eq!(add(json!({ "email": "ada@EXAMPLE.com" }), 201).await["user_id"], json!(ada.id().await));
    assert_eq!(add(json!({ "email": "grace@example.com" }), 400).await["code"], "user_unknown");
    assert_eq!(add(json!({ "email": "nobody" }), 400).await["code"], "invalid_email");
    assert_eq!(add(json!({ "user_id": "usr_01h455vb4pex5vsknk084sn02q" }), 400).await["code"], "user_unknown");
    assert_eq!(add(json!({ "user_id": ops }), 400).await["code"], "invalid_id");
    assert_eq!(add(json!({}), 400).await["code"], "invalid_body");
    let grace_id = grace.id().await;
    app.database.ask("UPDATE users SET disabled_at = updated_at WHERE email_key = 'grace@example.com'").await;
    assert_eq!(add(json!({ "user_id": grace_id }), 400).await["code"], "user_unknown", "they are shut out");
}

async fn as_the_local_user_nobody_runs_a_team_where_people_sign_in(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let default = "team_00000000000000000000000001";
    let ops = team(&admin, "Ops").await;
    let add = json!({ "user_id": "usr_00000000000000000000000001", "role": "admin" });
    let members = format!("/api/teams/{ops}/members");
    assert_eq!(admin.send_json(Method::POST, &members, &add, 400).await["code"], "user_unknown");
    // That user was there before anybody signed in, as an admin.
    assert_eq!(change(&admin, default, &admin, "viewer").await.1["code"], "last_admin");
    let plan = admin.get(&format!("/api/users/{}/offboard", ada.id().await)).await;
    assert_eq!(plan["alone_in"], json!([]));
    assert_eq!(change(&admin, default, &ada, "admin").await.0, 200);
    assert_eq!(change(&admin, default, &admin, "viewer").await.0, 200);
    assert_eq!(change(&ada, default, &ada, "viewer").await.0, 409);
}

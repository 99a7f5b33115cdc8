//! What a rule gave somebody is not theirs to keep.

use reqwest::Method;
use retinue_testkit::{Database, on_both_databases};
use serde_json::json;

use super::{RULES, comes_in, membership, ops, start};
use crate::invitation::{accept, invite, role};

on_both_databases! {
    nobody_makes_their_own_role_outlast_their_group,
}

async fn nobody_makes_their_own_role_outlast_their_group(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (admin, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["leads"])).await;
    let grace = comes_in(&app, &sso, "grace", json!(["leads"])).await;
    let own = format!("/api/teams/{ops}/members/{}", ada.id().await);
    let same = ada.send_json(Method::PATCH, &own, &json!({ "role": "admin" }), 200).await;
    assert_eq!((&same["role"], &same["origin"]), (&json!("admin"), &json!("rule")));
    for role in ["editor", "viewer"] {
        let refused = ada.send_json(Method::PATCH, &own, &json!({ "role": role }), 409).await;
        assert_eq!(refused["code"], "own_role_by_rule");
    }
    let (_, path) = invite(&ada, &ops, &json!({ "role": "admin" })).await;
    assert_eq!(accept(&ada, &path).await, (409, "member_already".to_owned()));
    assert_eq!(membership(&admin, &ops, &ada).await["origin"], "rule");
    // It is another one's word, and counts still.
    assert_eq!(accept(&grace, &path).await.1, "");
    assert_eq!(membership(&admin, &ops, &grace).await["origin"], "invitation");
    let lina = comes_in(&app, &sso, "lina", json!(["engineers"])).await;
    let path = format!("/api/teams/{ops}/members/{}", lina.id().await);
    ada.send_json(Method::PATCH, &path, &json!({ "role": "editor" }), 200).await;
    for (name, left) in [("ada", None), ("grace", Some("admin")), ("lina", Some("editor"))] {
        let person = comes_in(&app, &sso, name, json!([])).await;
        assert_eq!(role(&person, &ops).await.as_deref(), left, "{name}");
    }
}

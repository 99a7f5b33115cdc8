//! What a provider does not say whole, or says in a way that is not understood: nothing changes by it.

use std::time::Duration;

use retinue_testkit::identity_provider::Reply;
use retinue_testkit::{Database, IdentityProvider, on_both_databases};
use serde_json::{Value, json};

use super::{RULES, comes_in, in_groups, membership, ops, start};
use crate::invitation::role;
use crate::linking::comes;

on_both_databases! {
    what_is_not_said_whole_takes_nothing_and_gives_nothing,
    what_the_id_token_lacks_user_info_says,
    very_many_groups_and_very_long_names_are_borne,
}

/// What a provider may say that is no list of names.
fn strange() -> Vec<Value> {
    let with = |more: Value| {
        let mut claims = in_groups("ada", &Value::Null);
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    };
    vec![
        with(json!({})),
        with(json!({ "groups": "leads" })),
        with(json!({ "groups": "" })),
        with(json!({ "groups": 7 })),
        with(json!({ "groups": [1, 2] })),
        with(json!({ "groups": ["leads", 1] })),
        with(json!({ "groups": { "leads": true } })),
        with(json!({ "groups": false })),
        with(json!({ "roles": ["leads"] })),
        with(json!({ "hasgroups": true })),
        with(json!({ "hasgroups": true, "groups": [] })),
        with(json!({
            "_claim_names": { "groups": "src1" },
            "_claim_sources": { "src1": { "endpoint": "https://graph.example.com/getMemberObjects" } },
        })),
        with(json!({ "_claim_names": { "groups": "src1" }, "groups": [] })),
    ]
}

async fn what_is_not_said_whole_takes_nothing_and_gives_nothing(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (admin, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    let before = membership(&admin, &ops, &ada).await;
    for claims in strange() {
        app.clock.advance(Duration::from_secs(1));
        let ada = comes(&app, ("sso", &sso), "ada", claims.clone()).await;
        assert_eq!(membership(&admin, &ops, &ada).await, before, "{claims}: not even how old what was said is");
        let mut claims = claims;
        claims["name"] = json!("grace");
        let grace = comes(&app, ("sso", &sso), "grace", claims.clone()).await;
        assert_eq!(role(&grace, &ops).await, None, "{claims}");
    }
    let ada = comes_in(&app, &sso, "ada", json!([])).await;
    assert_eq!(role(&ada, &ops).await, None, "an empty list is said whole");
}

fn without_groups(provider: &IdentityProvider) {
    provider.set(|script| script.id_token = json!({ "groups": null }));
}

async fn what_the_id_token_lacks_user_info_says(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (_, ops) = ops(&app, &sso).await;
    without_groups(&sso);
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));
    // That it can't be told keeps nobody out.
    for fault in [
        Reply::Json(503, json!({})),
        Reply::Json(403, json!({})),
        Reply::Text("text/html", "<h1>Bad gateway</h1>".to_owned()),
    ] {
        sso.reply("/userinfo", fault);
        let ada = comes_in(&app, &sso, "ada", json!([])).await;
        assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));
    }
    sso.set(|script| script.replies.clear());
    // What is signed counts.
    sso.set(|script| script.id_token = json!({ "groups": ["guests"] }));
    let ada = comes_in(&app, &sso, "ada", json!(["leads"])).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("viewer"));
    sso.set(|script| script.id_token = json!({ "_claim_names": { "groups": "src1" }, "groups": null }));
    let ada = comes_in(&app, &sso, "ada", json!(["leads"])).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("admin"), "UserInfo says it whole");
}

async fn very_many_groups_and_very_long_names_are_borne(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (_, ops) = ops(&app, &sso).await;
    without_groups(&sso);
    let mut many: Vec<String> = (0..10_000).map(|number| format!("g{number}")).collect();
    many.push("engineers".to_owned());
    let ada = comes_in(&app, &sso, "ada", json!(many)).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));
    let long = "engineers".repeat(100_000 / 9);
    let ada = comes_in(&app, &sso, "ada", json!([long, "engineers"])).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));
    let ada = comes_in(&app, &sso, "ada", json!([long, "engineers\u{0}", " engineers", "Engineers", ""])).await;
    assert_eq!(role(&ada, &ops).await, None);
    // More than an answer may have is not said.
    comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    let ada = comes_in(&app, &sso, "ada", json!(["x".repeat(4 << 20)])).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));
}

//! What is typed into the forms of teams, agents and keys, and what is slipped into them and into JSON beside that.

use reqwest::{Method, Response};
use retinue_testkit::{IdentityProvider, Person, TestApp, location, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    a_name_that_can_not_be_comes_back_with_why_beside_it,
    an_agent_that_can_not_be_comes_back_as_it_was_typed,
    a_key_that_can_not_be_comes_back_as_it_was_chosen,
    teams_of_others_are_none_in_bodies_either,
    nothing_is_set_that_a_form_does_not_have,
    nothing_is_set_that_a_document_does_not_have,
}

const SPOOFED: &str = "sp\u{202e}o";

async fn refused(response: Response, status: u16) -> String {
    let found = response.status().as_u16();
    let page = response.text().await.unwrap();
    assert_eq!(found, status, "{page}");
    assert!(page.contains("role=\"alert\""), "{page}");
    assert_eq!(page.matches(" autofocus>").count(), 1, "what is wrong, or its field, has the focus: {page}");
    page
}

/// What a page shows of something typed.
fn shown(text: &str) -> String {
    text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;")
}

async fn a_name_that_can_not_be_comes_back_with_why_beside_it(app: TestApp, provider: IdentityProvider) {
    let admin = Person::signed_in(&app, &provider, "admin").await;
    let ops = team(&admin, "Ops").await;
    let long = "x".repeat(100_000);
    for path in ["/teams".to_owned(), format!("/teams/{ops}/name")] {
        for name in ["", " ", SPOOFED, "two\nlines", "nul\0in", "<b>\u{7}</b>", &long] {
            let page = refused(admin.submit(&path, &[("name", name)]).await, 400).await;
            assert!(page.contains("id=\"name-error\"") && page.contains("A name is one line"), "{path} {name:?}");
            assert!(page.contains(&format!("value=\"{}\"", shown(name))), "{path}: what was typed is not lost");
        }
    }
    for name in ["ops", "OPS", " Ops ", "ops!"] {
        let page = refused(admin.submit("/teams", &[("name", name)]).await, 409).await;
        assert!(page.contains("id=\"name-error\"") && page.contains(&format!("value=\"{name}\"")), "{page}");
    }
    assert_eq!(admin.get("/api/teams").await["data"].as_array().unwrap().len(), 2);
}

async fn an_agent_that_can_not_be_comes_back_as_it_was_typed(app: TestApp, provider: IdentityProvider) {
    let admin = Person::signed_in(&app, &provider, "admin").await;
    let ops = team(&admin, "Ops").await;
    let right =
        [("team", ops.as_str()), ("name", "Helper"), ("slug", "helper"), ("sharing", "team"), ("seconds", "60")];
    let made = location(&admin.submit("/agents", &right).await);
    let long = "x".repeat(100_000);
    for (field, wrong, status) in [
        ("name", SPOOFED, 400),
        ("name", long.as_str(), 400),
        ("slug", "Helper", 400),
        ("slug", "hеlper", 400),
        ("slug", "helper", 409),
        ("description", "two\nlines", 400),
        ("description", long.as_str(), 400),
        ("instructions", "nul\0", 400),
        ("instructions", long.as_str(), 400),
        ("seconds", "-1", 400),
        ("seconds", "4294967296", 400),
        ("seconds", "soon", 400),
        ("sharing", "world", 400),
        ("model", "no-such-model", 400),
    ] {
        let mut fields = vec![("instructions", "Keep <this>."), ("remote_api", "1")];
        fields.extend(right.into_iter().filter(|(name, _)| *name != field && (*name != "slug" || field == "slug")));
        fields.retain(|(name, _)| *name != field);
        fields.push((field, wrong));
        let page = refused(admin.submit("/agents", &fields).await, status).await;
        let kept = if field == "instructions" { shown(wrong) } else { shown("Keep <this>.") };
        assert!(
            page.contains(&kept) && page.contains("name=\"remote_api\" value=\"1\" checked"),
            "{field} {wrong:.20}"
        );
        if !matches!(field, "sharing" | "model" | "instructions") {
            assert!(page.contains(&format!("value=\"{wrong}\"")), "{field} {wrong:.20}");
        }
    }
    let own = admin.get("/api/agents?limit=200").await;
    let of_team = own["data"].as_array().unwrap().iter().filter(|agent| agent["team_id"] == json!(ops)).count();
    assert_eq!(of_team, 1);
    let stale = [("version", "7"), ("name", "Mine"), ("sharing", "team")];
    let page = refused(admin.submit(&made, &stale).await, 409).await;
    assert!(page.contains("Somebody else changed this agent") && page.contains("value=\"Mine\""), "{page}");
}

async fn a_key_that_can_not_be_comes_back_as_it_was_chosen(app: TestApp, provider: IdentityProvider) {
    let admin = Person::signed_in(&app, &provider, "admin").await;
    let ops = team(&admin, "Ops").await;
    for (name, days, scope, words) in [
        (SPOOFED, "30", "audit:read", "A name is one line"),
        ("script", "31", "audit:read", "Choose one of the times"),
        ("script", "30", "everything", "scope"),
    ] {
        let fields = [("name", name), ("team", ops.as_str()), ("days", days), (scope, "1")];
        let page = refused(admin.submit("/api-keys", &fields).await, 400).await;
        assert!(page.contains(words) && page.contains(&format!("value=\"{name}\"")), "{page}");
        assert!(page.contains(&format!("<option value=\"{ops}\" selected>")), "{page}");
        assert_eq!(page.contains("name=\"audit:read\" value=\"1\" checked"), scope == "audit:read");
    }
    assert_eq!(admin.get("/api/api-keys").await["data"], json!([]));
}

async fn teams_of_others_are_none_in_bodies_either(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let (ops, theirs) = (team(&admin, "Ops").await, team(&admin, "Theirs").await);
    join(&admin, &ops, &ada, "admin").await;
    let nobody = "team_01h455vb4pex5vsknk084sn02q";
    for team in [theirs.as_str(), nobody] {
        for path in ["/api/agents", "/api/api-keys"] {
            let new = json!({ "team_id": team, "name": "Mine" });
            assert_eq!(ada.send_json(Method::POST, path, &new, 404).await["code"], "not_found", "{path}");
        }
        let agent = [("team", team), ("name", "Mine"), ("sharing", "team")];
        refused(ada.submit("/agents", &agent).await, 404).await;
        let key = [("team", team), ("name", "Mine"), ("days", "30"), ("threads:read", "1")];
        refused(ada.submit("/api-keys", &key).await, 404).await;
        refused(ada.submit(&format!("/teams/{ops}/delete"), &[("heir", team)]).await, 400).await;
    }
    for team in ["", "nonsense", "usr_01h455vb4pex5vsknk084sn02q"] {
        let key = [("team", team), ("name", "Mine"), ("days", "30"), ("threads:read", "1")];
        refused(ada.submit("/api-keys", &key).await, 400).await;
        refused(ada.submit("/agents", &[("team", team), ("name", "Mine"), ("sharing", "team")]).await, 400).await;
    }
    assert_eq!(ada.get("/api/api-keys").await["data"], json!([]));
    assert_eq!(ada.get(&format!("/api/teams/{ops}")).await["name"], "Ops");
}

/// What else somebody puts into a form changes nothing.
async fn nothing_is_set_that_a_form_does_not_have(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    join(&admin, &ops, &ada, "admin").await;
    join(&admin, &other, &ada, "viewer").await;
    join(&admin, &ops, &grace, "viewer").await;
    let grace_id = grace.id().await;
    let more = [
        ("id", other.as_str()),
        ("team_id", &other),
        ("organization_id", &other),
        ("owner_user_id", &grace_id),
        ("maker_id", &grace_id),
        ("user_id", &grace_id),
        ("declared", "1"),
        ("origin", "rule"),
        ("organization_admin", "true"),
    ];
    let with = |fields: &[(&'static str, &str)]| -> Vec<(String, String)> {
        let all = fields.iter().map(|(name, value)| (*name, *value)).chain(more);
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let send = async |path: &str, fields: &[(&'static str, &str)]| {
        let fields = with(fields);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        location(&ada.submit(path, &fields).await)
    };
    let before: Value = ada.get(&format!("/api/teams/{ops}")).await;
    send(&format!("/teams/{ops}/name"), &[("name", "Operations"), ("role", "viewer")]).await;
    let mut after = ada.get(&format!("/api/teams/{ops}")).await;
    for field in ["name", "updated_at"] {
        after[field] = before[field].clone();
    }
    assert_eq!(after, before, "the name is another, and nothing else");

    let agent = send("/agents", &[("team", &ops), ("name", "Helper"), ("sharing", "team")]).await;
    let made = ada.get(&format!("/api{agent}")).await;
    assert_eq!((&made["team_id"], &made["declared"]), (&json!(ops), &json!(false)));
    assert_eq!(made["maker_id"], json!(ada.id().await));
    send(&agent, &[("version", "1"), ("name", "Helper 2"), ("sharing", "team"), ("team", &other)]).await;
    let saved = ada.get(&format!("/api{agent}")).await;
    assert_eq!(
        (&saved["team_id"], &saved["id"], &saved["maker_id"]),
        (&made["team_id"], &made["id"], &made["maker_id"])
    );

    send(&format!("/teams/{ops}/members/{grace_id}/role"), &[("role", "editor")]).await;
    let members = ada.get(&format!("/api/teams/{ops}/members")).await;
    let of_grace =
        members["data"].as_array().unwrap().iter().find(|member| member["user_id"] == json!(grace_id)).unwrap();
    assert_eq!((&of_grace["role"], &of_grace["origin"]), (&json!("editor"), &json!("person")));
    assert_eq!(grace.get("/auth/me").await["principal"]["organization_admin"], json!(false));
    assert_eq!(ada.submit(&format!("/teams/{other}/name"), &[("name", "Mine"), ("role", "admin")]).await.status(), 403);
}

/// What else somebody puts into a document is refused, and not passed over.
async fn nothing_is_set_that_a_document_does_not_have(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    join(&admin, &ops, &ada, "admin").await;
    let own = ada.id().await;
    let agent = ada.send_json(Method::POST, "/api/agents", &json!({ "team_id": ops, "name": "Helper" }), 201).await;
    let agent = format!("/api/agents/{}", agent["id"].as_str().unwrap());
    let thread = format!("/api/threads/{}", ada.thread().await);
    let admins = admin.id().await;
    for (method, path, body) in [
        (Method::PATCH, agent.clone(), json!({ "name": "Helper 2" })),
        (Method::POST, "/api/agents".to_owned(), json!({ "team_id": ops, "name": "Another" })),
        (Method::PATCH, thread.clone(), json!({ "title": "Mine" })),
        (Method::POST, "/api/threads".to_owned(), json!({ "title": "Mine" })),
        (Method::POST, "/api/api-keys".to_owned(), json!({ "team_id": ops, "name": "script" })),
        (Method::PATCH, format!("/api/teams/{ops}/members/{own}"), json!({ "role": "admin" })),
        (Method::POST, format!("/api/teams/{ops}/invitations"), json!({ "role": "viewer" })),
    ] {
        for (field, value) in [
            ("organization_id", json!(other)),
            ("owner_user_id", json!(admins)),
            ("user_id", json!(admins)),
            ("maker_id", json!(admins)),
            ("id", json!(other)),
            ("declared", json!(true)),
            ("created_at", json!("2020-01-01T00:00:00Z")),
        ] {
            let mut body = body.clone();
            body[field] = value;
            let refused = ada.send_json(method.clone(), &path, &body, 400).await;
            assert_eq!(refused["code"], "invalid_body", "{method} {path} {field}");
        }
    }
    for (path, field) in [(&agent, "team_id"), (&agent, "role"), (&thread, "team_id"), (&thread, "role")] {
        let refused = ada.send_json(Method::PATCH, path, &json!({ field: other }), 400).await;
        assert_eq!(refused["code"], "invalid_body", "{path} {field}");
    }
    let change = json!({ "disabled": false, "role": "admin" });
    assert_eq!(
        admin.send_json(Method::PATCH, &format!("/api/users/{own}"), &change, 400).await["code"],
        "invalid_body"
    );
    assert_eq!(ada.get(&agent).await["version"], 1);
    assert_eq!(ada.get("/api/api-keys").await["data"], json!([]));
}

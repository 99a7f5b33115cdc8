//! `retinue agent …` and `retinue api-key …`, as they are typed, beside a running server.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{Database, Person, on_both_databases, until};
use serde_json::json;

use crate::team::typed::{told, typed};
use crate::user::Typed;

on_both_databases! {
    agents_are_made_and_changed_beside_a_running_server,
    keys_are_made_for_somebody_and_revoked_beside_a_running_server,
}

const PASSWORD: &str = "correct horse battery staple";

async fn agents_are_made_and_changed_beside_a_running_server(database: Database) {
    let typed = typed(&database);
    typed.said(&["user", "add", "ada@example.com", "--admin"], PASSWORD);
    let server = typed.serve("local").await;
    let ada = Person::at(format!("http://{}", server.address()));
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    let told_by_a_file = typed.folder.path().join("instructions.txt");
    std::fs::write(&told_by_a_file, "Review.\u{1b}[2J\u{9b}31m\n").unwrap();
    let create = ["agent", "create", "Reviewer", "--team", "default", "--max-tokens", "500", "--model", "echo"];
    let file = ["--instructions-file", told_by_a_file.to_str().unwrap()];
    let made = typed.json(&[&create[..], &file].concat(), "");
    assert_eq!(
        (&made["sharing"], &made["limits"]["tokens"], &made["maker_id"]),
        (&json!("team"), &json!(500), &json!(null))
    );
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(ada.get(&format!("/api/agents/{id}")).await["instructions"], "Review.\u{1b}[2J\u{9b}31m\n");
    let shown = typed.said(&["agent", "show", "default/reviewer"], "");
    assert!(shown.contains("500 tokens") && shown.contains("Review.\\u001b[2J\\u009b31m"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{9b}'), "no terminal obeys it");
    assert_eq!(typed.json(&["agent", "show", &id], "")["instructions"], "Review.\u{1b}[2J\u{9b}31m\n");

    let set = ["agent", "set", "default/reviewer", "--sharing", "organization", "--remote-api", "true"];
    let said = typed.said(&[&set[..], &["--max-tokens", "0", "--max-turns", "3"]].concat(), "");
    assert!(said.contains("is changed: version 2"), "{said}");
    let now = ada.get(&format!("/api/agents/{id}")).await;
    assert_eq!((&now["sharing"], &now["remote_api"]), (&json!("organization"), &json!(true)));
    assert_eq!(now["limits"], json!({ "turns": 3, "tokens": null, "seconds": null }));
    assert!(typed.said(&set, "").contains("is that already"), "nothing was changed");
    let mend = json!({ "instructions": "Mend." });
    ada.send_json(Method::PATCH, &format!("/api/agents/{id}"), &mend, 200).await;
    let versions = typed.json(&["agent", "versions", "default/reviewer"], "");
    let was: Vec<_> = versions.as_array().unwrap().iter().map(|one| (&one["version"], &one["instructions"])).collect();
    let first = json!("Review.\u{1b}[2J\u{9b}31m\n");
    assert_eq!(was, [(&json!(3), &json!("Mend.")), (&json!(2), &first), (&json!(1), &first)]);
    assert_eq!(
        (&versions[0]["changed_by"], &versions[1]["changed_by"], &versions[2]["limits"]["tokens"]),
        (&json!(ada.id().await), &json!(null), &json!(500))
    );
    let listed = typed.said(&["agent", "versions", &id], "");
    assert!(listed.contains("3 turns") && listed.contains(&ada.id().await), "{listed}");

    // What is its maker's alone stays so.
    let team = ada.get("/api/teams").await["data"][0]["id"].clone();
    let diary = json!({ "team_id": team, "name": "Diary", "instructions": "Whisper.", "sharing": "private" });
    let private = ada.send_json(Method::POST, "/api/agents", &diary, 201).await["id"].as_str().unwrap().to_owned();
    let listed = typed.said(&["agent", "list"], "");
    assert!(listed.contains("Reviewer") && listed.contains(&private) && !listed.contains("Diary"), "{listed}");
    for shown in [typed.said(&["agent", "show", &private], ""), typed.json(&["agent", "list"], "").to_string()] {
        assert!(shown.contains(&private) && !shown.contains("Whisper") && !shown.contains("Diary"), "{shown}");
    }
    for (wrong, word) in [
        (&["agent", "set", &private, "--sharing", "team"][..], "maker’s alone"),
        (&["agent", "versions", &private], "maker’s alone"),
        (&["agent", "set", "default/reviewer", "--sharing", "private"], "maker’s alone"),
        (&["agent", "set", "default/assistant", "--description", "x"], "server's configuration"),
        (&["agent", "delete", "default/assistant"], "server's configuration"),
        (&["agent", "show", "default/nobody"], "retinue agent list"),
        (&["agent", "show", "nobody"], "retinue agent list"),
        (&["agent", "create", "X", "--team", "default", "--sharing", "private"], "nobody made"),
        (&["agent", "create", "X", "--team", "default", "--max-turns", "9999"], "limit"),
        (&["agent", "create", "X", "--team", "default", "--instructions-file", "none"], "can't be read"),
        (&["agent", "create", "Reviewer", "--team", "default"], "short name"),
    ] {
        let complaint = typed.complaint(wrong, "");
        assert!(complaint.contains(word), "{wrong:?}: {complaint}");
    }
    let before = ada.get(&format!("/api/agents/{id}")).await;
    let deleted = typed.said(&["agent", "delete", "default/reviewer"], "");
    typed.said(&["agent", "delete", &private], "");
    assert_eq!(ada.status(Method::GET, &format!("/api/agents/{id}")).await, 404);
    let told = told(&ada).await;
    assert!(
        told.starts_with(&["agent.deleted", "agent.deleted", "agent.changed", "agent.created"].map(str::to_owned)),
        "{told:?}"
    );
    // That is taken back as it says.
    let restore = ["agent", "restore", &id];
    assert!(deleted.contains(&format!("`retinue {}`", restore.join(" "))), "{deleted}");
    let other = typed.json(&create, "")["id"].as_str().unwrap().to_owned();
    assert!(typed.complaint(&restore, "").contains("short name"), "another one has it by now");
    assert_eq!(ada.status(Method::DELETE, &format!("/api/agents/{other}")).await, 204);
    assert!(typed.said(&restore, "").contains("is there again"));
    assert_eq!(ada.get(&format!("/api/agents/{id}")).await, before);
    for (wrong, why) in [(&id, "it is there"), (&other, "it was not deleted here"), (&"none".to_owned(), "it is no id")]
    {
        assert!(!typed.complaint(&["agent", "restore", wrong], "").is_empty(), "{why}");
    }
    assert!(typed.said(&["agent", "restore", &private], "").contains("The private agent"));
    assert!(server.stop().await.success());
}

/// What the list says of Ada's keys: until when they count, or why they do not.
fn states(typed: &Typed) -> Vec<&'static str> {
    let listed = typed.said(&["api-key", "list", "--user", "ada@example.com"], "");
    let known = ["expired 20", "turned off", "revoked 20", "until it is revoked", "until 20"];
    let state = |line: &str| known.into_iter().find(|state| line.contains(state)).unwrap_or_else(|| panic!("{line}"));
    let mut states: Vec<_> = listed.lines().skip(1).map(|line| state(line).trim_end_matches(" 20")).collect();
    states.sort_unstable();
    states
}

async fn keys_are_made_for_somebody_and_revoked_beside_a_running_server(database: Database) {
    let typed = typed(&database);
    typed.said(&["user", "add", "ada@example.com", "--admin"], PASSWORD);
    let server = typed.serve("local").await;
    let ada = Person::at(format!("http://{}", server.address()));
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    let create =
        ["api-key", "create", "ci", "--user", "ada@example.com", "--team", "default", "--scope", "threads:read"];
    let made = typed.json(&create, "");
    let (id, key) = (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned());
    assert_eq!((&made["scopes"], &made["expires_at"]), (&json!(["threads:read"]), &json!(null)));
    let by_key = async |method: Method| {
        let program = Person::at(format!("http://{}", server.address()));
        let request = program.request(method, "/api/threads").header("authorization", format!("Bearer {key}"));
        program.send(request.json(&json!({}))).await.status().as_u16()
    };
    assert_eq!((by_key(Method::GET).await, by_key(Method::POST).await), (200, 403));
    let said = typed.said(&[&create[..], &["--days", "30"]].concat(), "");
    assert!(said.contains("is not shown again") && said.contains("rtn_"), "{said}");
    for whose in [["--user", "ada@example.com"], ["--team", "default"]] {
        let list = [&["api-key", "list"][..], &whose].concat();
        let listed = typed.said(&list, "");
        assert!(listed.contains(&id) && !listed.contains(&key), "{listed}");
        assert_eq!(typed.json(&list, "").as_array().unwrap().len(), 2);
    }
    assert_eq!(states(&typed), ["until", "until it is revoked"]);
    let over = "UPDATE api_keys SET expires_at = created_at WHERE expires_at IS NOT NULL";
    if database.is_on_a_server() {
        database.ask(over).await;
    } else {
        let file = rusqlite::Connection::open(typed.folder.path().join("data/retinue.db")).unwrap();
        file.execute(over, []).unwrap();
    }
    assert_eq!(states(&typed), ["expired", "until it is revoked"]);
    assert!(typed.said(&["api-key", "revoke", &id], "").contains("does not count any more"));
    assert_eq!(states(&typed), ["expired", "revoked"]);
    until("the server hears of it", Duration::from_secs(20), async || (by_key(Method::GET).await == 401).then_some(()))
        .await;
    assert!(typed.json(&["api-key", "revoke", &id], "")["revoked_at"].is_string(), "as well once more");
    typed.said(&["team", "create", "Ops"], "");
    for (wrong, word) in [
        (&["api-key", "revoke", "key_00000000000000000000000009"][..], "no such"),
        (&["api-key", "revoke", "none"], "id"),
        (&["api-key", "create", "x", "--user", "ada@example.com", "--team", "ops"], "retinue member add"),
        (&["api-key", "create", "x", "--user", "eve@example.com", "--team", "ops"], "retinue user list"),
    ] {
        let complaint = typed.complaint(wrong, "");
        assert!(complaint.to_lowercase().contains(word), "{wrong:?}: {complaint}");
    }
    let told = told(&ada).await;
    assert!(
        told.starts_with(&["team.created", "api_key.revoked", "api_key.created", "api_key.created"].map(str::to_owned)),
        "{told:?}"
    );
    let off = "[auth]\nmode = \"local\"\n[remote_api.auth.api_key]\nenabled = false\n";
    std::fs::write(typed.folder.path().join("retinue.toml"), off).unwrap();
    assert!(
        typed.complaint(&create, "").contains("remote_api.auth.api_key.enabled"),
        "where they are off, none is made"
    );
    assert_eq!(states(&typed), ["expired", "revoked"], "for good, before it is for a while");
    let off = off.replace("false", "true");
    std::fs::write(typed.folder.path().join("retinue.toml"), &off).unwrap();
    typed.said(&create, "");
    std::fs::write(typed.folder.path().join("retinue.toml"), off.replace("true", "false")).unwrap();
    assert_eq!(states(&typed), ["expired", "revoked", "turned off"]);
    assert!(server.stop().await.success());
}

/// Where nobody signs in there is one user, who can be named.
#[test]
fn the_local_user_is_named_where_nobody_signs_in() {
    let typed = Typed::on(None);
    let said = typed.said(&["budget", "set", "user", "local", "1000"], "");
    assert!(said.contains("may use 1000 tokens"), "{said}");
    let id = typed.json(&["user", "show", "local"], "")["id"].as_str().unwrap().to_owned();
    assert_eq!(typed.json(&["budget", "show", "user", &id], "")["tokens_per_month"], 1000);
    let made = typed.json(&["api-key", "create", "ci", "--user", "local", "--team", "default"], "");
    assert_eq!(made["user_id"], json!(id));
    for wrong in [&["user", "disable", "local"][..], &["user", "disable", &id], &["user", "offboard", "local"]] {
        assert!(!typed.complaint(wrong, "").is_empty(), "{wrong:?}");
    }
    std::fs::write(typed.folder.path().join("retinue.toml"), "[auth]\nmode = \"local\"\n").unwrap();
    for wrong in [&["budget", "set", "user", "local", "5"][..], &["budget", "show", "user", &id]] {
        assert!(!typed.complaint(wrong, "").is_empty(), "{wrong:?}");
    }
}

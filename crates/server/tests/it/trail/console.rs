//! `retinue audit …`, beside a running server.

use std::process::{Command, Output};

use retinue_model::visible::is_unseen;
use retinue_store::Location;
use retinue_testkit::{Database, TestApp, on_both_databases};
use serde_json::{Value, json};

use super::export::fill;
use super::watch::{Watch, is_by_the_operator};

on_both_databases! {
    a_trail_that_is_whole_is_said_to_be,
    an_event_that_was_altered_is_named,
    an_event_that_was_removed_is_named,
    events_that_changed_places_are_named,
    an_end_that_was_removed_is_named,
    who_wrote_all_of_it_anew_is_found_by_what_was_noted,
    events_are_listed_and_exported_for_people_and_programs,
}

/// What is typed beside the server.
fn retinue(app: &TestApp, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retinue"));
    let folder = tempfile::tempdir().unwrap();
    command.args(arguments).current_dir(folder.path()).env_clear();
    match app.database.location() {
        Location::Sqlite(path) => command.env("RETINUE_DATA_DIR", path.parent().unwrap()),
        Location::Postgres { url, .. } => command.env("DATABASE_URL", url),
    };
    command.output().unwrap()
}

/// The code it ended with, and what it said.
fn said(app: &TestApp, arguments: &[&str]) -> (Option<i32>, String) {
    let output = retinue(app, arguments);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn verify(app: &TestApp) -> (Option<i32>, String) {
    said(app, &["audit", "verify"])
}

/// A server with people of whom the trail tells, and how many events that are.
async fn start(database: Database) -> (TestApp, i64) {
    let app = TestApp::local(database).await;
    for name in ["ada", "grace", "joan", "mary"] {
        app.add_user(&format!("{name}@example.com"), None).await;
    }
    let events = app.database.ask("SELECT COUNT(*) FROM audit_events").await[0].parse().unwrap();
    (app, events)
}

/// As the owner of the database can: what guards the rows is taken away before.
async fn tamper(app: &TestApp, statements: &[&str]) {
    let free: &[&str] = match app.database.location() {
        Location::Sqlite(_) => {
            &["DROP TRIGGER IF EXISTS audit_events_keep", "DROP TRIGGER IF EXISTS audit_events_stay"]
        }
        Location::Postgres { .. } => &["DROP TRIGGER IF EXISTS audit_events_stay ON audit_events"],
    };
    for statement in free.iter().chain(statements) {
        app.database.ask(statement).await;
    }
}

fn head(said: &str) -> String {
    let (_, rest) = said.split_once("head      ").unwrap_or_else(|| panic!("{said}"));
    rest.lines().next().unwrap().to_owned()
}

async fn a_trail_that_is_whole_is_said_to_be(database: Database) {
    let (app, events) = start(database).await;
    let (code, text) = verify(&app);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("is whole") && text.contains(&format!("{events} events, 1 to {events}, from 20")), "{text}");
    let head = head(&text);
    let (code, json) = said(&app, &["audit", "verify", "--json", "--head", &head]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["whole"]), (Some(0), &json!(true)));
    let trail = &json["trails"][0];
    assert_eq!((&trail["events"], &trail["first"], &trail["last"]), (&json!(events), &json!(1), &json!(events)));
    assert_eq!((&trail["head"], &trail["broken"]), (&json!(head), &Value::Null));
    app.add_user("new@example.com", None).await;
    assert_eq!(said(&app, &["audit", "verify", "--head", &head]).0, Some(0), "what comes later changes nothing of it");
    let output = retinue(&app, &["audit", "verify", "--head", "none"]);
    assert!(!output.status.success());
    let elsewhere = head.replace("org_00000000000000000000000001", "org_00000000000000000000000002");
    let output = retinue(&app, &["audit", "verify", "--head", &elsewhere]);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && complaint.contains("no such organization"), "{complaint}");
}

/// That it is said, for people and programs, with code 1.
fn is_broken(app: &TestApp, (words, kind, seq): (&str, &str, i64)) {
    let (code, text) = verify(app);
    assert!(code == Some(1) && text.contains("is not what was written") && text.contains(words), "{code:?} {text}");
    let (code, json) = said(app, &["audit", "verify", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let broken = &json["trails"][0]["broken"];
    assert_eq!((code, &json["whole"]), (Some(1), &json!(false)));
    assert_eq!((&broken["kind"], &broken["seq"]), (&json!(kind), &json!(seq)));
}

async fn an_event_that_was_altered_is_named(database: Database) {
    let (app, _) = start(database).await;
    tamper(&app, &["UPDATE audit_events SET actor = 'system' WHERE seq = 3"]).await;
    is_broken(&app, ("event 3 was altered", "altered", 3));
}

async fn an_event_that_was_removed_is_named(database: Database) {
    let (app, _) = start(database).await;
    tamper(&app, &["DELETE FROM audit_events WHERE seq = 3"]).await;
    is_broken(&app, ("event 3 was removed", "removed", 3));
}

async fn events_that_changed_places_are_named(database: Database) {
    let (app, _) = start(database).await;
    let change = [
        "UPDATE audit_events SET seq = 99 WHERE seq = 3",
        "UPDATE audit_events SET seq = 3 WHERE seq = 4",
        "UPDATE audit_events SET seq = 4 WHERE seq = 99",
    ];
    tamper(&app, &change).await;
    is_broken(&app, ("event 3 is out of order: it stands in the place of 4", "moved", 3));
}

async fn an_end_that_was_removed_is_named(database: Database) {
    let (app, events) = start(database).await;
    let cut = events - 2;
    tamper(&app, &[&format!("DELETE FROM audit_events WHERE seq > {cut}")]).await;
    is_broken(&app, ("its end was cut off: events", "cut_off", cut + 1));
    tamper(&app, &[&format!("UPDATE audit_heads SET seq = {cut}")]).await;
    is_broken(&app, ("is not the one that the head names", "head_differs", cut));
}

async fn who_wrote_all_of_it_anew_is_found_by_what_was_noted(database: Database) {
    let (app, events) = start(database).await;
    let noted = head(&verify(&app).1);
    let (cut, again) = (events - 2, ["audit", "verify", "--head", &noted]);
    let hash = format!("UPDATE audit_heads SET hash = (SELECT hash FROM audit_events WHERE seq = {cut})");
    let set_back = format!("UPDATE audit_heads SET seq = {cut}");
    tamper(&app, &[&format!("DELETE FROM audit_events WHERE seq > {cut}"), &set_back, &hash]).await;
    assert_eq!(verify(&app).0, Some(0), "by itself the trail can't tell");
    let (code, text) = said(&app, &again);
    assert!(code == Some(1) && text.contains("before the one that was noted"), "{text}");
    for name in ["eve", "mallory", "trudy"] {
        app.add_user(&format!("{name}@example.com"), None).await;
    }
    assert_eq!(verify(&app).0, Some(0));
    let (code, text) = said(&app, &again);
    assert!(code == Some(1) && text.contains(&format!("event {events} is not the one that was noted")), "{text}");
}

async fn events_are_listed_and_exported_for_people_and_programs(database: Database) {
    let (app, events) = start(database).await;
    let team = app.database.ask("SELECT slug FROM teams").await.remove(0);
    fill(&app, "team_00000000000000000000000001", ["=cmd() \u{1b}[2J\r\n\u{9b}31m\u{2028}x".to_owned()].into_iter())
        .await;
    let list = |arguments: &[&str]| {
        let (code, text) = said(&app, &[&["audit", "list"][..], arguments].concat());
        assert_eq!(code, Some(0));
        assert!(!text.chars().any(|c| is_unseen(c) && c != '\n'), "{text:?}");
        text
    };
    let text = list(&["--limit", "2"]);
    assert_eq!(text.lines().count(), 2);
    assert!(
        text.contains("agent.changed") && text.contains("=cmd() \\u001b[2J") && text.contains("by operator"),
        "{text}"
    );
    let of_ada = list(&["--action", "user.created"]);
    assert!(of_ada.contains("user ada, usr_") && of_ada.lines().count() == 4, "{of_ada}");
    assert_eq!(list(&["--team", &team]).lines().count(), 3, "with the two agents that are declared");
    assert_eq!(list(&["--user", "ada@example.com"]), "Nothing of this kind is in the audit trail.\n");
    let array: Value = serde_json::from_str(&list(&["--json", "--before", "3"])).unwrap();
    assert_eq!(array.as_array().unwrap().len(), 2);
    let complaint = String::from_utf8(retinue(&app, &["audit", "list", "--action", "x"]).stderr).unwrap();
    assert!(complaint.contains("An action is one of these: session.opened, "), "{complaint}");

    let mut watch = Watch::over(&app).await;
    let (code, text) = said(&app, &["audit", "export", "--outcome", "done"]);
    assert_eq!(code, Some(0));
    assert!(!text.chars().any(|c| is_unseen(c) && c != '\n'), "{text:?}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(i64::try_from(lines.len()), Ok(events + 2), "with that it is exported");
    assert_eq!(lines[1]["details"]["name"], "=cmd() \u{1b}[2J\r\n\u{9b}31m\u{2028}x");
    let told = watch.one(retinue_model::audit::Action::AuditExported).await;
    is_by_the_operator(&told);
    assert_eq!(told.details.as_deref(), Some("{\"outcome\":\"done\"}"));
}

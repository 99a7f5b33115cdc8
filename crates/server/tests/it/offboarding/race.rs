//! What happens at the same moment as an offboarding, and what is left of one that broke off.

use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use retinue_app::offboarding::{self as app_offboarding, Choice};
use retinue_model::UserId;
use retinue_model::offboarding::{Fate, Policy};
use retinue_store::Location;
use retinue_testkit::{Database, Options, Person, TestApp, on_both_databases, until};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{offboard, path};
use crate::team::{People, people};

on_both_databases! {
    nothing_begins_for_whoever_is_out,
    of_many_who_offboard_at_once_it_is_done_once,
    one_of_two_admins_is_left_when_they_offboard_each_other,
    what_broke_off_is_taken_up_again,
    a_crash_loses_nothing_and_does_nothing_twice,
}

/// Runs and conversations that begin while their user is offboarded: each is over, or was refused.
async fn nothing_begins_for_whoever_is_out(database: Database) {
    let (app, provider) = TestApp::with_provider(database).await;
    let People { admin, ada, .. } = people(&app, &provider).await;
    let leaver = ada.id().await;
    let mut threads = Vec::new();
    for _ in 0..20 {
        threads.push(ada.thread().await);
    }
    let begin = async |thread: &String| {
        let said = json!({ "input": "Hello" });
        ada.send(ada.request(Method::POST, &format!("/api/threads/{thread}/runs")).json(&said)).await.status().as_u16()
    };
    let runs = join_all(threads.iter().map(begin));
    let choice = json!({ "threads": "delete" });
    let (report, answers) = tokio::join!(offboard(&admin, &leaver, &choice), runs);
    assert!(answers.iter().all(|status| [201, 401, 403, 404].contains(status)), "{answers:?}");
    assert_eq!(report["deleted"]["threads"], 20);
    for table in ["threads", "runs", "messages", "events"] {
        assert_eq!(app.database.ask(&format!("SELECT COUNT(*) FROM {table}")).await, ["0"], "{table}");
    }
    assert_eq!(app.database.ask("SELECT COUNT(*) FROM reservations").await, ["0"]);
    let refused = begin(&threads[0]).await;
    assert_eq!(refused, 401);
}

async fn of_many_who_offboard_at_once_it_is_done_once(database: Database) {
    let (app, provider) = TestApp::with_provider(database).await;
    let People { admin, ada, grace } = people(&app, &provider).await;
    let (leaver, second) = (ada.id().await, grace.id().await);
    admin.send_json(Method::PATCH, &format!("/api/users/{second}"), &json!({ "organization_admin": true }), 200).await;
    for _ in 0..50 {
        ada.thread().await;
    }
    let try_it = async |person: &Person| {
        let (status, answer) = person.post(&path(&leaver), &json!({ "threads": "delete" })).await;
        assert!(status == 200 || answer["code"] == "offboarding_under_way", "{answer}");
        (status == 200).then_some(answer)
    };
    let all = [&admin, &grace, &admin, &grace, &admin];
    let reports: Vec<Value> = join_all(all.map(try_it)).await.into_iter().flatten().collect();
    assert!(!reports.is_empty(), "one of them did it");
    assert!(reports.iter().all(|report| report["deleted"]["threads"] == 50), "{reports:?}");
    let told = admin.get("/api/audit?action=threads.deleted&limit=200").await;
    let count = |event: &Value| event["details"]["threads"].as_i64().unwrap();
    assert_eq!(told["data"].as_array().unwrap().iter().map(count).sum::<i64>(), 50, "{told}");
    assert_eq!(app.database.ask("SELECT COUNT(*) FROM threads").await, ["0"]);
}

/// Nobody is declared: two run the installation, and a team.
async fn one_of_two_admins_is_left_when_they_offboard_each_other(database: Database) {
    let (app, sso) = TestApp::with_provider_and_auth(database, |auth| auth.admins.clear()).await;
    let [ada, grace] = [Person::signed_in(&app, &sso, "ada").await, Person::signed_in(&app, &sso, "grace").await];
    let ids = [ada.id().await, grace.id().await];
    app.database.ask("UPDATE users SET organization_admin = (1 = 1) WHERE email IS NOT NULL").await;
    app.database.ask("UPDATE memberships SET role = 'admin'").await;
    let [ada, grace] = [Person::signed_in(&app, &sso, "ada").await, Person::signed_in(&app, &sso, "grace").await];
    let stop = async |person: &Person, user: &str| person.post(&path(user), &json!({})).await.0;
    let both = tokio::join!(stop(&ada, &ids[1]), stop(&grace, &ids[0]));
    assert!((both.0 == 200) ^ (both.1 == 200), "{both:?}");
    let left = "SELECT COUNT(*) FROM users WHERE organization_admin = (1 = 1) AND disabled_at IS NULL";
    assert_eq!(app.database.ask(left).await, ["1"], "{both:?}");
    let admins = "SELECT COUNT(*) FROM memberships m JOIN users u ON u.id = m.user_id \
        WHERE m.role = 'admin' AND u.disabled_at IS NULL AND u.email IS NOT NULL";
    assert_eq!(app.database.ask(admins).await, ["1"], "{both:?}");
}

/// Whoever shall get it is shut out before they do.
async fn what_broke_off_is_taken_up_again(database: Database) {
    let offboarding = Policy { threads: Fate::Transfer, agents: Fate::Keep };
    let options = Options { offboarding, ..Options::default() };
    let (app, provider) = TestApp::with_provider_and_options(database, options).await;
    let People { admin, ada, grace } = people(&app, &provider).await;
    let leaver: UserId = ada.id().await.parse().unwrap();
    let heir: UserId = grace.id().await.parse().unwrap();
    for _ in 0..3 {
        ada.thread().await;
    }
    // An answer is under way on which nobody works, as after a crash: it is not handed over with it.
    let thread = ada.thread().await;
    let run = ada.say(&thread, "Hello").await;
    app.model.next().await.answer("Hi").await;
    ada.follow(&run).await.rest().await;
    app.database.ask("UPDATE runs SET status = 'running', finished_at = NULL").await;
    let choice = Choice { to: Some(heir), ..Choice::default() };
    let refused = app_offboarding::for_operator(&app.app, leaver, choice).await.unwrap_err();
    assert_eq!(refused.code(), "run_in_progress");
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 401, "they are out all the same");
    let plan = admin.get(&format!("{}?threads=keep", path(&leaver.to_string()))).await;
    assert_eq!((&plan["before"]["finished_at"], &plan["contents"]["threads"]), (&Value::Null, &json!(4)), "{plan}");
    app.database.ask("UPDATE runs SET status = 'completed', finished_at = created_at").await;
    // What was begun is finished as it was begun.
    let report = app_offboarding::for_operator(&app.app, leaver, Choice::default()).await.unwrap();
    assert_eq!((report.resumed, report.transferred.threads, report.to), (1, 4, Some(heir)));
    assert_eq!(report.ended.sessions, 1, "what was done before is in it");
    assert_eq!(grace.get("/api/threads").await["data"].as_array().unwrap().len(), 4);
}

const PASSWORD: &str = "correct horse battery staple";

/// `retinue user offboard` is killed at many moments; the last one finishes what the others began.
async fn a_crash_loses_nothing_and_does_nothing_twice(database: Database) {
    const THREADS: i64 = 200;
    let app = TestApp::local(database).await;
    let ada = app.add_user("ada@example.com", Some(PASSWORD)).await;
    let person = Person::stranger(&app);
    assert_eq!(person.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    let ops = app.administration().await.create_team(retinue_model::Name::new("Ops").unwrap(), None).await.unwrap();
    app.administration().await.add_member(&ops, &ada, retinue_model::membership::Role::Editor).await.unwrap();
    let threads = join_all((0..THREADS).map(|_| person.thread())).await;
    assert_eq!(threads.len(), 200);
    let folder = tempfile::tempdir().unwrap();
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retinue"));
        command.args(["user", "offboard", "ada@example.com", "--threads", "delete", "--json"]);
        command.current_dir(folder.path()).env_clear().env("AUTH_MODE", "local").kill_on_drop(true);
        match app.database.location() {
            Location::Postgres { url, .. } => command.env("DATABASE_URL", url),
            Location::Sqlite(path) => command.env("RETINUE_DATA_DIR", path.parent().unwrap()),
        };
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut kills = 0;
    for life in 0..40 {
        let mut child = command().spawn().unwrap();
        let lived = tokio::time::timeout(Duration::from_millis(20 + life * 7), child.wait()).await;
        if lived.is_ok() {
            break;
        }
        child.kill().await.unwrap();
        kills += 1;
    }
    let output = command().output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(kills > 0, "it was never killed");
    assert_eq!(
        (&report["deleted"]["threads"], &report["ended"]["memberships"]),
        (&json!(THREADS), &json!(2)),
        "{report}"
    );
    assert_eq!(app.database.ask("SELECT COUNT(*) FROM threads").await, ["0"]);
    // What the trail tells is what was done: each step once, in one batch with it.
    let told = app.database.ask("SELECT details FROM audit_events WHERE action = 'threads.deleted'").await;
    let count = |details: &String| serde_json::from_str::<Value>(details).unwrap()["threads"].as_i64().unwrap();
    assert_eq!(told.iter().map(count).sum::<i64>(), THREADS, "{told:?}");
    let ended = app.database.ask("SELECT COUNT(*) FROM audit_events WHERE action = 'membership.removed'").await;
    assert_eq!(ended, ["2"]);
    let disabled = app.database.ask("SELECT COUNT(*) FROM audit_events WHERE action = 'user.disabled'").await;
    assert_eq!(disabled, ["1"]);
    until("the server hears of it", Duration::from_secs(20), async || {
        (person.status(Method::GET, "/auth/me").await == 401).then_some(())
    })
    .await;
}

//! How long the trail is kept.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use retinue_app::{Clock as _, retention};
use retinue_model::audit::{Action, Actor, AuditEvent, Target};
use retinue_store::audit::{LetGo, Verified};
use retinue_store::{Batch, Location, Store, System, Tenant, audit, migrate};
use retinue_testkit::{Database, Options, Program, TestApp, on_both_databases, until};
use serde_json::json;

use super::watch::plain;

const US: Tenant = Tenant::default_organization();
const DAY: Duration = Duration::from_hours(24);

on_both_databases! {
    what_is_older_is_let_go_of_and_told,
    the_trail_is_kept_for_ever_unless_something_else_is_said,
    of_two_who_let_go_at_once_one_does,
    what_a_crash_left_goes_the_next_time,
    a_server_lets_go_when_it_starts,
}

async fn start(database: Database, days: Option<i64>) -> TestApp {
    let audit_lasts = days.map(|days| SignedDuration::from_hours(24 * days));
    TestApp::start_with(database, Options { audit_lasts, ..Options::default() }).await
}

async fn make_teams(app: &TestApp, count: usize) {
    for _ in 0..count {
        let name = format!("Team of {}", app.clock.now().as_microsecond());
        app.send(Method::POST, "/api/teams", &json!({ "name": name }), 201).await;
        app.clock.advance(Duration::from_millis(1));
    }
}

async fn verified(app: &TestApp) -> Verified {
    let store = Store::open_beside(app.database.location()).await.unwrap();
    let verified = audit::verify(&US, &store, None).await.unwrap();
    assert_eq!(verified.broken, None);
    verified
}

async fn rows(app: &TestApp) -> i64 {
    app.database.ask("SELECT COUNT(*) FROM audit_events").await[0].parse().unwrap()
}

async fn what_is_older_is_let_go_of_and_told(database: Database) {
    let app = start(database, Some(30)).await;
    make_teams(&app, 3).await;
    let old = verified(&app).await.events;
    let last = app.get("/api/audit?limit=1").await["data"][0]["at"].clone();
    app.clock.advance(2 * DAY);
    make_teams(&app, 2).await;
    assert_eq!(retention::let_go(&app.app).await.unwrap(), 0, "nothing is old enough");
    app.clock.advance(30 * DAY);
    assert_eq!(retention::let_go(&app.app).await.unwrap(), old);
    assert_eq!(rows(&app).await, 3);
    let found = verified(&app).await;
    assert_eq!((found.events, found.let_go), (3, old));
    let told = app.get("/api/audit?action=audit.forgotten").await["data"][0].clone();
    assert_eq!((&told["actor"]["kind"], &told["actor"]["via"]), (&json!("system"), &json!("retention")));
    assert_eq!(told["target"], json!({ "kind": "audit_event", "id": old.to_string() }));
    assert_eq!((&told["details"]["events"], &told["details"]["until"]), (&json!(old), &last));
    assert_eq!(retention::let_go(&app.app).await.unwrap(), 0, "once a day");
    app.clock.advance(3 * DAY);
    assert_eq!(retention::let_go(&app.app).await.unwrap(), 2);
    assert_eq!(verified(&app).await.events, 2);
}

async fn the_trail_is_kept_for_ever_unless_something_else_is_said(database: Database) {
    let app = start(database, None).await;
    make_teams(&app, 3).await;
    let before = rows(&app).await;
    app.clock.advance(36_500 * DAY);
    assert_eq!(retention::let_go(&app.app).await.unwrap(), 0);
    assert_eq!(rows(&app).await, before);
}

async fn of_two_who_let_go_at_once_one_does(database: Database) {
    let app = start(database, Some(1)).await;
    make_teams(&app, 20).await;
    let before = rows(&app).await;
    app.clock.advance(3 * DAY);
    let (one, two, three, made) = tokio::join!(
        retention::let_go(&app.app),
        retention::let_go(&app.app),
        retention::let_go(&app.app),
        make_teams(&app, 10)
    );
    let () = made;
    assert_eq!(one.unwrap() + two.unwrap() + three.unwrap(), before);
    assert_eq!(app.get("/api/audit?action=audit.forgotten").await["data"].as_array().unwrap().len(), 1);
    assert_eq!(verified(&app).await.events, 11);
    assert_eq!(rows(&app).await, 11);
}

/// How much is older than a day, as whoever lets go of it finds.
async fn old(store: &Store, now: Timestamp) -> LetGo {
    audit::oldest(&System::in_background(), store, &US, now).await.unwrap().unwrap()
}

async fn what_a_crash_left_goes_the_next_time(database: Database) {
    let app = start(database, Some(1)).await;
    make_teams(&app, 5).await;
    let before = rows(&app).await;
    app.clock.advance(3 * DAY);
    // Let go of, and then the program died before it had deleted anything.
    let store = Store::open_beside(app.database.location()).await.unwrap();
    let what = old(&store, app.clock.now()).await;
    let target = Target { kind: "audit_event".to_owned(), id: what.through.to_string() };
    let told = plain(9, app.clock.now(), (Actor::System, "retention"), Action::AuditForgotten);
    let told = AuditEvent { target: Some(target), ..told };
    let mut batch = Batch::default();
    audit::let_go_with(&System::in_background(), &mut batch, &US, (&what, told));
    store.write_alone(batch).await.unwrap();
    drop(store);
    let app = app.restart().await;
    assert_eq!((verified(&app).await.events, rows(&app).await), (1, before + 1));
    assert_eq!(retention::let_go(&app.app).await.unwrap(), 0, "it is told already");
    assert_eq!((verified(&app).await.events, rows(&app).await), (1, 1));
}

async fn a_server_lets_go_when_it_starts(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(database.location()).await.unwrap();
    migrate::up(&store).await.unwrap();
    let mut batch = Batch::default();
    let at = Timestamp::constant(1_600_000_000, 0);
    for number in 1..=1_200 {
        let event = plain(number, at, (Actor::Operator, "console"), Action::TeamCreated);
        audit::record_with(&US, &mut batch, event);
    }
    store.write_patiently(batch).await.unwrap();
    drop(store);
    let mut program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path())
        .environment("RETINUE__PROVIDERS__OLLAMA", "false")
        .environment("RETINUE__AUDIT__RETENTION_DAYS", "365");
    program = match database.location() {
        Location::Sqlite(path) => program.environment("RETINUE_DATA_DIR", path.parent().unwrap().to_str().unwrap()),
        Location::Postgres { url, .. } => program.environment("DATABASE_URL", url),
    };
    let _server = program.start().await;
    until("the oldest events are gone", Duration::from_secs(20), async || {
        let left = database.ask("SELECT COUNT(*) FROM audit_events WHERE seq <= 1200").await;
        (left == ["0"]).then_some(())
    })
    .await;
    let store = Store::open_beside(database.location()).await.unwrap();
    let found = audit::verify(&US, &store, None).await.unwrap();
    assert_eq!((found.broken, found.let_go), (None, 1_200));
}

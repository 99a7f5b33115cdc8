//! Every statement, prepared on both engines.

use rusqlite::Connection;
use tokio_postgres::types::Type;

use crate::{Location, scratch, statements};

fn connect(location: &Location) -> Connection {
    let Location::Sqlite(path) = location else { panic!("{location:?} is no file") };
    Connection::open(path).unwrap()
}

#[tokio::test]
async fn on_sqlite() {
    let (_folder, location, _store) = scratch::sqlite().await;
    let connection = connect(&location);
    for statement in statements() {
        let prepared =
            connection.prepare(statement.sqlite).unwrap_or_else(|error| panic!("{}: {error}", statement.name));
        // SQLite numbers `$n` by first use; binding by position is right only if that is the order of the numbers.
        for index in 1..=prepared.parameter_count() {
            let name = prepared.parameter_name(index).unwrap();
            assert_eq!(name, format!("${index}"), "{}: first uses are out of order", statement.name);
        }
    }
}

/// What a statement costs must not grow with the tables: each part of it finds its rows by an index.
#[tokio::test]
async fn on_sqlite_no_table_is_read_from_end_to_end() {
    let (_folder, location, _store) = scratch::sqlite().await;
    let connection = connect(&location);
    for statement in statements() {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sqlite)).unwrap();
        let mut rows = plan.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get("detail").unwrap();
            let is_scan = step.starts_with("SCAN") && !SCANNED.iter().any(|known| step.starts_with(known));
            assert!(!is_scan, "{}: {step}", statement.name);
        }
    }
}

/// What is gone through from its beginning all the same: a list in the order of its index, words that were found, results
/// within a statement, a list that was given, the few rows of a catalog, and the passwords, once an hour.
const SCANNED: [&str; 14] = [
    "SCAN threads USING INDEX threads_recent",
    "SCAN s VIRTUAL TABLE",
    "SCAN f",
    "SCAN hits",
    "SCAN later",
    "SCAN did",
    "SCAN met",
    "SCAN CONSTANT ROW",
    "SCAN sqlite_master",
    "SCAN json_each",
    "SCAN kept",
    "SCAN kinds",
    "SCAN organizations",
    "SCAN found",
];

/// Of these another index would do too, and would read what there is of everybody: what the first is of is found by the second.
const BY_INDEX: [(&str, &str); 13] = [
    ("audit::list::sql::OF_ACTION", "audit_events_action (action=? AND seq>? AND seq<?)"),
    ("audit::list::sql::OF_ACTOR", "audit_events_actor (actor_id=? AND seq>? AND seq<?)"),
    ("audit::list::sql::OF_TEAM", "audit_events_team (team_id=? AND seq>? AND seq<?)"),
    ("audit::list::sql::OF_TARGET", "audit_events_target (target_id=? AND seq>? AND seq<?)"),
    ("audit::list::sql::OF_PERSON", "audit_events_actor (actor_id=? AND seq>? AND seq<?)"),
    ("audit::list::sql::OF_PERSON", "audit_events_user (user_id=? AND seq>? AND seq<?)"),
    ("audit::list::sql::LAST_BEFORE", "audit_events_at (organization_id=? AND at<?)"),
    ("audit::list::sql::FIRST_AFTER", "audit_events_at (organization_id=? AND at>?)"),
    ("team::sql::NAMES", "USING PRIMARY KEY (id=?)"),
    ("user::sql::NAMES", "USING PRIMARY KEY (id=?)"),
    ("user::sql::BY_EMAIL", "users_email (organization_id=? AND email_key=? AND id>?)"),
    ("user::sql::BY_NAME", "users_name (organization_id=? AND <expr>>? AND <expr><?)"),
    ("usage::sql::MONTHS", "usage_totals_subject (subject_id=? AND kind=? AND month<?)"),
];

#[tokio::test]
async fn on_sqlite_what_belongs_to_one_is_found_by_whose_it_is() {
    let (_folder, location, _store) = scratch::sqlite().await;
    let connection = connect(&location);
    for (name, index) in BY_INDEX {
        let statement = statements().into_iter().find(|statement| statement.name.ends_with(name)).unwrap();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sqlite)).unwrap();
        let mut steps: Vec<String> = Vec::new();
        let mut rows = plan.raw_query();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get("detail").unwrap());
        }
        assert!(steps.iter().any(|step| step.contains(index)), "{name}: {steps:?}");
    }
}

/// The types on PostgreSQL of what a [`crate::value::Value`] can be. What a parameter is there depends on what stands beside
/// it: in `$1 - 1` it is an `int4`, which no value of ours fits.
const BOUND: [Type; 6] = [Type::INT8, Type::BOOL, Type::TEXT, Type::BYTEA, Type::UUID, Type::TIMESTAMPTZ];

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn on_postgres_with_the_same_columns_and_parameters() {
    let (_folder, location, _store) = scratch::sqlite().await;
    let sqlite = connect(&location);
    let (url, _store) = scratch::postgres().await;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for statement in statements() {
        let on_postgres =
            client.prepare(statement.postgres).await.unwrap_or_else(|error| panic!("{}: {error:?}", statement.name));
        let on_sqlite = sqlite.prepare(statement.sqlite).unwrap();
        assert_eq!(on_postgres.params().len(), on_sqlite.parameter_count(), "{}", statement.name);
        assert_eq!(on_postgres.columns().len(), on_sqlite.column_count(), "{}", statement.name);
        let other = on_postgres.params().iter().find(|taken| !BOUND.contains(taken));
        assert_eq!(other, None, "{}: nothing that we bind is taken there", statement.name);
    }
    client.prepare(crate::event::INSERT_MANY_POSTGRES).await.unwrap();
}

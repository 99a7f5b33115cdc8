//! Every statement, prepared on both engines.

use rusqlite::Connection;

use crate::{Location, Store, Tx, migrate, statements};

/// A migrated database with a writable transaction on it.
async fn migrated(location: &Location) -> (Store, Tx) {
    let store = Store::open(location).await.unwrap();
    migrate::up(&store).await.unwrap();
    let tx = store.begin().await.unwrap();
    (store, tx)
}

#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retinue.db");
    let (_store, tx) = migrated(&Location::Sqlite(path.clone())).await;
    drop(tx);
    let connection = Connection::open(path).unwrap();
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

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn on_postgres_with_the_same_columns_and_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retinue.db");
    drop(migrated(&Location::Sqlite(path.clone())).await);
    let sqlite = Connection::open(path).unwrap();

    let server = std::env::var("RETINUE_TEST_POSTGRES").unwrap();
    let (admin, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let name = format!("prepared_{}", std::process::id());
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let url = server.replace("/postgres?", &format!("/{name}?"));
    let url = url.strip_suffix("/postgres").map_or(url.clone(), |server| format!("{server}/{name}"));
    drop(migrated(&Location::Postgres { url: url.clone(), connections: 2 }).await);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);

    for statement in statements() {
        let on_postgres =
            client.prepare(statement.postgres).await.unwrap_or_else(|error| panic!("{}: {error:?}", statement.name));
        let on_sqlite = sqlite.prepare(statement.sqlite).unwrap();
        assert_eq!(on_postgres.params().len(), on_sqlite.parameter_count(), "{}", statement.name);
        assert_eq!(on_postgres.columns().len(), on_sqlite.column_count(), "{}", statement.name);
    }
    client.prepare(crate::event::INSERT_MANY_POSTGRES).await.unwrap();
}

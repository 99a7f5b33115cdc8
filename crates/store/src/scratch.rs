//! Databases for this crate's own tests.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Location, Store, migrate};

/// A migrated database on SQLite; it goes with the folder.
pub(crate) async fn sqlite() -> (TempDir, Location, Store) {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Sqlite(folder.path().join("retinue.db"));
    let store = migrated(&location).await;
    (folder, location, store)
}

/// A migrated database on the PostgreSQL of the tests, and its address.
pub(crate) async fn postgres() -> (String, Store) {
    let url = empty_postgres().await;
    let store = migrated(&location(&url)).await;
    (url, store)
}

/// The address of an empty database on the PostgreSQL of the tests.
pub(crate) async fn empty_postgres() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var("RETINUE_TEST_POSTGRES").unwrap();
    let (admin, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let name = format!("store_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    // A cluster may outlive the tests, and numbers of processes come again.
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let url = server.replace("/postgres?", &format!("/{name}?"));
    url.strip_suffix("/postgres").map_or(url.clone(), |server| format!("{server}/{name}"))
}

pub(crate) fn location(url: &str) -> Location {
    Location::Postgres { url: url.to_owned(), connections: 2, statement_limit: Duration::from_secs(10) }
}

async fn migrated(location: &Location) -> Store {
    let store = Store::open(location).await.unwrap();
    migrate::up(&store).await.unwrap();
    store
}

/// Makes each of these `async fn name(store: &Store)` a test on SQLite, and one on PostgreSQL.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let (_folder, _, store) = crate::scratch::sqlite().await;
                super::$test(&store).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            #[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
            async fn $test() {
                super::$test(&crate::scratch::postgres().await.1).await;
            })*
        }
    };
}
pub(crate) use on_both;

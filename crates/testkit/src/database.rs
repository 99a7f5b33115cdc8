//! A database of a test's own.

use std::sync::atomic::{AtomicU32, Ordering};

use retinue_store::Location;
use tempfile::TempDir;

/// The server that `cargo xtask test` started for the tests.
const POSTGRES: &str = "RETINUE_TEST_POSTGRES";

/// Gone with the test: the folder is removed, and the PostgreSQL server is thrown away as a whole.
#[derive(Debug)]
pub struct Database {
    location: Location,
    _folder: Option<TempDir>,
}

impl Database {
    /// A file in a folder of its own.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { location: Location::Sqlite(folder.path().join("retinue.db")), _folder: Some(folder) }
    }

    /// A database on the tests' PostgreSQL server.
    pub async fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var(POSTGRES).expect("RETINUE_TEST_POSTGRES is set by `cargo xtask test`");
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        // A server that outlives its tests may have one of that name, from a process of the same number.
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self { location: Location::Postgres { url: format!("{base}/{name}"), connections: 4 }, _folder: None }
    }

    /// Where it is.
    #[must_use]
    pub const fn location(&self) -> &Location {
        &self.location
    }
}

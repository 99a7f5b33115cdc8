//! A database of a test's own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use retinue_store::Location;
use rusqlite::types::ValueRef;
use tempfile::TempDir;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::Line;

/// The server that `cargo xtask test` started for the tests.
const POSTGRES: &str = "RETINUE_TEST_POSTGRES";

/// Gone with the test: the folder is removed, and the PostgreSQL server is thrown away as a whole.
#[derive(Debug)]
pub struct Database {
    location: Location,
    /// The address of one on a server.
    direct: Option<String>,
    _folder: Option<TempDir>,
}

impl Database {
    /// A file in a folder of its own.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { location: Location::Sqlite(folder.path().join("retinue.db")), direct: None, _folder: Some(folder) }
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
        let url = format!("{base}/{name}");
        Self { location: to(url.clone()), direct: Some(url), _folder: None }
    }

    /// The same database, over a line that the test can cut.
    pub async fn on_a_line(mut self) -> (Self, Line) {
        let direct = self.direct.clone().unwrap();
        let config: tokio_postgres::Config = direct.parse().unwrap();
        let (Host::Tcp(host), port) = (&config.get_hosts()[0], config.get_ports()[0]) else { unreachable!() };
        let server = tokio::net::lookup_host((host.as_str(), port)).await.unwrap().find(SocketAddr::is_ipv4).unwrap();
        let line = Line::to(&server.to_string()).await;
        let (before, after) = direct.split_once(&format!("{host}:{port}")).unwrap();
        if let Location::Postgres { url, .. } = &mut self.location {
            *url = format!("{before}{}{after}", line.address());
        }
        (self, line)
    }

    /// With other bounds.
    #[must_use]
    pub fn bounded(mut self, most_connections: usize, limit: Duration) -> Self {
        if let Location::Postgres { connections, statement_limit, .. } = &mut self.location {
            (*connections, *statement_limit) = (most_connections, limit);
        }
        self
    }

    /// Where it is.
    #[must_use]
    pub const fn location(&self) -> &Location {
        &self.location
    }

    /// Whether it is on a server, and no file.
    #[must_use]
    pub const fn is_on_a_server(&self) -> bool {
        matches!(self.location, Location::Postgres { .. })
    }

    /// Where it is without the line.
    #[must_use]
    pub fn direct(&self) -> Location {
        to(self.direct.clone().unwrap())
    }

    /// The first column that a statement gives, as text; asked as another process does, without the line.
    pub async fn ask(&self, statement: &str) -> Vec<String> {
        let Some(direct) = &self.direct else { return self.ask_file(statement) };
        let (client, connection) = tokio_postgres::connect(direct, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let answer = client.simple_query(statement).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        };
        answer.iter().filter_map(row).collect()
    }

    fn ask_file(&self, statement: &str) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.file()).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        let mut statement = connection.prepare(statement).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut answer = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            answer.push(match row.get_ref(0).unwrap() {
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                ValueRef::Blob(bytes) => format!("{bytes:02x?}"),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Null => String::new(),
            });
        }
        answer
    }

    fn file(&self) -> &Path {
        match &self.location {
            Location::Sqlite(path) => path,
            Location::Postgres { .. } => unreachable!("a server has no file"),
        }
    }

    /// Everything that is in it, as a thief of the disk would see it: the bytes of a file, or the rows of all tables.
    pub async fn everything(&self) -> Vec<u8> {
        if self.direct.is_none() {
            let files = std::fs::read_dir(self.file().parent().unwrap()).unwrap();
            return files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        }
        let mut all = Vec::new();
        for table in self.ask("SELECT relname FROM pg_stat_user_tables").await {
            let rows = self.ask(&format!("SELECT CAST(t AS TEXT) FROM {table} t")).await;
            all.extend(rows.into_iter().flat_map(String::into_bytes));
        }
        all
    }

    /// Keeps everybody else from a table until the client is dropped.
    pub async fn lock_table(&self, table: &str) -> Client {
        self.begin(&format!("LOCK TABLE {table}")).await
    }

    /// Keeps everybody else from changing the rows that are in a table now, until the client is dropped.
    pub async fn lock_rows(&self, table: &str) -> Client {
        self.begin(&format!("SELECT 1 FROM {table} FOR UPDATE")).await
    }

    /// Keeps everybody else from changing the rows that are in a table now, but not from adding what refers to them, until
    /// the client is dropped.
    pub async fn lock_rows_softly(&self, table: &str) -> Client {
        self.begin(&format!("SELECT 1 FROM {table} FOR NO KEY UPDATE")).await
    }

    async fn begin(&self, statement: &str) -> Client {
        let direct = self.direct.as_ref().unwrap();
        let (client, connection) = tokio_postgres::connect(direct, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("BEGIN; {statement}")).await.unwrap();
        client
    }

    /// How many sessions wait for a lock that another one has.
    pub async fn waiting(&self) -> usize {
        let waiting = "SELECT pid FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.ask(waiting).await.len()
    }

    /// The processes that serve the program's sessions.
    pub async fn sessions(&self) -> Vec<String> {
        let sessions = "SELECT pid FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name LIKE 'retinue%' ORDER BY pid";
        self.ask(sessions).await
    }

    /// Ends everybody's sessions, as a restart of PostgreSQL does.
    pub async fn end_sessions(&self) {
        self.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    }

    /// How many sessions have a transaction open and do nothing.
    pub async fn idle_transactions(&self) -> usize {
        let idle = "SELECT pid FROM pg_stat_activity \
             WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        self.ask(idle).await.len()
    }
}

fn to(url: String) -> Location {
    Location::Postgres { url, connections: 4, statement_limit: Duration::from_secs(10) }
}

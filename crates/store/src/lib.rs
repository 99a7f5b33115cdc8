//! Rows, SQL text, migrations, and a small façade over SQLite and PostgreSQL.
//!
//! One file per noun holds its statements and its functions. Nothing here knows roles, clocks or HTTP, and nothing
//! outside of here knows a database driver.

mod append;
mod batch;
mod checkpoint;
mod fault;
mod lock;
mod postgres;
#[cfg(test)]
mod prepared;
mod readers;
mod row;
mod scope;
#[cfg(test)]
mod scratch;
mod sqlite;
mod statement;
mod tls;
mod tx;
mod value;

pub mod agent;
pub mod api_key;
pub mod audit;
pub mod budget;
pub mod credential;
pub mod event;
pub mod identity;
pub mod invitation;
pub mod logout_token;
pub mod membership;
pub mod message;
pub mod migrate;
pub mod offboarding;
pub mod one_time_token;
pub mod refresh;
pub mod run;
pub mod search;
pub mod session;
pub mod setting;
pub mod team;
pub mod thread;
pub mod usage;
pub mod user;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use retinue_model::{Error, Result};

use tokio::time::timeout;

pub use append::{Acknowledgement, Place};
pub use batch::Batch;
pub use scope::{Pen, Scope, System, TeamScope, Tenant};
pub use statement::Statement;
use tx::Tx;

use row::Row;
use value::Value;

/// Where the data is.
#[derive(Clone)]
pub enum Location {
    /// A database file; its folder must exist.
    Sqlite(PathBuf),
    /// `postgres://user:password@host/database?sslmode=…` and how much of it to use.
    Postgres {
        /// The connection string.
        url: String,
        /// The largest number of connections.
        connections: usize,
        /// How long it may take to answer a read.
        statement_limit: Duration,
    },
}

/// The address may carry a password, so it is not shown.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres { connections, .. } => {
                f.debug_struct("Postgres").field("connections", connections).finish_non_exhaustive()
            }
        }
    }
}

impl Location {
    /// Checks what can be checked without connecting.
    ///
    /// # Errors
    /// `invalid_database_url`.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres { url, .. } => postgres::check(url),
        }
    }

    /// The engine's name, for people.
    #[must_use]
    pub const fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        }
    }
}

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
    /// How many statements were asked for. Nobody reads it to decide anything, so it is in no order with what they do.
    statements: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Engine {
    Sqlite(Arc<sqlite::Sqlite>),
    Postgres(Arc<postgres::Postgres>),
}

impl Store {
    /// Opens the database and takes the lock that keeps other processes from serving it too. Does not migrate.
    ///
    /// # Errors
    /// `database_in_use`, `database_unreachable`, `data_dir_not_writable`, or what the engine says.
    pub async fn open(location: &Location) -> Result<Self> {
        Self::open_with(location, true).await
    }

    /// Opens the database without the lock, beside a server that may be running: to look, or to write a short batch that
    /// touches no run under way, unless it deletes it. What that server keeps in memory must hear of it: see [`session::revoke_with`].
    ///
    /// # Errors
    /// Those of [`Store::open`] but for `database_in_use`.
    pub async fn open_beside(location: &Location) -> Result<Self> {
        Self::open_with(location, false).await
    }

    async fn open_with(location: &Location, alone: bool) -> Result<Self> {
        let engine = match location {
            Location::Sqlite(path) => Engine::Sqlite(Arc::new(sqlite::Sqlite::open(path, alone)?)),
            Location::Postgres { url, connections, statement_limit } => {
                let size = postgres::Size { connections: *connections, limit: *statement_limit };
                Engine::Postgres(Arc::new(postgres::Postgres::open(url, size, alone).await?))
            }
        };
        Ok(Self { engine, statements: Arc::default() })
    }

    /// How many statements this process has had run, by all clones of this store, but for those of migrations: what an
    /// answer has cost. What is written down counts once, when it is handed over; each event is one.
    #[must_use]
    pub fn statements_run(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    fn count(&self, statements: usize) {
        self.statements.fetch_add(statements as u64, Ordering::Relaxed);
    }

    /// Leaves everything as whoever copies the files would want it. Call it last.
    ///
    /// # Errors
    /// What the engine says; nothing is lost then.
    pub async fn settle(&self) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.settle().await,
            Engine::Postgres(_) => Ok(()),
        }
    }

    /// Resolves when this process must not serve the database any more, because another one took it over while the
    /// connection to it was lost, or because what writes to it has failed; with what to tell people.
    pub async fn lost(&self) -> Error {
        match &self.engine {
            // Its lock is a file's, which ends with the process and not before.
            Engine::Sqlite(sqlite) => sqlite.appender().failed().await,
            Engine::Postgres(postgres) => tokio::select! {
                error = postgres.lost() => error,
                error = postgres.appender().failed() => error,
            },
        }
    }

    /// Begins a transaction that may change the schema. Dropped without [`Tx::commit`], it is rolled back. On SQLite,
    /// where tables are changed by making them anew, references are looked at when it is committed, and not before.
    ///
    /// # Errors
    /// `database_unreachable`, or what the engine says.
    pub(crate) async fn begin_schema_change(&self) -> Result<Tx> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.begin_schema_change().await,
            Engine::Postgres(postgres) => postgres.begin().await,
        }
    }

    /// A place in the queue of the appender, which commits many callers' rows together. Waits while the queue is full.
    ///
    /// # Errors
    /// `shutting_down` if the appender has ended.
    pub async fn reserve(&self) -> Result<Place<'_>> {
        let appender = match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.appender(),
            Engine::Postgres(postgres) => postgres.appender(),
        };
        appender.reserve(&self.statements).await
    }

    /// Writes a batch together with others' and waits until it is durable, for as long as somebody should wait for an
    /// answer. What could not be begun in that time is given up.
    ///
    /// # Errors
    /// Those of [`Acknowledgement::wait`].
    pub async fn write(&self, batch: Batch) -> Result<()> {
        self.takes_writes().await?;
        let limit = match &self.engine {
            Engine::Sqlite(_) => sqlite::WRITE_LIMIT,
            Engine::Postgres(postgres) => postgres.limit(),
        };
        timeout(limit, self.write_patiently(batch)).await.unwrap_or_else(|_| Err(fault::silent()))
    }

    /// Writes a batch together with others' and waits until it is durable, however long that takes. When it is, so is
    /// everything that was handed over before.
    ///
    /// # Errors
    /// Those of [`Acknowledgement::wait`].
    pub async fn write_patiently(&self, batch: Batch) -> Result<()> {
        self.reserve().await?.append(batch).wait().await
    }

    /// Writes a batch that may take long, in a transaction of its own, so that others need not wait for it where the
    /// engine has several writers.
    ///
    /// # Errors
    /// Those of [`Acknowledgement::wait`].
    pub async fn write_alone(&self, batch: Batch) -> Result<()> {
        self.takes_writes().await?;
        match &self.engine {
            Engine::Sqlite(_) => self.write_patiently(batch).await,
            Engine::Postgres(postgres) => {
                self.count(batch.statements());
                postgres.write_alone(&batch).await
            }
        }
    }

    /// Whoever begins something new is refused at once in an outage, before anything is handed over. Whoever goes on with
    /// something is patient: he has the more to lose.
    ///
    /// # Errors
    /// `database_unavailable`.
    pub async fn takes_writes(&self) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(postgres) => postgres.wait_for_lock().await,
        }
    }

    /// A short read, on SQLite inline on the calling thread: it must use an index.
    async fn query<T: Send>(
        &self,
        statement: &'static Statement,
        params: &[Value<'_>],
        map: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.count(1);
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.query(statement, params, map),
            Engine::Postgres(postgres) => postgres.query(statement, params, map).await,
        }
    }

    /// A read that may take long: off the runtime's threads.
    async fn query_long<T: Send + 'static>(
        &self,
        statement: &'static Statement,
        params: Vec<Value<'static>>,
        map: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.count(1);
        match &self.engine {
            Engine::Sqlite(sqlite) => Arc::clone(sqlite).query_long(statement, params, map).await,
            Engine::Postgres(postgres) => postgres.query(statement, &params, map).await,
        }
    }

    async fn query_one<T: Send>(
        &self,
        statement: &'static Statement,
        params: &[Value<'_>],
        map: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.query(statement, params, map).await?.pop())
    }
}

/// Every statement of the product, for the test that prepares each on both engines.
#[must_use]
pub fn statements() -> Vec<&'static Statement> {
    [
        migrate::sql::ALL,
        thread::sql::ALL,
        message::sql::ALL,
        run::sql::ALL,
        event::sql::ALL,
        search::sql::ALL,
        user::sql::ALL,
        identity::sql::ALL,
        session::sql::ALL,
        refresh::sql::ALL,
        logout_token::sql::ALL,
        credential::sql::ALL,
        one_time_token::sql::ALL,
        audit::sql::ALL,
        audit::list_sql::ALL,
        audit::retention_sql::ALL,
        team::sql::ALL,
        membership::sql::ALL,
        membership::by_rule::sql::ALL,
        invitation::sql::ALL,
        agent::sql::ALL,
        agent::version::sql::ALL,
        api_key::sql::ALL,
        usage::sql::ALL,
        budget::sql::ALL,
        offboarding::sql::ALL,
        setting::sql::ALL,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::{Duration, Location};

    #[test]
    fn a_password_is_not_shown_to_whoever_debugs() {
        let location = Location::Postgres {
            url: "postgres://u:hunter2@h/d".to_owned(),
            connections: 4,
            statement_limit: Duration::from_secs(10),
        };
        assert!(!format!("{location:?}").contains("hunter2"));
    }
}

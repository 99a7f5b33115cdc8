//! A transaction of a migration is a value, and its end is visible: [`Tx::commit`], or else it is rolled back.

use deadpool_postgres::Object;
use retinue_model::{Error, Result};
use rusqlite::Connection;
use tokio::sync::OwnedMutexGuard;

use crate::fault::Mapped;
use crate::row::Row;
use crate::statement::Statement;
use crate::value::Value;
use crate::{postgres, sqlite};

/// A transaction that may change the schema.
#[derive(Debug)]
pub(crate) struct Tx {
    // None once it was committed.
    open: Option<Open>,
}

#[derive(Debug)]
enum Open {
    Sqlite(OwnedMutexGuard<Connection>),
    Postgres(Box<Object>),
}

impl Tx {
    pub(crate) const fn sqlite(connection: OwnedMutexGuard<Connection>) -> Self {
        Self { open: Some(Open::Sqlite(connection)) }
    }

    pub(crate) fn postgres(connection: Object) -> Self {
        Self { open: Some(Open::Postgres(Box::new(connection))) }
    }

    pub(crate) fn set_foreign_keys(&self, on: bool) -> Result<()> {
        match &self.open {
            Some(Open::Sqlite(connection)) => sqlite::set_foreign_keys(connection, on),
            _ => Ok(()),
        }
    }

    pub(crate) fn begin_sqlite(&self) -> Result<()> {
        match &self.open {
            Some(Open::Sqlite(connection)) => sqlite::begin(connection),
            _ => Ok(()),
        }
    }

    /// Makes it last. When this returns, what was written survives a crash.
    ///
    /// # Errors
    /// `storage_full`, `database_unavailable`, or what the engine says; nothing was written then.
    pub(crate) async fn commit(mut self) -> Result<()> {
        match self.open.take() {
            Some(Open::Sqlite(connection)) => {
                // Waits for the disk, which the runtime's threads must not.
                tokio::task::spawn_blocking(move || end_sqlite(&connection)).await.map_err(Error::internal)?
            }
            Some(Open::Postgres(connection)) => {
                let committed = connection.batch_execute("COMMIT").await.mapped();
                if committed.is_err() {
                    discard(*connection);
                }
                committed
            }
            None => Ok(()),
        }
    }

    pub(crate) async fn execute(&mut self, statement: &'static Statement, params: &[Value<'_>]) -> Result<u64> {
        match &self.open {
            Some(Open::Sqlite(connection)) => sqlite::execute(connection, statement, params),
            Some(Open::Postgres(connection)) => postgres::execute(connection, statement, params).await,
            None => Err(ended()),
        }
    }

    pub(crate) async fn query<T>(
        &mut self,
        statement: &'static Statement,
        params: &[Value<'_>],
        map: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match &self.open {
            Some(Open::Sqlite(connection)) => sqlite::query(connection, statement, params, map),
            Some(Open::Postgres(connection)) => postgres::query(connection, statement, params, map).await,
            None => Err(ended()),
        }
    }

    pub(crate) async fn query_one<T>(
        &mut self,
        statement: &'static Statement,
        params: &[Value<'_>],
        map: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.query(statement, params, map).await?.pop())
    }

    /// Runs a migration's text.
    pub(crate) async fn run_script(&mut self, sqlite: &str, postgres: &str) -> Result<()> {
        match &self.open {
            Some(Open::Sqlite(connection)) => connection.execute_batch(sqlite).mapped(),
            Some(Open::Postgres(connection)) => connection.batch_execute(postgres).await.mapped(),
            None => Err(ended()),
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        match self.open.take() {
            Some(Open::Sqlite(connection)) => {
                sqlite::rollback(&connection);
                if let Err(error) = sqlite::set_foreign_keys(&connection, true) {
                    tracing::error!(?error, "foreign keys could not be turned on again");
                }
            }
            Some(Open::Postgres(connection)) => discard(*connection),
            None => {}
        }
    }
}

/// Commits if every row that is referred to is there.
fn end_sqlite(connection: &Connection) -> Result<()> {
    let committed = sqlite::check_foreign_keys(connection).and_then(|()| sqlite::commit(connection));
    if committed.is_err() {
        sqlite::rollback(connection);
    }
    sqlite::set_foreign_keys(connection, true).and(committed)
}

/// Closes a connection whose transaction is open, instead of giving it to the next caller: the server rolls back.
fn discard(connection: Object) {
    drop(Object::take(connection));
}

fn ended() -> Error {
    Error::internal("the transaction has ended")
}

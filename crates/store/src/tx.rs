//! A transaction of a migration is a value, and its end is visible: [`Tx::commit`], or else it is rolled back.

use retinue_model::{Error, Result};
use rusqlite::Connection;
use tokio::sync::OwnedMutexGuard;

use crate::fault::Mapped;
use crate::postgres::Lease;
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
    Postgres(Box<Lease>),
}

impl Tx {
    pub(crate) const fn sqlite(connection: OwnedMutexGuard<Connection>) -> Self {
        Self { open: Some(Open::Sqlite(connection)) }
    }

    pub(crate) fn postgres(lease: Lease) -> Self {
        Self { open: Some(Open::Postgres(Box::new(lease))) }
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
            Some(Open::Postgres(lease)) => {
                lease.session()?.batch_execute("COMMIT").await.mapped()?;
                lease.give_back();
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) async fn execute(&mut self, statement: &'static Statement, params: &[Value<'_>]) -> Result<u64> {
        match &self.open {
            Some(Open::Sqlite(connection)) => sqlite::execute(connection, statement, params),
            Some(Open::Postgres(lease)) => postgres::execute(lease.session()?, statement, params).await,
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
            Some(Open::Postgres(lease)) => postgres::query(lease.session()?, statement, params, map).await,
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
            Some(Open::Postgres(lease)) => lease.session()?.batch_execute(postgres).await.mapped(),
            None => Err(ended()),
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        // A lease that is not given back rolls back by itself.
        if let Some(Open::Sqlite(connection)) = self.open.take() {
            sqlite::rollback(&connection);
            if let Err(error) = sqlite::set_foreign_keys(&connection, true) {
                tracing::error!(?error, "foreign keys could not be turned on again");
            }
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

fn ended() -> Error {
    Error::internal("the transaction has ended")
}

//! The PostgreSQL engine: a pool of sessions that read, a few that write what may take long, one for the appender, and one
//! that holds the lock.
//!
//! Nothing here waits for PostgreSQL without a limit.

mod pool;
mod server_lock;
mod target;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use retinue_model::error::Kind;
use retinue_model::{Error, Result};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::types::ToSql;

use crate::append::{self, Appender};
use crate::batch::Batch;
use crate::fault::{self, Mapped};
use crate::row::Row;
use crate::statement::Statement;
use crate::tx::Tx;
use crate::value::Value;

use pool::{Asked, Source};
use server_lock::{ServerLock, Standing};
use target::{Settings, Target};

/// How long anybody waits for the server lock when it was lost: a blip is not worth an error, a longer outage is told at
/// once.
const BLIP: Duration = Duration::from_millis(500);
/// How long a writer waits for others' locks. Longer than anybody waits for the writer, who then leaves no session behind
/// that still waits.
const LOCK_PATIENCE: Duration = Duration::from_secs(40);

#[derive(Debug)]
pub(crate) struct Postgres {
    /// For single statements that read. The server ends those that take too long.
    readers: Pool,
    /// For transactions whose length is their owners' business. None of them is the appender's, if there are enough.
    writers: Pool,
    appender: Appender,
    lock: ServerLock,
    /// How long a read may take, or the beginning of a transaction.
    limit: Duration,
}

impl Postgres {
    pub(crate) async fn open(url: &str, size: Size, alone: bool) -> Result<Self> {
        let target = Arc::new(Target::parse(url)?);
        let Size { connections, limit } = size;
        let settings = Settings::new(limit);
        let lock = if alone {
            ServerLock::take(Arc::clone(&target), limit).await?
        } else {
            drop(target.reach(&settings, limit).await?);
            ServerLock::none(&target)
        };
        let source = |settings| Source { target: Arc::clone(&target), standing: lock.standing(), settings };
        // A little less than we wait: then it is known what was too slow, and the session is as it was.
        let reading = settings.clone().with("statement_timeout", limit * 4 / 5);
        let readers = source(reading).pool(readers(connections), limit)?;
        let writing = settings.with("lock_timeout", LOCK_PATIENCE);
        // Nobody else has it: what takes long would hold up every answer under way.
        let appending = source(writing.clone()).pool(1, limit)?;
        let writers = match writers(connections) {
            0 => appending.clone(),
            some => source(writing).pool(some, limit)?,
        };
        Ok(Self { appender: append::postgres(appending), readers, writers, lock, limit })
    }

    pub(crate) const fn appender(&self) -> &Appender {
        &self.appender
    }

    /// Resolves when another process has taken the database over.
    pub(crate) async fn lost(&self) -> Error {
        self.lock.lost().await
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        self.read(async |session| session.batch_execute("SELECT 1").await.mapped()).await
    }

    pub(crate) async fn query<T>(
        &self,
        statement: &'static Statement,
        params: &[Value<'_>],
        map: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.read(async |session| query(session, statement, params, map).await).await
    }

    /// How long somebody should wait for an answer.
    pub(crate) const fn limit(&self) -> Duration {
        self.limit
    }

    pub(crate) async fn write_alone(&self, batch: &Batch) -> Result<()> {
        append::write_alone_on_postgres(&self.writers, batch).await
    }

    /// Begins a transaction on a session that is closed if it is not committed, whatever becomes of whoever asked.
    pub(crate) async fn begin(&self) -> Result<Tx> {
        let begin = async {
            let mut tx = Tx::postgres(self.writers.get().await.map_err(fault::pool)?);
            tx.run_script("", "BEGIN").await?;
            Ok(tx)
        };
        timeout(self.limit, begin).await.unwrap_or_else(|_| Err(fault::silent()))
    }

    /// Asks for something outside of any transaction. A session whose answer did not come, or is not waited for, is
    /// closed; one whose statement the server ended for taking too long is as it was.
    async fn read<T>(&self, work: impl AsyncFnOnce(&Object) -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + self.limit;
        self.wait_for_lock().await?;
        let session = timeout_at(deadline, self.readers.get()).await.map_err(|_| fault::silent())?;
        let asked = Asked::new(session.map_err(fault::pool)?);
        let answer = timeout_at(deadline, work(asked.session()?)).await.unwrap_or_else(|_| Err(fault::silent()));
        if answer.as_ref().err().is_none_or(leaves_session_usable) {
            asked.give_back();
        }
        answer
    }

    /// Waits for the server lock, if it was lost, but not for long.
    pub(crate) async fn wait_for_lock(&self) -> Result<()> {
        let mut standing = self.lock.standing();
        match timeout(BLIP.min(self.limit), standing.wait_for(Standing::is_held)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(fault::fenced()),
        }
    }
}

/// How many sessions there may be, and how long each may take to answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) connections: usize,
    pub(crate) limit: Duration,
}

/// With the appender's own, a quarter. Two connections are too few for any.
fn writers(connections: usize) -> usize {
    connections.div_ceil(4).max(2).min(connections.saturating_sub(1)).saturating_sub(1)
}

fn readers(connections: usize) -> usize {
    connections.saturating_sub(1 + writers(connections)).max(1)
}

fn leaves_session_usable(error: &Error) -> bool {
    error.kind() != Kind::Unavailable || error.code() == fault::too_slow().code()
}

pub(crate) async fn execute(connection: &Object, statement: &Statement, params: &[Value<'_>]) -> Result<u64> {
    let prepared = connection.prepare_cached(statement.postgres).await.mapped()?;
    connection.execute(&prepared, &as_params(params)).await.mapped()
}

pub(crate) async fn query<T>(
    connection: &Object,
    statement: &Statement,
    params: &[Value<'_>],
    map: fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let prepared = connection.prepare_cached(statement.postgres).await.mapped()?;
    let rows = connection.query(&prepared, &as_params(params)).await.mapped()?;
    rows.iter().map(|row| map(&Row::Postgres(row))).collect()
}

fn as_params<'a>(params: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// Whether an address can be used, as far as that can be said without connecting.
pub(crate) fn check(url: &str) -> Result<()> {
    Target::parse(url).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_shared_out_and_never_more_than_allowed() {
        let shares: Vec<_> = [2, 3, 4, 8, 16, 100].map(|all| (readers(all), writers(all))).into();
        assert_eq!(shares, [(1, 0), (1, 1), (2, 1), (6, 1), (12, 3), (75, 24)], "and one for the appender");
    }
}

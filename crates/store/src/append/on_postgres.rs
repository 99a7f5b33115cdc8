//! Groups of batches on PostgreSQL.

use std::collections::HashSet;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use futures_util::future::try_join_all;
use retinue_model::error::Kind;
use retinue_model::event::Event;
use retinue_model::{Error, Result};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use super::{Fates, concerns_all};
use crate::batch::Batch;
use crate::fault::{self, Mapped};
use crate::{event, postgres};

/// How often a group is written again after its connection was lost, and the pause before.
const RETRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);
/// How long PostgreSQL may take for a group.
const PATIENCE: Duration = Duration::from_secs(30);

/// Writes a group in one transaction. A batch that can't be written is left out; the others are not held up by it.
///
/// A connection that was lost says nothing of the rows: all are written again, and those that are there stay.
pub(super) async fn write_until_sure(pool: &Pool, group: &[Batch]) -> Result<Fates> {
    let mut written = write(pool, group).await;
    for _ in 0..RETRIES {
        if !written.as_ref().is_err_and(|error| error.kind() == Kind::Unavailable) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        written = write(pool, group).await;
    }
    written
}

/// Writes one batch in a transaction of its own.
pub(crate) async fn write_alone(pool: &Pool, batch: &Batch) -> Result<()> {
    let group = std::slice::from_ref(batch);
    in_transaction(pool, async |connection| together(connection, group).await).await
}

async fn write(pool: &Pool, group: &[Batch]) -> Result<Fates> {
    let first = in_transaction(pool, async |connection| patiently(together(connection, group)).await).await;
    match first {
        Ok(()) => Ok(Vec::new()),
        Err(error) if concerns_all(&error) => Err(error),
        Err(error) if group.len() == 1 => Ok(vec![Err(error)]),
        Err(_) => in_transaction(pool, async |connection| patiently(one_by_one(connection, group)).await).await,
    }
}

async fn patiently<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(fault::silent()))
}

async fn in_transaction<T>(pool: &Pool, work: impl AsyncFnOnce(&Object) -> Result<T>) -> Result<T> {
    let session = Unsettled(Some(pool.get().await.map_err(fault::pool)?));
    let written = work(session.get()?).await?;
    session.settle();
    Ok(written)
}

/// A session whose transaction may be open. It goes back to the pool when that is settled; otherwise, if whoever waits
/// leaves too, it is closed, which rolls back.
struct Unsettled(Option<Object>);

impl Unsettled {
    fn get(&self) -> Result<&Object> {
        self.0.as_ref().ok_or_else(|| Error::internal("the session was given back"))
    }

    fn settle(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            drop(Object::take(session));
        }
    }
}

async fn together(connection: &Object, group: &[Batch]) -> Result<()> {
    connection.batch_execute("BEGIN").await.mapped()?;
    prepare(connection, group).await?;
    // Polled in order, so they are sent in order, without waiting for each other's answers.
    let writes = group.iter().flat_map(|batch| &batch.writes);
    try_join_all(
        writes.map(async |write| write.check(postgres::execute(connection, write.statement, &write.params).await?)),
    )
    .await?;
    insert_events(connection, group.iter().flat_map(|batch| &batch.events)).await?;
    connection.batch_execute("COMMIT").await.mapped()
}

/// Prepares what is not prepared yet, or else that would be sent after what should follow it.
async fn prepare(connection: &Object, group: &[Batch]) -> Result<()> {
    let mut texts = HashSet::new();
    for write in group.iter().flat_map(|batch| &batch.writes) {
        if texts.insert(write.statement.postgres) {
            connection.prepare_cached(write.statement.postgres).await.mapped()?;
        }
    }
    Ok(())
}

async fn one_by_one(connection: &Object, group: &[Batch]) -> Result<Fates> {
    connection.batch_execute("BEGIN").await.mapped()?;
    let mut fates = Vec::with_capacity(group.len());
    for batch in group {
        fates.push(apart(connection, batch).await?);
    }
    connection.batch_execute("COMMIT").await.mapped()?;
    Ok(fates)
}

/// What a batch's own failure is, as opposed to one that ends the whole transaction.
async fn apart(connection: &Object, batch: &Batch) -> Result<Result<()>> {
    connection.batch_execute("SAVEPOINT batch").await.mapped()?;
    match fill(connection, batch).await {
        Err(error) if concerns_all(&error) => Err(error),
        Err(error) => {
            connection.batch_execute("ROLLBACK TO batch; RELEASE batch").await.mapped()?;
            Ok(Err(error))
        }
        Ok(()) => connection.batch_execute("RELEASE batch").await.mapped().map(Ok),
    }
}

async fn fill(connection: &Object, batch: &Batch) -> Result<()> {
    for write in &batch.writes {
        write.check(postgres::execute(connection, write.statement, &write.params).await?)?;
    }
    insert_events(connection, &batch.events).await
}

/// All rows in one statement.
async fn insert_events(connection: &Object, events: impl IntoIterator<Item = &Event>) -> Result<()> {
    let events: Vec<&Event> = events.into_iter().collect();
    if events.is_empty() {
        return Ok(());
    }
    let runs: Vec<_> = events.iter().map(|event| event.run_id.uuid()).collect();
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    let data: Vec<&str> = events.iter().map(|event| &*event.data).collect();
    let times: Vec<_> = events.iter().map(|event| event.created_at).collect();
    let statement = connection.prepare_cached(event::INSERT_MANY_POSTGRES).await.mapped()?;
    let params: [&(dyn ToSql + Sync); 5] = [&runs, &seqs, &names, &data, &times];
    connection.execute(&statement, &params).await.mapped().map(drop)
}

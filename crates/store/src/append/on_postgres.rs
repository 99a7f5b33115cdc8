//! Groups of batches on PostgreSQL.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use futures_util::future::try_join_all;
use retinue_model::error::Kind;
use retinue_model::event::Event;
use retinue_model::{Error, Result};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::types::ToSql;

use super::{Refused, concerns_all, copy};
use crate::batch::Batch;
use crate::fault::{self, Mapped};
use crate::postgres::Lease;
use crate::{audit, event, postgres};

/// How long a group is tried again whose connection was lost, and the pause before each try.
const PERSISTENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(500);
/// How long PostgreSQL may take for a transaction.
const PATIENCE: Duration = Duration::from_secs(30);
/// A row that somebody else has locked is hardly waited for: all the others wait meanwhile.
const BEGIN: &str = "BEGIN; SET LOCAL lock_timeout = '200ms'";

/// Writes a group. A batch that can't be written is left out; the others are not held up by it.
///
/// A connection that was lost says nothing of the rows: all are written again, and those that are there stay.
pub(super) async fn write_until_sure(pool: &Pool, group: &[Batch]) -> Result<Refused> {
    let deadline = Instant::now() + PERSISTENCE;
    let mut is_known = true;
    loop {
        let written = timeout_at(deadline, write(pool, group)).await.unwrap_or_else(|_| Err(fault::silent()));
        match written {
            Err(error) if error.kind() == Kind::Unavailable && Instant::now() + PAUSE < deadline => {
                tracing::warn!(?error, batches = group.len(), "rows could not be written; trying again");
                is_known = false;
                tokio::time::sleep(PAUSE).await;
            }
            Ok(mut refused) if !is_known => {
                // They may have been written by a try before, whose answer was lost.
                let full = refused.iter_mut().filter(|(_, error)| error.kind() == Kind::StorageFull);
                full.for_each(|(_, error)| *error = fault::silent());
                return Ok(refused);
            }
            written => return written,
        }
    }
}

/// Writes one batch in a transaction of its own, which may wait for rows that others have locked.
pub(crate) async fn write_alone(pool: &Pool, batch: &Batch) -> Result<()> {
    let lease = Lease::of(pool).await?;
    let session = lease.session()?;
    let written = transaction(session, "BEGIN", std::slice::from_ref(batch)).await;
    let written = check(session, written).await?;
    lease.give_back();
    written.map_err(|stumble| stumble.error)
}

/// A batch that failed stops its whole transaction. So what is before it and what is after it is written without it, in
/// transactions of their own; where it is not known which one failed, the halves are.
async fn write(pool: &Pool, group: &[Batch]) -> Result<Refused> {
    let lease = Lease::of(pool).await?;
    let session = lease.session()?;
    let mut refused = Vec::new();
    let mut parts: Vec<Range<usize>> = std::iter::once(0..group.len()).collect();
    while let Some(part) = parts.pop() {
        let written = timeout(PATIENCE, transaction(session, BEGIN, &group[part.clone()]));
        let written = written.await.unwrap_or_else(|_| Err(fault::silent().into()));
        let written = match check(session, written).await {
            Err(error) if error.kind() == Kind::StorageFull => {
                // What was before this part is committed; this and what is after it is not.
                tracing::error!(?error, "rows could not be written");
                refused.extend(parts.into_iter().flatten().chain(part).map(|at| (at, copy(&error))));
                return Ok(refused);
            }
            written => written?,
        };
        match written {
            Ok(()) => {}
            Err(stumble) if part.len() == 1 => refused.push((part.start, stumble.error)),
            // It is not tried alone: that would wait for the lock once more, and everybody with it.
            Err(Stumble { error, at: Some(at) }) if error.code() == fault::LOCKED => {
                let at = part.start + at;
                refused.push((at, error));
                parts.extend([at + 1..part.end, part.start..at].into_iter().filter(|part| !part.is_empty()));
            }
            Err(Stumble { at, .. }) => {
                parts.extend(without(part, at).into_iter().rev().filter(|part| !part.is_empty()));
            }
        }
    }
    lease.give_back();
    Ok(refused)
}

/// What is to be written apart when one batch of a part has failed.
fn without(part: Range<usize>, at: Option<usize>) -> [Range<usize>; 3] {
    let (from, to) = match at {
        Some(at) => (part.start + at, part.start + at + 1),
        None => (part.start + part.len() / 2, part.end),
    };
    [part.start..from, from..to, to..part.end]
}

/// Why a transaction was not committed, and which of its batches that was due to, if that is known.
struct Stumble {
    error: Error,
    at: Option<usize>,
}

impl From<Error> for Stumble {
    fn from(error: Error) -> Self {
        Self { error, at: None }
    }
}

/// Rolls back what failed by its own fault, so that the session can be used again; what concerns all is an error.
async fn check(session: &Object, written: Result<(), Stumble>) -> Result<Result<(), Stumble>> {
    match written {
        Err(stumble) if concerns_all(&stumble.error) => Err(stumble.error),
        Err(stumble) => {
            let rolled_back = timeout(PATIENCE, session.batch_execute("ROLLBACK")).await;
            rolled_back.map_err(|_| fault::silent())?.mapped()?;
            Ok(Err(stumble))
        }
        Ok(()) => Ok(Ok(())),
    }
}

async fn transaction(session: &Object, begin: &str, part: &[Batch]) -> Result<(), Stumble> {
    session.batch_execute(begin).await.mapped()?;
    prepare(session, part).await?;
    // Polled in order, so they are sent in order, without waiting for each other's answers.
    let writes = part.iter().enumerate().flat_map(|(at, batch)| batch.writes.iter().map(move |write| (at, write)));
    try_join_all(writes.map(async |(at, write)| {
        let rows = postgres::execute(session, write.statement, &write.params).await;
        rows.and_then(|rows| write.check(rows)).map_err(|error| Stumble { error, at: Some(at) })
    }))
    .await?;
    insert_events(session, part.iter().flat_map(|batch| &batch.events)).await?;
    audit::on_postgres(session, part.iter().flat_map(|batch| &batch.audits)).await?;
    Ok(session.batch_execute("COMMIT").await.mapped()?)
}

/// Prepares what is not prepared yet, or else that would be sent after what should follow it.
async fn prepare(session: &Object, part: &[Batch]) -> Result<()> {
    let mut texts = HashSet::new();
    for write in part.iter().flat_map(|batch| &batch.writes) {
        if texts.insert(write.statement.postgres) {
            session.prepare_cached(write.statement.postgres).await.mapped()?;
        }
    }
    Ok(())
}

/// All rows in one statement.
async fn insert_events(session: &Object, events: impl IntoIterator<Item = &Event>) -> Result<()> {
    let events: Vec<&Event> = events.into_iter().collect();
    if events.is_empty() {
        return Ok(());
    }
    let runs: Vec<_> = events.iter().map(|event| event.run_id.uuid()).collect();
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    let data: Vec<&str> = events.iter().map(|event| &*event.data).collect();
    let times: Vec<_> = events.iter().map(|event| event.created_at).collect();
    let statement = session.prepare_cached(event::INSERT_MANY_POSTGRES).await.mapped()?;
    let params: [&(dyn ToSql + Sync); 5] = [&runs, &seqs, &names, &data, &times];
    session.execute(&statement, &params).await.mapped().map(drop)
}

//! The appender: many callers' rows in one commit, each caller acknowledged after it.
//!
//! A commit that waits for the disk costs the same for one row and for thousands. While one group is being committed
//! the next one gathers; nobody waits for a timer.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use futures_util::future::try_join_all;
use retinue_model::error::Kind;
use retinue_model::event::Event;
use retinue_model::{Error, Result};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use crate::fault::{self, Mapped};
use crate::statement::Statement;
use crate::value::Value;
use crate::{event, postgres, sqlite};

/// Jobs that may wait; callers beyond wait for a place.
const QUEUE: usize = 16_384;
/// Jobs in one commit.
const GROUP: usize = 8_192;

/// Rows that are written together or not at all.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) events: Vec<Event>,
    pub(crate) writes: Vec<Write>,
}

/// One more statement of a batch.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) statement: &'static Statement,
    pub(crate) params: Vec<Value<'static>>,
}

impl Batch {
    /// Only this event.
    #[must_use]
    pub fn of_event(event: Event) -> Self {
        Self { events: vec![event], writes: Vec::new() }
    }

    /// Adds an event.
    pub fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(crate) fn write(&mut self, statement: &'static Statement, params: impl Into<Vec<Value<'static>>>) {
        self.writes.push(Write { statement, params: params.into() });
    }
}

/// How often a group is written again after its connection was lost, and the pause before.
const RETRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);
/// How long PostgreSQL may take for a group.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Job {
    batch: Batch,
    acknowledge: oneshot::Sender<Result<()>>,
}

/// Resolves when the rows are durable, or says why they are not.
#[derive(Debug)]
pub struct Acknowledgement(oneshot::Receiver<Result<()>>);

impl Acknowledgement {
    /// Waits for it.
    ///
    /// # Errors
    /// `storage_full`, `database_unavailable`, or what the engine says; none of the batch was written then.
    pub async fn wait(&mut self) -> Result<()> {
        (&mut self.0).await.unwrap_or_else(|_| Err(ended()))
    }

    /// The answer, if it is there already.
    pub fn poll(&mut self) -> Option<Result<()>> {
        match self.0.try_recv() {
            Ok(result) => Some(result),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(ended())),
        }
    }
}

fn ended() -> Error {
    Error::unavailable("shutting_down", "The server is stopping. Try again when it is back.")
}

/// The way in; the work ends when the last of these is gone and the queue is empty.
#[derive(Debug)]
pub(crate) struct Appender {
    jobs: mpsc::Sender<Job>,
}

impl Appender {
    pub(crate) async fn reserve(&self) -> Result<Place<'_>> {
        self.jobs.reserve().await.map(Place).map_err(|_| ended())
    }
}

/// A place in the queue.
#[derive(Debug)]
pub struct Place<'a>(mpsc::Permit<'a, Job>);

impl Place<'_> {
    /// Hands the rows over. They are durable when the acknowledgement resolves; batches of one caller are committed in
    /// order.
    #[must_use]
    pub fn append(self, batch: Batch) -> Acknowledgement {
        let (acknowledge, acknowledgement) = oneshot::channel();
        self.0.send(Job { batch, acknowledge });
        Acknowledgement(acknowledgement)
    }
}

/// Whether the next batch would fare no better.
fn concerns_all(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::StorageFull)
}

fn refuse_all(group: Vec<Job>, error: &Error) {
    tracing::error!(?error, batches = group.len(), "rows could not be written");
    for job in group {
        drop(job.acknowledge.send(Err(Error::new(error.kind(), error.code(), error.detail()))));
    }
}

fn acknowledge_all(group: Vec<Job>) {
    for job in group {
        // Whoever asked may have gone; the rows are there all the same.
        drop(job.acknowledge.send(Ok(())));
    }
}

pub(crate) fn sqlite(writer: sqlite::Writer) -> Result<Appender> {
    let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
    std::thread::Builder::new()
        .name("appender".to_owned())
        .spawn(move || {
            let mut group = Vec::new();
            while queue.blocking_recv_many(&mut group, GROUP) > 0 {
                let connection = writer.blocking_lock();
                commit_sqlite(&connection, std::mem::take(&mut group));
            }
        })
        .map_err(Error::internal)?;
    Ok(Appender { jobs })
}

fn commit_sqlite(connection: &rusqlite::Connection, group: Vec<Job>) {
    match write_sqlite(connection, &group) {
        Ok(()) => return acknowledge_all(group),
        Err(error) if concerns_all(&error) => return refuse_all(group, &error),
        Err(_) => {}
    }
    // One bad batch must not take the others with it.
    for job in group {
        let result = write_sqlite(connection, std::slice::from_ref(&job));
        drop(job.acknowledge.send(result));
    }
}

fn write_sqlite(connection: &rusqlite::Connection, group: &[Job]) -> Result<()> {
    sqlite::begin(connection)?;
    let written = group.iter().try_for_each(|job| {
        for event in &job.batch.events {
            sqlite::execute(connection, &event::sql::INSERT, &event::params(event))?;
        }
        for write in &job.batch.writes {
            sqlite::execute(connection, write.statement, &write.params)?;
        }
        Ok(())
    });
    match written {
        Ok(()) => sqlite::commit(connection),
        Err(error) => {
            sqlite::rollback(connection);
            Err(error)
        }
    }
}

pub(crate) fn postgres(pool: Pool) -> Appender {
    let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
    tokio::spawn(async move {
        let mut group = Vec::new();
        while queue.recv_many(&mut group, GROUP).await > 0 {
            commit_postgres(&pool, std::mem::take(&mut group)).await;
        }
    });
    Appender { jobs }
}

async fn commit_postgres(pool: &Pool, group: Vec<Job>) {
    let mut written = write_postgres(pool, &group).await;
    // A connection that was lost says nothing of the rows: all are written again, and those that are there stay.
    for _ in 0..RETRIES {
        if !written.as_ref().is_err_and(|error| error.kind() == Kind::Unavailable) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        written = write_postgres(pool, &group).await;
    }
    match written {
        Ok(()) => return acknowledge_all(group),
        Err(error) if concerns_all(&error) => return refuse_all(group, &error),
        Err(_) => {}
    }
    for job in group {
        let result = write_postgres(pool, std::slice::from_ref(&job)).await;
        drop(job.acknowledge.send(result));
    }
}

async fn write_postgres(pool: &Pool, group: &[Job]) -> Result<()> {
    let connection = pool.get().await.map_err(fault::pool)?;
    let written = timeout(PATIENCE, fill_postgres(&connection, group)).await.unwrap_or_else(|_| Err(fault::silent()));
    if written.is_err() {
        // Its transaction is in an unknown state; closing it rolls back.
        drop(Object::take(connection));
    }
    written
}

async fn fill_postgres(connection: &Object, group: &[Job]) -> Result<()> {
    connection.batch_execute("BEGIN").await.mapped()?;
    let events: Vec<&Event> = group.iter().flat_map(|job| &job.batch.events).collect();
    if !events.is_empty() {
        insert_events(connection, &events).await?;
    }
    // Polled in order, so they are sent in order, without waiting for each other's answers.
    let writes = group.iter().flat_map(|job| &job.batch.writes);
    try_join_all(writes.map(|write| postgres::execute(connection, write.statement, &write.params))).await?;
    connection.batch_execute("COMMIT").await.mapped()
}

/// All rows in one statement.
async fn insert_events(connection: &Object, events: &[&Event]) -> Result<()> {
    let runs: Vec<_> = events.iter().map(|event| event.run_id.uuid()).collect();
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    let data: Vec<&str> = events.iter().map(|event| &*event.data).collect();
    let times: Vec<_> = events.iter().map(|event| event.created_at).collect();
    let statement = connection.prepare_cached(event::INSERT_MANY_POSTGRES).await.mapped()?;
    let params: [&(dyn ToSql + Sync); 5] = [&runs, &seqs, &names, &data, &times];
    connection.execute(&statement, &params).await.mapped().map(drop)
}

//! The appender: many callers' batches in one commit, each caller acknowledged after it.
//!
//! A commit that waits for the disk costs the same for one row and for thousands. While one group is being committed
//! the next one gathers; nobody waits for a timer.

mod on_postgres;
mod on_sqlite;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use deadpool_postgres::Pool;
use retinue_model::error::Kind;
use retinue_model::{Error, Result};
use tokio::sync::{mpsc, oneshot, watch};

use crate::batch::Batch;
use crate::{fault, sqlite};

pub(crate) use on_postgres::write_alone as write_alone_on_postgres;

/// Batches that may wait; callers beyond wait for a place.
const QUEUE: usize = 16_384;
/// Batches in one commit.
const GROUP: usize = 8_192;

#[derive(Debug)]
struct Job {
    batch: Batch,
    acknowledge: oneshot::Sender<Result<()>>,
}

/// Which batches of a group were left out of it, and why; all others are durable.
type Refused = Vec<(usize, Error)>;

/// Resolves when the rows are durable, or says why they are not.
#[derive(Debug)]
pub struct Acknowledgement(oneshot::Receiver<Result<()>>);

impl Acknowledgement {
    /// Waits for it.
    ///
    /// # Errors
    /// `storage_full`, what a statement of the batch required, or what the engine says; none of the batch was written
    /// then. Another of the kind `Unavailable`: that is not known.
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
    /// Its other end goes with the work.
    at_work: watch::Receiver<()>,
}

impl Appender {
    /// A place for a batch, whose statements are counted there.
    pub(crate) async fn reserve<'a>(&'a self, statements: &'a AtomicU64) -> Result<Place<'a>> {
        let permit = self.jobs.reserve().await.map_err(|_| ended())?;
        Ok(Place { permit, statements })
    }

    /// Resolves when nothing is written any more: by a defect, since the work goes on as long as there is a way in.
    pub(crate) async fn failed(&self) -> Error {
        // Nothing is ever sent.
        drop(self.at_work.clone().changed().await);
        Error::internal("the appender has ended")
    }
}

/// A place in the queue.
#[derive(Debug)]
pub struct Place<'a> {
    permit: mpsc::Permit<'a, Job>,
    statements: &'a AtomicU64,
}

impl Place<'_> {
    /// Hands the batch over. It is durable when the acknowledgement resolves; batches of one caller are committed in
    /// order.
    #[must_use]
    pub fn append(self, batch: Batch) -> Acknowledgement {
        let (acknowledge, acknowledgement) = oneshot::channel();
        self.statements.fetch_add(batch.statements() as u64, Ordering::Relaxed);
        self.permit.send(Job { batch, acknowledge });
        Acknowledgement(acknowledgement)
    }
}

pub(crate) fn sqlite(writer: sqlite::Writer) -> Result<Appender> {
    let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
    let (working, at_work) = watch::channel(());
    std::thread::Builder::new()
        .name("appender".to_owned())
        .spawn(move || {
            let _working = working;
            let mut group = Vec::new();
            while queue.blocking_recv_many(&mut group, GROUP) > 0 {
                let (batches, waiting) = part(group.drain(..));
                answer(waiting, on_sqlite::write(&writer.blocking_lock(), &batches));
            }
        })
        .map_err(Error::internal)?;
    Ok(Appender { jobs, at_work })
}

pub(crate) fn postgres(pool: Pool) -> Appender {
    let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
    let (working, at_work) = watch::channel(());
    tokio::spawn(async move {
        let _working = working;
        let mut group = Vec::new();
        while queue.recv_many(&mut group, GROUP).await > 0 {
            let (batches, waiting) = part(group.drain(..));
            answer(waiting, on_postgres::write_until_sure(&pool, &batches).await);
        }
    });
    Appender { jobs, at_work }
}

/// Parts what is to be written from those who wait for it. What nobody waits for any more was given up, and is not begun.
fn part(group: impl Iterator<Item = Job>) -> (Vec<Batch>, Vec<oneshot::Sender<Result<()>>>) {
    group.filter(|job| !job.acknowledge.is_closed()).map(|job| (job.batch, job.acknowledge)).unzip()
}

/// Tells each caller what became of its batch. Whoever asked may have gone; the rows are there all the same.
fn answer(waiting: Vec<oneshot::Sender<Result<()>>>, written: Result<Refused>) {
    let mut refused: HashMap<usize, Error> = match written {
        Ok(refused) => refused.into_iter().collect(),
        Err(error) => {
            tracing::error!(?error, batches = waiting.len(), "rows could not be written");
            (0..waiting.len()).map(|at| (at, copy(&error))).collect()
        }
    };
    for (at, acknowledge) in waiting.into_iter().enumerate() {
        drop(acknowledge.send(refused.remove(&at).map_or(Ok(()), Err)));
    }
}

/// An error for each of those it concerns; its cause was logged.
fn copy(error: &Error) -> Error {
    Error::new(error.kind(), error.code(), error.detail())
}

/// Whether the next batch would fare no better.
fn concerns_all(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::StorageFull) && error.code() != fault::LOCKED
}

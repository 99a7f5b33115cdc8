//! Runs in storage.

use jiff::Timestamp;
use retinue_model::id::{RunId, ThreadId};
use retinue_model::run::{Failure, Outcome, Run, Status, Usage};
use retinue_model::{Error, Result};

use crate::append::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::{Value, params};
use crate::{Store, Tx};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO runs (id, thread_id, input_message_id, agent_id, model, status, created_at, started_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        GET = "SELECT id, thread_id, input_message_id, agent_id, model, status, error_code, error_message, \
            input_tokens, output_tokens, created_at, started_at, finished_at FROM runs WHERE id = $1";
        ACTIVE = "SELECT id, thread_id, input_message_id, agent_id, model, status, error_code, error_message, \
            input_tokens, output_tokens, created_at, started_at, finished_at FROM runs \
            WHERE status IN ('queued', 'running')";
        ACTIVE_OF_THREAD = "SELECT id, thread_id, input_message_id, agent_id, model, status, error_code, error_message, \
            input_tokens, output_tokens, created_at, started_at, finished_at FROM runs \
            WHERE thread_id = $1 AND status IN ('queued', 'running')";
        OF_THREAD_FROM = "SELECT id, thread_id, input_message_id, agent_id, model, status, error_code, error_message, \
            input_tokens, output_tokens, created_at, started_at, finished_at FROM runs \
            WHERE thread_id = $1 AND created_at >= $2 ORDER BY created_at, id";
        LATEST_OF_THREAD = "SELECT id, thread_id, input_message_id, agent_id, model, status, error_code, error_message, \
            input_tokens, output_tokens, created_at, started_at, finished_at FROM runs \
            WHERE thread_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1";
        START = "UPDATE runs SET status = 'running', started_at = $1 WHERE id = $2 AND status = 'queued'";
        FINISH = "UPDATE runs SET status = $1, error_code = $2, error_message = $3, input_tokens = $4, \
            output_tokens = $5, finished_at = $6 WHERE id = $7 AND status IN ('queued', 'running')";
    }
}

fn read(row: &Row<'_>) -> Result<Run> {
    let mut columns = row.columns();
    let mut run = Run {
        id: columns.take()?,
        thread_id: columns.take()?,
        input_message_id: columns.take()?,
        agent_id: columns.take()?,
        model: columns.take()?,
        status: columns.take::<String>()?.parse::<Status>()?,
        error: None,
        usage: None,
        created_at: Timestamp::UNIX_EPOCH,
        started_at: None,
        finished_at: None,
    };
    let (code, message) = (columns.take::<Option<String>>()?, columns.take::<Option<String>>()?);
    run.error = code.map(|code| Failure { code, message: message.unwrap_or_default() });
    let (input, output) = (columns.take::<Option<i64>>()?, columns.take::<Option<i64>>()?);
    run.usage = input.zip(output).map(|(input, output)| usage(input, output)).transpose()?;
    run.created_at = columns.take()?;
    run.started_at = columns.take()?;
    run.finished_at = columns.take()?;
    Ok(run)
}

fn usage(input: i64, output: i64) -> Result<Usage> {
    let count = |value: i64| u64::try_from(value).map_err(Error::internal);
    Ok(Usage { input_tokens: count(input)?, output_tokens: count(output)? })
}

/// Adds a run.
///
/// # Errors
/// `run_in_progress` if the thread has one under way.
pub async fn insert(tx: &mut Tx, run: &Run) -> Result<()> {
    let params = params![
        run.id,
        run.thread_id,
        run.input_message_id,
        run.agent_id,
        run.model.as_str(),
        run.status.as_str(),
        run.created_at,
        run.started_at
    ];
    tx.execute(&sql::INSERT, &params).await.map(drop)
}

/// One run.
///
/// # Errors
/// What the engine says.
pub async fn get(store: &Store, id: RunId) -> Result<Option<Run>> {
    store.query_one(&sql::GET, &params![id], read).await
}

/// All runs that are queued or under way.
///
/// # Errors
/// What the engine says.
pub async fn active(store: &Store) -> Result<Vec<Run>> {
    store.query(&sql::ACTIVE, &[], read).await
}

/// The run that a thread has under way, as the transaction sees it.
///
/// # Errors
/// What the engine says.
pub async fn active_of_thread(tx: &mut Tx, thread: ThreadId) -> Result<Option<Run>> {
    tx.query_one(&sql::ACTIVE_OF_THREAD, &params![thread], read).await
}

/// The run that a thread has under way.
///
/// # Errors
/// What the engine says.
pub async fn active_of(store: &Store, thread: ThreadId) -> Result<Option<Run>> {
    store.query_one(&sql::ACTIVE_OF_THREAD, &params![thread], read).await
}

/// The runs of a thread that were accepted at `from` or later, in order.
///
/// # Errors
/// What the engine says.
pub async fn of_thread_from(store: &Store, thread: ThreadId, from: Timestamp) -> Result<Vec<Run>> {
    store.query(&sql::OF_THREAD_FROM, &params![thread, from], read).await
}

/// The newest run of a thread, as the transaction sees it.
///
/// # Errors
/// What the engine says.
pub async fn latest_of_thread(tx: &mut Tx, thread: ThreadId) -> Result<Option<Run>> {
    tx.query_one(&sql::LATEST_OF_THREAD, &params![thread], read).await
}

/// Notes that a queued run begins, when the batch is written.
pub fn start_with(batch: &mut Batch, id: RunId, now: Timestamp) {
    batch.write(&sql::START, params![now, id]);
}

/// Notes how a run ended, when the batch is written.
pub fn finish_with(batch: &mut Batch, id: RunId, outcome: &Outcome, usage: Option<Usage>, now: Timestamp) {
    let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let failure = outcome.failure();
    batch.write(
        &sql::FINISH,
        [
            Value::from(outcome.status().as_str()),
            Value::from(failure.map(|failure| failure.code.clone())),
            Value::from(failure.map(|failure| failure.message.clone())),
            Value::from(usage.map(|usage| count(usage.input_tokens))),
            Value::from(usage.map(|usage| count(usage.output_tokens))),
            Value::from(now),
            Value::from(id),
        ],
    );
}

/// Notes that something happened in a thread, when the batch is written.
pub fn touch_thread_with(batch: &mut Batch, thread: ThreadId, now: Timestamp) {
    batch.write(&crate::thread::sql::TOUCH, params![now, thread]);
}

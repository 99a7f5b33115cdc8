//! Runs in storage.

use jiff::Timestamp;
use retinue_model::id::{RunId, ThreadId};
use retinue_model::run::{Failure, Outcome, Run, Status, Usage};
use retinue_model::usage::Taken;
use retinue_model::{Error, Result};

use crate::batch::Batch;
use crate::budget::{self, Reservation};
use crate::fault;
use crate::row::Row;
use crate::statement::statements;
use crate::value::{Value, params};
use crate::{Pen, Scope, Store, System, usage};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO runs (id, thread_id, organization_id, input_message_id, agent_id, agent_version, api_key_id, model, status, position, \
            created_at, started_at) \
            VALUES ($1, $2, (SELECT organization_id FROM threads WHERE id = $2 AND owner_user_id = $3), $4, $5, $6, $7, $8, $9, \
            (SELECT COALESCE(MAX(position), 0) + 1 FROM runs WHERE thread_id = $2), $10, $11) \
            ON CONFLICT (id) DO NOTHING";
        GET = "SELECT r.id, r.thread_id, r.input_message_id, r.agent_id, r.agent_version, r.api_key_id, r.model, r.status, r.error_code, r.error_message, \
            r.input_tokens, r.output_tokens, r.created_at, r.started_at, r.finished_at FROM runs r JOIN threads t ON t.id = r.thread_id WHERE r.id = $1 AND t.owner_user_id = $2";
        ACTIVE = "SELECT r.id, r.thread_id, r.input_message_id, r.agent_id, r.agent_version, r.api_key_id, r.model, r.status, r.error_code, r.error_message, \
            r.input_tokens, r.output_tokens, r.created_at, r.started_at, r.finished_at, \
            t.organization_id, t.owner_user_id FROM runs r JOIN threads t ON t.id = r.thread_id \
            WHERE r.status IN ('queued', 'running')";
        ACTIVE_OF_THREAD = "SELECT r.id, r.thread_id, r.input_message_id, r.agent_id, r.agent_version, r.api_key_id, r.model, r.status, r.error_code, r.error_message, \
            r.input_tokens, r.output_tokens, r.created_at, r.started_at, r.finished_at \
            FROM runs r JOIN threads t ON t.id = r.thread_id \
            WHERE t.id = $1 AND t.owner_user_id = $2 AND r.status IN ('queued', 'running')";
        OF_INPUTS = "SELECT r.id, r.thread_id, r.input_message_id, r.agent_id, r.agent_version, r.api_key_id, r.model, r.status, r.error_code, r.error_message, \
            r.input_tokens, r.output_tokens, r.created_at, r.started_at, r.finished_at, a.content \
            FROM threads t JOIN messages m ON m.thread_id = t.id JOIN runs r ON r.input_message_id = m.id \
            LEFT JOIN messages a ON a.run_id = r.id \
            WHERE t.id = $1 AND t.owner_user_id = $2 AND m.position >= $3 AND m.position <= $4 AND m.role = 'user' \
            AND r.position > (SELECT MAX(position) FROM runs WHERE input_message_id = m.id) - $5 ORDER BY r.position";
        INSTRUCTIONS = "SELECT v.instructions FROM runs r JOIN threads t ON t.id = r.thread_id \
            JOIN agent_versions v ON v.agent_id = r.agent_id AND v.version = r.agent_version \
            WHERE r.id = $1 AND t.owner_user_id = $2";
        REQUIRE_LATEST = "UPDATE threads SET updated_at = $1 WHERE id = $2 AND owner_user_id = $3 \
            AND (SELECT id FROM runs WHERE thread_id = $2 ORDER BY position DESC LIMIT 1) IN ($4, $5)";
        START = "UPDATE runs SET status = 'running', started_at = $1 WHERE id = $2 \
            AND (status = 'queued' OR (status = 'running' AND started_at = $1)) \
            AND EXISTS (SELECT 1 FROM threads WHERE id = runs.thread_id AND owner_user_id = $3)";
        FINISH = "UPDATE runs SET status = $1, error_code = $2, error_message = $3, input_tokens = $4, \
            output_tokens = $5, finished_at = $6 WHERE id = $7 \
            AND (status IN ('queued', 'running') OR (status = $1 AND finished_at = $6)) \
            AND EXISTS (SELECT 1 FROM threads WHERE id = runs.thread_id AND owner_user_id = $8)";
    }
}

/// How many columns [`read`] takes.
const COLUMNS: usize = 15;

fn read(row: &Row<'_>) -> Result<Run> {
    let mut columns = row.columns();
    let mut run = Run {
        id: columns.take()?,
        thread_id: columns.take()?,
        input_message_id: columns.take()?,
        agent_id: columns.take()?,
        agent_version: columns.take()?,
        api_key_id: columns.take()?,
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
    run.usage = input.zip(output).map(|(input, output)| counted(input, output)).transpose()?;
    run.created_at = columns.take()?;
    run.started_at = columns.take()?;
    run.finished_at = columns.take()?;
    Ok(run)
}

fn counted(input: i64, output: i64) -> Result<Usage> {
    let count = |value: i64| u64::try_from(value).map_err(Error::internal);
    Ok(Usage { input_tokens: count(input)?, output_tokens: count(output)? })
}

/// A run with what it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The run.
    pub run: Run,
    /// Its message, if it has ended and said anything.
    pub answer: Option<String>,
}

fn read_answered(row: &Row<'_>) -> Result<Answered> {
    Ok(Answered { run: read(row)?, answer: row.columns().skip(COLUMNS).take()? })
}

/// Adds a run, when the batch is written. Requires that its thread has none under way: `run_in_progress`; and, if a
/// reservation is to be made, that something is left of each budget: `user_budget_spent`, `team_budget_spent`. Gives the right
/// to write its events.
pub fn insert_with(scope: &Scope, batch: &mut Batch, run: &Run, reservation: Option<&Reservation>) -> Pen {
    let pen = Pen::of(*scope, run.id);
    if let Some(reservation) = reservation {
        budget::admit_with(&pen, batch, reservation, run.created_at);
    }
    batch.write(
        &sql::INSERT,
        params![
            run.id,
            run.thread_id,
            scope.owner(),
            run.input_message_id,
            run.agent_id,
            run.agent_version,
            run.api_key_id,
            run.model.clone(),
            run.status.as_str(),
            run.created_at,
            run.started_at
        ],
    );
    if let Some(reservation) = reservation {
        budget::reserve_with(&pen, batch, reservation);
    }
    pen
}

/// Why a thread takes no other run at the moment.
#[must_use]
pub fn in_progress() -> Error {
    Error::conflict("run_in_progress", fault::RUN_IN_PROGRESS)
}

/// Requires that a thread's newest run is `earlier`, whose message `next` shall answer anew, when the batch is written:
/// `not_the_latest_run`.
pub fn require_latest_with(scope: &Scope, batch: &mut Batch, next: &Run, earlier: RunId) {
    let params = params![next.created_at, next.thread_id, scope.owner(), earlier, next.id];
    batch.require(&sql::REQUIRE_LATEST, params, || {
        Error::conflict(
            "not_the_latest_run",
            "Only the newest answer of a conversation can be tried again. Reload to see what came after it.",
        )
    });
}

/// One run.
///
/// # Errors
/// What the engine says.
pub async fn get(scope: &Scope, store: &Store, id: RunId) -> Result<Option<Run>> {
    store.query_one(&sql::GET, &params![id, scope.owner()], read).await
}

/// All runs that are queued or under way, with the right to end them.
///
/// # Errors
/// What the engine says.
pub async fn active(_: &System, store: &Store) -> Result<Vec<(Run, Pen)>> {
    store
        .query(&sql::ACTIVE, &[], |row| {
            let run = read(row)?;
            let mut columns = row.columns().skip(COLUMNS);
            let scope = Scope::of_row(columns.take()?, columns.take()?);
            let pen = Pen::of(scope, run.id);
            Ok((run, pen))
        })
        .await
}

/// What the agent of a run was told before the conversation; nothing if that version is not known any more.
///
/// # Errors
/// What the engine says.
pub async fn instructions(pen: &Pen, store: &Store) -> Result<Option<String>> {
    store.query_one(&sql::INSTRUCTIONS, &params![pen.run(), pen.scope().owner()], |row| row.columns().take()).await
}

/// The run that a thread has under way.
///
/// # Errors
/// What the engine says.
pub async fn active_of(scope: &Scope, store: &Store, thread: ThreadId) -> Result<Option<Run>> {
    store.query_one(&sql::ACTIVE_OF_THREAD, &params![thread, scope.owner()], read).await
}

/// The right to end a run that was found.
///
/// # Errors
/// What the engine says.
pub async fn pen(scope: &Scope, store: &Store, id: RunId) -> Result<Option<Pen>> {
    Ok(get(scope, store, id).await?.map(|run| Pen::of(*scope, run.id)))
}

/// The runs that answer what people said at the positions `first` to `last`, in order, at most `newest` of each.
///
/// # Errors
/// What the engine says.
pub async fn of_inputs(
    scope: &Scope,
    store: &Store,
    thread: ThreadId,
    range: (i64, i64),
    newest: i64,
) -> Result<Vec<Answered>> {
    store.query(&sql::OF_INPUTS, &params![thread, scope.owner(), range.0, range.1, newest], read_answered).await
}

/// Notes that a queued run begins, when the batch is written. Requires that it is still to begin: `run_ended`.
pub fn start_with(pen: &Pen, batch: &mut Batch, now: Timestamp) {
    batch.require(&sql::START, params![now, pen.run(), pen.scope().owner()], ended);
}

/// Notes how a run ended and counts what it took, when the batch is written. `usage` is what the model's server said.
/// Requires that it has not ended otherwise: `run_ended`.
pub fn finish_with(
    pen: &Pen,
    batch: &mut Batch,
    (outcome, usage, taken): (&Outcome, Option<Usage>, Taken),
    now: Timestamp,
) {
    usage::settle_with(pen, batch, taken, now);
    let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let failure = outcome.failure();
    batch.require(
        &sql::FINISH,
        [
            Value::from(outcome.status().as_str()),
            Value::from(failure.map(|failure| failure.code.clone())),
            Value::from(failure.map(|failure| failure.message.clone())),
            Value::from(usage.map(|usage| count(usage.input_tokens))),
            Value::from(usage.map(|usage| count(usage.output_tokens))),
            Value::from(now),
            Value::from(pen.run()),
            Value::from(pen.scope().owner()),
        ],
        ended,
    );
}

/// Whether this says that a run has ended otherwise, or is gone with its thread.
#[must_use]
pub fn has_ended(error: &Error) -> bool {
    error.code() == fault::ENDED
}

/// What comes too late to a run.
#[must_use]
pub fn ended() -> Error {
    fault::gone()
}

//! Threads in storage.

use jiff::Timestamp;
use retinue_model::Result;
use retinue_model::id::{AgentId, ThreadId};
use retinue_model::thread::Thread;

use crate::row::Row;
use crate::statement::statements;
use crate::value::params;
use crate::{Store, Tx};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO threads (id, title, agent_id, model, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)";
        GET = "SELECT id, title, agent_id, model, created_at, updated_at FROM threads WHERE id = $1";
        LIST_FIRST = "SELECT id, title, agent_id, model, created_at, updated_at FROM threads \
            ORDER BY updated_at DESC, id DESC LIMIT $1";
        LIST_AFTER = "SELECT id, title, agent_id, model, created_at, updated_at FROM threads \
            WHERE (updated_at, id) < ($1, $2) ORDER BY updated_at DESC, id DESC LIMIT $3";
        UPDATE = "UPDATE threads SET title = $1, agent_id = $2, model = $3, updated_at = $4 WHERE id = $5";
        TOUCH = "UPDATE threads SET updated_at = $1 WHERE id = $2";
        DELETE = "DELETE FROM threads WHERE id = $1";
        COUNT_MESSAGES = "SELECT COUNT(*) FROM messages WHERE thread_id = $1";
        COUNT_RUNS = "SELECT COUNT(*) FROM runs WHERE thread_id = $1";
    }
}

/// A place in a list of threads: everything after it is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last thread's time of change.
    pub updated_at: Timestamp,
    /// The last thread.
    pub id: ThreadId,
}

/// How many columns [`read`] takes.
pub(crate) const COLUMNS: usize = 6;

pub(crate) fn read(row: &Row<'_>) -> Result<Thread> {
    let mut columns = row.columns();
    Ok(Thread {
        id: columns.take()?,
        title: columns.take()?,
        agent_id: columns.take::<AgentId>()?,
        model: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

/// Adds a thread.
///
/// # Errors
/// What the engine says.
pub async fn insert(tx: &mut Tx, thread: &Thread) -> Result<()> {
    let params = params![
        thread.id,
        thread.title.as_deref(),
        thread.agent_id,
        thread.model.as_deref(),
        thread.created_at,
        thread.updated_at
    ];
    tx.execute(&sql::INSERT, &params).await.map(drop)
}

/// One thread.
///
/// # Errors
/// What the engine says.
pub async fn get(store: &Store, id: ThreadId) -> Result<Option<Thread>> {
    store.query_one(&sql::GET, &params![id], read).await
}

/// One thread as the transaction sees it.
///
/// # Errors
/// What the engine says.
pub async fn get_in(tx: &mut Tx, id: ThreadId) -> Result<Option<Thread>> {
    tx.query_one(&sql::GET, &params![id], read).await
}

/// Threads, the last changed first, from the beginning or after a place.
///
/// # Errors
/// What the engine says.
pub async fn list(store: &Store, after: Option<Place>, limit: i64) -> Result<Vec<Thread>> {
    match after {
        None => store.query(&sql::LIST_FIRST, &params![limit], read).await,
        Some(place) => store.query(&sql::LIST_AFTER, &params![place.updated_at, place.id, limit], read).await,
    }
}

/// Writes what may change of a thread. False if there is none.
///
/// # Errors
/// What the engine says.
pub async fn update(tx: &mut Tx, thread: &Thread) -> Result<bool> {
    let params =
        params![thread.title.as_deref(), thread.agent_id, thread.model.as_deref(), thread.updated_at, thread.id];
    Ok(tx.execute(&sql::UPDATE, &params).await? > 0)
}

/// Notes that something happened in a thread, and keeps others from writing to it until the transaction ends. False if
/// there is none.
///
/// # Errors
/// What the engine says.
pub async fn touch(tx: &mut Tx, id: ThreadId, now: Timestamp) -> Result<bool> {
    Ok(tx.execute(&sql::TOUCH, &params![now, id]).await? > 0)
}

/// Deletes a thread with its messages, runs and events. False if there is none.
///
/// # Errors
/// What the engine says.
pub async fn delete(tx: &mut Tx, id: ThreadId) -> Result<bool> {
    Ok(tx.execute(&sql::DELETE, &params![id]).await? > 0)
}

/// How many messages and runs would go with a thread.
///
/// # Errors
/// What the engine says.
pub async fn count_contents(store: &Store, id: ThreadId) -> Result<(i64, i64)> {
    let messages = store.query_one(&sql::COUNT_MESSAGES, &params![id], |row| row.columns().take()).await?;
    let runs = store.query_one(&sql::COUNT_RUNS, &params![id], |row| row.columns().take()).await?;
    Ok((messages.unwrap_or(0), runs.unwrap_or(0)))
}

//! Messages in storage.

use retinue_model::Result;
use retinue_model::id::{MessageId, ThreadId};
use retinue_model::message::{Message, Role};

use crate::Store;
use crate::batch::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::params;

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO messages (id, thread_id, run_id, role, content, position, created_at) \
            VALUES ($1, $2, $3, $4, $5, (SELECT COALESCE(MAX(position), 0) + 1 FROM messages WHERE thread_id = $2), $6) \
            ON CONFLICT (id) DO NOTHING";
        GET = "SELECT position, id, thread_id, run_id, role, content, created_at FROM messages WHERE id = $1";
        LIST = "SELECT position, id, thread_id, run_id, role, content, created_at FROM messages \
            WHERE thread_id = $1 AND position > $2 ORDER BY position LIMIT $3";
        LIST_BACK = "SELECT position, id, thread_id, run_id, role, content, created_at FROM messages \
            WHERE thread_id = $1 AND position < $2 ORDER BY position DESC LIMIT $3";
        INPUTS_BACK = "SELECT position, id, thread_id, run_id, role, content, created_at FROM messages \
            WHERE thread_id = $1 AND position < $2 AND role = 'user' ORDER BY position DESC LIMIT $3";
        IS_LAST_INPUT = "SELECT COUNT(*) FROM (SELECT 1 FROM messages \
            WHERE thread_id = $1 AND position > $2 AND role = 'user' LIMIT 1) later";
    }
}

/// A message and where it stands in its thread: 1, 2, 3…
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Where it stands.
    pub position: i64,
    /// What was said.
    pub message: Message,
}

fn read(row: &Row<'_>) -> Result<Placed> {
    let mut columns = row.columns();
    Ok(Placed {
        position: columns.take()?,
        message: Message {
            id: columns.take()?,
            thread_id: columns.take()?,
            run_id: columns.take()?,
            role: columns.take::<String>()?.parse::<Role>()?,
            content: columns.take()?,
            created_at: columns.take()?,
        },
    })
}

/// Adds a message at the end of its thread, when the batch is written.
pub fn insert_with(batch: &mut Batch, message: &Message) {
    batch.write(
        &sql::INSERT,
        params![
            message.id,
            message.thread_id,
            message.run_id,
            message.role.as_str(),
            message.content.clone(),
            message.created_at
        ],
    );
}

/// One message.
///
/// # Errors
/// What the engine says.
pub async fn get(store: &Store, id: MessageId) -> Result<Option<Placed>> {
    store.query_one(&sql::GET, &params![id], read).await
}

/// What was said in a thread after a position (0 for the beginning), in order.
///
/// # Errors
/// What the engine says.
pub async fn list(store: &Store, thread: ThreadId, after: i64, limit: i64) -> Result<Vec<Placed>> {
    store.query(&sql::LIST, &params![thread, after, limit], read).await
}

/// What was said in a thread before a position (`i64::MAX` for the end), newest first.
///
/// # Errors
/// What the engine says.
pub async fn list_back(store: &Store, thread: ThreadId, before: i64, limit: i64) -> Result<Vec<Placed>> {
    store.query(&sql::LIST_BACK, &params![thread, before, limit], read).await
}

/// What people said in a thread before a position (`i64::MAX` for the end), newest first.
///
/// # Errors
/// What the engine says.
pub async fn inputs_back(store: &Store, thread: ThreadId, before: i64, limit: i64) -> Result<Vec<Placed>> {
    store.query(&sql::INPUTS_BACK, &params![thread, before, limit], read).await
}

/// Whether nobody said anything in a thread after a position.
///
/// # Errors
/// What the engine says.
pub async fn is_last_input(store: &Store, thread: ThreadId, position: i64) -> Result<bool> {
    let later: Option<i64> =
        store.query_one(&sql::IS_LAST_INPUT, &params![thread, position], |row| row.columns().take()).await?;
    Ok(later == Some(0))
}

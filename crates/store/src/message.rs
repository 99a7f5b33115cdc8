//! Messages in storage.

use retinue_model::Result;
use retinue_model::id::{MessageId, ThreadId};
use retinue_model::message::{Message, Role};

use crate::batch::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::params;
use crate::{Scope, Store};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO messages (id, thread_id, organization_id, run_id, role, content, position, created_at) \
            VALUES ($1, $2, (SELECT organization_id FROM threads WHERE id = $2 AND owner_user_id = $3), $4, $5, $6, \
            (SELECT COALESCE(MAX(position), 0) + 1 FROM messages WHERE thread_id = $2), $7) \
            ON CONFLICT (id) DO NOTHING";
        GET = "SELECT m.position, m.id, m.thread_id, m.run_id, m.role, m.content, m.created_at FROM messages m JOIN threads t ON t.id = m.thread_id \
            WHERE m.id = $1 AND t.owner_user_id = $2";
        LIST = "SELECT m.position, m.id, m.thread_id, m.run_id, m.role, m.content, m.created_at FROM threads t JOIN messages m ON m.thread_id = t.id \
            WHERE t.id = $1 AND t.owner_user_id = $2 AND m.position > $3 ORDER BY m.position LIMIT $4";
        LIST_BACK = "SELECT m.position, m.id, m.thread_id, m.run_id, m.role, m.content, m.created_at FROM threads t JOIN messages m ON m.thread_id = t.id \
            WHERE t.id = $1 AND t.owner_user_id = $2 AND m.position < $3 ORDER BY m.position DESC LIMIT $4";
        INPUTS_BACK = "SELECT m.position, m.id, m.thread_id, m.run_id, m.role, m.content, m.created_at FROM threads t JOIN messages m ON m.thread_id = t.id \
            WHERE t.id = $1 AND t.owner_user_id = $2 AND m.position < $3 AND m.role = 'user' \
            ORDER BY m.position DESC LIMIT $4";
        IS_LAST_INPUT = "SELECT COUNT(*) FROM (SELECT 1 FROM threads t JOIN messages m ON m.thread_id = t.id \
            WHERE t.id = $1 AND t.owner_user_id = $2 AND m.position > $3 AND m.role = 'user' LIMIT 1) later";
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
pub fn insert_with(scope: &Scope, batch: &mut Batch, message: &Message) {
    batch.write(
        &sql::INSERT,
        params![
            message.id,
            message.thread_id,
            scope.owner(),
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
pub async fn get(scope: &Scope, store: &Store, id: MessageId) -> Result<Option<Placed>> {
    store.query_one(&sql::GET, &params![id, scope.owner()], read).await
}

/// What was said in a thread after a position (0 for the beginning), in order.
///
/// # Errors
/// What the engine says.
pub async fn list(scope: &Scope, store: &Store, thread: ThreadId, after: i64, limit: i64) -> Result<Vec<Placed>> {
    store.query(&sql::LIST, &params![thread, scope.owner(), after, limit], read).await
}

/// What was said in a thread before a position (`i64::MAX` for the end), newest first.
///
/// # Errors
/// What the engine says.
pub async fn list_back(scope: &Scope, store: &Store, thread: ThreadId, before: i64, limit: i64) -> Result<Vec<Placed>> {
    store.query(&sql::LIST_BACK, &params![thread, scope.owner(), before, limit], read).await
}

/// What people said in a thread before a position (`i64::MAX` for the end), newest first.
///
/// # Errors
/// What the engine says.
pub async fn inputs_back(
    scope: &Scope,
    store: &Store,
    thread: ThreadId,
    before: i64,
    limit: i64,
) -> Result<Vec<Placed>> {
    store.query(&sql::INPUTS_BACK, &params![thread, scope.owner(), before, limit], read).await
}

/// Whether nobody said anything in a thread after a position.
///
/// # Errors
/// What the engine says.
pub async fn is_last_input(scope: &Scope, store: &Store, thread: ThreadId, position: i64) -> Result<bool> {
    let later: Option<i64> = store
        .query_one(&sql::IS_LAST_INPUT, &params![thread, scope.owner(), position], |row| row.columns().take())
        .await?;
    Ok(later == Some(0))
}

//! Threads in storage.

use jiff::Timestamp;
use retinue_model::id::{AgentId, ThreadId};
use retinue_model::provider::Choice;
use retinue_model::text::Title;
use retinue_model::thread::{Change, Thread};
use retinue_model::{Error, Result, TeamId, UserId};

use crate::batch::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::params;
use crate::{Scope, Store, Tenant, user};

pub(crate) mod sql {
    super::statements! {
        // Nobody who is shut out begins one. The same once more changes nothing.
        INSERT = "INSERT INTO threads (id, organization_id, owner_user_id, team_id, title, agent_id, model, created_at, updated_at) \
            SELECT $1, $2, u.id, $3, $4, $5, $6, $7, $8 FROM users u WHERE u.id = $9 AND u.disabled_at IS NULL \
            ON CONFLICT (id) DO UPDATE SET id = excluded.id";
        GET = "SELECT id, team_id, title, agent_id, model, created_at, updated_at FROM threads WHERE id = $1 AND owner_user_id = $2";
        OWNER_OF = "SELECT owner_user_id FROM threads WHERE id = $1 AND organization_id = $2";
        LIST_FIRST = "SELECT id, team_id, title, agent_id, model, created_at, updated_at FROM threads \
            WHERE owner_user_id = $1 ORDER BY updated_at DESC, id DESC LIMIT $2";
        LIST_AFTER = "SELECT id, team_id, title, agent_id, model, created_at, updated_at FROM threads \
            WHERE owner_user_id = $1 AND (updated_at, id) < ($2, $3) ORDER BY updated_at DESC, id DESC LIMIT $4";
        CHANGE = "UPDATE threads SET title = COALESCE($1, title), agent_id = COALESCE($2, agent_id), \
            model = CASE WHEN CAST($3 AS BIGINT) = 1 THEN $4 ELSE model END, updated_at = $5 \
            WHERE id = $6 AND owner_user_id = $7";
        NAME = "UPDATE threads SET title = $1 WHERE id = $2 AND owner_user_id = $3 AND title IS NULL";
        TOUCH = "UPDATE threads SET updated_at = $1 WHERE id = $2 AND owner_user_id = $3";
        GO_ON = "UPDATE threads SET updated_at = $1 WHERE id = $2 AND owner_user_id = $3 \
            AND EXISTS (SELECT 1 FROM users u WHERE u.id = $3 AND u.disabled_at IS NULL)";
        COUNT_FOR = "UPDATE threads SET team_id = $1 WHERE id = $2 AND owner_user_id = $3";
        DELETE = "DELETE FROM threads WHERE id = $1 AND owner_user_id = $2";
        COUNT_MESSAGES = "SELECT COUNT(*) FROM messages m JOIN threads t ON t.id = m.thread_id \
            WHERE t.id = $1 AND t.owner_user_id = $2";
        COUNT_RUNS = "SELECT COUNT(*) FROM runs r JOIN threads t ON t.id = r.thread_id \
            WHERE t.id = $1 AND t.owner_user_id = $2";
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
pub(crate) const COLUMNS: usize = 7;

pub(crate) fn read(row: &Row<'_>) -> Result<Thread> {
    let mut columns = row.columns();
    Ok(Thread {
        id: columns.take()?,
        team_id: columns.take()?,
        title: columns.take()?,
        agent_id: columns.take::<AgentId>()?,
        model: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

fn missing() -> Error {
    Error::not_found("conversation")
}

/// Adds a thread, when the batch is written. Requires that its owner may come in: `user_disabled`.
pub fn insert_with(scope: &Scope, batch: &mut Batch, thread: &Thread) {
    batch.require(
        &sql::INSERT,
        params![
            thread.id,
            scope.organization(),
            thread.team_id,
            thread.title.clone(),
            thread.agent_id,
            thread.model.clone(),
            thread.created_at,
            thread.updated_at,
            scope.owner()
        ],
        user::disabled,
    );
}

/// One thread.
///
/// # Errors
/// What the engine says.
pub async fn get(scope: &Scope, store: &Store, id: ThreadId) -> Result<Option<Thread>> {
    store.query_one(&sql::GET, &params![id, scope.owner()], read).await
}

/// Whose a thread is, for whoever decides about it. Nothing of what it says.
///
/// # Errors
/// What the engine says.
pub async fn owner_of(tenant: &Tenant, store: &Store, id: ThreadId) -> Result<Option<UserId>> {
    store.query_one(&sql::OWNER_OF, &params![id, tenant.id()], |row| row.columns().take()).await
}

/// Threads, the last changed first, from the beginning or after a place.
///
/// # Errors
/// What the engine says.
pub async fn list(scope: &Scope, store: &Store, after: Option<Place>, limit: i64) -> Result<Vec<Thread>> {
    match after {
        None => store.query(&sql::LIST_FIRST, &params![scope.owner(), limit], read).await,
        Some(place) => {
            let params = params![scope.owner(), place.updated_at, place.id, limit];
            store.query(&sql::LIST_AFTER, &params, read).await
        }
    }
}

/// Changes a thread, when the batch is written. Requires that there is one: `not_found`.
pub fn change_with(scope: &Scope, batch: &mut Batch, id: ThreadId, change: &Change, now: Timestamp) {
    let title = change.title.clone().map(String::from);
    let chooses = i64::from(change.model != Choice::Unchanged);
    let model = change.model.name().map(str::to_owned);
    batch.require(&sql::CHANGE, params![title, change.agent_id, chooses, model, now, id, scope.owner()], missing);
}

/// Names a thread that nobody has named, when the batch is written.
pub fn name_with(scope: &Scope, batch: &mut Batch, id: ThreadId, title: Title) {
    batch.write(&sql::NAME, params![String::from(title), id, scope.owner()]);
}

/// Notes that somebody goes on with a thread, when the batch is written. Requires that there is one, and that its owner may come
/// in: `not_found`.
pub fn go_on_with(scope: &Scope, batch: &mut Batch, id: ThreadId, now: Timestamp) {
    batch.require(&sql::GO_ON, params![now, id, scope.owner()], missing);
}

/// Makes a thread count for another team, when the batch is written. Requires that there is one: `not_found`.
pub fn count_for_with(scope: &Scope, batch: &mut Batch, id: ThreadId, team: TeamId) {
    batch.require(&sql::COUNT_FOR, params![team, id, scope.owner()], missing);
}

/// Notes that something happened in a thread, when the batch is written. Requires that there is one: `not_found`.
pub fn touch_with(scope: &Scope, batch: &mut Batch, id: ThreadId, now: Timestamp) {
    batch.require(&sql::TOUCH, params![now, id, scope.owner()], missing);
}

/// Deletes a thread with its messages, runs and events, when the batch is written. Requires that there is one:
/// `not_found`.
pub fn delete_with(scope: &Scope, batch: &mut Batch, id: ThreadId) {
    batch.require(&sql::DELETE, params![id, scope.owner()], missing);
}

/// How many messages and runs would go with a thread.
///
/// # Errors
/// What the engine says.
pub async fn count_contents(scope: &Scope, store: &Store, id: ThreadId) -> Result<(i64, i64)> {
    let messages =
        store.query_one(&sql::COUNT_MESSAGES, &params![id, scope.owner()], |row| row.columns().take()).await?;
    let runs = store.query_one(&sql::COUNT_RUNS, &params![id, scope.owner()], |row| row.columns().take()).await?;
    Ok((messages.unwrap_or(0), runs.unwrap_or(0)))
}

//! Full-text search, for which the engines have no common words.

use jiff::Timestamp;
use retinue_model::text::Search;
use retinue_model::thread::Thread;
use retinue_model::{Result, ThreadId};

use crate::row::Row;
use crate::statement::statements;
use crate::thread::{self, Place};
use crate::value::params;
use crate::{Engine, Scope, Store};

pub(crate) mod sql {
    super::statements! {
        THREADS = sqlite "WITH hits (thread_id, position) AS ( \
                SELECT m.thread_id, m.position FROM message_search s JOIN messages m ON m.number = s.rowid \
                JOIN threads t ON t.id = m.thread_id WHERE s.message_search MATCH $1 AND t.owner_user_id = $2 \
                UNION ALL \
                SELECT t.id, NULL FROM thread_search s JOIN threads t ON t.number = s.rowid \
                WHERE s.thread_search MATCH $1 AND t.owner_user_id = $2) \
            SELECT t.id, t.team_id, t.title, t.agent_id, t.model, t.created_at, t.updated_at, \
                (SELECT substr(content, 1, 20000) FROM messages WHERE thread_id = t.id AND position = f.position) \
            FROM (SELECT thread_id, MAX(position) AS position FROM hits GROUP BY thread_id) f \
            JOIN threads t ON t.id = f.thread_id \
            WHERE (t.updated_at, t.id) < ($3, $4) \
            ORDER BY t.updated_at DESC, t.id DESC LIMIT $5"
        postgres "WITH hits (thread_id, position) AS ( \
                SELECT m.thread_id, m.position FROM messages m JOIN threads t ON t.id = m.thread_id \
                WHERE m.search @@ to_tsquery('simple', $1) AND t.owner_user_id = $2 \
                UNION ALL \
                SELECT id, NULL FROM threads WHERE search @@ to_tsquery('simple', $1) AND owner_user_id = $2) \
            SELECT t.id, t.team_id, t.title, t.agent_id, t.model, t.created_at, t.updated_at, \
                (SELECT substr(content, 1, 20000) FROM messages WHERE thread_id = t.id AND position = f.position) \
            FROM (SELECT thread_id, MAX(position) AS position FROM hits GROUP BY thread_id) f \
            JOIN threads t ON t.id = f.thread_id \
            WHERE (t.updated_at, t.id) < ($3, $4) \
            ORDER BY t.updated_at DESC, t.id DESC LIMIT $5";
    }
}

/// A thread that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The thread.
    pub thread: Thread,
    /// The beginning of the newest message in it that has all the words; none if only the title has.
    pub message: Option<String>,
}

fn read(row: &Row<'_>) -> Result<Hit> {
    // The thread's own columns come first, in its own order.
    Ok(Hit { thread: thread::read(row)?, message: row.columns().skip(thread::COLUMNS).take()? })
}

/// Threads whose title has all the words, or one of whose messages has; the last word may be the beginning of one. The
/// last changed first, after a place.
///
/// # Errors
/// What the engine says.
pub async fn threads(
    scope: &Scope,
    store: &Store,
    search: &Search,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Hit>> {
    let after = after.unwrap_or(Place { updated_at: LATEST, id: ThreadId::new(uuid::Uuid::max()) });
    let query = match store.engine {
        Engine::Sqlite(_) => sqlite_query(search),
        Engine::Postgres(_) => postgres_query(search),
    };
    store.query_long(&sql::THREADS, params![query, scope.owner(), after.updated_at, after.id, limit].into(), read).await
}

/// Later than any time that is stored (year 2999: PostgreSQL and SQLite both hold it).
const LATEST: Timestamp = Timestamp::constant(32_472_144_000, 0);

/// FTS5: a quoted word is only a word, whatever it spells.
fn sqlite_query(search: &Search) -> String {
    let words: Vec<_> = search.words().iter().map(|word| format!("\"{word}\"")).collect();
    format!("{}*", words.join(" AND "))
}

fn postgres_query(search: &Search) -> String {
    let words: Vec<_> = search.words().iter().map(|word| format!("'{word}'")).collect();
    format!("{}:*", words.join(" & "))
}

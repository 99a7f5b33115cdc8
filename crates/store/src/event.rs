//! Events in storage. They are only ever added; deleting their thread takes them away.

use retinue_model::event::{Event, Name};
use retinue_model::{Result, RunId};

use crate::row::Row;
use crate::statement::statements;
use crate::value::{Value, params};
use crate::{Scope, Store};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO events (run_id, seq, name, data, created_at) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (run_id, seq) DO NOTHING";
        LIST = "SELECT run_id, seq, name, data, created_at FROM events WHERE run_id = $1 AND EXISTS (SELECT 1 FROM runs r \
            JOIN threads t ON t.id = r.thread_id WHERE r.id = $1 AND t.owner_user_id = $2) \
            AND seq > $3 ORDER BY seq LIMIT $4";
        LAST = "SELECT run_id, seq, name, data, created_at FROM events WHERE run_id = $1 AND EXISTS (SELECT 1 FROM runs r \
            JOIN threads t ON t.id = r.thread_id WHERE r.id = $1 AND t.owner_user_id = $2) \
            ORDER BY seq DESC LIMIT 1";
    }
}

/// The same for many rows at once, which SQLite has no need of.
pub(crate) const INSERT_MANY_POSTGRES: &str = "INSERT INTO events (run_id, seq, name, data, created_at) \
    SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[]) \
    ON CONFLICT (run_id, seq) DO NOTHING";

fn read(row: &Row<'_>) -> Result<Event> {
    let mut columns = row.columns();
    Ok(Event {
        run_id: columns.take()?,
        seq: columns.take()?,
        name: columns.take::<String>()?.parse::<Name>()?,
        data: columns.take::<String>()?.into(),
        created_at: columns.take()?,
    })
}

pub(crate) fn params(event: &Event) -> [Value<'_>; 5] {
    params![event.run_id, event.seq, event.name.as_str(), &*event.data, event.created_at]
}

/// The events of a run after number `after` (0 for all), in order.
///
/// # Errors
/// What the engine says.
pub async fn list(scope: &Scope, store: &Store, run: RunId, after: i64, limit: i64) -> Result<Vec<Event>> {
    store.query(&sql::LIST, &params![run, scope.owner(), after, limit], read).await
}

/// The last event of a run, if it has any.
///
/// # Errors
/// What the engine says.
pub async fn last(scope: &Scope, store: &Store, run: RunId) -> Result<Vec<Event>> {
    store.query(&sql::LAST, &params![run, scope.owner()], read).await
}

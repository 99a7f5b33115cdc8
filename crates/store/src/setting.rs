//! What the configuration said when the server last started, in storage.

use retinue_model::Result;

use crate::batch::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::params;
use crate::{Store, System, Tenant};

pub(crate) mod sql {
    super::statements! {
        LIST = "SELECT name, value FROM settings WHERE organization_id = $1 ORDER BY name";
        PUT = "INSERT INTO settings (organization_id, name, value) VALUES ($1, $2, $3) \
            ON CONFLICT (organization_id, name) DO UPDATE SET value = excluded.value";
        REMOVE = "DELETE FROM settings WHERE organization_id = $1 AND name = $2";
    }
}

/// All of them, by name.
///
/// # Errors
/// What the engine says.
pub async fn list(_: &System, tenant: &Tenant, store: &Store) -> Result<Vec<(String, String)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    };
    store.query(&sql::LIST, &params![tenant.id()], read).await
}

/// Keeps what one says, when the batch is written; nothing if it is not set any more.
pub fn put_with(_: &System, batch: &mut Batch, tenant: &Tenant, (name, value): (String, Option<String>)) {
    match value {
        Some(value) => batch.write(&sql::PUT, params![tenant.id(), name, value]),
        None => batch.write(&sql::REMOVE, params![tenant.id(), name]),
    }
}

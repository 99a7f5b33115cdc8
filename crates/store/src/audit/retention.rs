//! Letting go of the trail's beginning.
//!
//! First is written how far it is let go of, with the hash there, so that what follows can still be verified, and with an
//! event that tells it. From then on the rows before that are gone for whoever verifies; they are deleted after it, some at
//! a time, and by whoever comes next if a crash comes in between.

use jiff::Timestamp;
use retinue_model::audit::AuditEvent;
use retinue_model::{Error, Result};

use super::record_with;
use crate::batch::Batch;
use crate::row::Row;
use crate::value::params;
use crate::{Store, System, Tenant};

pub(crate) mod sql {
    crate::statement::statements! {
        FORGOTTEN = "SELECT forgotten_seq FROM audit_heads WHERE organization_id = $1";
        AGES = "SELECT seq, at, hash FROM audit_events WHERE organization_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        // Two who want the same at once come one after the other: the second finds that it is done. If this is written
        // twice, its event is there.
        LET_GO = "UPDATE audit_heads SET forgotten_seq = $1, forgotten_hash = $2 WHERE organization_id = $3 AND seq >= $1 \
            AND (forgotten_seq = $4 OR (forgotten_seq = $1 AND EXISTS (SELECT 1 FROM audit_events WHERE id = $5)))";
        LEFT = "SELECT seq FROM audit_events WHERE organization_id = $1 \
            AND seq <= (SELECT forgotten_seq FROM audit_heads WHERE organization_id = $1) LIMIT 1";
        DELETE = "DELETE FROM audit_events WHERE organization_id = $1 AND seq <= (SELECT MAX(seq) FROM (SELECT seq \
            FROM audit_events WHERE organization_id = $1 \
            AND seq <= (SELECT forgotten_seq FROM audit_heads WHERE organization_id = $1) ORDER BY seq LIMIT $2) AS oldest)";
    }
}

/// Events that are looked at at once.
const PAGE: i64 = 1_000;

/// How much of the beginning is let go of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetGo {
    /// The last event before the beginning as it is now.
    pub after: i64,
    /// The last event that is let go of.
    pub through: i64,
    /// Its hash.
    pub hash: Vec<u8>,
    /// When the first of them was.
    pub from: Timestamp,
    /// When the last of them was.
    pub until: Timestamp,
}

impl LetGo {
    /// How many events.
    #[must_use]
    pub const fn events(&self) -> i64 {
        self.through - self.after
    }
}

/// The beginning of the trail in which each event is from before a time, if there is one: an event that says it is newer
/// keeps those that came after it too.
///
/// # Errors
/// What the engine says.
pub async fn oldest(_: &System, store: &Store, tenant: &Tenant, before: Timestamp) -> Result<Option<LetGo>> {
    let seq = |row: &Row<'_>| row.columns().take();
    let Some(after) = store.query_one(&sql::FORGOTTEN, &params![tenant.id()], seq).await? else { return Ok(None) };
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take::<i64>()?, columns.take::<Timestamp>()?, columns.take::<Vec<u8>>()?))
    };
    let mut found: Option<LetGo> = None;
    loop {
        let last = found.as_ref().map_or(after, |found| found.through);
        let page = store.query_long(&sql::AGES, params![tenant.id(), last, PAGE].into(), read).await?;
        let is_last = page.is_empty();
        for (through, at, hash) in page {
            if at >= before {
                return Ok(found);
            }
            let from = found.as_ref().map_or(at, |found| found.from);
            found = Some(LetGo { after, through, hash, from, until: at });
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// Lets go of the trail's beginning, and tells it, when the batch is written. Requires that nobody else did so meanwhile:
/// `audit_moved`.
pub fn let_go_with(_: &System, batch: &mut Batch, tenant: &Tenant, (what, event): (&LetGo, AuditEvent)) {
    let moved = || Error::conflict("audit_moved", "The audit trail changed meanwhile. Try again.");
    batch.require(&sql::LET_GO, params![what.through, what.hash.clone(), tenant.id(), what.after, event.id], moved);
    record_with(tenant, batch, event);
}

/// Whether there are still rows of what was let go of.
///
/// # Errors
/// What the engine says.
pub async fn has_left(_: &System, store: &Store, tenant: &Tenant) -> Result<bool> {
    let seq = |row: &Row<'_>| row.columns().take::<i64>();
    Ok(store.query_one(&sql::LEFT, &params![tenant.id()], seq).await?.is_some())
}

/// Deletes rows of what was let go of, the oldest of them and no more than these, when the batch is written.
pub fn delete_with(_: &System, batch: &mut Batch, tenant: &Tenant, most: i64) {
    batch.write(&sql::DELETE, params![tenant.id(), most]);
}

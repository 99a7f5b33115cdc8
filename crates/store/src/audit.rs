//! The audit trail in storage: each event in its place, chained to the one before by a hash.
//!
//! Events are part of the batch that does what they tell of. They get their places at the end of a transaction, where the
//! last place is held until it is committed: see [`crate::append`].

mod chain;
mod list;
mod place;
mod retention;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use retinue_model::audit::{AuditEvent, Recorded};
use retinue_model::{Error, OrganizationId, Result};

use crate::batch::Batch;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::{Value, params};
use crate::{Store, System, Tenant};

pub use chain::{Broken, Verified, verify};
pub(crate) use list::sql as list_sql;
pub use list::{By, Filter, list, of_oneself};
pub(crate) use place::{on_postgres, on_sqlite};
pub(crate) use retention::sql as retention_sql;
pub use retention::{LetGo, delete_with, has_left, let_go_with, oldest};

pub(crate) mod sql {
    super::statements! {
        HEAD = sqlite "SELECT seq, hash FROM audit_heads WHERE organization_id = $1"
            postgres "SELECT seq, hash FROM audit_heads WHERE organization_id = $1 FOR UPDATE";
        IS_THERE = "SELECT 1 FROM audit_events WHERE id = $1";
        INSERT = "INSERT INTO audit_events (organization_id, seq, id, at, actor, actor_id, via, via_id, action, target_kind, \
            target_id, user_id, team_id, outcome, reason, details, request_id, address, hash) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
        MOVE_HEAD = "UPDATE audit_heads SET seq = $1, hash = $2 WHERE organization_id = $3";
        ENDS = "SELECT seq, hash, forgotten_seq, forgotten_hash FROM audit_heads WHERE organization_id = $1";
        AFTER = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events WHERE organization_id = $1 AND seq > $2 \
            ORDER BY seq LIMIT $3";
        ORGANIZATIONS = "SELECT id FROM organizations ORDER BY id";
    }
}

/// Adds an event to the trail, when the batch is written, after everything else in it.
pub fn record_with(tenant: &Tenant, batch: &mut Batch, event: AuditEvent) {
    batch.audit(tenant.id(), event);
}

fn values(organization: OrganizationId, recorded: &Recorded) -> [Value<'static>; 19] {
    let event = &recorded.event;
    let target = event.target.clone();
    let (target_kind, target_id) = target.map(|target| (target.kind, target.id)).unzip();
    params![
        organization,
        recorded.seq,
        event.id,
        event.at,
        event.actor.kind(),
        event.actor.user_id(),
        event.via.clone(),
        event.via_id.clone(),
        event.action.as_str(),
        target_kind,
        target_id,
        event.user_id,
        event.team_id,
        event.outcome.as_str(),
        event.reason.clone(),
        event.details.clone(),
        event.request_id.clone(),
        event.address.clone(),
        recorded.hash.clone()
    ]
}

fn read(row: &Row<'_>) -> Result<Recorded> {
    let mut columns = row.columns();
    Ok(Recorded { seq: columns.take()?, event: read_event(&mut columns)?, hash: columns.take()? })
}

fn read_event(columns: &mut Columns<'_>) -> Result<AuditEvent> {
    use retinue_model::audit::{Actor, Target};
    let (id, at) = (columns.take()?, columns.take::<Timestamp>()?);
    let actor = columns.take::<String>()?;
    let actor = Actor::read(&actor, columns.take()?)?;
    let (via, via_id) = (columns.take()?, columns.take()?);
    let action = columns.take::<String>()?.parse()?;
    let (kind, target) = (columns.take::<Option<String>>()?, columns.take::<Option<String>>()?);
    Ok(AuditEvent {
        id,
        at,
        actor,
        via,
        via_id,
        action,
        target: match (kind, target) {
            (Some(kind), Some(id)) => Some(Target { kind, id }),
            (None, None) => None,
            _ => return Err(Error::internal("half a target in the database")),
        },
        user_id: columns.take()?,
        team_id: columns.take()?,
        outcome: columns.take::<String>()?.parse()?,
        reason: columns.take()?,
        details: columns.take()?,
        request_id: columns.take()?,
        address: columns.take()?,
    })
}

/// A part of the trail, in its order, after the event of this number. For whoever reads all of it.
///
/// # Errors
/// What the engine says.
pub async fn after(tenant: &Tenant, store: &Store, seq: i64, limit: i64) -> Result<Vec<Recorded>> {
    store.query_long(&sql::AFTER, params![tenant.id(), seq, limit].into(), read).await
}

/// Each organization: all of them have a trail.
///
/// # Errors
/// What the engine says.
pub async fn organizations(_: &System, store: &Store) -> Result<Vec<Tenant>> {
    store.query(&sql::ORGANIZATIONS, &[], |row| row.columns().take().map(Tenant::of_row)).await
}

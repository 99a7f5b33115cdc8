//! Giving events their places at the end of a transaction.
//!
//! The last place is held from here to the commit, and nothing else is waited for meanwhile: two transactions that both
//! have events wait for each other's end, never for each other.

use deadpool_postgres::Object;
use retinue_model::audit::Recorded;
use retinue_model::{Error, OrganizationId, Result};
use rusqlite::Connection;

use super::{chain, sql, values};
use crate::batch::Audit;
use crate::row::Row;
use crate::value::{Value, params};
use crate::{postgres, sqlite};

struct Head {
    seq: i64,
    hash: Vec<u8>,
}

fn read_head(row: &Row<'_>) -> Result<Head> {
    let mut columns = row.columns();
    Ok(Head { seq: columns.take()?, hash: columns.take()? })
}

fn no_head() -> Error {
    Error::internal("the organization has no audit trail")
}

impl Head {
    /// The next place for an event.
    fn next(&mut self, audit: &Audit) -> Recorded {
        self.seq += 1;
        let mut recorded = Recorded { seq: self.seq, event: audit.event.clone(), hash: Vec::new() };
        recorded.hash = chain::hash(&self.hash, audit.organization, &recorded);
        self.hash.clone_from(&recorded.hash);
        recorded
    }

    fn moved(&self, organization: OrganizationId) -> [Value<'static>; 3] {
        params![self.seq, self.hash.clone(), organization]
    }
}

/// The events of each organization, in order.
fn by_organization<'a>(audits: impl Iterator<Item = &'a Audit>) -> Vec<(OrganizationId, Vec<&'a Audit>)> {
    let mut groups: Vec<(OrganizationId, Vec<&Audit>)> = Vec::new();
    for audit in audits {
        match groups.iter_mut().find(|(organization, _)| *organization == audit.organization) {
            Some((_, group)) => group.push(audit),
            None => groups.push((audit.organization, vec![audit])),
        }
    }
    // Everybody takes several heads in the same order.
    groups.sort_by_key(|(organization, _)| organization.uuid());
    groups
}

/// Writes events in their places, on SQLite.
pub(crate) fn on_sqlite<'a>(connection: &Connection, audits: impl Iterator<Item = &'a Audit>) -> Result<()> {
    for (organization, group) in by_organization(audits) {
        let head = sqlite::query(connection, &sql::HEAD, &params![organization], read_head)?.pop();
        let mut head = head.ok_or_else(no_head)?;
        for audit in group {
            if sqlite::query(connection, &sql::IS_THERE, &params![audit.event.id], |_| Ok(()))?.is_empty() {
                sqlite::execute(connection, &sql::INSERT, &values(organization, &head.next(audit)))?;
            }
        }
        sqlite::execute(connection, &sql::MOVE_HEAD, &head.moved(organization))?;
    }
    Ok(())
}

/// Writes events in their places, on PostgreSQL. One that is there already, because this is written once more, stays.
pub(crate) async fn on_postgres<'a>(session: &Object, audits: impl Iterator<Item = &'a Audit>) -> Result<()> {
    for (organization, group) in by_organization(audits) {
        let head = postgres::query(session, &sql::HEAD, &params![organization], read_head).await?.pop();
        let mut head = head.ok_or_else(no_head)?;
        for audit in group {
            if postgres::query(session, &sql::IS_THERE, &params![audit.event.id], |_| Ok(())).await?.is_empty() {
                postgres::execute(session, &sql::INSERT, &values(organization, &head.next(audit))).await?;
            }
        }
        postgres::execute(session, &sql::MOVE_HEAD, &head.moved(organization)).await?;
    }
    Ok(())
}

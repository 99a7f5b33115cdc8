//! The chain: each event's hash is of what is in its row and of the hash before it, so that a row that was changed, taken
//! out or put in between is found.
//!
//! Whoever can write to the database can also write a whole chain anew. Against that helps a hash that was noted elsewhere:
//! the newest one says something of everything before it.

use retinue_model::audit::Recorded;
use retinue_model::{OrganizationId, Result};
use sha2::{Digest as _, Sha256};

use super::sql;
use crate::row::Row;
use crate::value::params;
use crate::{Store, Tenant};

/// Events that are read at once.
const PAGE: i64 = 1_000;

/// The hash of an event in its place, after an event with this hash. Each field is preceded by its length, and one that is
/// not there by a length that none has, so that no two events give the same bytes.
pub(super) fn hash(before: &[u8], organization: OrganizationId, recorded: &Recorded) -> Vec<u8> {
    let mut digest = Sha256::new();
    let mut field = |bytes: Option<&[u8]>| {
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        digest.update(length.to_be_bytes());
        digest.update(bytes.unwrap_or_default());
    };
    let event = &recorded.event;
    field(Some(b"retinue audit 1"));
    field(Some(before));
    field(Some(organization.uuid().as_bytes()));
    field(Some(&recorded.seq.to_be_bytes()));
    field(Some(event.id.uuid().as_bytes()));
    field(Some(&event.at.as_microsecond().to_be_bytes()));
    field(Some(event.actor.kind().as_bytes()));
    field(event.actor.user_id().map(retinue_model::UserId::uuid).as_ref().map(|id| &id.as_bytes()[..]));
    field(Some(event.via.as_bytes()));
    field(event.via_id.as_deref().map(str::as_bytes));
    field(Some(event.action.as_str().as_bytes()));
    field(event.target.as_ref().map(|target| target.kind.as_bytes()));
    field(event.target.as_ref().map(|target| target.id.as_bytes()));
    field(event.user_id.map(retinue_model::UserId::uuid).as_ref().map(|id| &id.as_bytes()[..]));
    field(event.team_id.map(retinue_model::TeamId::uuid).as_ref().map(|id| &id.as_bytes()[..]));
    field(Some(event.outcome.as_str().as_bytes()));
    field(event.reason.as_deref().map(str::as_bytes));
    field(event.details.as_deref().map(str::as_bytes));
    field(event.request_id.as_deref().map(str::as_bytes));
    field(event.address.as_deref().map(str::as_bytes));
    digest.finalize().to_vec()
}

/// Where the trail is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Events are missing before this number.
    Missing(i64),
    /// The event of this number, or one before it, is not what was written.
    Changed(i64),
    /// The newest events are missing: there were so many.
    CutOff(i64),
    /// The hash of this number is not the one that was noted.
    NotAsNoted(i64),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many events were looked at.
    pub events: i64,
    /// The number of the last one.
    pub seq: i64,
    /// Its hash: noted elsewhere, it says later whether anything before it was changed.
    pub hash: Vec<u8>,
    /// The first that is not what was written, if there is one.
    pub broken: Option<Broken>,
}

struct Ends {
    seq: i64,
    hash: Vec<u8>,
    forgotten_seq: i64,
    forgotten_hash: Vec<u8>,
}

async fn ends(tenant: &Tenant, store: &Store) -> Result<Option<Ends>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok(Ends {
            seq: columns.take()?,
            hash: columns.take()?,
            forgotten_seq: columns.take()?,
            forgotten_hash: columns.take()?,
        })
    };
    store.query_one(&sql::ENDS, &params![tenant.id()], read).await
}

/// Looks through the trail from its beginning, and up to the first event that is not what was written. `noted` is a number
/// and a hash that somebody kept elsewhere.
///
/// # Errors
/// What the engine says.
pub async fn verify(tenant: &Tenant, store: &Store, noted: Option<(i64, Vec<u8>)>) -> Result<Verified> {
    // What is written meanwhile comes after what this says.
    let Some(ends) = ends(tenant, store).await? else {
        return Ok(Verified { events: 0, seq: 0, hash: Vec::new(), broken: Some(Broken::CutOff(0)) });
    };
    let mut at = Verified { events: 0, seq: ends.forgotten_seq, hash: ends.forgotten_hash.clone(), broken: None };
    let differs = |at: &Verified| noted.as_ref().is_some_and(|(seq, hash)| *seq == at.seq && *hash != at.hash);
    if differs(&at) {
        return Ok(Verified { broken: Some(Broken::NotAsNoted(at.seq)), ..at });
    }
    while at.seq < ends.seq {
        let page = super::after(tenant, store, at.seq, PAGE).await?;
        if page.is_empty() {
            return Ok(Verified { broken: Some(Broken::CutOff(ends.seq)), ..at });
        }
        for recorded in page {
            let broken = if recorded.seq != at.seq + 1 {
                Some(Broken::Missing(recorded.seq))
            } else if hash(&at.hash, tenant.id(), &recorded) != recorded.hash {
                Some(Broken::Changed(recorded.seq))
            } else {
                None
            };
            if broken.is_some() {
                return Ok(Verified { broken, ..at });
            }
            at = Verified { events: at.events + 1, seq: recorded.seq, hash: recorded.hash, broken: None };
            if differs(&at) {
                return Ok(Verified { broken: Some(Broken::NotAsNoted(at.seq)), ..at });
            }
            if at.seq == ends.seq && at.hash != ends.hash {
                return Ok(Verified { broken: Some(Broken::Changed(at.seq)), ..at });
            }
        }
    }
    let beyond = noted.is_some_and(|(seq, _)| seq > at.seq);
    let broken = beyond.then_some(Broken::CutOff(ends.seq));
    Ok(Verified { broken, ..at })
}

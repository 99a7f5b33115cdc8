//! The chain: each event's hash is of what is in its row and of the hash before it, so that a row that was changed, taken
//! out or put in between is found.
//!
//! Whoever can write to the database can also write a whole chain anew. Against that helps a hash that was noted elsewhere:
//! the newest one says something of everything before it.

use jiff::Timestamp;
use retinue_model::audit::{Action, Head, Recorded};
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
    /// What says where the trail ends is gone.
    NoHead,
    /// The events from the one number to the other are not there.
    Removed(i64, i64),
    /// The event of this number is not what was written.
    Altered(i64),
    /// What was written as the event of this number has the other one.
    Moved(i64, i64),
    /// The newest events are not there, from the one number to the other.
    CutOff(i64, i64),
    /// The newest event's hash is not the one that was kept beside the trail.
    HeadDiffers(i64),
    /// There is an event of this number, after the newest one that was written.
    Added(i64),
    /// The beginning up to this number is not there, and nothing tells that it was let go of.
    NotTold(i64),
    /// The hash of this number is not the one that was noted elsewhere.
    NotAsNoted(i64),
    /// The trail ends with this number, before the one that was noted elsewhere.
    EndsBeforeNoted(i64),
    /// What was noted elsewhere was let go of, with everything up to this number: there is nothing to compare it with.
    NotedIsGone(i64),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many events were looked at.
    pub events: i64,
    /// The number of the last one, and its hash: noted elsewhere, they say later whether anything before was changed.
    pub head: Head,
    /// The last of those that were let go of; 0 if none were.
    pub let_go: i64,
    /// When the first one was that is there.
    pub from: Option<Timestamp>,
    /// When the last one was that was looked at.
    pub until: Option<Timestamp>,
    /// The first place that is not what was written, if there is one.
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

/// A row as it is: what can't be read as an event was not written as one.
type Found = (i64, Option<Recorded>);

async fn rows(tenant: &Tenant, store: &Store, (after, limit): (i64, i64)) -> Result<Vec<Found>> {
    let read = |row: &Row<'_>| Ok((row.columns().take()?, super::read(row).ok()));
    store.query_long(&sql::AFTER, params![tenant.id(), after, limit].into(), read).await
}

/// Looks through the trail from its beginning, and up to the first place that is not what was written. `noted` is where the
/// trail ended once, as somebody kept it elsewhere; one of another organization is passed over.
///
/// # Errors
/// What the engine says.
pub async fn verify(tenant: &Tenant, store: &Store, noted: Option<&Head>) -> Result<Verified> {
    let noted = noted.filter(|noted| noted.organization == tenant.id());
    let mut ends = self::ends(tenant, store).await?;
    loop {
        let begun_at = ends.as_ref().map(|ends| ends.forgotten_seq);
        let verified = from_its_beginning(tenant, store, (ends, noted)).await?;
        if verified.broken.is_none() {
            return Ok(verified);
        }
        // What was not found may have been let go of meanwhile. That happens once a day.
        ends = self::ends(tenant, store).await?;
        if ends.as_ref().map(|ends| ends.forgotten_seq) == begun_at {
            return Ok(verified);
        }
    }
}

async fn from_its_beginning(
    tenant: &Tenant,
    store: &Store,
    (ends, noted): (Option<Ends>, Option<&Head>),
) -> Result<Verified> {
    let (seq, hash) = ends.as_ref().map(|ends| (ends.forgotten_seq, ends.forgotten_hash.clone())).unwrap_or_default();
    let head = Head { organization: tenant.id(), seq, hash };
    let verified = Verified { events: 0, head, let_go: seq, from: None, until: None, broken: None };
    let mut walk = Walk { tenant, store, noted, verified, told: 0 };
    walk.verified.broken = match ends {
        Some(ends) => walk.go_through(ends).await?,
        None => Some(Broken::NoHead),
    };
    Ok(walk.verified)
}

/// On the way through a trail.
struct Walk<'a> {
    tenant: &'a Tenant,
    store: &'a Store,
    noted: Option<&'a Head>,
    verified: Verified,
    /// Up to where an event tells that the beginning was let go of.
    told: i64,
}

impl Walk<'_> {
    /// What is written meanwhile comes after what this says.
    async fn go_through(&mut self, ends: Ends) -> Result<Option<Broken>> {
        if let Some(broken) = self.begin() {
            return Ok(Some(broken));
        }
        while self.verified.head.seq < ends.seq {
            let page = rows(self.tenant, self.store, (self.verified.head.seq, PAGE)).await?;
            let newest = (self.verified.head.seq + 1, ends.seq);
            if page.is_empty() {
                return Ok(Some(Broken::CutOff(newest.0, newest.1)));
            }
            if let Some(broken) = self.pass_page(&page, ends.seq) {
                return Ok(Some(broken));
            }
        }
        if self.verified.head.hash != ends.hash {
            return Ok(Some(Broken::HeadDiffers(ends.seq)));
        }
        self.end().await
    }

    fn begin(&self) -> Option<Broken> {
        let Verified { head, let_go, .. } = &self.verified;
        match self.noted {
            Some(noted) if noted.seq < *let_go => Some(Broken::NotedIsGone(*let_go)),
            Some(noted) if noted.seq == *let_go && noted.hash != head.hash => Some(Broken::NotAsNoted(*let_go)),
            _ => None,
        }
    }

    fn pass_page(&mut self, page: &[Found], last: i64) -> Option<Broken> {
        for (at, (seq, found)) in page.iter().enumerate().take_while(|(_, (seq, _))| *seq <= last) {
            let next = self.verified.head.seq + 1;
            if *seq != next {
                return Some(Broken::Removed(next, seq - 1));
            }
            let Some(recorded) = found.as_ref().filter(|recorded| self.fits(recorded)) else {
                let moved = page[at + 1..].iter().filter_map(|(_, other)| other.as_ref());
                let moved = moved.map(|other| (other.seq, Recorded { seq: next, ..other.clone() }));
                let found = moved.into_iter().find(|(_, other)| self.fits(other));
                return Some(found.map_or(Broken::Altered(next), |(place, _)| Broken::Moved(next, place)));
            };
            self.pass(recorded);
            if self.noted.is_some_and(|noted| noted.seq == *seq && noted.hash != recorded.hash) {
                return Some(Broken::NotAsNoted(*seq));
            }
        }
        // More may be there than the end says; then what is missing is before those.
        let next = self.verified.head.seq + 1;
        let beyond = page.iter().map(|(seq, _)| *seq).find(|seq| *seq > last);
        beyond.filter(|_| next <= last).map(|_| Broken::CutOff(next, last))
    }

    /// Whether an event is what was written after the one before.
    fn fits(&self, recorded: &Recorded) -> bool {
        hash(&self.verified.head.hash, self.tenant.id(), recorded) == recorded.hash
    }

    fn pass(&mut self, recorded: &Recorded) {
        let Recorded { seq, event, hash } = recorded;
        let verified = &mut self.verified;
        verified.events += 1;
        (verified.head.seq, verified.head.hash) = (*seq, hash.clone());
        (verified.from, verified.until) = (verified.from.or(Some(event.at)), Some(event.at));
        if event.action == Action::AuditForgotten {
            let through = event.target.as_ref().and_then(|target| target.id.parse().ok());
            self.told = self.told.max(through.unwrap_or(0));
        }
    }

    /// What only the whole of it tells.
    async fn end(&self) -> Result<Option<Broken>> {
        let Verified { head, let_go, .. } = &self.verified;
        if *let_go > self.told {
            return Ok(Some(Broken::NotTold(*let_go)));
        }
        if self.noted.is_some_and(|noted| noted.seq > head.seq) {
            return Ok(Some(Broken::EndsBeforeNoted(head.seq)));
        }
        // Whoever wrote one meanwhile said so with it.
        let added = rows(self.tenant, self.store, (head.seq, 1)).await?.first().map(|(seq, _)| *seq);
        let Some(added) = added else { return Ok(None) };
        let ends = ends(self.tenant, self.store).await?;
        Ok(Some(Broken::Added(added)).filter(|_| ends.is_none_or(|ends| ends.seq < added)))
    }
}

//! Asking providers about sessions, in storage: what to ask with, who asks at the moment, and what was answered.

use jiff::Timestamp;
use retinue_model::{Error, IdentityId, Result, SessionId, UserId};
use uuid::Uuid;

use crate::batch::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::params;
use crate::{Store, Tenant};

pub(crate) mod sql {
    super::statements! {
        // The same claim may be written down again; another one may not, until it is stale.
        CLAIM = "UPDATE sessions SET refresh_claimed_at = $1, refresh_claim = $2 \
            WHERE id = $3 AND user_id = $4 AND ended_at IS NULL AND refresh_at <= $1 \
            AND (refresh_claimed_at IS NULL OR refresh_claimed_at < $5 OR refresh_claim = $2)";
        HELD = "SELECT i.id, i.provider, i.issuer, i.subject, s.refresh_token, COALESCE(s.refreshed_at, s.created_at) \
            FROM sessions s JOIN identities i ON i.id = s.identity_id \
            WHERE s.id = $1 AND s.user_id = $2 AND s.ended_at IS NULL";
        ANSWERED = "UPDATE sessions SET refresh_token = COALESCE($1, refresh_token), id_token = COALESCE($2, id_token), \
            refresh_at = $3, refreshed_at = COALESCE($4, refreshed_at), refresh_claimed_at = NULL \
            WHERE id = $5 AND user_id = $6 AND ended_at IS NULL AND refresh_claim = $7";
    }
}

/// The right to ask about a session.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Tells it from others.
    pub id: Uuid,
    /// About which.
    pub session: SessionId,
    /// Whose that is.
    pub user: UserId,
    /// Since when.
    pub at: Timestamp,
}

/// What a provider is asked about a session with.
#[derive(Clone, Debug)]
pub struct Held {
    /// By which identity the session was begun.
    pub identity: IdentityId,
    /// The provider's name.
    pub provider: String,
    /// Its issuer.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// What it gave out for that, encrypted.
    pub refresh_token: Option<String>,
    /// When it last said that they may come in.
    pub refreshed_at: Timestamp,
}

/// What came of asking.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What it gave out for the next time, encrypted; if none, what was there stays.
    pub refresh_token: Option<String>,
    /// The hint at sign-out, encrypted; if none, what was there stays.
    pub id_token: Option<String>,
    /// When to ask again.
    pub refresh_at: Timestamp,
    /// When it said that they may come in, if it did.
    pub refreshed_at: Option<Timestamp>,
}

/// Takes the right to ask about a session, when the batch is written: `refresh_claimed` if it is not due, or somebody else
/// took it after `stale`.
pub fn claim_with(_: &Tenant, batch: &mut Batch, claim: &Claim, stale: Timestamp) {
    let claimed = || Error::conflict("refresh_claimed", "Somebody else asks at the moment.");
    batch.require(&sql::CLAIM, params![claim.at, claim.id, claim.session, claim.user, stale], claimed);
}

/// What to ask with; nothing if the session is over, or was not begun at a provider.
///
/// # Errors
/// What the engine says.
pub async fn held(_: &Tenant, store: &Store, claim: &Claim) -> Result<Option<Held>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok(Held {
            identity: columns.take()?,
            provider: columns.take()?,
            issuer: columns.take()?,
            subject: columns.take()?,
            refresh_token: columns.take()?,
            refreshed_at: columns.take()?,
        })
    };
    store.query_one(&sql::HELD, &params![claim.session, claim.user], read).await
}

/// Keeps what came of asking and gives the claim back, when the batch is written, unless somebody else has one by now.
pub fn answered_with(_: &Tenant, batch: &mut Batch, claim: &Claim, answered: Answered) {
    let Answered { refresh_token, id_token, refresh_at, refreshed_at } = answered;
    let params = params![refresh_token, id_token, refresh_at, refreshed_at, claim.session, claim.user, claim.id];
    batch.write(&sql::ANSWERED, params);
}

#[cfg(test)]
mod tests;

//! Identities in storage.

use jiff::Timestamp;
use retinue_model::identity::Identity;
use retinue_model::user::User;
use retinue_model::{Error, IdentityId, Result, UserId};

use crate::batch::Batch;
use crate::fault;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::params;
use crate::{Scope, Store, Tenant, user};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO identities (id, organization_id, user_id, provider, issuer, subject, email, email_key, \
            email_verified, origin, created_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
            ON CONFLICT (id) DO NOTHING";
        FIND = "SELECT i.id, i.user_id, i.provider, i.issuer, i.subject, i.email, i.email_verified, i.origin, i.created_at, \
            i.last_used_at, u.id, u.organization_id, u.name, u.email, u.email_verified, u.organization_admin, u.disabled_at, \
            u.created_at FROM identities i JOIN users u ON u.id = i.user_id \
            WHERE i.provider = $1 AND i.issuer = $2 AND i.subject = $3 AND i.organization_id = $4";
        OF_USER = "SELECT id, user_id, provider, issuer, subject, email, email_verified, origin, created_at, last_used_at \
            FROM identities WHERE user_id = $1 AND organization_id = $2 ORDER BY created_at, id LIMIT 100";
        USED = "UPDATE identities SET last_used_at = $1, email = $2, email_key = $3, email_verified = $4 \
            WHERE id = $5 AND organization_id = $6";
        // An answer that was asked for before another one comes too late, and so does one about an identity that is gone.
        HEARD = "UPDATE identities SET groups_at = $1 WHERE id = $2 AND user_id = $3 AND organization_id = $4 \
            AND (groups_at IS NULL OR groups_at <= $1)";
        // What must hold for an address to lead to somebody: of those for whom somebody trusted says that it is theirs they
        // are the only one, and they are nobody else there.
        LINK = "INSERT INTO identities (id, organization_id, user_id, provider, issuer, subject, email, email_key, \
            email_verified, origin, created_at, last_used_at) \
            SELECT $1, u.organization_id, u.id, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM users u \
            WHERE u.id = $11 AND u.organization_id = $12 AND u.email_key = $6 AND u.email_verified = $13 \
            AND u.disabled_at IS NULL AND (EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id \
            AND i.email_verified = $13 AND i.email_key = $6 AND REPLACE($14, '|' || i.provider || ' ' || i.issuer || '|', '') <> $14) \
            OR EXISTS (SELECT 1 FROM credentials c WHERE c.user_id = u.id AND c.address = $6 AND c.address_verified_at IS NOT NULL)) \
            AND NOT EXISTS (SELECT 1 FROM users o WHERE o.organization_id = $12 \
            AND o.email_key = $6 AND o.email_verified = $13 AND o.id <> $11 \
            AND (EXISTS (SELECT 1 FROM identities i WHERE i.user_id = o.id \
            AND i.email_verified = $13 AND i.email_key = $6 AND REPLACE($14, '|' || i.provider || ' ' || i.issuer || '|', '') <> $14) \
            OR EXISTS (SELECT 1 FROM credentials c WHERE c.user_id = o.id AND c.address = $6 AND c.address_verified_at IS NOT NULL))) \
            AND NOT EXISTS (SELECT 1 FROM identities i \
            WHERE i.user_id = $11 AND i.issuer = $3 AND i.id <> $1) ON CONFLICT (id) DO UPDATE SET id = excluded.id";
        // The last way in stays.
        DELETE = "DELETE FROM identities WHERE id = $1 AND user_id = $2 AND (\
            EXISTS (SELECT 1 FROM identities o WHERE o.id = $3 AND o.user_id = $2 AND o.id <> $1) \
            OR EXISTS (SELECT 1 FROM credentials c WHERE c.user_id = $2 AND (\
            CAST($4 AS BIGINT) = 1 AND c.password_hash IS NOT NULL OR CAST($5 AS BIGINT) = 1)))";
        // Unless another identity says the same, or a mail that went there was opened.
        DOUBT = "UPDATE users SET email_verified = $1, updated_at = $2 \
            WHERE id = $3 AND organization_id = $4 AND email_key = $5 AND NOT EXISTS (SELECT 1 FROM identities i \
            WHERE i.user_id = $3 AND i.email_verified = $6 AND i.email_key = $5) \
            AND NOT EXISTS (SELECT 1 FROM credentials c WHERE c.user_id = $3 AND c.address = $5 \
            AND c.address_verified_at IS NOT NULL)";
    }
}

fn read(columns: &mut Columns<'_>) -> Result<Identity> {
    Ok(Identity {
        id: columns.take()?,
        user_id: columns.take()?,
        provider: columns.take()?,
        issuer: columns.take()?,
        subject: columns.take()?,
        email: columns.take()?,
        email_verified: columns.take()?,
        origin: columns.take::<String>()?.parse()?,
        created_at: columns.take()?,
        last_used_at: columns.take()?,
    })
}

fn read_row(row: &Row<'_>) -> Result<Identity> {
    read(&mut row.columns())
}

/// Adds an identity, when the batch is written; `identity_taken` if somebody has it.
pub fn insert_with(tenant: &Tenant, batch: &mut Batch, identity: &Identity) {
    batch.write(
        &sql::INSERT,
        params![
            identity.id,
            tenant.id(),
            identity.user_id,
            identity.provider.clone(),
            identity.issuer.clone(),
            identity.subject.clone(),
            identity.email.clone(),
            identity.email_key(),
            identity.email_verified,
            identity.origin.as_str(),
            identity.created_at,
            identity.last_used_at
        ],
    );
}

/// The providers whose word on addresses is taken, by name and issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted(String);

impl Trusted {
    /// These. Neither names nor issuers have blanks or bars.
    #[must_use]
    pub fn new<'a>(providers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(providers.into_iter().fold("|".to_owned(), |all, (name, issuer)| all + name + " " + issuer + "|"))
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn has(&self, name: &str, issuer: &str) -> bool {
        self.0.contains(&format!("|{name} {issuer}|"))
    }

    /// How statements take them.
    pub(crate) fn text(&self) -> String {
        self.0.clone()
    }
}

/// The code for somebody of whom something has changed since they were looked up.
const LINK_CHANGED: &str = "link_changed";

/// Adds an identity to the one user who has its address, as it is compared, by the word of somebody trusted, when the
/// batch is written; of two subjects of an issuer that come at once one is added. Requires that all that holds: see
/// [`is_passing`].
pub fn link_with(tenant: &Tenant, batch: &mut Batch, identity: &Identity, by: &Trusted) {
    let changed = || Error::conflict(LINK_CHANGED, "Something has changed at this moment. Sign in again.");
    batch.require(
        &sql::LINK,
        params![
            identity.id,
            identity.provider.clone(),
            identity.issuer.clone(),
            identity.subject.clone(),
            identity.email.clone(),
            identity.email_key(),
            identity.email_verified,
            identity.origin.as_str(),
            identity.created_at,
            identity.last_used_at,
            identity.user_id,
            tenant.id(),
            true,
            by.text()
        ],
        changed,
    );
}

/// Whether somebody else wrote something down first that makes another answer right: look again.
#[must_use]
pub fn is_passing(error: &Error) -> bool {
    is_taken(error) || error.code() == LINK_CHANGED
}

/// Whether somebody else wrote the same identity down first.
#[must_use]
pub fn is_taken(error: &Error) -> bool {
    error.code() == fault::IDENTITY_TAKEN
}

/// The identity of a subject at an issuer, and whose it is.
///
/// # Errors
/// What the engine says.
pub async fn find(
    tenant: &Tenant,
    store: &Store,
    provider: &str,
    (issuer, subject): (&str, &str),
) -> Result<Option<(Identity, User)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((read(&mut columns)?, user::read(&mut columns)?))
    };
    store.query_one(&sql::FIND, &params![provider, issuer, subject, tenant.id()], read).await
}

/// The identities of a user, the oldest first.
///
/// # Errors
/// What the engine says.
pub async fn of_user(tenant: &Tenant, store: &Store, user: UserId) -> Result<Vec<Identity>> {
    store.query(&sql::OF_USER, &params![user, tenant.id()], read_row).await
}

/// One's own identities, the oldest first.
///
/// # Errors
/// What the engine says.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<Identity>> {
    store.query(&sql::OF_USER, &params![scope.owner(), scope.organization()], read_row).await
}

/// Notes that somebody signed in with an identity, and which address came with it, when the batch is written. Requires
/// that it is still there: `identity_gone`.
pub fn used_with(tenant: &Tenant, batch: &mut Batch, identity: &Identity) {
    let gone = || Error::conflict("identity_gone", "This identity was removed a moment ago. Sign in again.");
    let Identity { last_used_at, email, email_verified, id, .. } = identity.clone();
    let params = params![last_used_at, email, identity.email_key(), email_verified, id, tenant.id()];
    batch.require(&sql::USED, params, gone);
}

/// Notes as of when it is known in which groups somebody is, when the batch is written. Requires that the identity by which
/// that was asked is still theirs, and that it was not asked later already: see [`is_known_better`].
pub fn heard_with(tenant: &Tenant, batch: &mut Batch, (id, user): (IdentityId, UserId), asked_at: Timestamp) {
    let too_late = || Error::conflict(KNOWN_BETTER, "It is known better by now in which groups this user is.");
    batch.require(&sql::HEARD, params![asked_at, id, user, tenant.id()], too_late);
}

/// The code for what a provider said of groups before it said something else, or of an identity that was removed since.
const KNOWN_BETTER: &str = "groups_known_better";

/// Whether what a provider said of somebody's groups does not count any more.
#[must_use]
pub fn is_known_better(error: &Error) -> bool {
    error.code() == KNOWN_BETTER
}

/// How somebody comes in who removes an identity: one of these must be there then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Left {
    /// Another identity.
    pub identity: Option<IdentityId>,
    /// An address with a password.
    pub password: bool,
    /// An address, with a password or without.
    pub link: bool,
}

/// This is by what somebody comes in, and nothing else is.
#[must_use]
pub fn last_way_in() -> Error {
    Error::conflict("last_way_in", "This is your last way in, so it stays. Add another one first.")
}

/// Removes one's own identity with the sessions that were begun with it, when the batch is written. Requires that it is there,
/// and not the last way in: `last_way_in`.
pub fn delete_with(scope: &Scope, batch: &mut Batch, id: IdentityId, left: Left) {
    let Left { identity, password, link } = left;
    let params = params![id, scope.owner(), identity, i64::from(password), i64::from(link)];
    batch.require(&sql::DELETE, params, last_way_in);
}

/// Takes back that one's own address, as it is compared, is verified, when the batch is written, if nobody vouches for it
/// any more.
pub fn doubt_with(scope: &Scope, batch: &mut Batch, email_key: String, now: Timestamp) {
    batch.write(&sql::DOUBT, params![false, now, scope.owner(), scope.organization(), email_key, true]);
}

#[cfg(test)]
mod tests;

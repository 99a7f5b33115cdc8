//! Invitations in storage: the hash of each one's token, never the token itself.

use jiff::Timestamp;
use retinue_model::invitation::Invitation;
use retinue_model::{Error, InvitationId, Result, UserId};
use uuid::Uuid;

use crate::batch::Batch;
use crate::identity::Trusted;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::{Value, params};
use crate::{Store, System, TeamScope, Tenant, team};

pub(crate) mod sql {
    super::statements! {
        // To come after the team is held, so that of many who invite at once none is counted too late.
        INSERT = "INSERT INTO invitations (id, organization_id, team_id, role, address, mailed, token_hash, invited_by, \
            created_at, expires_at) SELECT $1, t.organization_id, t.id, $2, $3, $4, $5, $6, $7, $8 FROM teams t \
            WHERE t.id = $9 AND t.organization_id = $10 AND (SELECT COUNT(*) FROM invitations i WHERE i.team_id = $9 \
            AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $7 AND i.id <> $1) < $11 \
            ON CONFLICT (id) DO UPDATE SET id = excluded.id";
        FIND = "SELECT i.id, i.team_id, i.role, i.address, i.mailed, i.invited_by, i.created_at, i.expires_at, t.name, t.slug, u.name \
            FROM invitations i JOIN teams t ON t.id = i.team_id LEFT JOIN users u ON u.id = i.invited_by \
            WHERE i.token_hash = $1 AND i.organization_id = $2 \
            AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $3";
        LIST = "SELECT id, team_id, role, address, mailed, invited_by, created_at, expires_at FROM invitations \
            WHERE team_id = $1 AND organization_id = $2 AND (created_at, id) > ($3, $4) \
            AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $5 ORDER BY created_at, id LIMIT $6";
        GET = "SELECT id, team_id, role, address, mailed, invited_by, created_at, expires_at FROM invitations \
            WHERE id = $1 AND organization_id = $2 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3";
        SHOW = "UPDATE invitations SET mailed = $1 WHERE id = $2 AND team_id = $3 AND organization_id = $4";
        // Of whoever is out of the team; to come after they are taken out of it.
        REVOKE_OF_LEAVER = "UPDATE invitations SET revoked_at = COALESCE(revoked_at, $1) WHERE invited_by = $2 AND team_id = $3 \
            AND organization_id = $4 AND accepted_at IS NULL \
            AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.team_id = $3 AND m.user_id = $2)";
        REVOKE = "UPDATE invitations SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2 AND team_id = $3 \
            AND organization_id = $4 AND accepted_at IS NULL";
        // The same use may be written down again; another one may not. Of those that are for an address: somebody who may
        // says that it is theirs.
        SPEND = "UPDATE invitations SET accepted_at = $1, accepted_by = $2, used_by = $3 WHERE id = $4 AND organization_id = $5 \
            AND ((accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $1) OR used_by = $3) \
            AND (address IS NULL OR EXISTS (SELECT 1 FROM identities i WHERE i.user_id = $2 AND i.email_verified = $6 \
            AND i.email_key = invitations.address AND REPLACE($7, '|' || i.provider || ' ' || i.issuer || '|', '') <> $7) \
            OR EXISTS (SELECT 1 FROM credentials c WHERE c.user_id = $2 AND c.address = invitations.address \
            AND c.address_verified_at IS NOT NULL))";
        EXPIRED = "SELECT mailed FROM invitations WHERE expires_at <= $1 LIMIT 1";
        DELETE_EXPIRED = "DELETE FROM invitations WHERE id IN \
            (SELECT id FROM invitations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    }
}

/// How many are deleted at once, so that nobody waits long for it.
const DELETED_AT_ONCE: i64 = 1_000;

/// An invitation that still counts, with what whoever has its link is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The invitation.
    pub invitation: Invitation,
    /// What the team is called.
    pub team: String,
    /// Its short name, which no other team has that looks the same.
    pub team_slug: String,
    /// Who invites, by name; none if whoever has the machine does.
    pub by: Option<String>,
}

fn read(columns: &mut Columns<'_>) -> Result<Invitation> {
    Ok(Invitation {
        id: columns.take()?,
        team_id: columns.take()?,
        role: columns.take::<String>()?.parse()?,
        address: columns.take()?,
        mailed: columns.take()?,
        invited_by: columns.take()?,
        created_at: columns.take()?,
        expires_at: columns.take()?,
    })
}

fn read_row(row: &Row<'_>) -> Result<Invitation> {
    read(&mut row.columns())
}

/// No open invitation has this id.
#[must_use]
pub fn missing() -> Error {
    Error::not_found("invitation")
}

/// It opens nothing any more, whatever the reason: whoever merely has a link need not know.
#[must_use]
pub fn spent() -> Error {
    Error::conflict(
        "invitation_spent",
        "This invitation does not count any more: it was used, taken back, or is too old. Ask whoever invited you for another one.",
    )
}

fn too_many() -> Error {
    Error::conflict(
        "too_many_invitations",
        "This team has as many open invitations as it may have. Take some back, or wait until they are used.",
    )
}

/// Adds an invitation with the hash of its token, when the batch is written. Requires that the team has no more than `most`
/// that are open: `too_many_invitations`.
pub fn insert_with(scope: &TeamScope, batch: &mut Batch, new: &Invitation, (hash, most): ([u8; 32], i64)) {
    team::hold_with(scope, batch);
    batch.require(
        &sql::INSERT,
        params![
            new.id,
            new.role.as_str(),
            new.address.clone(),
            new.mailed,
            hash,
            new.invited_by,
            new.created_at,
            new.expires_at,
            scope.id(),
            scope.organization(),
            most
        ],
        too_many,
    );
}

/// The open invitation whose token has this hash.
///
/// # Errors
/// What the engine says.
pub async fn find(tenant: &Tenant, store: &Store, hash: &[u8; 32], now: Timestamp) -> Result<Option<Found>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        let invitation = read(&mut columns)?;
        Ok(Found { invitation, team: columns.take()?, team_slug: columns.take()?, by: columns.take()? })
    };
    store.query_one(&sql::FIND, &params![hash, tenant.id(), now], read).await
}

/// A place in a list of invitations: what comes after it is younger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When the last one was made.
    pub created_at: Timestamp,
    /// The last one.
    pub id: InvitationId,
}

/// The open invitations of a team, the oldest first, from the beginning or after a place.
///
/// # Errors
/// What the engine says.
pub async fn list(
    scope: &TeamScope,
    store: &Store,
    after: Option<Place>,
    (now, limit): (Timestamp, i64),
) -> Result<Vec<Invitation>> {
    let nil = InvitationId::new(Uuid::nil());
    let Place { created_at, id } = after.unwrap_or(Place { created_at: Timestamp::UNIX_EPOCH, id: nil });
    let params = params![scope.id(), scope.organization(), created_at, id, now, limit];
    store.query(&sql::LIST, &params, read_row).await
}

/// One open invitation. Whether somebody may know of it is the caller's to decide.
///
/// # Errors
/// What the engine says.
pub async fn get(tenant: &Tenant, store: &Store, id: InvitationId, now: Timestamp) -> Result<Option<Invitation>> {
    store.query_one(&sql::GET, &params![id, tenant.id(), now], read_row).await
}

/// Notes that others than the reader of a mail see an invitation's link, when the batch is written. Requires that there is
/// one: `not_found`.
pub fn show_with(scope: &TeamScope, batch: &mut Batch, id: InvitationId) {
    batch.require(&sql::SHOW, params![false, id, scope.id(), scope.organization()], missing);
}

/// Takes an invitation of the team back, when the batch is written; one that was taken back stays so. Requires that it is
/// there, and was not used: `not_found`.
pub fn revoke_with(scope: &TeamScope, batch: &mut Batch, id: InvitationId, now: Timestamp) {
    batch.require(&sql::REVOKE, params![now, id, scope.id(), scope.organization()], missing);
}

/// Takes back the invitations into a team that a user made, when the batch is written, if they do not belong to it then.
pub fn revoke_of_leaver_with(scope: &TeamScope, batch: &mut Batch, user: UserId, now: Timestamp) {
    batch.write(&sql::REVOKE_OF_LEAVER, params![now, user, scope.id(), scope.organization()]);
}

/// One use of an invitation.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// Which.
    pub id: InvitationId,
    /// Who accepts it.
    pub by: UserId,
    /// Names this use alone, and bears that its batch is written twice.
    pub key: Uuid,
    /// When.
    pub at: Timestamp,
}

/// Uses an invitation up, when the batch is written, together with what it opens. Requires that it is open, and if it is for
/// an address, that one of these providers or a mail that went there says whose that is: `invitation_spent`. Of two who come
/// at once one gets it.
pub fn spend_with(tenant: &Tenant, batch: &mut Batch, used: Use, trusted: &Trusted) {
    let Use { id, by, key, at } = used;
    let params = params![at, by, Value::Uuid(key), id, tenant.id(), true, trusted.text()];
    batch.require(&sql::SPEND, params, spent);
}

/// Whether there are invitations that are too old.
///
/// # Errors
/// What the engine says.
pub async fn has_expired(_: &System, store: &Store, now: Timestamp) -> Result<bool> {
    let found: Option<bool> = store.query_one(&sql::EXPIRED, &params![now], |row| row.columns().take()).await?;
    Ok(found.is_some())
}

/// Deletes invitations that are too old, some at a time, when the batch is written.
pub fn delete_expired_with(_: &System, batch: &mut Batch, now: Timestamp) {
    batch.write(&sql::DELETE_EXPIRED, params![now, DELETED_AT_ONCE]);
}

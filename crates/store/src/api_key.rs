//! API keys in storage: the hash of each, and whom it acts for.

use jiff::Timestamp;
use retinue_model::api_key::{ApiKey, KeyScopes};
use retinue_model::error::Kind;
use retinue_model::principal::LOCAL_USER;
use retinue_model::user::User;
use retinue_model::{ApiKeyId, Error, Result, TeamId, UserId};

use crate::batch::Batch;
use crate::membership::Comers;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::params;
use crate::{Scope, Store, System, TeamScope, Tenant, user};

pub(crate) mod sql {
    super::statements! {
        // Whoever leaves the team at this moment gets none.
        INSERT = "INSERT INTO api_keys (id, organization_id, user_id, team_id, name, prefix, key_hash, scopes, created_at, expires_at) \
            SELECT $1, m.organization_id, m.user_id, m.team_id, $2, $3, $4, $5, $6, $7 FROM memberships m JOIN users u ON u.id = m.user_id \
            WHERE m.team_id = $8 AND m.user_id = $9 AND m.organization_id = $10 AND u.disabled_at IS NULL \
            AND (SELECT COUNT(*) FROM api_keys k WHERE k.user_id = $9 AND k.revoked_at IS NULL AND k.id <> $1) < $11 \
            AND (SELECT COUNT(*) FROM api_keys h WHERE h.user_id = $9 AND h.created_at > $12 AND h.id <> $1) < $13 \
            ON CONFLICT (id) DO UPDATE SET id = excluded.id";
        // A key counts only while its owner belongs to its team; of one that does not it is known whose it is all the same.
        FIND = "SELECT k.id, k.organization_id, k.user_id, k.team_id, k.name, k.prefix, k.scopes, k.created_at, k.expires_at, k.last_used_at, \
            k.revoked_at, u.id, u.organization_id, u.name, u.email, u.email_verified, u.organization_admin, u.disabled_at, u.created_at, m.team_id \
            FROM api_keys k JOIN users u ON u.id = k.user_id LEFT JOIN memberships m ON m.team_id = k.team_id AND m.user_id = k.user_id \
            WHERE k.key_hash = $1 AND k.organization_id = $2";
        MADE_SINCE = "SELECT COUNT(*), MIN(created_at) FROM api_keys WHERE user_id = $1 AND created_at > $2 AND organization_id = $3";
        LIST = "SELECT id, organization_id, user_id, team_id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at \
            FROM api_keys WHERE user_id = $1 AND organization_id = $2 AND (created_at, id) < ($3, $4) \
            ORDER BY created_at DESC, id DESC LIMIT $5";
        OF_TEAM = "SELECT id, organization_id, user_id, team_id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at \
            FROM api_keys WHERE team_id = $1 AND organization_id = $2 AND (created_at, id) < ($3, $4) \
            ORDER BY created_at DESC, id DESC LIMIT $5";
        GET = "SELECT id, organization_id, user_id, team_id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at \
            FROM api_keys WHERE id = $1 AND organization_id = $2";
        // Whoever is out of the team; to come after they are taken out of it.
        REVOKE_OF_LEAVER = "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $1) WHERE user_id = $2 AND team_id = $3 \
            AND organization_id = $4 AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.team_id = $3 AND m.user_id = $2)";
        REQUIRE_GOOD = "UPDATE api_keys SET prefix = prefix WHERE id = $1 AND user_id = $2 AND organization_id = $3 \
            AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4)";
        OWNERS = "SELECT DISTINCT user_id FROM api_keys WHERE team_id = $1 AND organization_id = $2 AND revoked_at IS NULL";
        // It is told once. The same once more changes nothing.
        REVOKE = "UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND user_id = $3 AND organization_id = $4 \
            AND (revoked_at IS NULL OR revoked_at = $1)";
        TOUCH = "UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)";
    }
}

fn read(columns: &mut Columns<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        id: columns.take()?,
        organization_id: columns.take()?,
        user_id: columns.take()?,
        team_id: columns.take()?,
        name: columns.take()?,
        prefix: columns.take()?,
        scopes: KeyScopes::stored(&columns.take::<String>()?),
        created_at: columns.take()?,
        expires_at: columns.take()?,
        last_used_at: columns.take()?,
        revoked_at: columns.take()?,
    })
}

fn read_row(row: &Row<'_>) -> Result<ApiKey> {
    read(&mut row.columns())
}

/// No key has this id.
#[must_use]
pub fn missing() -> Error {
    Error::not_found("API key")
}

/// How many keys a user may have.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// That count, at most.
    pub most: i64,
    /// That were made since a time, revoked or not, at most.
    pub most_made: (Timestamp, i64),
}

/// Adds a key with the hash of its text, when the batch is written. Requires that its owner may come in and belongs to its
/// team, and that this stays within the bounds: `api_key_refused`.
pub fn insert_with(tenant: &Tenant, batch: &mut Batch, key: &ApiKey, (hash, bounds): ([u8; 32], Bounds)) {
    let refused = || {
        Error::conflict(
            "api_key_refused",
            "No key was made: you are not in this team any more, or you have too many keys. Revoke those you do not use.",
        )
    };
    batch.require(
        &sql::INSERT,
        params![
            key.id,
            key.name.clone(),
            key.prefix.clone(),
            hash,
            key.scopes.to_string(),
            key.created_at,
            key.expires_at,
            key.team_id,
            key.user_id,
            tenant.id(),
            bounds.most,
            bounds.most_made.0,
            bounds.most_made.1
        ],
        refused,
    );
}

/// A key, with what must be known of its owner before it counts.
#[derive(Clone, Debug)]
pub struct Found {
    /// The key.
    pub key: ApiKey,
    /// Its owner.
    pub owner: User,
    /// Whether the owner belongs to its team.
    pub is_member: bool,
}

impl Found {
    /// Why it does not count at this time, for the trail: the stable code of it.
    #[must_use]
    pub fn refusal(&self, comers: Comers, now: Timestamp) -> Option<&'static str> {
        let Self { key, owner, is_member } = self;
        match key.revoked_at {
            // Made while nobody signed in.
            _ if comers == Comers::WhoSignsIn && owner.id == LOCAL_USER => Some("local_user"),
            // Whoever is out of the team has lost it by that.
            _ if !is_member => Some("membership_ended"),
            Some(_) => Some("key_revoked"),
            None if owner.disabled_at.is_some() => Some("user_disabled"),
            None => key.expires_at.filter(|at| *at <= now).map(|_| "key_expired"),
        }
    }
}

/// The key with this hash, and its owner. Whether it counts is the caller's to see.
///
/// # Errors
/// What the engine says.
pub async fn find(tenant: &Tenant, store: &Store, hash: [u8; 32]) -> Result<Option<Found>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        let (key, owner) = (read(&mut columns)?, user::read(&mut columns)?);
        Ok(Found { key, owner, is_member: columns.take::<Option<TeamId>>()?.is_some() })
    };
    store.query_one(&sql::FIND, &params![hash, tenant.id()], read).await
}

/// How many keys a user made since a time, and when the first of these.
///
/// # Errors
/// What the engine says.
pub async fn made_since(
    tenant: &Tenant,
    store: &Store,
    user: UserId,
    since: Timestamp,
) -> Result<(i64, Option<Timestamp>)> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    };
    let found = store.query_one(&sql::MADE_SINCE, &params![user, since, tenant.id()], read).await?;
    Ok(found.unwrap_or_default())
}

/// A place in a list of keys: what comes after it is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When the last one was made.
    pub created_at: Timestamp,
    /// The last one.
    pub id: ApiKeyId,
}

impl Place {
    /// Before all keys.
    #[must_use]
    pub const fn first() -> Self {
        let id = ApiKeyId::new(uuid::Uuid::max());
        Self { created_at: Timestamp::constant(253_402_207_200, 0), id }
    }
}

/// One's own keys, the newest first, after a place.
///
/// # Errors
/// What the engine says.
pub async fn list(scope: &Scope, store: &Store, after: Place, limit: i64) -> Result<Vec<ApiKey>> {
    let params = params![scope.owner(), scope.organization(), after.created_at, after.id, limit];
    store.query(&sql::LIST, &params, read_row).await
}

/// A user's keys, the newest first, after a place. For whoever has the machine.
///
/// # Errors
/// What the engine says.
pub async fn of_user(
    tenant: &Tenant,
    store: &Store,
    user: UserId,
    (after, limit): (Place, i64),
) -> Result<Vec<ApiKey>> {
    store.query(&sql::LIST, &params![user, tenant.id(), after.created_at, after.id, limit], read_row).await
}

/// The keys that act in a team, the newest first, after a place.
///
/// # Errors
/// What the engine says.
pub async fn of_team(team: &TeamScope, store: &Store, after: Place, limit: i64) -> Result<Vec<ApiKey>> {
    let params = params![team.id(), team.organization(), after.created_at, after.id, limit];
    store.query(&sql::OF_TEAM, &params, read_row).await
}

/// One key. Whether somebody may know of it is the caller's to decide.
///
/// # Errors
/// What the engine says.
pub async fn get(tenant: &Tenant, store: &Store, id: ApiKeyId) -> Result<Option<ApiKey>> {
    store.query_one(&sql::GET, &params![id, tenant.id()], read_row).await
}

/// The code for a key that was revoked since it was looked up.
const REVOKED: &str = "api_key_revoked";

/// Whether a key was revoked since it was looked up.
#[must_use]
pub fn is_revoked(error: &Error) -> bool {
    error.code() == REVOKED
}

/// Revokes a user's key, when the batch is written. Requires that nobody did before: see [`is_revoked`].
pub fn revoke_with(tenant: &Tenant, batch: &mut Batch, (id, owner): (ApiKeyId, UserId), now: Timestamp) {
    let revoked = || Error::conflict(REVOKED, "This key was revoked a moment ago.");
    batch.require(&sql::REVOKE, params![now, id, owner, tenant.id()], revoked);
}

/// Revokes the keys that a user has in a team, when the batch is written, if they do not belong to it then.
pub fn revoke_of_leaver_with(team: &TeamScope, batch: &mut Batch, user: UserId, now: Timestamp) {
    batch.write(&sql::REVOKE_OF_LEAVER, params![now, user, team.id(), team.organization()]);
}

/// Requires, when the batch is written, that one's own key still counts: `invalid_api_key`.
pub fn require_good_with(scope: &Scope, batch: &mut Batch, id: ApiKeyId, now: Timestamp) {
    batch.require(&sql::REQUIRE_GOOD, params![id, scope.owner(), scope.organization(), now], invalid);
}

/// The key does not count.
#[must_use]
pub fn invalid() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "invalid_api_key",
        "This API key does not count. Check that it is whole, or make another one.",
    )
}

/// Whose keys act in a team.
///
/// # Errors
/// What the engine says.
pub async fn owners(team: &TeamScope, store: &Store) -> Result<Vec<UserId>> {
    store.query(&sql::OWNERS, &params![team.id(), team.organization()], |row| row.columns().take()).await
}

/// Notes when a key was last used, when the batch is written.
pub fn touch_with(_: &System, batch: &mut Batch, id: ApiKeyId, now: Timestamp) {
    batch.write(&sql::TOUCH, params![now, id]);
}

#[cfg(test)]
mod tests;

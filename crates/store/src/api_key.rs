//! API keys in storage: the hash of each, and whom it acts for.

use jiff::Timestamp;
use retinue_model::api_key::{ApiKey, KeyScopes};
use retinue_model::user::User;
use retinue_model::{ApiKeyId, Error, Result, UserId};

use crate::batch::Batch;
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
        // A key counts only while its owner belongs to its team.
        FIND = "SELECT k.id, k.organization_id, k.user_id, k.team_id, k.name, k.prefix, k.scopes, k.created_at, k.expires_at, k.last_used_at, \
            k.revoked_at, u.id, u.organization_id, u.name, u.email, u.email_verified, u.organization_admin, u.disabled_at, u.created_at \
            FROM api_keys k JOIN users u ON u.id = k.user_id JOIN memberships m ON m.team_id = k.team_id AND m.user_id = k.user_id \
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
        REVOKE = "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2 AND user_id = $3 AND organization_id = $4";
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

/// A key with this hash, and its owner, if the owner belongs to its team. Whether it was revoked, its time is over or its
/// owner is shut out is the caller's to see.
///
/// # Errors
/// What the engine says.
pub async fn find(tenant: &Tenant, store: &Store, hash: [u8; 32]) -> Result<Option<(ApiKey, User)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((read(&mut columns)?, user::read(&mut columns)?))
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

/// Revokes a user's key, when the batch is written; one that was revoked stays so. Requires that there is one: `not_found`.
pub fn revoke_with(tenant: &Tenant, batch: &mut Batch, (id, owner): (ApiKeyId, UserId), now: Timestamp) {
    batch.require(&sql::REVOKE, params![now, id, owner, tenant.id()], missing);
}

/// Notes when a key was last used, when the batch is written.
pub fn touch_with(_: &System, batch: &mut Batch, id: ApiKeyId, now: Timestamp) {
    batch.write(&sql::TOUCH, params![now, id]);
}

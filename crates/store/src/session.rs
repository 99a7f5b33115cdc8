//! Sessions in storage, and what ended.

use jiff::Timestamp;
use retinue_model::error::Kind;
use retinue_model::identity;
use retinue_model::session::Session;
use retinue_model::user::User;
use retinue_model::{Error, Result, SessionId, UserId};
use uuid::Uuid;

use crate::batch::Batch;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::params;
use crate::{Scope, Store, System, Tenant, user};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO sessions (id, organization_id, user_id, identity_id, method, user_agent, address, proved_at, \
            created_at, last_seen_at, expires_at, provider_session, id_token, refresh_token, refresh_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (id) DO NOTHING";
        GET = "SELECT s.id, s.organization_id, s.user_id, s.identity_id, s.method, s.user_agent, s.address, s.proved_at, \
            s.created_at, s.last_seen_at, s.expires_at, s.refresh_at, u.id, u.organization_id, u.name, u.email, u.email_verified, \
            u.organization_admin, u.disabled_at, u.created_at, i.provider, i.issuer, i.subject \
            FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN identities i ON i.id = s.identity_id \
            WHERE s.id = $1 AND s.user_id = $2 AND s.organization_id = $3 AND s.ended_at IS NULL AND u.disabled_at IS NULL";
        ENDED_AT = "SELECT ended_at FROM sessions WHERE id = $1 AND user_id = $2";
        LIST = "SELECT id, organization_id, user_id, identity_id, method, user_agent, address, proved_at, created_at, \
            last_seen_at, expires_at FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND last_seen_at > $3 \
            ORDER BY created_at DESC, id DESC LIMIT 100";
        TOUCH = "UPDATE sessions SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $1";
        REQUIRE_OPEN = "UPDATE sessions SET last_seen_at = last_seen_at WHERE id = $1 AND user_id = $2 AND ended_at IS NULL";
        // Or else this is the same end once more.
        END = "UPDATE sessions SET ended_at = $1, id_token = NULL, refresh_token = NULL \
            WHERE id = $2 AND user_id = $3 AND (ended_at IS NULL OR ended_at = $1)";
        END_OTHERS = "UPDATE sessions SET ended_at = $1, id_token = NULL, refresh_token = NULL \
            WHERE user_id = $2 AND id <> $3 AND ended_at IS NULL";
        // A session ends once, so its id names its end. Beside the new one 99 stay.
        REVOKE_OLDEST = "INSERT INTO revocations (id, organization_id, user_id, session_id, created_at) \
            SELECT s.id, s.organization_id, s.user_id, s.id, $1 FROM sessions s WHERE s.id IN (SELECT o.id FROM sessions o \
            WHERE o.user_id = $2 AND o.id <> $3 AND o.ended_at IS NULL ORDER BY o.created_at DESC, o.id DESC \
            LIMIT 10000 OFFSET 99) ON CONFLICT (id) DO NOTHING";
        END_OLDEST = "UPDATE sessions SET ended_at = $1, id_token = NULL, refresh_token = NULL \
            WHERE id IN (SELECT o.id FROM sessions o \
            WHERE o.user_id = $2 AND o.id <> $3 AND o.ended_at IS NULL ORDER BY o.created_at DESC, o.id DESC \
            LIMIT 10000 OFFSET 99)";
        REVOKE_ALL = "INSERT INTO revocations (id, organization_id, user_id, session_id, created_at) \
            SELECT id, organization_id, user_id, id, $1 FROM sessions \
            WHERE ended_at IS NULL AND expires_at > $1 AND created_at <= $2 \
            ON CONFLICT (id) DO NOTHING";
        END_ALL = "UPDATE sessions SET ended_at = $1, id_token = NULL, refresh_token = NULL \
            WHERE ended_at IS NULL AND expires_at > $1 AND created_at <= $2";
        TOKENS = "SELECT i.provider, s.id_token FROM sessions s \
            JOIN identities i ON i.id = s.identity_id WHERE s.id = $1 AND s.user_id = $2 AND s.ended_at IS NULL";
        REVOKE = "INSERT INTO revocations (id, organization_id, user_id, session_id, created_at) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (id) DO NOTHING";
        // Of what does not end nothing is told.
        REVOKE_OTHERS = "INSERT INTO revocations (id, organization_id, user_id, session_id, created_at) \
            SELECT $1, u.organization_id, u.id, NULL, $2 FROM users u WHERE u.id = $3 AND u.organization_id = $4 \
            AND EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = $3 AND s.id <> $5 AND s.ended_at IS NULL) \
            ON CONFLICT (id) DO NOTHING";
        // What is told of a user says what was told of them before.
        SUPERSEDE = "DELETE FROM revocations WHERE user_id = $1 AND session_id IS NULL AND id <> $2 \
            AND EXISTS (SELECT 1 FROM revocations r WHERE r.id = $2)";
        REVOKED = "SELECT id, user_id, session_id FROM revocations WHERE created_at >= $1 ORDER BY created_at DESC, id DESC LIMIT $2";
        OLD = "SELECT id FROM sessions WHERE expires_at < $1 UNION ALL SELECT id FROM sessions WHERE ended_at < $1 \
            UNION ALL SELECT id FROM revocations WHERE created_at < $1 LIMIT 1";
        DELETE_EXPIRED = "DELETE FROM sessions WHERE id IN \
            (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
        DELETE_ENDED = "DELETE FROM sessions WHERE id IN \
            (SELECT id FROM sessions WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)";
        DELETE_REVOCATIONS = "DELETE FROM revocations WHERE id IN \
            (SELECT id FROM revocations WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    }
}

/// How many of a kind are deleted at once, so that nobody waits long for it.
const DELETED_AT_ONCE: i64 = 1_000;

/// No session has this id.
const NONE: SessionId = SessionId::new(Uuid::nil());

/// What an identity provider gave out with a session, encrypted; and its own name for it.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The provider's `sid`.
    pub provider_session: Option<String>,
    /// The hint at sign-out.
    pub id_token: Option<String>,
    /// To ask whether the person may still come in.
    pub refresh_token: Option<String>,
    /// When to ask.
    pub refresh_at: Option<Timestamp>,
}

/// What is needed to sign somebody out at their provider too.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The provider's name.
    pub provider: String,
    /// The hint at sign-out, encrypted.
    pub id_token: Option<String>,
}

/// A session that is not over, with whose it is.
#[derive(Clone, Debug)]
pub struct Found {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub user: User,
    /// When the provider is to be asked about it.
    pub refresh_at: Option<Timestamp>,
    /// With which identity it was begun; none if by address.
    pub identity: Option<identity::Key>,
}

/// Something ended: one session of a user, or all that they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Tells it from others.
    pub id: Uuid,
    /// Whose it was.
    pub user: UserId,
    /// Which; all of them if none.
    pub session: Option<SessionId>,
}

fn read(columns: &mut Columns<'_>) -> Result<Session> {
    Ok(Session {
        id: columns.take()?,
        organization_id: columns.take()?,
        user_id: columns.take()?,
        identity_id: columns.take()?,
        method: columns.take::<String>()?.parse()?,
        user_agent: columns.take()?,
        address: columns.take()?,
        proved_at: columns.take()?,
        created_at: columns.take()?,
        last_seen_at: columns.take()?,
        expires_at: columns.take()?,
    })
}

fn missing() -> Error {
    Error::not_found("session")
}

/// The session is over, or never was one.
#[must_use]
pub fn over() -> Error {
    Error::new(Kind::Unauthenticated, "session_ended", "Your session has ended. Sign in again.")
}

/// Adds a session, when the batch is written.
pub fn insert_with(tenant: &Tenant, batch: &mut Batch, session: &Session, kept: Kept) {
    batch.write(
        &sql::INSERT,
        params![
            session.id,
            tenant.id(),
            session.user_id,
            session.identity_id,
            session.method.as_str(),
            session.user_agent.clone(),
            session.address.clone(),
            session.proved_at,
            session.created_at,
            session.last_seen_at,
            session.expires_at,
            kept.provider_session,
            kept.id_token,
            kept.refresh_token,
            kept.refresh_at
        ],
    );
}

/// Ends the oldest sessions of a user who has just opened this one, and tells all who keep sessions in memory, when the
/// batch is written: nobody has more than 100.
pub fn end_oldest_with(_: &Tenant, batch: &mut Batch, (user, opened): (UserId, SessionId), now: Timestamp) {
    for statement in [&sql::REVOKE_OLDEST, &sql::END_OLDEST] {
        batch.write(statement, params![now, user, opened]);
    }
}

/// A session that was not ended, of a user who may come in. Whether its time is over is the caller's to see.
///
/// # Errors
/// What the engine says.
pub async fn find(tenant: &Tenant, store: &Store, id: SessionId, user: UserId) -> Result<Option<Found>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        let (session, refresh_at) = (read(&mut columns)?, columns.take()?);
        let user = user::read(&mut columns)?;
        let (provider, issuer, subject) = (columns.take()?, columns.take()?, columns.take()?);
        let key = |((provider, issuer), subject)| identity::Key { provider, issuer, subject };
        Ok(Found { session, refresh_at, user, identity: Option::zip(provider, issuer).zip(subject).map(key) })
    };
    store.query_one(&sql::GET, &params![id, user, tenant.id()], read).await
}

/// Whether one of one's own sessions was ended.
///
/// # Errors
/// `not_found`
pub async fn has_ended(scope: &Scope, store: &Store, id: SessionId) -> Result<bool> {
    let read = |row: &Row<'_>| row.columns().take::<Option<Timestamp>>();
    let ended_at = store.query_one(&sql::ENDED_AT, &params![id, scope.owner()], read).await?;
    Ok(ended_at.ok_or_else(missing)?.is_some())
}

/// One's own sessions that are not over and were used after some time, the newest first.
///
/// # Errors
/// What the engine says.
pub async fn list(scope: &Scope, store: &Store, now: Timestamp, seen_after: Timestamp) -> Result<Vec<Session>> {
    store.query(&sql::LIST, &params![scope.owner(), now, seen_after], |row| read(&mut row.columns())).await
}

/// Notes when a session was last used, when the batch is written.
pub fn touch_with(_: &System, batch: &mut Batch, id: SessionId, now: Timestamp) {
    batch.write(&sql::TOUCH, params![now, id]);
}

/// Requires, when the batch is written, that one's own session was not ended: `session_ended`.
pub fn require_open_with(scope: &Scope, batch: &mut Batch, id: SessionId) {
    batch.require(&sql::REQUIRE_OPEN, params![id, scope.owner()], over);
}

/// Ends a session, when the batch is written. Requires that there is one, and that nobody else has ended it: `not_found`.
pub fn end_with(scope: &Scope, batch: &mut Batch, id: SessionId, now: Timestamp) {
    batch.require(&sql::END, params![now, id, scope.owner()], missing);
}

/// Ends a session of whomever, when the batch is written. Requires the same.
pub fn end_for_with(_: &Tenant, batch: &mut Batch, (user, id): (UserId, SessionId), now: Timestamp) {
    batch.require(&sql::END, params![now, id, user], missing);
}

/// Ends all sessions of a user but one, when the batch is written.
pub fn end_others_with(_: &Tenant, batch: &mut Batch, user: UserId, (but, now): (Option<SessionId>, Timestamp)) {
    batch.write(&sql::END_OTHERS, params![now, user, but.unwrap_or(NONE)]);
}

/// Tells all who keep sessions in memory that all of a user but one end, if any does, when the batch is written. To come
/// before [`end_others_with`].
pub fn revoke_others_with(
    tenant: &Tenant,
    batch: &mut Batch,
    revocation: &Revocation,
    (but, now): (Option<SessionId>, Timestamp),
) {
    let Revocation { id, user, .. } = *revocation;
    batch.write(&sql::REVOKE_OTHERS, params![id, now, user, tenant.id(), but.unwrap_or(NONE)]);
    batch.write(&sql::SUPERSEDE, params![user, id]);
}

/// Ends all sessions of all people that were opened until then and are not over, and tells all who keep sessions in memory, when the batch is
/// written.
pub fn end_all_with(_: &System, batch: &mut Batch, until: Timestamp, now: Timestamp) {
    for statement in [&sql::REVOKE_ALL, &sql::END_ALL] {
        batch.write(statement, params![now, until]);
    }
}

/// What a provider gave out with a session; nothing if that is over, or was not begun at a provider.
///
/// # Errors
/// What the engine says.
pub async fn tokens(_: &Tenant, store: &Store, id: SessionId, user: UserId) -> Result<Option<Tokens>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok(Tokens { provider: columns.take()?, id_token: columns.take()? })
    };
    store.query_one(&sql::TOKENS, &params![id, user], read).await
}

/// Tells all who keep sessions in memory, when the batch is written. Of a user there is one row at most: the newest.
pub fn revoke_with(tenant: &Tenant, batch: &mut Batch, revocation: &Revocation, now: Timestamp) {
    let Revocation { id, user, session } = *revocation;
    batch.write(&sql::REVOKE, params![id, tenant.id(), user, session, now]);
    if session.is_none() {
        batch.write(&sql::SUPERSEDE, params![user, id]);
    }
}

/// What ended since then, the newest first.
///
/// # Errors
/// What the engine says.
pub async fn revoked_since(_: &System, store: &Store, since: Timestamp, limit: i64) -> Result<Vec<Revocation>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok(Revocation { id: columns.take()?, user: columns.take()?, session: columns.take()? })
    };
    store.query(&sql::REVOKED, &params![since, limit], read).await
}

/// Whether there is something that nobody can use any more: sessions that were over before, by time or because they were
/// ended, and what was told of ends before.
///
/// # Errors
/// What the engine says.
pub async fn has_old(_: &System, store: &Store, before: Timestamp) -> Result<bool> {
    let found: Option<Uuid> = store.query_one(&sql::OLD, &params![before], |row| row.columns().take()).await?;
    Ok(found.is_some())
}

/// Deletes that, some at a time, when the batch is written.
pub fn delete_old_with(_: &System, batch: &mut Batch, before: Timestamp) {
    for statement in [&sql::DELETE_EXPIRED, &sql::DELETE_ENDED, &sql::DELETE_REVOCATIONS] {
        batch.write(statement, params![before, DELETED_AT_ONCE]);
    }
}

#[cfg(test)]
mod tests;

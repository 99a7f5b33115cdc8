//! What is somebody's who leaves, in storage: how much it is, and each step of handing it over or deleting it.
//!
//! It reaches whose things they are, and nothing that was said in them.

use jiff::Timestamp;
use retinue_model::offboarding::Contents;
use retinue_model::principal::LOCAL_USER;
use retinue_model::team::Team;
use retinue_model::{AgentId, ApiKeyId, Error, InvitationId, Result, RunId, TeamId, ThreadId, UserId};
use uuid::Uuid;

use crate::batch::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::{Value, params};
use crate::{Store, Tenant, team, usage, user};

pub(crate) mod sql {
    super::statements! {
        GET = "SELECT version, report FROM offboardings WHERE user_id = $1 AND organization_id = $2";
        // Nobody else wrote meanwhile, or else this is the same once more; and they are still shut out.
        SAVE = "INSERT INTO offboardings (user_id, organization_id, version, batch, report, updated_at) \
            SELECT u.id, u.organization_id, CAST($1 AS BIGINT), $2, $3, $4 FROM users u \
            WHERE u.id = $5 AND u.organization_id = $6 AND u.disabled_at IS NOT NULL \
            ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, batch = excluded.batch, report = excluded.report, \
            updated_at = excluded.updated_at \
            WHERE offboardings.version + 1 = excluded.version OR offboardings.batch = excluded.batch";
        COUNT = "SELECT \
            (SELECT COUNT(*) FROM threads WHERE owner_user_id = $1 AND organization_id = $2), \
            (SELECT COUNT(*) FROM agents WHERE maker_id = $1 AND organization_id = $2 AND deleted_at IS NULL AND sharing = 'private'), \
            (SELECT COUNT(*) FROM agents WHERE maker_id = $1 AND organization_id = $2 AND deleted_at IS NULL AND sharing <> 'private'), \
            (SELECT COUNT(*) FROM sessions WHERE user_id = $1 AND organization_id = $2 AND ended_at IS NULL AND expires_at > $3), \
            (SELECT COUNT(*) FROM api_keys WHERE user_id = $1 AND organization_id = $2 AND revoked_at IS NULL), \
            (SELECT COUNT(*) FROM memberships WHERE user_id = $1 AND organization_id = $2), \
            (SELECT COUNT(*) FROM invitations WHERE invited_by = $1 AND organization_id = $2 AND accepted_at IS NULL \
            AND revoked_at IS NULL AND expires_at > $3), \
            (SELECT COUNT(*) FROM runs r JOIN threads t ON t.id = r.thread_id WHERE t.owner_user_id = $1 AND t.organization_id = $2 \
            AND r.status IN ('queued', 'running'))";
        AT_WORK = "SELECT r.id FROM runs r JOIN threads t ON t.id = r.thread_id WHERE t.owner_user_id = $1 AND t.organization_id = $2 \
            AND r.status IN ('queued', 'running') LIMIT 1";
        ALONE_IN = "SELECT t.id, t.slug, t.name, t.created_at, t.updated_at FROM memberships m JOIN teams t ON t.id = m.team_id \
            WHERE m.user_id = $1 AND m.organization_id = $2 AND m.role = 'admin' AND NOT EXISTS (SELECT 1 FROM memberships o \
            JOIN users u ON u.id = o.user_id WHERE o.team_id = m.team_id AND o.role = 'admin' AND o.user_id NOT IN ($1, $3) \
            AND u.disabled_at IS NULL) ORDER BY t.id LIMIT 1000";
        ADMIN_OF = "SELECT team_id FROM memberships WHERE user_id = $1 AND organization_id = $2 AND role = 'admin' \
            ORDER BY team_id LIMIT 1000";
        UNREACHED = "SELECT t.id, t.slug, t.name, t.created_at, t.updated_at FROM teams t WHERE t.organization_id = $1 \
            AND EXISTS (SELECT 1 FROM agents a WHERE a.team_id = t.id AND a.maker_id = $2 AND a.deleted_at IS NULL AND a.sharing = 'private') \
            AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.team_id = t.id AND m.user_id = $3) ORDER BY t.id LIMIT 10";
        REQUIRE_HEIR = "UPDATE users SET organization_admin = organization_admin WHERE id = $1 AND organization_id = $2 \
            AND disabled_at IS NULL";
        DROP_PASSWORD = "UPDATE credentials SET password_hash = NULL, updated_at = $1 WHERE user_id = $2 AND organization_id = $3";
        KEYS = "SELECT id, team_id FROM api_keys WHERE user_id = $1 AND organization_id = $2 AND revoked_at IS NULL \
            ORDER BY created_at, id LIMIT $3";
        INVITATIONS = "SELECT id, team_id FROM invitations WHERE invited_by = $1 AND organization_id = $2 AND accepted_at IS NULL \
            AND revoked_at IS NULL AND expires_at > $3 ORDER BY created_at, id LIMIT $4";
        REVOKE_INVITATION = "UPDATE invitations SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2 AND invited_by = $3 \
            AND organization_id = $4 AND accepted_at IS NULL";
        LEAVE = "DELETE FROM memberships WHERE team_id = $1 AND user_id = $2 AND organization_id = $3";
        PRIVATE_AGENTS = "SELECT id, team_id FROM agents WHERE maker_id = $1 AND organization_id = $2 AND deleted_at IS NULL \
            AND sharing = 'private' ORDER BY id LIMIT $3";
        AGENTS = "SELECT id, team_id FROM agents WHERE maker_id = $1 AND organization_id = $2 AND deleted_at IS NULL ORDER BY id LIMIT $3";
        DELETE_AGENT = "UPDATE agents SET deleted_at = COALESCE(deleted_at, $1) WHERE id = $2 AND maker_id = $3 AND organization_id = $4 \
            AND sharing = 'private'";
        TRANSFER_AGENT = "UPDATE agents SET maker_id = $1 WHERE id = $2 AND maker_id = $3 AND organization_id = $4";
        THREADS = "SELECT id FROM threads WHERE owner_user_id = $1 AND organization_id = $2 ORDER BY created_at, id LIMIT $3";
        NONE_LEFT = "UPDATE users SET organization_admin = organization_admin WHERE id = $1 AND organization_id = $2 \
            AND NOT EXISTS (SELECT 1 FROM threads WHERE owner_user_id = $1)";
        DELETE_THREAD = "DELETE FROM threads WHERE id = $1 AND owner_user_id = $2 AND organization_id = $3";
        HOLD_THREAD = "UPDATE threads SET owner_user_id = owner_user_id WHERE id = $1 AND owner_user_id = $2 AND organization_id = $3";
        // It counts for a team of whoever gets it. The same once more changes nothing.
        TRANSFER_THREAD = "UPDATE threads SET owner_user_id = $1, team_id = CASE WHEN EXISTS (SELECT 1 FROM memberships m \
            WHERE m.team_id = threads.team_id AND m.user_id = $1) THEN team_id ELSE COALESCE((SELECT m.team_id FROM memberships m \
            WHERE m.user_id = $1 ORDER BY m.created_at, m.team_id LIMIT 1), team_id) END WHERE id = $2 AND organization_id = $3 \
            AND (owner_user_id = $1 OR (owner_user_id = $4 \
            AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.thread_id = $2 AND r.status IN ('queued', 'running'))))";
    }
}

/// How far an offboarding is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How often something was written of it.
    pub version: i64,
    /// What was done so far: a JSON object.
    pub report: String,
}

/// How far somebody's offboarding is, or the last one was that they had.
///
/// # Errors
/// What the engine says.
pub async fn get(tenant: &Tenant, store: &Store, user: UserId) -> Result<Option<Kept>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok(Kept { version: columns.take()?, report: columns.take()? })
    };
    store.query_one(&sql::GET, &params![user, tenant.id()], read).await
}

/// Somebody else takes part.
fn under_way() -> Error {
    Error::conflict(
        "offboarding_under_way",
        "Somebody else offboards this user at this moment, or has let them in again. Wait a moment, look at them, and try again.",
    )
}

/// Writes down how far it is, when the batch is written; `batch_id` names this batch alone. Requires that nobody else did since
/// it was read, and that they are shut out: `offboarding_under_way`.
pub fn save_with(tenant: &Tenant, batch: &mut Batch, user: UserId, kept: Kept, (batch_id, now): (Uuid, Timestamp)) {
    let params = params![kept.version, Value::Uuid(batch_id), kept.report, now, user, tenant.id()];
    batch.require(&sql::SAVE, params, under_way);
}

/// How much is somebody's.
///
/// # Errors
/// What the engine says.
pub async fn count(tenant: &Tenant, store: &Store, user: UserId, now: Timestamp) -> Result<Contents> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok(Contents {
            threads: columns.take()?,
            private_agents: columns.take()?,
            shared_agents: columns.take()?,
            sessions: columns.take()?,
            api_keys: columns.take()?,
            memberships: columns.take()?,
            invitations: columns.take()?,
            runs: columns.take()?,
        })
    };
    let found = store.query_long(&sql::COUNT, params![user, tenant.id(), now].to_vec(), read).await?.pop();
    found.ok_or_else(|| Error::internal("nothing was counted"))
}

/// Whether an answer is under way for somebody.
///
/// # Errors
/// What the engine says.
pub async fn is_at_work(tenant: &Tenant, store: &Store, user: UserId) -> Result<bool> {
    let found: Option<RunId> =
        store.query_one(&sql::AT_WORK, &params![user, tenant.id()], |row| row.columns().take()).await?;
    Ok(found.is_some())
}

/// The teams of which somebody is the only admin who may sign in. The first 1,000.
///
/// # Errors
/// What the engine says.
pub async fn alone_in(tenant: &Tenant, store: &Store, user: UserId) -> Result<Vec<Team>> {
    store.query(&sql::ALONE_IN, &params![user, tenant.id(), LOCAL_USER], |row| team::read(&mut row.columns())).await
}

/// The teams of which somebody is an admin, in the order in which they are to be held. The first 1,000.
///
/// # Errors
/// What the engine says.
pub async fn admin_of(tenant: &Tenant, store: &Store, user: UserId) -> Result<Vec<TeamId>> {
    store.query(&sql::ADMIN_OF, &params![user, tenant.id()], |row| row.columns().take()).await
}

/// Teams in which somebody has private agents that another one could not get at, for they do not belong there. The first ten.
///
/// # Errors
/// What the engine says.
pub async fn unreached(tenant: &Tenant, store: &Store, (maker, heir): (UserId, UserId)) -> Result<Vec<Team>> {
    let params = params![tenant.id(), maker, heir];
    store.query(&sql::UNREACHED, &params, |row| team::read(&mut row.columns())).await
}

/// There is nobody to get it.
#[must_use]
pub fn heir_unknown() -> Error {
    Error::conflict(
        "heir_unknown",
        "Whoever shall get it is no other user who may come in. Name another one: `retinue user list` shows them.",
    )
}

/// Refuses the batch if whoever gets something may not come in: `heir_unknown`.
pub fn require_heir_with(tenant: &Tenant, batch: &mut Batch, heir: UserId) {
    batch.require(&sql::REQUIRE_HEIR, params![heir, tenant.id()], heir_unknown);
}

/// Forgets somebody's password, when the batch is written; their address stays theirs.
pub fn drop_password_with(tenant: &Tenant, batch: &mut Batch, user: UserId, now: Timestamp) {
    batch.write(&sql::DROP_PASSWORD, params![now, user, tenant.id()]);
}

/// Keys of somebody that were not revoked, and in which teams they act; the oldest first.
///
/// # Errors
/// What the engine says.
pub async fn keys(tenant: &Tenant, store: &Store, user: UserId, limit: i64) -> Result<Vec<(ApiKeyId, TeamId)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    };
    store.query(&sql::KEYS, &params![user, tenant.id(), limit], read).await
}

/// Open invitations that somebody made, and into which teams; the oldest first.
///
/// # Errors
/// What the engine says.
pub async fn invitations(
    tenant: &Tenant,
    store: &Store,
    user: UserId,
    (now, limit): (Timestamp, i64),
) -> Result<Vec<(InvitationId, TeamId)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    };
    store.query(&sql::INVITATIONS, &params![user, tenant.id(), now, limit], read).await
}

/// Takes an invitation back that somebody made, when the batch is written; one that was used stays so.
pub fn revoke_invitation_with(tenant: &Tenant, batch: &mut Batch, (id, by): (InvitationId, UserId), now: Timestamp) {
    batch.write(&sql::REVOKE_INVITATION, params![now, id, by, tenant.id()]);
}

/// Takes somebody out of a team, when the batch is written. Whether an admin is left is the caller's to see.
pub fn leave_with(tenant: &Tenant, batch: &mut Batch, (team, user): (TeamId, UserId)) {
    batch.write(&sql::LEAVE, params![team, user, tenant.id()]);
}

/// Agents that somebody made, and their teams: all, or those that only they may use.
///
/// # Errors
/// What the engine says.
pub async fn agents(
    tenant: &Tenant,
    store: &Store,
    maker: UserId,
    (only_private, limit): (bool, i64),
) -> Result<Vec<(AgentId, TeamId)>> {
    let statement = if only_private { &sql::PRIVATE_AGENTS } else { &sql::AGENTS };
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    };
    store.query(statement, &params![maker, tenant.id(), limit], read).await
}

/// Deletes an agent that only its maker may use, when the batch is written.
pub fn delete_agent_with(tenant: &Tenant, batch: &mut Batch, (id, maker): (AgentId, UserId), now: Timestamp) {
    batch.write(&sql::DELETE_AGENT, params![now, id, maker, tenant.id()]);
}

/// Makes an agent somebody else's, when the batch is written. What it is, and with whom it is shared, stays.
pub fn transfer_agent_with(tenant: &Tenant, batch: &mut Batch, id: AgentId, (from, to): (UserId, UserId)) {
    batch.write(&sql::TRANSFER_AGENT, params![to, id, from, tenant.id()]);
}

/// Conversations of somebody, the oldest first: which, and nothing of what they say.
///
/// # Errors
/// What the engine says.
pub async fn threads(tenant: &Tenant, store: &Store, owner: UserId, limit: i64) -> Result<Vec<ThreadId>> {
    store.query(&sql::THREADS, &params![owner, tenant.id(), limit], |row| row.columns().take()).await
}

/// Refuses the batch if somebody has a conversation that began at the moment at which they were shut out:
/// `offboarding_under_way`. Whoever is about to write one down is waited for.
pub fn require_no_threads_with(tenant: &Tenant, batch: &mut Batch, owner: UserId) {
    user::hold_owner_with(tenant, batch, owner);
    batch.require(&sql::NONE_LEFT, params![owner, tenant.id()], under_way);
}

/// Deletes a conversation of somebody with its messages, runs and events, and counts what is under way in it, when the batch is
/// written.
pub fn delete_thread_with(tenant: &Tenant, batch: &mut Batch, (id, owner): (ThreadId, UserId), now: Timestamp) {
    usage::settle_thread_of_with(tenant, batch, (owner, id), now);
    batch.write(&sql::DELETE_THREAD, params![id, owner, tenant.id()]);
}

fn answered_now() -> Error {
    Error::conflict(
        "run_in_progress",
        "An answer is still under way in one of their conversations. A running server ends it within a second; if none runs, start it. Then try again: it goes on from here.",
    )
}

/// Gives a conversation to somebody else, when the batch is written: one of their teams has it from then on. Requires that it is
/// there, and that no answer is under way in it: `run_in_progress`.
pub fn transfer_thread_with(tenant: &Tenant, batch: &mut Batch, id: ThreadId, (from, to): (UserId, UserId)) {
    // Held first, so that no answer begins between the two.
    batch.write(&sql::HOLD_THREAD, params![id, from, tenant.id()]);
    batch.require(&sql::TRANSFER_THREAD, params![to, id, tenant.id(), from], answered_now);
}

//! Agents in storage, and what each was when a run used it.

use jiff::Timestamp;
use retinue_model::agent::{Agent, Limits, Sharing};
use retinue_model::{AgentId, Error, Result, Slug, TeamId, UserId};

use crate::batch::Batch;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::{Value, params};
use crate::{Scope, Store, System, TeamScope, Tenant};

pub mod version;

use version::insert_with as insert_version_with;

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO agents (id, organization_id, team_id, maker_id, slug, version, name, description, instructions, \
            model, max_turns, max_tokens, max_seconds, sharing, remote_api, declared, created_at, updated_at) \
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18 WHERE CAST($16 AS BIGINT) IS NOT NULL \
            OR (SELECT COUNT(*) FROM agents a WHERE a.team_id = $3 AND a.deleted_at IS NULL AND a.id <> $1 \
            AND (a.sharing = 'private') = (CAST($14 AS TEXT) = 'private') AND (a.sharing <> 'private' OR a.maker_id = $4)) < $19 \
            ON CONFLICT (id) DO UPDATE SET id = excluded.id";
        GET = "SELECT id, team_id, maker_id, slug, version, name, description, instructions, model, max_turns, max_tokens, \
            max_seconds, sharing, remote_api, declared, created_at, updated_at FROM agents \
            WHERE id = $1 AND organization_id = $2 AND deleted_at IS NULL";
        GET_KEPT = "SELECT id, team_id, maker_id, slug, version, name, description, instructions, model, max_turns, max_tokens, \
            max_seconds, sharing, remote_api, declared, created_at, updated_at FROM agents WHERE id = $1 AND organization_id = $2";
        GET_DELETED = "SELECT id, team_id, maker_id, slug, version, name, description, instructions, model, max_turns, max_tokens, \
            max_seconds, sharing, remote_api, declared, created_at, updated_at FROM agents \
            WHERE id = $1 AND organization_id = $2 AND deleted_at IS NOT NULL AND declared IS NULL";
        NAME_OF = "SELECT name FROM agents WHERE id = $1 AND organization_id = $2";
        // Those of one's teams that are shared, those that are shared with all, and one's own. SQLite takes what is left of CROSS
        // JOIN first: a few agents, and not all there are.
        USABLE = "SELECT a.id, a.team_id, a.maker_id, a.slug, a.version, a.name, a.description, a.instructions, a.model, a.max_turns, \
            a.max_tokens, a.max_seconds, a.sharing, a.remote_api, a.declared, a.created_at, a.updated_at FROM ( \
            SELECT t.id FROM memberships m JOIN agents t ON t.team_id = m.team_id WHERE m.user_id = $1 \
            AND m.team_id = COALESCE($2, m.team_id) AND t.deleted_at IS NULL \
            AND (t.sharing IN ('team', 'organization') OR t.maker_id = $1) \
            UNION SELECT o.id FROM agents o WHERE o.organization_id = $3 AND o.sharing = 'organization' AND o.deleted_at IS NULL) found \
            CROSS JOIN agents a WHERE a.id = found.id AND a.organization_id = $3 AND a.deleted_at IS NULL AND (a.name, a.id) > ($4, $5) \
            ORDER BY a.name, a.id LIMIT $6";
        FIRST_DECLARED = "SELECT id, team_id, maker_id, slug, version, name, description, instructions, model, max_turns, max_tokens, \
            max_seconds, sharing, remote_api, declared, created_at, updated_at FROM agents \
            WHERE organization_id = $1 AND declared IS NOT NULL AND deleted_at IS NULL ORDER BY declared LIMIT 1";
        DECLARED = "SELECT id, team_id, maker_id, slug, version, name, description, instructions, model, max_turns, max_tokens, \
            max_seconds, sharing, remote_api, declared, created_at, updated_at FROM agents \
            WHERE organization_id = $1 AND declared IS NOT NULL ORDER BY declared LIMIT 1000";
        OF_TEAM = "SELECT id, team_id, maker_id, slug, version, name, description, instructions, model, max_turns, max_tokens, \
            max_seconds, sharing, remote_api, declared, created_at, updated_at FROM agents \
            WHERE team_id = $1 AND organization_id = $2 AND deleted_at IS NULL AND sharing IN ('team', 'organization') \
            ORDER BY name, id LIMIT 1000";
        ALL_OF_TEAM = "SELECT id, team_id, maker_id, slug, version, name, description, instructions, model, max_turns, max_tokens, \
            max_seconds, sharing, remote_api, declared, created_at, updated_at FROM agents \
            WHERE team_id = $1 AND organization_id = $2 AND deleted_at IS NULL AND id > $3 ORDER BY id LIMIT $4";
        BY_SLUG = "SELECT id, team_id, maker_id, slug, version, name, description, instructions, model, max_turns, max_tokens, \
            max_seconds, sharing, remote_api, declared, created_at, updated_at FROM agents \
            WHERE team_id = $1 AND slug = $2 AND organization_id = $3 AND deleted_at IS NULL";
        COUNT_OF_TEAM = "SELECT COUNT(*) FROM agents WHERE team_id = $1 AND organization_id = $2 AND deleted_at IS NULL";
        // Nobody else has changed it since it was read; or else this is the same change once more.
        CHANGE = "UPDATE agents SET slug = $1, version = $2, name = $3, description = $4, instructions = $5, model = $6, \
            max_turns = $7, max_tokens = $8, max_seconds = $9, sharing = $10, remote_api = $11, updated_at = $12 \
            WHERE id = $13 AND team_id = $14 AND organization_id = $15 AND deleted_at IS NULL \
            AND (version + 1 = $2 OR (version = $2 AND updated_at = $12))";
        // It is no other kind than before, or is not there: that is told by the change itself.
        HAS_ROOM = "UPDATE teams SET updated_at = updated_at WHERE id = $1 AND (NOT EXISTS (SELECT 1 \
            FROM agents b WHERE b.id = $2 AND (b.sharing = 'private') <> (CAST($3 AS TEXT) = 'private')) \
            OR (SELECT COUNT(*) FROM agents a WHERE a.team_id = $1 AND a.deleted_at IS NULL \
            AND (a.sharing = 'private') = (CAST($3 AS TEXT) = 'private') AND (a.sharing <> 'private' OR a.maker_id = $4)) < $5)";
        DECLARE = "UPDATE agents SET declared = $1, version = $2, name = $3, description = $4, instructions = $5, model = $6, \
            max_turns = $7, max_tokens = $8, max_seconds = $9, remote_api = $10, updated_at = $11, deleted_at = NULL \
            WHERE id = $12 AND organization_id = $13";
        RETIRE = "UPDATE agents SET declared = NULL, deleted_at = $1 WHERE id = $2 AND organization_id = $3 AND declared IS NOT NULL";
        // As it was when somebody looked whether they may: how it is shared decides that. Or else this is the same once more.
        DELETE = "UPDATE agents SET deleted_at = $1 WHERE id = $2 AND team_id = $3 AND organization_id = $4 \
            AND declared IS NULL AND version = $5 AND (deleted_at IS NULL OR deleted_at = $1)";
        RESTORE = "UPDATE agents SET deleted_at = NULL WHERE id = $1 AND team_id = $2 AND organization_id = $3 AND declared IS NULL";
        DELETE_ALL = "UPDATE agents SET deleted_at = COALESCE(deleted_at, $1), team_id = $2 WHERE team_id = $3 AND organization_id = $4 \
            AND declared IS NULL";
        MOVE_ALL = "UPDATE agents SET team_id = $1 WHERE team_id = $2 AND organization_id = $3";
    }
}

fn read_limits(columns: &mut Columns<'_>) -> Result<Limits> {
    let mut limit = || -> Result<Option<u32>> {
        columns.take::<Option<i64>>()?.map(|value| u32::try_from(value).map_err(Error::internal)).transpose()
    };
    Ok(Limits { turns: limit()?, tokens: limit()?, seconds: limit()? })
}

pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Agent> {
    let (id, team_id, maker_id) = (columns.take()?, columns.take()?, columns.take()?);
    let slug = Slug::new(&columns.take::<String>()?).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Agent {
        id,
        team_id,
        maker_id,
        slug,
        version: columns.take()?,
        name: columns.take()?,
        description: columns.take()?,
        instructions: columns.take()?,
        model: columns.take()?,
        limits: read_limits(columns)?,
        sharing: columns.take::<String>()?.parse()?,
        remote_api: columns.take()?,
        declared: columns.take::<Option<i64>>()?.is_some(),
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

fn read_row(row: &Row<'_>) -> Result<Agent> {
    read(&mut row.columns())
}

/// No agent has this id.
#[must_use]
pub fn missing() -> Error {
    Error::not_found("agent")
}

/// Somebody else was quicker.
#[must_use]
pub fn changed() -> Error {
    Error::conflict(
        "agent_changed",
        "Somebody else changed this agent meanwhile. Look at what it is now, then try again.",
    )
}

fn limits(limits: Limits) -> [Value<'static>; 3] {
    [limits.turns, limits.tokens, limits.seconds].map(|limit| limit.map(i64::from).into())
}

/// Agents of a team that are shared and there at once, at most. Those of the configuration are as many as it says.
const MOST_OF_TEAM: i64 = 500;
/// Those of one maker in a team that are theirs alone, at most: others neither see them nor can delete them.
const MOST_PRIVATE: i64 = 50;

fn too_many() -> Error {
    Error::conflict(
        "too_many_agents",
        "This team has 500 shared agents, which is the most. Delete those that nobody uses.",
    )
}

fn too_many_private() -> Error {
    Error::conflict(
        "too_many_agents",
        "You have 50 private agents in this team, which is the most. Delete those that you do not use, or share some.",
    )
}

/// How many there may be at once that are shared alike, and what is said of one more.
fn room(sharing: Sharing) -> (i64, fn() -> Error) {
    match sharing {
        Sharing::Private => (MOST_PRIVATE, too_many_private),
        Sharing::Team | Sharing::Organization => (MOST_OF_TEAM, too_many),
    }
}

/// Adds an agent, when the batch is written; `slug_taken` if another one of its team has its short name. `declared` is its
/// place in the configuration. Requires that its team, or its maker in it, has room for another one: `too_many_agents`.
pub fn insert_with(tenant: &Tenant, batch: &mut Batch, agent: &Agent, declared: Option<i64>) {
    let [turns, tokens, seconds] = limits(agent.limits);
    let (most, too_many) = room(agent.sharing);
    batch.require(
        &sql::INSERT,
        [
            agent.id.into(),
            tenant.id().into(),
            agent.team_id.into(),
            agent.maker_id.into(),
            String::from(agent.slug.clone()).into(),
            agent.version.into(),
            agent.name.clone().into(),
            agent.description.clone().into(),
            agent.instructions.clone().into(),
            agent.model.clone().into(),
            turns,
            tokens,
            seconds,
            agent.sharing.as_str().into(),
            agent.remote_api.into(),
            declared.into(),
            agent.created_at.into(),
            agent.updated_at.into(),
            most.into(),
        ],
        too_many,
    );
    insert_version_with(tenant, batch, agent, agent.maker_id);
}

/// One agent that was not deleted. Whether somebody may know of it is the caller's to decide.
///
/// # Errors
/// What the engine says.
pub async fn get(tenant: &Tenant, store: &Store, id: AgentId) -> Result<Option<Agent>> {
    store.query_one(&sql::GET, &params![id, tenant.id()], read_row).await
}

/// One agent, be it that it was deleted.
///
/// # Errors
/// What the engine says.
pub async fn get_kept(_: &System, tenant: &Tenant, store: &Store, id: AgentId) -> Result<Option<Agent>> {
    store.query_one(&sql::GET_KEPT, &params![id, tenant.id()], read_row).await
}

/// One agent that was deleted, for whoever deleted it.
///
/// # Errors
/// What the engine says.
pub async fn get_deleted(tenant: &Tenant, store: &Store, id: AgentId) -> Result<Option<Agent>> {
    store.query_one(&sql::GET_DELETED, &params![id, tenant.id()], read_row).await
}

/// What an agent is called that took part in a conversation, whether it was deleted since or not.
///
/// # Errors
/// What the engine says.
pub async fn name_of(scope: &Scope, store: &Store, id: AgentId) -> Result<Option<String>> {
    store.query_one(&sql::NAME_OF, &params![id, scope.organization()], |row| row.columns().take()).await
}

/// A place in a list of agents by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the last one is called.
    pub name: String,
    /// The last one.
    pub id: AgentId,
}

/// The agents that somebody may use, by name, from the beginning or after a place.
///
/// # Errors
/// What the engine says.
pub async fn usable(scope: &Scope, store: &Store, after: Option<Place>, limit: i64) -> Result<Vec<Agent>> {
    let nil = || Place { name: String::new(), id: AgentId::new(uuid::Uuid::nil()) };
    let Place { name, id } = after.unwrap_or_else(nil);
    let params = params![scope.owner(), scope.team(), scope.organization(), name, id, limit];
    store.query(&sql::USABLE, &params, read_row).await
}

/// The first agent of the configuration.
///
/// # Errors
/// What the engine says.
pub async fn first_declared(tenant: &Tenant, store: &Store) -> Result<Option<Agent>> {
    store.query_one(&sql::FIRST_DECLARED, &params![tenant.id()], read_row).await
}

/// The agents of the configuration, in its order.
///
/// # Errors
/// What the engine says.
pub async fn declared(_: &System, tenant: &Tenant, store: &Store) -> Result<Vec<Agent>> {
    store.query(&sql::DECLARED, &params![tenant.id()], read_row).await
}

/// The agents of a team that are shared, by name; the first 1,000.
///
/// # Errors
/// What the engine says.
pub async fn of_team(team: &TeamScope, store: &Store) -> Result<Vec<Agent>> {
    store.query(&sql::OF_TEAM, &params![team.id(), team.organization()], read_row).await
}

/// All agents of a team, shared or not, after one of them. For whoever has the machine.
///
/// # Errors
/// What the engine says.
pub async fn all_of_team(team: &TeamScope, store: &Store, after: Option<AgentId>, limit: i64) -> Result<Vec<Agent>> {
    let after = after.unwrap_or(AgentId::new(uuid::Uuid::nil()));
    store.query(&sql::ALL_OF_TEAM, &params![team.id(), team.organization(), after, limit], read_row).await
}

/// The agent of a team with this short name, shared or not.
///
/// # Errors
/// What the engine says.
pub async fn by_slug(team: &TeamScope, store: &Store, slug: &Slug) -> Result<Option<Agent>> {
    store.query_one(&sql::BY_SLUG, &params![team.id(), slug.as_str(), team.organization()], read_row).await
}

/// How many agents a team has, shared or not.
///
/// # Errors
/// What the engine says.
pub async fn count_of_team(team: &TeamScope, store: &Store) -> Result<i64> {
    let count = |row: &Row<'_>| row.columns().take();
    Ok(store.query_one(&sql::COUNT_OF_TEAM, &params![team.id(), team.organization()], count).await?.unwrap_or(0))
}

/// Makes an agent what it is from its new version on, when the batch is written. Requires that nobody changed it since it was
/// read: `agent_changed`; and if it was private and is not now, or the other way around, that there is room: `too_many_agents`.
pub fn change_with(team: &TeamScope, batch: &mut Batch, agent: &Agent, by: Option<UserId>) {
    let [turns, tokens, seconds] = limits(agent.limits);
    let (most, too_many) = room(agent.sharing);
    let of = params![team.id(), agent.id, agent.sharing.as_str(), agent.maker_id, most];
    batch.require(&sql::HAS_ROOM, of, too_many);
    batch.require(
        &sql::CHANGE,
        [
            String::from(agent.slug.clone()).into(),
            agent.version.into(),
            agent.name.clone().into(),
            agent.description.clone().into(),
            agent.instructions.clone().into(),
            agent.model.clone().into(),
            turns,
            tokens,
            seconds,
            agent.sharing.as_str().into(),
            agent.remote_api.into(),
            agent.updated_at.into(),
            agent.id.into(),
            team.id().into(),
            team.organization().into(),
        ],
        changed,
    );
    insert_version_with(&team.tenant(), batch, agent, by);
}

/// Makes an agent what the configuration says at this place of it, when the batch is written.
pub fn declare_with(_: &System, batch: &mut Batch, tenant: &Tenant, (agent, place): (&Agent, i64)) {
    let [turns, tokens, seconds] = limits(agent.limits);
    let params = [
        place.into(),
        agent.version.into(),
        agent.name.clone().into(),
        agent.description.clone().into(),
        agent.instructions.clone().into(),
        agent.model.clone().into(),
        turns,
        tokens,
        seconds,
        agent.remote_api.into(),
        agent.updated_at.into(),
        agent.id.into(),
        tenant.id().into(),
    ];
    batch.write(&sql::DECLARE, params);
    insert_version_with(tenant, batch, agent, None);
}

/// Deletes an agent that does not stand in the configuration any more, when the batch is written.
pub fn retire_with(_: &System, batch: &mut Batch, tenant: &Tenant, (id, now): (AgentId, Timestamp)) {
    batch.write(&sql::RETIRE, params![now, id, tenant.id()]);
}

/// Deletes an agent that does not stand in the configuration, when the batch is written. It stays for the conversations that
/// it took part in. Requires that nobody changed or deleted it since it was read: `agent_changed`.
pub fn delete_with(team: &TeamScope, batch: &mut Batch, agent: &Agent, now: Timestamp) {
    batch.require(&sql::DELETE, params![now, agent.id, team.id(), team.organization(), agent.version], changed);
}

/// Takes back that an agent was deleted, when the batch is written. Requires that there is one: `not_found`.
pub fn restore_with(team: &TeamScope, batch: &mut Batch, id: AgentId) {
    batch.require(&sql::RESTORE, params![id, team.id(), team.organization()], missing);
}

/// Deletes all agents of a team but for those of the configuration, when the batch is written; what is kept of them is
/// another team's.
pub fn delete_all_with(team: &TeamScope, batch: &mut Batch, kept_by: TeamId, now: Timestamp) {
    batch.write(&sql::DELETE_ALL, params![now, kept_by, team.id(), team.organization()]);
}

/// Gives all agents of a team to another one, when the batch is written.
pub fn move_all_with(from: &TeamScope, batch: &mut Batch, to: TeamId) {
    batch.write(&sql::MOVE_ALL, params![to, from.id(), from.organization()]);
}

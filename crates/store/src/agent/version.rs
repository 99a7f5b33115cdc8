//! What an agent was in each of its versions.

use jiff::Timestamp;
use retinue_model::agent::{Agent, Limits};
use retinue_model::{AgentId, Result, UserId};

use super::{limits, read_limits};
use crate::batch::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::params;
use crate::{Store, TeamScope, Tenant};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO agent_versions (agent_id, version, organization_id, name, description, instructions, model, \
            max_turns, max_tokens, max_seconds, sharing, changed_by, created_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (agent_id, version) DO NOTHING";
        // Those that a run says it used stay.
        FORGET = "DELETE FROM agent_versions WHERE agent_id = $1 AND version <= $2 AND organization_id = $3 \
            AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.agent_id = agent_versions.agent_id \
            AND r.agent_version = agent_versions.version)";
        LIST = "SELECT v.version, v.name, v.description, v.instructions, v.model, v.max_turns, v.max_tokens, v.max_seconds, \
            v.changed_by, v.created_at FROM agent_versions v JOIN agents a ON a.id = v.agent_id \
            WHERE v.agent_id = $1 AND a.team_id = $2 AND v.organization_id = $3 AND v.version < $4 \
            AND (v.sharing <> 'private' OR a.maker_id = $5) ORDER BY v.version DESC LIMIT $6";
    }
}

/// Versions of an agent that are kept besides those that a run used.
const KEPT: i64 = 200;

/// Adds what an agent is now to its versions, when the batch is written, and lets go of the oldest that nothing needs.
pub(super) fn insert_with(tenant: &Tenant, batch: &mut Batch, agent: &Agent, by: Option<UserId>) {
    let [turns, tokens, seconds] = limits(agent.limits);
    batch.write(
        &sql::INSERT,
        [
            agent.id.into(),
            agent.version.into(),
            tenant.id().into(),
            agent.name.clone().into(),
            agent.description.clone().into(),
            agent.instructions.clone().into(),
            agent.model.clone().into(),
            turns,
            tokens,
            seconds,
            agent.sharing.as_str().into(),
            by.into(),
            agent.updated_at.into(),
        ],
    );
    if agent.version > KEPT {
        batch.write(&sql::FORGET, params![agent.id, agent.version - KEPT, tenant.id()]);
    }
}

/// What an agent was in one of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Which.
    pub version: i64,
    /// The name for people.
    pub name: String,
    /// What it was for.
    pub description: String,
    /// What the model was told.
    pub instructions: String,
    /// The name of its model.
    pub model: Option<String>,
    /// Bounds on each run.
    pub limits: Limits,
    /// Who made it so; none if the configuration did, or they are gone.
    pub changed_by: Option<UserId>,
    /// When.
    pub created_at: Timestamp,
}

/// The versions of an agent before one of them, the newest first, as far as they are for whoever reads them: one that was private
/// is for its maker alone.
///
/// # Errors
/// What the engine says.
pub async fn list(
    team: &TeamScope,
    store: &Store,
    (id, reader): (AgentId, UserId),
    (before, limit): (i64, i64),
) -> Result<Vec<Version>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok(Version {
            version: columns.take()?,
            name: columns.take()?,
            description: columns.take()?,
            instructions: columns.take()?,
            model: columns.take()?,
            limits: read_limits(&mut columns)?,
            changed_by: columns.take()?,
            created_at: columns.take()?,
        })
    };
    store.query(&sql::LIST, &params![id, team.id(), team.organization(), before, reader, limit], read).await
}

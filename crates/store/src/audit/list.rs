//! Reading the trail, the newest event first.
//!
//! Each list goes along an index of its own: what it costs grows with what is shown, and not with the trail.

use jiff::Timestamp;
use retinue_model::audit::{Action, Outcome, Recorded};
use retinue_model::{Result, TeamId, UserId};

use super::read;
use crate::statement::Statement;
use crate::value::{Value, params};
use crate::{Scope, Store, Tenant};

pub(crate) mod sql {
    crate::statement::statements! {
        ALL_OF = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE organization_id = $1 AND seq < $2 AND at >= $3 AND at < $4 AND (CAST($5 AS TEXT) IS NULL OR action = $5) \
            AND (CAST($6 AS TEXT) IS NULL OR outcome = $6) ORDER BY seq DESC LIMIT $7";
        OF_ACTION = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE organization_id = $1 AND seq < $2 AND at >= $3 AND at < $4 AND (CAST($5 AS TEXT) IS NULL OR action = $5) \
            AND (CAST($6 AS TEXT) IS NULL OR outcome = $6) AND action = $7 ORDER BY seq DESC LIMIT $8";
        OF_ACTOR = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE organization_id = $1 AND seq < $2 AND at >= $3 AND at < $4 AND (CAST($5 AS TEXT) IS NULL OR action = $5) \
            AND (CAST($6 AS TEXT) IS NULL OR outcome = $6) AND actor_id = $7 ORDER BY seq DESC LIMIT $8";
        OF_TEAM = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE organization_id = $1 AND seq < $2 AND at >= $3 AND at < $4 AND (CAST($5 AS TEXT) IS NULL OR action = $5) \
            AND (CAST($6 AS TEXT) IS NULL OR outcome = $6) AND team_id = $7 ORDER BY seq DESC LIMIT $8";
        OF_ACTOR_IN_TEAM = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE organization_id = $1 AND seq < $2 AND at >= $3 AND at < $4 AND (CAST($5 AS TEXT) IS NULL OR action = $5) \
            AND (CAST($6 AS TEXT) IS NULL OR outcome = $6) AND actor_id = $7 AND team_id = $8 ORDER BY seq DESC LIMIT $9";
        OF_TARGET = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE organization_id = $1 AND seq < $2 AND at >= $3 AND at < $4 AND (CAST($5 AS TEXT) IS NULL OR action = $5) \
            AND (CAST($6 AS TEXT) IS NULL OR outcome = $6) AND target_id = $7 ORDER BY seq DESC LIMIT $8";
        // What somebody did, and what was done to them.
        OF_PERSON = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE organization_id = $1 AND seq < $2 AND at >= $3 AND at < $4 AND (CAST($5 AS TEXT) IS NULL OR action = $5) \
            AND (CAST($6 AS TEXT) IS NULL OR outcome = $6) AND seq IN (SELECT seq FROM (SELECT seq FROM audit_events \
            WHERE actor_id = $7 AND organization_id = $1 AND seq < $2 AND at >= $3 AND at < $4 AND (CAST($5 AS TEXT) IS NULL OR action = $5) \
            AND (CAST($6 AS TEXT) IS NULL OR outcome = $6) ORDER BY seq DESC LIMIT $8) AS did \
            UNION SELECT seq FROM (SELECT seq FROM audit_events \
            WHERE user_id = $7 AND organization_id = $1 AND seq < $2 AND at >= $3 AND at < $4 AND (CAST($5 AS TEXT) IS NULL OR action = $5) \
            AND (CAST($6 AS TEXT) IS NULL OR outcome = $6) ORDER BY seq DESC LIMIT $8) AS met) ORDER BY seq DESC LIMIT $8";
    }
}

/// Whose part of the trail, or which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// All of it.
    Everything,
    /// What is of this kind.
    Action(Action),
    /// What somebody did.
    Actor(UserId),
    /// What was done to the thing of this id.
    Target(String),
    /// What is a team's business.
    Team(TeamId),
    /// What somebody did of that.
    ActorInTeam(UserId, TeamId),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Whose part, or which.
    pub by: By,
    /// Only what is of this kind.
    pub action: Option<Action>,
    /// Only what went so.
    pub outcome: Option<Outcome>,
    /// Not before this.
    pub since: Timestamp,
    /// Before this.
    pub until: Timestamp,
}

impl Default for Filter {
    fn default() -> Self {
        let (since, until) = (Timestamp::UNIX_EPOCH, Timestamp::constant(253_402_207_200, 0));
        Self { by: By::Everything, action: None, outcome: None, since, until }
    }
}

impl Filter {
    fn params(&self, tenant: &Tenant, before: i64) -> Vec<Value<'static>> {
        let (action, outcome) = (self.action.map(Action::as_str), self.outcome.map(Outcome::as_str));
        params![tenant.id(), before, self.since, self.until, action, outcome].into()
    }

    fn statement(&self) -> (&'static Statement, Vec<Value<'static>>) {
        match &self.by {
            By::Everything => (&sql::ALL_OF, Vec::new()),
            By::Action(action) => (&sql::OF_ACTION, params![action.as_str()].into()),
            By::Actor(id) => (&sql::OF_ACTOR, params![*id].into()),
            By::Target(id) => (&sql::OF_TARGET, params![id.clone()].into()),
            By::Team(id) => (&sql::OF_TEAM, params![*id].into()),
            By::ActorInTeam(user, team) => (&sql::OF_ACTOR_IN_TEAM, params![*user, *team].into()),
        }
    }
}

/// Events before the one of this number, the newest first. For those who may read all of it, or a team's part.
///
/// # Errors
/// What the engine says.
pub async fn list(
    tenant: &Tenant,
    store: &Store,
    filter: &Filter,
    (before, limit): (i64, i64),
) -> Result<Vec<Recorded>> {
    let (statement, what) = filter.statement();
    let params = filter.params(tenant, before).into_iter().chain(what).chain([limit.into()]);
    store.query_long(statement, params.collect(), read).await
}

/// What one did oneself, and what was done to one, before the event of this number, the newest first. `filter.by` is passed
/// over.
///
/// # Errors
/// What the engine says.
pub async fn of_oneself(
    scope: &Scope,
    store: &Store,
    filter: &Filter,
    (before, limit): (i64, i64),
) -> Result<Vec<Recorded>> {
    let tenant = scope.tenant();
    let params = filter.params(&tenant, before).into_iter().chain(params![scope.owner(), limit]);
    store.query_long(&sql::OF_PERSON, params.collect(), read).await
}

//! Reading the trail, the newest event first.
//!
//! Each list goes along an index of its own: what it costs grows with what is shown, and not with the trail.

use jiff::{SignedDuration, Timestamp};
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
            WHERE organization_id = $1 AND seq > $2 AND seq < $3 AND at >= $4 AND at < $5 \
            AND (CAST($6 AS TEXT) IS NULL OR action = $6) AND (CAST($7 AS TEXT) IS NULL OR outcome = $7) \
            ORDER BY seq DESC LIMIT $8";
        // In these words neither engine takes the primary key for it, and reads the whole trail for what somebody did.
        OF_ACTION = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE (organization_id = $1) IS TRUE AND seq > $2 AND seq < $3 AND at >= $4 AND at < $5 \
            AND (CAST($6 AS TEXT) IS NULL OR action = $6) AND (CAST($7 AS TEXT) IS NULL OR outcome = $7) \
            AND action = $8 ORDER BY seq DESC LIMIT $9";
        OF_ACTOR = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE (organization_id = $1) IS TRUE AND seq > $2 AND seq < $3 AND at >= $4 AND at < $5 \
            AND (CAST($6 AS TEXT) IS NULL OR action = $6) AND (CAST($7 AS TEXT) IS NULL OR outcome = $7) \
            AND actor_id = $8 ORDER BY seq DESC LIMIT $9";
        OF_TEAM = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE (organization_id = $1) IS TRUE AND seq > $2 AND seq < $3 AND at >= $4 AND at < $5 \
            AND (CAST($6 AS TEXT) IS NULL OR action = $6) AND (CAST($7 AS TEXT) IS NULL OR outcome = $7) \
            AND team_id = $8 ORDER BY seq DESC LIMIT $9";
        OF_ACTOR_IN_TEAM = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE (organization_id = $1) IS TRUE AND seq > $2 AND seq < $3 AND at >= $4 AND at < $5 \
            AND (CAST($6 AS TEXT) IS NULL OR action = $6) AND (CAST($7 AS TEXT) IS NULL OR outcome = $7) \
            AND actor_id = $8 AND team_id = $9 ORDER BY seq DESC LIMIT $10";
        OF_TARGET = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE (organization_id = $1) IS TRUE AND seq > $2 AND seq < $3 AND at >= $4 AND at < $5 \
            AND (CAST($6 AS TEXT) IS NULL OR action = $6) AND (CAST($7 AS TEXT) IS NULL OR outcome = $7) \
            AND target_id = $8 ORDER BY seq DESC LIMIT $9";
        // What somebody did, and what was done to them; of one team, if one is meant.
        OF_PERSON = "SELECT seq, id, at, actor, actor_id, via, via_id, action, target_kind, target_id, user_id, team_id, outcome, \
            reason, details, request_id, address, hash FROM audit_events \
            WHERE organization_id = $1 AND seq IN (SELECT seq FROM (SELECT seq FROM audit_events \
            WHERE (organization_id = $1) IS TRUE AND seq > $2 AND seq < $3 AND at >= $4 AND at < $5 \
            AND (CAST($6 AS TEXT) IS NULL OR action = $6) AND (CAST($7 AS TEXT) IS NULL OR outcome = $7) \
            AND actor_id = $8 AND COALESCE($9, team_id) IS NOT DISTINCT FROM team_id ORDER BY seq DESC LIMIT $10) AS did \
            UNION SELECT seq FROM (SELECT seq FROM audit_events \
            WHERE (organization_id = $1) IS TRUE AND seq > $2 AND seq < $3 AND at >= $4 AND at < $5 \
            AND (CAST($6 AS TEXT) IS NULL OR action = $6) AND (CAST($7 AS TEXT) IS NULL OR outcome = $7) \
            AND user_id = $8 AND COALESCE($9, team_id) IS NOT DISTINCT FROM team_id ORDER BY seq DESC LIMIT $10) AS met) \
            ORDER BY seq DESC LIMIT $10";
        // The events of these times are not all between these two only if the clock was set back by more than the margin.
        LAST_BEFORE = "SELECT seq FROM audit_events WHERE organization_id = $1 AND at < $2 ORDER BY at DESC LIMIT 1";
        FIRST_AFTER = "SELECT seq FROM audit_events WHERE organization_id = $1 AND at >= $2 ORDER BY at LIMIT 1";
    }
}

/// By how much the order of events and that of their times may differ: they are noted a little before they are written, and a
/// clock may be set back.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);

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
    fn params(&self, tenant: &Tenant, (after, before): (i64, i64)) -> Vec<Value<'static>> {
        let (action, outcome) = (self.action.map(Action::as_str), self.outcome.map(Outcome::as_str));
        params![tenant.id(), after, before, self.since, self.until, action, outcome].into()
    }

    /// Between which numbers its times are, of those before this one: nothing else is read, however long the trail is.
    async fn between(&self, tenant: &Tenant, store: &Store, before: i64) -> Result<(i64, i64)> {
        let all = Self::default();
        let number = async |statement, at: Timestamp| {
            store.query_one(statement, &params![tenant.id(), at], |row| row.columns().take::<i64>()).await
        };
        let (mut first, mut end) = (0, before);
        if self.since > all.since {
            let at = self.since.checked_sub(MARGIN).unwrap_or(self.since);
            first = number(&sql::LAST_BEFORE, at).await?.unwrap_or(first);
        }
        if self.until < all.until {
            let at = self.until.checked_add(MARGIN).unwrap_or(self.until);
            end = end.min(number(&sql::FIRST_AFTER, at).await?.unwrap_or(end));
        }
        Ok((first, end))
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
    let between = filter.between(tenant, store, before).await?;
    let params = filter.params(tenant, between).into_iter().chain(what).chain([limit.into()]);
    store.query_long(statement, params.collect(), read).await
}

/// What one did oneself, and what was done to one, before the event of this number, the newest first; of the one team that is
/// meant, if the scope is of one. `filter.by` is passed over.
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
    let between = filter.between(&tenant, store, before).await?;
    let params = filter.params(&tenant, between).into_iter().chain(params![scope.owner(), scope.team(), limit]);
    store.query_long(&sql::OF_PERSON, params.collect(), read).await
}

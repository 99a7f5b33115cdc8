//! What was used, in storage: counted when runs end, by month.

use jiff::Timestamp;
use retinue_model::usage::{Amount, By, Entry, Month, Of, Part, Taken, Total};
use retinue_model::{AgentId, Result, TeamId, ThreadId, UserId};
use uuid::Uuid;

use crate::batch::Batch;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::params;
use crate::{Pen, Scope, Store, TeamScope, Tenant};

pub(crate) mod sql {
    super::statements! {
        // A run that has ended adds nothing any more.
        ADD = "INSERT INTO usage_months (organization_id, month, user_id, team_id, agent_id, model, runs, estimated_runs, \
            input_tokens, output_tokens) SELECT t.organization_id, CAST($1 AS BIGINT), t.owner_user_id, t.team_id, r.agent_id, \
            r.model, 1, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM runs r JOIN threads t ON t.id = r.thread_id \
            WHERE r.id = $5 AND t.owner_user_id = $6 AND r.status IN ('queued', 'running') \
            ON CONFLICT (organization_id, month, user_id, team_id, agent_id, model) DO UPDATE SET \
            runs = usage_months.runs + excluded.runs, estimated_runs = usage_months.estimated_runs + excluded.estimated_runs, \
            input_tokens = usage_months.input_tokens + excluded.input_tokens, \
            output_tokens = usage_months.output_tokens + excluded.output_tokens";
        ADD_TOTALS = "INSERT INTO usage_totals (organization_id, kind, month, subject_id, model, runs, estimated_runs, \
            input_tokens, output_tokens) SELECT t.organization_id, kinds.kind, CAST($1 AS BIGINT), \
            CASE kinds.kind WHEN 'user' THEN t.owner_user_id WHEN 'team' THEN t.team_id WHEN 'agent' THEN r.agent_id ELSE $2 END, \
            CASE kinds.kind WHEN 'model' THEN r.model ELSE '' END, 1, CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT) \
            FROM runs r JOIN threads t ON t.id = r.thread_id \
            CROSS JOIN (SELECT 'user' AS kind UNION ALL SELECT 'team' UNION ALL SELECT 'agent' UNION ALL SELECT 'model') kinds \
            WHERE r.id = $6 AND t.owner_user_id = $7 AND r.status IN ('queued', 'running') \
            ON CONFLICT (organization_id, kind, month, subject_id, model) DO UPDATE SET \
            runs = usage_totals.runs + excluded.runs, estimated_runs = usage_totals.estimated_runs + excluded.estimated_runs, \
            input_tokens = usage_totals.input_tokens + excluded.input_tokens, \
            output_tokens = usage_totals.output_tokens + excluded.output_tokens";
        // What is under way in a conversation that goes. Nobody will tell what it took: what was held back for it.
        ADD_GONE = "INSERT INTO usage_months (organization_id, month, user_id, team_id, agent_id, model, runs, estimated_runs, \
            input_tokens, output_tokens) SELECT t.organization_id, CAST($1 AS BIGINT), t.owner_user_id, t.team_id, r.agent_id, \
            r.model, 1, 1, 0, COALESCE(v.tokens, 0) FROM runs r JOIN threads t ON t.id = r.thread_id \
            LEFT JOIN reservations v ON v.run_id = r.id AND v.kind = 'user' \
            WHERE t.id = $2 AND t.owner_user_id = $3 AND r.status IN ('queued', 'running') \
            ON CONFLICT (organization_id, month, user_id, team_id, agent_id, model) DO UPDATE SET \
            runs = usage_months.runs + excluded.runs, estimated_runs = usage_months.estimated_runs + excluded.estimated_runs, \
            output_tokens = usage_months.output_tokens + excluded.output_tokens";
        ADD_GONE_TOTALS = "INSERT INTO usage_totals (organization_id, kind, month, subject_id, model, runs, estimated_runs, \
            input_tokens, output_tokens) SELECT t.organization_id, kinds.kind, CAST($1 AS BIGINT), \
            CASE kinds.kind WHEN 'user' THEN t.owner_user_id WHEN 'team' THEN t.team_id WHEN 'agent' THEN r.agent_id ELSE $2 END, \
            CASE kinds.kind WHEN 'model' THEN r.model ELSE '' END, 1, 1, 0, COALESCE(v.tokens, 0) \
            FROM runs r JOIN threads t ON t.id = r.thread_id LEFT JOIN reservations v ON v.run_id = r.id AND v.kind = 'user' \
            CROSS JOIN (SELECT 'user' AS kind UNION ALL SELECT 'team' UNION ALL SELECT 'agent' UNION ALL SELECT 'model') kinds \
            WHERE t.id = $3 AND t.owner_user_id = $4 AND r.status IN ('queued', 'running') \
            ON CONFLICT (organization_id, kind, month, subject_id, model) DO UPDATE SET \
            runs = usage_totals.runs + excluded.runs, estimated_runs = usage_totals.estimated_runs + excluded.estimated_runs, \
            output_tokens = usage_totals.output_tokens + excluded.output_tokens";
        // In these words neither engine takes the primary key for it, and reads what all have used.
        MONTHS = "SELECT month, runs, estimated_runs, input_tokens, output_tokens FROM usage_totals \
            WHERE kind = 'user' AND subject_id = $1 AND (organization_id = $2) IS TRUE AND month < $3 ORDER BY month DESC LIMIT $4";
        // Of an agent that is its maker's alone only they are told the name.
        OF_OWNER = "SELECT m.agent_id, CASE WHEN MAX(a.sharing) <> 'private' OR MAX(CASE WHEN a.maker_id = $1 THEN 1 ELSE 0 END) = 1 \
            THEN MAX(a.name) END, m.model, CAST(SUM(m.runs) AS BIGINT), CAST(SUM(m.estimated_runs) AS BIGINT), \
            CAST(SUM(m.input_tokens) AS BIGINT), CAST(SUM(m.output_tokens) AS BIGINT) FROM usage_months m \
            LEFT JOIN agents a ON a.id = m.agent_id WHERE m.user_id = $2 AND m.team_id = COALESCE($3, m.team_id) \
            AND m.organization_id = $4 AND m.month = $5 \
            GROUP BY m.agent_id, m.model ORDER BY SUM(m.input_tokens + m.output_tokens) DESC, m.agent_id, m.model LIMIT $6";
        // Agents of other teams have no name here, unless they are everybody's.
        OF_TEAM = "SELECT m.user_id, u.name, m.agent_id, CASE WHEN a.sharing = 'organization' OR (a.sharing = 'team' \
            AND a.team_id = m.team_id) THEN a.name END, m.model, m.runs, m.estimated_runs, m.input_tokens, m.output_tokens FROM usage_months m LEFT JOIN users u ON u.id = m.user_id \
            LEFT JOIN agents a ON a.id = m.agent_id WHERE m.team_id = $1 AND m.organization_id = $2 AND m.month = $3 \
            AND (m.user_id, m.agent_id, m.model) > ($4, $5, $6) ORDER BY m.user_id, m.agent_id, m.model LIMIT $7";
        TOTALS = "SELECT s.subject_id, s.model, COALESCE(u.name, t.name, CASE WHEN a.sharing <> 'private' THEN a.name END), s.runs, \
            s.estimated_runs, s.input_tokens, s.output_tokens FROM usage_totals s \
            LEFT JOIN users u ON s.kind = 'user' AND u.id = s.subject_id LEFT JOIN teams t ON s.kind = 'team' AND t.id = s.subject_id \
            LEFT JOIN agents a ON s.kind = 'agent' AND a.id = s.subject_id \
            WHERE s.organization_id = $1 AND s.kind = $2 AND s.month = $3 AND (s.subject_id, s.model) > ($4, $5) \
            ORDER BY s.subject_id, s.model LIMIT $6";
    }
}

fn amount(columns: &mut Columns<'_>) -> Result<Amount> {
    Ok(Amount {
        runs: columns.take()?,
        estimated_runs: columns.take()?,
        input_tokens: columns.take()?,
        output_tokens: columns.take()?,
    })
}

/// Counts what a run took in the month in which it ends, and holds nothing back for it any more, when the batch is written:
/// once, however often it is. To come before the run's end in the batch: what has ended is counted already.
pub fn settle_with(pen: &Pen, batch: &mut Batch, taken: Taken, now: Timestamp) {
    let (run, owner, month) = (pen.run(), pen.scope().owner(), Month::of(now).number());
    let Amount { estimated_runs, input_tokens, output_tokens, .. } = Amount::of_run(taken);
    batch.write(&sql::ADD, params![month, estimated_runs, input_tokens, output_tokens, run, owner]);
    let totals = params![month, Uuid::nil(), estimated_runs, input_tokens, output_tokens, run, owner];
    batch.write(&sql::ADD_TOTALS, totals);
    crate::budget::release_with(pen, batch);
}

/// Counts what is under way in a conversation, when the batch is written. To come before the conversation is deleted in the
/// same batch.
pub fn settle_thread_with(scope: &Scope, batch: &mut Batch, thread: ThreadId, now: Timestamp) {
    settle_thread_of_with(&scope.tenant(), batch, (scope.owner(), thread), now);
}

/// The same of somebody who leaves.
pub(crate) fn settle_thread_of_with(
    _: &Tenant,
    batch: &mut Batch,
    (owner, thread): (UserId, ThreadId),
    now: Timestamp,
) {
    let month = Month::of(now).number();
    batch.write(&sql::ADD_GONE, params![month, thread, owner]);
    batch.write(&sql::ADD_GONE_TOTALS, params![month, Uuid::nil(), thread, owner]);
}

/// What somebody used in the months before one, the last first.
///
/// # Errors
/// What the engine says.
pub async fn months(scope: &Scope, store: &Store, before: i64, limit: i64) -> Result<Vec<(Month, Amount)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((Month::of_number(columns.take()?)?, amount(&mut columns)?))
    };
    store.query(&sql::MONTHS, &params![scope.owner(), scope.organization(), before, limit], read).await
}

fn read_part(row: &Row<'_>) -> Result<Part> {
    let mut columns = row.columns();
    Ok(Part {
        agent_id: columns.take()?,
        agent_name: columns.take()?,
        model: columns.take()?,
        amount: amount(&mut columns)?,
    })
}

/// What somebody used in a month by each agent and model, the most first; in the one team that is meant, if the scope is of
/// one.
///
/// # Errors
/// What the engine says.
pub async fn of_owner(scope: &Scope, store: &Store, month: Month, limit: i64) -> Result<Vec<Part>> {
    let owner = scope.owner();
    let params = params![owner, owner, scope.team(), scope.organization(), month.number(), limit];
    store.query(&sql::OF_OWNER, &params, read_part).await
}

/// The same of anybody, for whoever has the machine. What their agents are called that are theirs alone is not told.
///
/// # Errors
/// What the engine says.
pub async fn of_user(tenant: &Tenant, store: &Store, user: UserId, month: Month, limit: i64) -> Result<Vec<Part>> {
    let nobody: Option<UserId> = None;
    let params = params![nobody, user, None::<TeamId>, tenant.id(), month.number(), limit];
    store.query(&sql::OF_OWNER, &params, read_part).await
}

/// A place in a team's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last user.
    pub user: UserId,
    /// Their agent.
    pub agent: AgentId,
    /// Its model.
    pub model: String,
}

/// What was used in a team in a month, from the beginning or after a place.
///
/// # Errors
/// What the engine says.
pub async fn of_team(
    team: &TeamScope,
    store: &Store,
    month: Month,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok(Entry {
            user_id: columns.take()?,
            user_name: columns.take()?,
            agent_id: columns.take()?,
            agent_name: columns.take()?,
            model: columns.take()?,
            amount: amount(&mut columns)?,
        })
    };
    let nil = Uuid::nil();
    let first = || Place { user: UserId::new(nil), agent: AgentId::new(nil), model: String::new() };
    let Place { user, agent, model } = after.unwrap_or_else(first);
    let params = params![team.id(), team.organization(), month.number(), user, agent, model, limit];
    store.query(&sql::OF_TEAM, &params, read).await
}

/// A place in a list of totals: the last one's id, and its model.
pub type TotalPlace = (Uuid, String);

/// What was used in a month for each user, in each team, by each agent or of each model, from the beginning or after a
/// place.
///
/// # Errors
/// What the engine says.
pub async fn totals(
    tenant: &Tenant,
    store: &Store,
    (by, month): (By, Month),
    after: Option<TotalPlace>,
    limit: i64,
) -> Result<Vec<Total>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take::<Uuid>()?, columns.take::<String>()?, columns.take()?, amount(&mut columns)?))
    };
    let (id, model) = after.unwrap_or_default();
    let params = params![tenant.id(), by.as_str(), month.number(), id, model, limit];
    let found = store.query(&sql::TOTALS, &params, read).await?;
    let total = |(id, model, name, amount)| Total { of: of(by, id, model), name, amount };
    Ok(found.into_iter().map(total).collect())
}

fn of(by: By, id: Uuid, model: String) -> Of {
    match by {
        By::User => Of::User(UserId::new(id)),
        By::Team => Of::Team(TeamId::new(id)),
        By::Agent => Of::Agent(AgentId::new(id)),
        By::Model => Of::Model(model),
    }
}

//! Budgets in storage, and what is held back of them for runs under way.

use jiff::Timestamp;
use retinue_model::budget::{Budget, Standing, Subject};
use retinue_model::error::Kind;
use retinue_model::team::Team;
use retinue_model::usage::Month;
use retinue_model::{Error, Result, TeamId};

use crate::batch::Batch;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::params;
use crate::{Pen, Scope, Store, Tenant, team};

pub(crate) mod sql {
    super::statements! {
        // What there is already is only locked.
        HOLD = "INSERT INTO usage_totals (organization_id, kind, month, subject_id, model, runs, estimated_runs, input_tokens, \
            output_tokens) VALUES ($1, $2, $3, $4, '', 0, 0, 0, 0) \
            ON CONFLICT (organization_id, kind, month, subject_id, model) DO UPDATE SET runs = usage_totals.runs";
        ADMIT = "UPDATE usage_totals SET runs = runs WHERE organization_id = $1 AND kind = $2 AND month = $3 AND subject_id = $4 \
            AND model = '' AND (EXISTS (SELECT 1 FROM runs WHERE id = $5) OR input_tokens + output_tokens \
            + CAST(COALESCE((SELECT SUM(tokens) FROM reservations WHERE organization_id = $1 AND kind = $2 AND subject_id = $4), 0) AS BIGINT) \
            < $6)";
        RESERVE = "INSERT INTO reservations (organization_id, kind, subject_id, run_id, tokens) SELECT t.organization_id, kinds.kind, \
            CASE kinds.kind WHEN 'user' THEN t.owner_user_id ELSE t.team_id END, r.id, CAST($1 AS BIGINT) \
            FROM runs r JOIN threads t ON t.id = r.thread_id CROSS JOIN (SELECT 'user' AS kind UNION ALL SELECT 'team') kinds \
            WHERE r.id = $2 AND t.owner_user_id = $3 AND r.status IN ('queued', 'running') \
            ON CONFLICT (organization_id, kind, subject_id, run_id) DO NOTHING";
        RELEASE = "DELETE FROM reservations WHERE run_id = $1";
        OF_TWO = "SELECT kind, tokens FROM budgets WHERE organization_id = $1 AND ((kind = 'user' AND subject_id = $2) \
            OR (kind = 'team' AND subject_id = $3))";
        SET = "INSERT INTO budgets (organization_id, kind, subject_id, tokens, updated_at) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (organization_id, kind, subject_id) DO UPDATE SET tokens = excluded.tokens, updated_at = excluded.updated_at";
        CLEAR = "DELETE FROM budgets WHERE organization_id = $1 AND kind = $2 AND subject_id = $3";
        STANDING = "SELECT (SELECT COUNT(*) FROM budgets WHERE organization_id = $1 AND kind = $2 AND subject_id = $3), \
            (SELECT tokens FROM budgets WHERE organization_id = $1 AND kind = $2 AND subject_id = $3), \
            COALESCE((SELECT input_tokens + output_tokens FROM usage_totals WHERE organization_id = $1 AND kind = $2 \
            AND month = $4 AND subject_id = $3 AND model = ''), 0), \
            CAST(COALESCE((SELECT SUM(tokens) FROM reservations WHERE organization_id = $1 AND kind = $2 AND subject_id = $3), 0) AS BIGINT)";
        OF_TEAMS = "SELECT t.id, t.slug, t.name, t.created_at, t.updated_at, \
            (SELECT COUNT(*) FROM budgets WHERE organization_id = t.organization_id AND kind = 'team' AND subject_id = t.id), \
            (SELECT tokens FROM budgets WHERE organization_id = t.organization_id AND kind = 'team' AND subject_id = t.id), \
            COALESCE((SELECT input_tokens + output_tokens FROM usage_totals WHERE organization_id = t.organization_id \
            AND kind = 'team' AND month = $1 AND subject_id = t.id AND model = ''), 0), \
            CAST(COALESCE((SELECT SUM(tokens) FROM reservations WHERE organization_id = t.organization_id AND kind = 'team' \
            AND subject_id = t.id), 0) AS BIGINT) \
            FROM memberships m JOIN teams t ON t.id = m.team_id WHERE m.user_id = $2 \
            AND m.organization_id = $3 AND m.team_id = COALESCE($4, m.team_id) ORDER BY m.team_id LIMIT 1000";
    }
}

/// What was said of a budget by itself, and how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// None where the configuration's counts.
    pub own: Option<Budget>,
    /// Used in the month.
    pub used: i64,
    /// Held back for runs under way.
    pub reserved: i64,
}

impl Found {
    /// How it stands where this counts for whoever has none of their own.
    #[must_use]
    pub fn standing(&self, default: Budget) -> Standing {
        Standing { tokens: self.own.unwrap_or(default).tokens(), used: self.used, reserved: self.reserved }
    }
}

fn read(columns: &mut Columns<'_>) -> Result<Found> {
    let (own, tokens) = (columns.take::<i64>()?, columns.take::<Option<i64>>()?);
    let own = (own > 0).then(|| tokens.map_or(Budget::Unlimited, Budget::Tokens));
    Ok(Found { own, used: columns.take()?, reserved: columns.take()? })
}

/// The code of a budget of a user's own of which nothing is left at the moment.
pub const USER_SPENT: &str = "user_budget_spent";
/// The same of a team's.
pub const TEAM_SPENT: &str = "team_budget_spent";

fn user_spent() -> Error {
    Error::new(Kind::TooMany, USER_SPENT, "Your budget is spent.")
}

fn team_spent() -> Error {
    Error::new(Kind::TooMany, TEAM_SPENT, "The team’s budget is spent.")
}

/// How much a run may take, and of which budgets.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The budgets with a bound: of whom, and how many tokens.
    pub bounds: Vec<(Subject, i64)>,
    /// What the run takes at most, by estimate.
    pub tokens: i64,
}

/// Refuses the batch if nothing is left of a budget when it is written. What others hold back counts; of two who come at
/// once the second sees what the first one took. To come before the run in the batch, and [`reserve_with`] after it.
pub(crate) fn admit_with(pen: &Pen, batch: &mut Batch, reservation: &Reservation, now: Timestamp) {
    let (organization, month) = (pen.scope().organization(), Month::of(now).number());
    for (subject, most) in &reservation.bounds {
        batch.write(&sql::HOLD, params![organization, subject.kind(), month, subject.uuid()]);
        let refused = match subject {
            Subject::User(_) => user_spent,
            Subject::Team(_) => team_spent,
        };
        let params = params![organization, subject.kind(), month, subject.uuid(), pen.run(), *most];
        batch.require(&sql::ADMIT, params, refused);
    }
}

/// Holds tokens back for a run, when the batch is written, as long as it is under way.
pub(crate) fn reserve_with(pen: &Pen, batch: &mut Batch, reservation: &Reservation) {
    batch.write(&sql::RESERVE, params![reservation.tokens, pen.run(), pen.scope().owner()]);
}

/// Holds nothing back for a run any more, when the batch is written.
pub(crate) fn release_with(pen: &Pen, batch: &mut Batch) {
    batch.write(&sql::RELEASE, params![pen.run()]);
}

/// The budgets that a run of somebody's in a team would be of, as far as they have one of their own: theirs, and the team's.
///
/// # Errors
/// What the engine says.
pub async fn of_run(scope: &Scope, store: &Store, team: TeamId) -> Result<(Option<Budget>, Option<Budget>)> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        let (kind, tokens) = (columns.take::<String>()?, columns.take::<Option<i64>>()?);
        Ok((kind, tokens.map_or(Budget::Unlimited, Budget::Tokens)))
    };
    let found = store.query(&sql::OF_TWO, &params![scope.organization(), scope.owner(), team], read).await?;
    let of = |wanted: &str| found.iter().find(|(kind, _)| kind == wanted).map(|(_, budget)| *budget);
    Ok((of("user"), of("team")))
}

/// How a budget stands in a month.
///
/// # Errors
/// What the engine says.
pub async fn get(tenant: &Tenant, store: &Store, subject: Subject, month: Month) -> Result<Found> {
    let params = params![tenant.id(), subject.kind(), subject.uuid(), month.number()];
    let found = store.query_one(&sql::STANDING, &params, |row| read(&mut row.columns())).await?;
    found.ok_or_else(|| Error::internal("a SELECT without FROM has one row"))
}

/// How the budgets stand of the teams that somebody belongs to. The first 1,000.
///
/// # Errors
/// What the engine says.
pub async fn of_teams(scope: &Scope, store: &Store, month: Month) -> Result<Vec<(Team, Found)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((team::read(&mut columns)?, read(&mut columns)?))
    };
    let params = params![month.number(), scope.owner(), scope.organization(), scope.team()];
    store.query(&sql::OF_TEAMS, &params, read).await
}

/// Gives somebody a budget of their own, when the batch is written.
pub fn set_with(tenant: &Tenant, batch: &mut Batch, subject: Subject, (budget, now): (Budget, Timestamp)) {
    batch.write(&sql::SET, params![tenant.id(), subject.kind(), subject.uuid(), budget.tokens(), now]);
}

/// Lets the configuration's budget count again for somebody, when the batch is written.
pub fn clear_with(tenant: &Tenant, batch: &mut Batch, subject: Subject) {
    batch.write(&sql::CLEAR, params![tenant.id(), subject.kind(), subject.uuid()]);
}

//! What was used: one's own for everybody, a team's for those who run it, all for those who run the installation.

use retinue_model::budget::Subject;
use retinue_model::usage::{Amount, By, Entry, Month, Of, Part, Total};
use retinue_model::{Result, TeamId};
use retinue_store::usage as rows;
use retinue_store::{budget as budgets, usage::Place};
use uuid::Uuid;

use crate::budget::{self, Seen};
use crate::policy::Action;
use crate::{Context, access, cursor};

/// What whoever asks used, and what is left to them.
#[derive(Clone, Debug)]
pub struct Own {
    /// The budgets that bound their runs: their own, and those of their teams.
    pub budgets: Vec<Seen>,
    /// The months in which they used something, the last first.
    pub months: Vec<(Month, Amount)>,
    /// Where the months go on, if they do.
    pub next_cursor: Option<String>,
}

/// What whoever asks used, and what is left to them.
///
/// # Errors
/// `invalid_cursor`.
pub async fn own(ctx: &Context, cursor: Option<&str>, limit: usize) -> Result<Own> {
    let before = cursor.map_or(Ok(i64::MAX), cursor::to_month)?;
    let mut months = rows::months(&ctx.scope(), &ctx.store, before, cursor::one_more(limit)).await?;
    let has_more = months.len() > limit;
    months.truncate(limit);
    let next_cursor = months.last().filter(|_| has_more).map(|(month, _)| cursor::of_month(*month));
    Ok(Own { budgets: own_budgets(ctx).await?, months, next_cursor })
}

async fn own_budgets(ctx: &Context) -> Result<Vec<Seen>> {
    let (month, defaults) = (Month::of(ctx.now()), &ctx.settings.budgets);
    let mut all = vec![budget::read(ctx, Subject::User(ctx.principal().user_id())).await?];
    for (team, found) in budgets::of_teams(&ctx.scope(), &ctx.store, month).await? {
        all.push(Seen::new((Subject::Team(team.id), Some(team)), found, (defaults, month)));
    }
    all.retain(|seen| seen.standing.tokens.is_some());
    Ok(all)
}

/// What whoever asks used in a month by each agent and model, the most first; as many as `limit`. To a key, what they used in
/// its team.
///
/// # Errors
/// What keeps the tables from being read.
pub async fn parts(ctx: &Context, month: Month, limit: usize) -> Result<Vec<Part>> {
    rows::of_owner(&ctx.scope(), &ctx.store, month, cursor::one_more(limit) - 1).await
}

/// What was used in a month, told apart.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The month.
    pub month: Month,
    /// The entries.
    pub entries: Vec<T>,
    /// Where the list goes on, if it does.
    pub next_cursor: Option<String>,
}

/// What was used in a team, in a month or in this one.
///
/// # Errors
/// `not_found`, `role_too_low`, `invalid_cursor`.
pub async fn of_team(
    ctx: &Context,
    team: TeamId,
    month: Option<Month>,
    (cursor, limit): (Option<&str>, usize),
) -> Result<Page<Entry>> {
    let scope = access::require_of_team(ctx, Action::UsageReadOfTeam, team).await?.team()?;
    budget::require_known(ctx, Subject::Team(team)).await?;
    let month = month.unwrap_or_else(|| Month::of(ctx.now()));
    let after = cursor.map(|text| cursor::to_usage((team, month), text)).transpose()?;
    let mut entries = rows::of_team(&scope, &ctx.store, month, after, cursor::one_more(limit)).await?;
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let cursor = |last: &Entry| cursor::of_usage((team, month), &place_in_team(last));
    let next_cursor = entries.last().filter(|_| has_more).map(cursor);
    Ok(Page { month, entries, next_cursor })
}

/// What was used by all, in a month or in this one, told apart by one thing.
///
/// # Errors
/// `forbidden`, `invalid_cursor`.
pub async fn of_organization(
    ctx: &Context,
    by: By,
    month: Option<Month>,
    (cursor, limit): (Option<&str>, usize),
) -> Result<Page<Total>> {
    access::require_of_organization(ctx, Action::UsageRead).await?;
    let month = month.unwrap_or_else(|| Month::of(ctx.now()));
    let after = cursor.map(|text| cursor::to_total((by, month), text)).transpose()?;
    let mut entries = rows::totals(&ctx.tenant(), &ctx.store, (by, month), after, cursor::one_more(limit)).await?;
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next_cursor = entries.last().filter(|_| has_more).map(|last| cursor::of_total((by, month), &place(&last.of)));
    Ok(Page { month, entries, next_cursor })
}

/// Where an entry stands in its team's list.
pub(crate) fn place_in_team(entry: &Entry) -> Place {
    Place { user: entry.user_id, agent: entry.agent_id, model: entry.model.clone() }
}

/// Where one stands among all of its kind.
pub(crate) fn place(of: &Of) -> rows::TotalPlace {
    match of {
        Of::User(id) => (id.uuid(), String::new()),
        Of::Team(id) => (id.uuid(), String::new()),
        Of::Agent(id) => (id.uuid(), String::new()),
        Of::Model(name) => (Uuid::nil(), name.clone()),
    }
}

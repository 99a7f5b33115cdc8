//! `/api/usage` and `/api/teams/{id}/usage`

use retinue_app::usage;
use retinue_model::usage::{Amount, By, Entry, Month, Of, Part, Total};
use retinue_model::{AgentId, Result, TeamId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::budget::BudgetItem;
use super::list::{self, List};
use crate::extract::{Keyed, Param, Params, scope};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// Parts of a month, at most.
const PARTS: usize = 200;

/// What was used in a month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MonthItem {
    /// Such as `2026-11`; months are UTC's.
    #[schema(value_type = String, example = "2026-11")]
    month: Month,
    #[serde(flatten)]
    amount: Amount,
}

/// What one used in a month by one agent and model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartItem {
    agent_id: AgentId,
    /// Null if it is not there any more, or is another maker's alone.
    #[schema(required)]
    agent_name: Option<String>,
    model: String,
    #[serde(flatten)]
    amount: Amount,
}

impl From<Part> for PartItem {
    fn from(part: Part) -> Self {
        let Part { agent_id, agent_name, model, amount } = part;
        Self { agent_id, agent_name, model, amount }
    }
}

/// Which months, and which of them in parts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OwnMonths {
    /// The month that is told in parts, such as `2026-11`; this month if left out.
    month: Option<String>,
    /// How many months at most: 1 to 200, otherwise 20.
    #[param(minimum = 1, maximum = 200, default = 20)]
    limit: Option<usize>,
    /// Where the months go on: the `next_cursor` of the answer before.
    cursor: Option<String>,
}

/// What one used, and what is left.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnUsage {
    /// The budgets that bound your runs: your own, and those of your teams. Where there is none, nothing is bounded.
    budgets: Vec<BudgetItem>,
    /// The month that `parts` are of.
    #[schema(value_type = String, example = "2026-11")]
    month: Month,
    /// What was used in that month by each agent and model, the most first: the first 200.
    parts: Vec<PartItem>,
    /// Months, the last first.
    data: Vec<MonthItem>,
    /// Where the months go on; null at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Which usage of a team.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TeamUsage {
    /// Such as `2026-11`; this month if left out.
    month: Option<String>,
    /// How many at most: 1 to 200, otherwise 20.
    #[param(minimum = 1, maximum = 200, default = 20)]
    limit: Option<usize>,
    /// Where the list goes on: the `next_cursor` of the answer before.
    cursor: Option<String>,
}

/// Which usage of the organization.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrganizationUsage {
    /// By what it is told apart; by user if left out.
    #[param(pattern = "^(user|team|agent|model)$", default = "user")]
    by: Option<String>,
    /// Such as `2026-11`; this month if left out.
    month: Option<String>,
    /// How many at most: 1 to 200, otherwise 20.
    #[param(minimum = 1, maximum = 200, default = 20)]
    limit: Option<usize>,
    /// Where the list goes on: the `next_cursor` of the answer before.
    cursor: Option<String>,
}

fn month(text: Option<&str>) -> Result<Option<Month>> {
    text.map(Month::named).transpose()
}

/// What was used in a team for one user, by one agent and model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageItem {
    user_id: UserId,
    /// Null if they are not there any more.
    #[schema(required)]
    user_name: Option<String>,
    agent_id: AgentId,
    /// Null if it is its maker's alone.
    #[schema(required)]
    agent_name: Option<String>,
    model: String,
    #[serde(flatten)]
    amount: Amount,
}

impl From<Entry> for UsageItem {
    fn from(entry: Entry) -> Self {
        let Entry { user_id, user_name, agent_id, agent_name, model, amount } = entry;
        Self { user_id, user_name, agent_id, agent_name, model, amount }
    }
}

/// What was used for one user, in one team, by one agent, or of one model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TotalItem {
    by: By,
    /// The id; of a model, its name.
    id: String,
    /// What it is called; null if it is not there any more, or is an agent that is its maker's alone.
    #[schema(required)]
    name: Option<String>,
    #[serde(flatten)]
    amount: Amount,
}

impl From<Total> for TotalItem {
    fn from(total: Total) -> Self {
        let (by, id, name) = match total.of {
            Of::User(id) => (By::User, id.to_string(), total.name),
            Of::Team(id) => (By::Team, id.to_string(), total.name),
            Of::Agent(id) => (By::Agent, id.to_string(), total.name),
            Of::Model(name) => (By::Model, name.clone(), Some(name)),
        };
        Self { by, id, name, amount: total.amount }
    }
}

/// What you used, month by month and one of them in parts, and what is left to you in this one. A key hears of the parts and
/// budgets of its team alone.
#[utoipa::path(get, path = "/api/usage", tag = "usage", params(OwnMonths), responses(
    (status = 200, body = OwnUsage),
    (status = 400, body = Problem, description = "`invalid_month`, `invalid_cursor`, `invalid_limit`, `invalid_query`"),
))]
pub(crate) async fn own(
    Keyed(ctx, _): Keyed<scope::AgentsRun>,
    Params(query): Params<OwnMonths>,
) -> Answer<Json<OwnUsage>> {
    let limit = list::limit(query.limit).in_request(&ctx)?;
    let month = month(query.month.as_deref()).in_request(&ctx)?.unwrap_or_else(|| Month::of(ctx.now()));
    let own = usage::own(&ctx, query.cursor.as_deref(), limit).await.in_request(&ctx)?;
    let parts = usage::parts(&ctx, month, PARTS).await.in_request(&ctx)?;
    Ok(Json(OwnUsage {
        budgets: own.budgets.into_iter().map(BudgetItem::from).collect(),
        month,
        parts: parts.into_iter().map(PartItem::from).collect(),
        data: own.months.into_iter().map(|(month, amount)| MonthItem { month, amount }).collect(),
        next_cursor: own.next_cursor,
    }))
}

/// What was used in a team in a month, for its admins.
#[utoipa::path(get, path = "/api/teams/{id}/usage", tag = "usage", params(("id" = TeamId, Path), TeamUsage), responses(
    (status = 200, body = List<UsageItem>),
    (status = 400, body = Problem, description = "`invalid_month`, `invalid_cursor`, `invalid_limit`, `invalid_query`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn of_team(
    Keyed(ctx, _): Keyed<scope::TeamsRead>,
    Param(id): Param<TeamId>,
    Params(query): Params<TeamUsage>,
) -> Answer<Json<List<UsageItem>>> {
    let limit = list::limit(query.limit).in_request(&ctx)?;
    let month = month(query.month.as_deref()).in_request(&ctx)?;
    let page = usage::of_team(&ctx, id, month, (query.cursor.as_deref(), limit)).await.in_request(&ctx)?;
    Ok(Json(List { data: page.entries.into_iter().map(UsageItem::from).collect(), next_cursor: page.next_cursor }))
}

/// What was used by all in a month, told apart by user, team, agent or model, for organization admins.
#[utoipa::path(get, path = "/api/usage/organization", tag = "usage", params(OrganizationUsage), responses(
    (status = 200, body = List<TotalItem>),
    (status = 400, body = Problem, description = "`invalid_month`, `invalid_cursor`, `invalid_limit`, `invalid_query`"),
    (status = 403, body = Problem, description = "`forbidden`"),
))]
pub(crate) async fn of_organization(
    Keyed(ctx, _): Keyed<scope::TeamsRead>,
    Params(query): Params<OrganizationUsage>,
) -> Answer<Json<List<TotalItem>>> {
    let check = || {
        let by = query.by.as_deref().map_or(Ok(By::User), By::named)?;
        Ok((by, month(query.month.as_deref())?, list::limit(query.limit)?))
    };
    let (by, month, limit) = check().in_request(&ctx)?;
    let page = usage::of_organization(&ctx, by, month, (query.cursor.as_deref(), limit)).await.in_request(&ctx)?;
    Ok(Json(List { data: page.entries.into_iter().map(TotalItem::from).collect(), next_cursor: page.next_cursor }))
}

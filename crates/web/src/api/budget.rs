//! `/api/teams/{id}/budget` and `/api/users/{id}/budget`

use axum::http::StatusCode;
use jiff::Timestamp;
use retinue_app::budget::{self, Seen};
use retinue_model::budget::{Budget, Standing, Subject};
use retinue_model::usage::Month;
use retinue_model::{TeamId, UserId};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::extract::{Body, Ctx, Keyed, Param, scope};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// How many tokens somebody may use in a month, and what is left of that.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetItem {
    /// `user` or `team`.
    #[schema(pattern = "^(user|team)$")]
    of: &'static str,
    /// Their id.
    id: String,
    /// What a team is called, in the list of one's own; null otherwise.
    #[schema(required)]
    name: Option<String>,
    /// The month that it is for, in UTC.
    #[schema(value_type = String, example = "2026-11")]
    month: Month,
    /// Tokens for a month, in and out; null for as many as they want.
    #[schema(required, minimum = 0)]
    tokens_per_month: Option<i64>,
    /// Whether it was given to them, and is not what counts for all.
    own: bool,
    /// Tokens that were used in this month.
    used: i64,
    /// Tokens that are held back for runs under way.
    held: i64,
    /// Tokens that are left; null where there is no bound.
    #[schema(required)]
    left: Option<i64>,
    /// When it begins anew.
    #[schema(value_type = String, format = DateTime)]
    renews_at: Timestamp,
}

impl From<Seen> for BudgetItem {
    fn from(seen: Seen) -> Self {
        let Standing { tokens, used, reserved } = seen.standing;
        Self {
            of: seen.subject.kind(),
            id: match seen.subject {
                Subject::User(id) => id.to_string(),
                Subject::Team(id) => id.to_string(),
            },
            month: seen.month,
            tokens_per_month: tokens,
            own: seen.is_own,
            used,
            held: reserved,
            left: seen.standing.left(),
            renews_at: seen.renews_at(),
            name: seen.team.map(|team| team.name),
        }
    }
}

/// A budget to give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBudget {
    /// Tokens for a month, in and out; null for as many as they want.
    #[serde(deserialize_with = "said")]
    #[schema(required, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    tokens_per_month: Option<i64>,
}

/// What must be said, be it null.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Option::deserialize(deserializer)
}

/// A team's budget, for its admins.
#[utoipa::path(get, path = "/api/teams/{id}/budget", tag = "usage", params(("id" = TeamId, Path)), responses(
    (status = 200, body = BudgetItem),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn of_team(
    Keyed(ctx, _): Keyed<scope::TeamsRead>,
    Param(id): Param<TeamId>,
) -> Answer<Json<BudgetItem>> {
    budget::get(&ctx, Subject::Team(id)).await.map(|seen| Json(seen.into())).in_request(&ctx)
}

/// Give a team a budget of its own.
#[utoipa::path(put, path = "/api/teams/{id}/budget", tag = "usage", params(("id" = TeamId, Path)), request_body = NewBudget, responses(
    (status = 200, body = BudgetItem),
    (status = 400, body = Problem, description = "`invalid_budget`, `invalid_body`"),
    (status = 403, body = Problem, description = "`forbidden`: this is for organization admins; `session_required`: no key sets budgets"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn set_of_team(
    Ctx(ctx): Ctx,
    Param(id): Param<TeamId>,
    Body(new): Body<NewBudget>,
) -> Answer<Json<BudgetItem>> {
    let budget = Budget::new(new.tokens_per_month).in_request(&ctx)?;
    budget::set(&ctx, Subject::Team(id), Some(budget)).await.map(|seen| Json(seen.into())).in_request(&ctx)
}

/// Let the budget that counts for all teams count for this one again.
#[utoipa::path(delete, path = "/api/teams/{id}/budget", tag = "usage", params(("id" = TeamId, Path)), responses(
    (status = 204, description = "It has none of its own."),
    (status = 403, body = Problem, description = "`forbidden`: this is for organization admins; `session_required`: no key sets budgets"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn clear_of_team(Ctx(ctx): Ctx, Param(id): Param<TeamId>) -> Answer<StatusCode> {
    budget::set(&ctx, Subject::Team(id), None).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A user's budget, for organization admins. Everybody finds their own in `GET /api/usage`.
#[utoipa::path(get, path = "/api/users/{id}/budget", tag = "usage", params(("id" = UserId, Path)), responses(
    (status = 200, body = BudgetItem),
    (status = 403, body = Problem, description = "`forbidden`"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn of_user(
    Keyed(ctx, _): Keyed<scope::TeamsRead>,
    Param(id): Param<UserId>,
) -> Answer<Json<BudgetItem>> {
    budget::get(&ctx, Subject::User(id)).await.map(|seen| Json(seen.into())).in_request(&ctx)
}

/// Give a user a budget of their own.
#[utoipa::path(put, path = "/api/users/{id}/budget", tag = "usage", params(("id" = UserId, Path)), request_body = NewBudget, responses(
    (status = 200, body = BudgetItem),
    (status = 400, body = Problem, description = "`invalid_budget`, `invalid_body`"),
    (status = 403, body = Problem, description = "`forbidden`: this is for organization admins; `session_required`: no key sets budgets"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn set_of_user(
    Ctx(ctx): Ctx,
    Param(id): Param<UserId>,
    Body(new): Body<NewBudget>,
) -> Answer<Json<BudgetItem>> {
    let budget = Budget::new(new.tokens_per_month).in_request(&ctx)?;
    budget::set(&ctx, Subject::User(id), Some(budget)).await.map(|seen| Json(seen.into())).in_request(&ctx)
}

/// Let the budget that counts for all users count for this one again.
#[utoipa::path(delete, path = "/api/users/{id}/budget", tag = "usage", params(("id" = UserId, Path)), responses(
    (status = 204, description = "They have none of their own."),
    (status = 403, body = Problem, description = "`forbidden`: this is for organization admins; `session_required`: no key sets budgets"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn clear_of_user(Ctx(ctx): Ctx, Param(id): Param<UserId>) -> Answer<StatusCode> {
    budget::set(&ctx, Subject::User(id), None).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/api/users/{id}/offboard`: what is done when somebody leaves, for those who run the installation.

use retinue_app::offboarding::{self, Choice, Plan};
use retinue_model::offboarding::{Contents, Fate, Policy, Report};
use retinue_model::team::Team;
use retinue_model::{Result, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::{Body, Ctx, Param, Params};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// What is chosen; what is left out is as it was begun, or else as the configuration says.
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Offboard {
    /// What becomes of their conversations: `keep` or `delete`. Only whoever has the machine hands them over.
    #[param(value_type = Option<Fate>)]
    #[schema(value_type = Option<Fate>)]
    threads: Option<String>,
    /// What becomes of the agents that are theirs alone: `keep` or `delete`.
    #[param(value_type = Option<Fate>)]
    #[schema(value_type = Option<Fate>)]
    agents: Option<String>,
    /// Who becomes an admin of the teams that they are the only one of.
    #[param(value_type = Option<UserId>)]
    #[schema(value_type = Option<UserId>)]
    teams_to: Option<String>,
}

impl Offboard {
    fn check(self) -> Result<Choice> {
        Ok(Choice {
            threads: self.threads.as_deref().map(Fate::named).transpose()?,
            agents: self.agents.as_deref().map(Fate::named).transpose()?,
            to: None,
            teams_to: self.teams_to.map(|id| id.parse()).transpose()?,
        })
    }
}

/// What would be done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OffboardingPlan {
    user_id: UserId,
    policy: Policy,
    /// How much is theirs.
    contents: Contents,
    /// The teams that they are the only admin of: `teams_to` is needed if there are any.
    alone_in: Vec<Team>,
    /// What was done before, by an offboarding that broke off or by one that is done; null if there was none.
    #[schema(required)]
    before: Option<Report>,
}

impl From<Plan> for OffboardingPlan {
    fn from(plan: Plan) -> Self {
        let Plan { user, policy, contents, alone_in, before, .. } = plan;
        Self { user_id: user.id, policy, contents, alone_in, before }
    }
}

/// What would be done if you offboarded somebody. It changes nothing. For organization admins.
#[utoipa::path(get, path = "/api/users/{id}/offboard", tag = "people", params(("id" = UserId, Path), Offboard), responses(
    (status = 200, body = OffboardingPlan),
    (status = 400, body = Problem, description = "`invalid_fate`, `invalid_id`, `invalid_query`"),
    (status = 403, body = Problem, description = "`forbidden`, `transfer_refused`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`single_user`, `offboards_oneself`, `admin_declared`, `heir_unknown`"),
))]
pub(crate) async fn plan(
    Ctx(ctx): Ctx,
    Param(id): Param<UserId>,
    Params(chosen): Params<Offboard>,
) -> Answer<Json<OffboardingPlan>> {
    let choice = chosen.check().in_request(&ctx)?;
    offboarding::plan(&ctx, id, choice).await.map(|plan| Json(plan.into())).in_request(&ctx)
}

/// Offboard somebody: they are shut out at once, all that acts for them ends, and what is theirs is kept or deleted. It goes on if
/// you hang up; if it broke off, the same request goes on from there. For organization admins.
#[utoipa::path(post, path = "/api/users/{id}/offboard", tag = "people", params(("id" = UserId, Path)), request_body = Offboard, responses(
    (status = 200, body = Report),
    (status = 400, body = Problem, description = "`invalid_fate`, `invalid_id`, `invalid_body`"),
    (status = 403, body = Problem, description = "`forbidden`, `transfer_refused`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`single_user`, `offboards_oneself`, `admin_declared`, `last_admin`, `last_team_admin`, `heir_unknown`, `offboarding_under_way`"),
))]
pub(crate) async fn offboard(
    Ctx(ctx): Ctx,
    Param(id): Param<UserId>,
    Body(chosen): Body<Offboard>,
) -> Answer<Json<Report>> {
    let choice = chosen.check().in_request(&ctx)?;
    offboarding::offboard(&ctx, id, choice).await.map(Json).in_request(&ctx)
}

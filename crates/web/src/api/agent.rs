//! `/api/agents`

use retinue_app::agent;
use retinue_model::AgentId;
use retinue_model::agent::Agent;

use super::list::List;
use crate::extract::{Ctx, Param};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// All agents, the default one first.
#[utoipa::path(get, path = "/api/agents", tag = "agents", responses((status = 200, body = List<Agent>)))]
pub(crate) async fn list(Ctx(ctx): Ctx) -> Json<List<Agent>> {
    Json(List::whole(agent::list(&ctx).to_vec()))
}

/// One agent.
#[utoipa::path(get, path = "/api/agents/{id}", tag = "agents", params(("id" = AgentId, Path)), responses(
    (status = 200, body = Agent),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn get(Ctx(ctx): Ctx, Param(id): Param<AgentId>) -> Answer<Json<Agent>> {
    agent::get(&ctx, id).cloned().map(Json).in_request(&ctx)
}

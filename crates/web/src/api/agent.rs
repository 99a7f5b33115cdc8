//! `/api/agents`

use axum::http::StatusCode;
use jiff::Timestamp;
use retinue_app::agent;
use retinue_model::agent::{Agent, Description, Instructions, Limits, Sharing};
use retinue_model::provider::Choice;
use retinue_model::{AgentId, Name, Result, Slug, TeamId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{self, List, Range};
use super::team::slug;
use crate::extract::{Body, Keyed, Param, Params, scope};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// An agent to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAgent {
    /// The team that it belongs to.
    #[schema(value_type = TeamId)]
    team_id: String,
    /// The name for people.
    name: String,
    /// The name for programs; made of the other one if left out.
    #[schema(value_type = Option<Slug>)]
    slug: Option<String>,
    /// What it is for, in a line.
    #[serde(default)]
    description: String,
    /// What the model is told before every conversation.
    #[serde(default)]
    instructions: String,
    /// The name of its model; the first one there is if left out.
    model: Option<String>,
    /// Bounds on each run.
    #[serde(default)]
    limits: Limits,
    /// With whom it is shared; only its maker uses it if left out.
    #[schema(value_type = Option<Sharing>)]
    sharing: Option<String>,
    /// Whether programs may use it by the remote agent API.
    #[serde(default)]
    remote_api: bool,
}

impl NewAgent {
    fn check(self) -> Result<agent::NewAgent> {
        Ok(agent::NewAgent {
            team_id: self.team_id.parse()?,
            slug: slug(self.slug)?,
            name: Name::new(&self.name)?,
            description: Description::new(&self.description)?,
            instructions: Instructions::new(&self.instructions)?,
            model: self.model,
            limits: self.limits.check()?,
            sharing: self.sharing.as_deref().map_or(Ok(Sharing::Private), Sharing::named)?,
            remote_api: self.remote_api,
        })
    }
}

/// What to change of an agent; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeAgent {
    /// The version that you read: if it is another one now, nothing is changed.
    version: Option<i64>,
    /// Another name for people.
    name: Option<String>,
    /// Another name for programs.
    #[schema(value_type = Option<Slug>)]
    slug: Option<String>,
    /// What it is for, in a line.
    description: Option<String>,
    /// What the model is told before every conversation.
    instructions: Option<String>,
    /// Another model; null goes back to the first one there is.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    model: Choice,
    /// Other bounds on each run.
    limits: Option<Limits>,
    /// With whom it is shared.
    #[schema(value_type = Option<Sharing>)]
    sharing: Option<String>,
    /// Whether programs may use it by the remote agent API.
    remote_api: Option<bool>,
}

impl ChangeAgent {
    fn check(self) -> Result<agent::Change> {
        Ok(agent::Change {
            version: self.version,
            slug: slug(self.slug)?,
            name: self.name.as_deref().map(Name::new).transpose()?,
            description: self.description.as_deref().map(Description::new).transpose()?,
            instructions: self.instructions.as_deref().map(Instructions::new).transpose()?,
            model: self.model,
            limits: self.limits.map(Limits::check).transpose()?,
            sharing: self.sharing.as_deref().map(Sharing::named).transpose()?,
            remote_api: self.remote_api,
        })
    }
}

/// The agents that you may use, by name.
#[utoipa::path(get, path = "/api/agents", tag = "agents", params(Range), responses(
    (status = 200, body = List<Agent>),
    (status = 400, body = Problem, description = "`invalid_cursor`, `invalid_limit`, `invalid_query`"),
))]
pub(crate) async fn list(
    Keyed(ctx, _): Keyed<scope::AgentsRead>,
    Params(range): Params<Range>,
) -> Answer<Json<List<Agent>>> {
    let limit = range.limit().in_request(&ctx)?;
    let page = agent::list(&ctx, range.cursor.as_deref(), limit).await.in_request(&ctx)?;
    Ok(Json(List { data: page.agents, next_cursor: page.next_cursor }))
}

/// Make an agent.
#[utoipa::path(post, path = "/api/agents", tag = "agents", request_body = NewAgent, responses(
    (status = 201, body = Agent),
    (status = 400, body = Problem, description = "`invalid_name`, `invalid_slug`, `invalid_description`, `invalid_instructions`, `invalid_limits`, `invalid_sharing`, `invalid_id`, `invalid_body`, `model_unknown`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`: you do not see that team"),
    (status = 409, body = Problem, description = "`slug_taken`"),
))]
pub(crate) async fn create(
    Keyed(ctx, _): Keyed<scope::AgentsWrite>,
    Body(new): Body<NewAgent>,
) -> Answer<(StatusCode, Json<Agent>)> {
    let new = new.check().in_request(&ctx)?;
    let agent = agent::create(&ctx, new).await.in_request(&ctx)?;
    Ok((StatusCode::CREATED, Json(agent)))
}

/// One agent.
#[utoipa::path(get, path = "/api/agents/{id}", tag = "agents", params(("id" = AgentId, Path)), responses(
    (status = 200, body = Agent),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn get(Keyed(ctx, _): Keyed<scope::AgentsRead>, Param(id): Param<AgentId>) -> Answer<Json<Agent>> {
    agent::get(&ctx, id).await.map(Json).in_request(&ctx)
}

/// Change an agent. Runs that are under way go on with what it was.
#[utoipa::path(patch, path = "/api/agents/{id}", tag = "agents", params(("id" = AgentId, Path)), request_body = ChangeAgent, responses(
    (status = 200, body = Agent),
    (status = 400, body = Problem, description = "`invalid_name`, `invalid_slug`, `invalid_description`, `invalid_instructions`, `invalid_limits`, `invalid_sharing`, `invalid_body`, `model_unknown`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`agent_changed`, `agent_declared`, `slug_taken`"),
))]
pub(crate) async fn change(
    Keyed(ctx, _): Keyed<scope::AgentsWrite>,
    Param(id): Param<AgentId>,
    Body(change): Body<ChangeAgent>,
) -> Answer<Json<Agent>> {
    let change = change.check().in_request(&ctx)?;
    agent::change(&ctx, id, change).await.map(Json).in_request(&ctx)
}

/// Delete an agent. Conversations that it took part in stay, and go on with another one.
#[utoipa::path(delete, path = "/api/agents/{id}", tag = "agents", params(("id" = AgentId, Path)), responses(
    (status = 204, description = "It is gone."),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`agent_declared`"),
))]
pub(crate) async fn delete(Keyed(ctx, _): Keyed<scope::AgentsWrite>, Param(id): Param<AgentId>) -> Answer<StatusCode> {
    agent::delete(&ctx, id).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take back that you deleted an agent, within ten minutes: it is what it was. Of several the last one can be taken back.
#[utoipa::path(post, path = "/api/agents/{id}/restore", tag = "agents", params(("id" = AgentId, Path)), responses(
    (status = 200, body = Agent),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`: you did not delete it lately, or deleted another one since, or may not delete it any more"),
    (status = 409, body = Problem, description = "`slug_taken`: another one has its short name by now"),
))]
pub(crate) async fn restore(
    Keyed(ctx, _): Keyed<scope::AgentsWrite>,
    Param(id): Param<AgentId>,
) -> Answer<Json<Agent>> {
    agent::restore(&ctx, id).await.map(Json).in_request(&ctx)
}

/// Which versions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListVersions {
    /// How many at most: 1 to 200, otherwise 20.
    #[param(minimum = 1, maximum = 200, default = 20)]
    limit: Option<usize>,
    /// Only versions before this one.
    before: Option<i64>,
}

/// What an agent was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionItem {
    version: i64,
    name: String,
    description: String,
    instructions: String,
    #[schema(required)]
    model: Option<String>,
    limits: Limits,
    /// Who made it so; null if the configuration did, or they are gone.
    #[schema(required)]
    changed_by: Option<UserId>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// What an agent was before, the newest version first. For those who may change it; versions that were private are for its maker
/// alone.
#[utoipa::path(get, path = "/api/agents/{id}/versions", tag = "agents", params(("id" = AgentId, Path), ListVersions), responses(
    (status = 200, body = List<VersionItem>),
    (status = 400, body = Problem, description = "`invalid_limit`, `invalid_query`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn versions(
    Keyed(ctx, _): Keyed<scope::AgentsRead>,
    Param(id): Param<AgentId>,
    Params(query): Params<ListVersions>,
) -> Answer<Json<List<VersionItem>>> {
    let limit = list::limit(query.limit).in_request(&ctx)?;
    let versions = agent::versions(&ctx, id, query.before, limit).await.in_request(&ctx)?;
    let items = versions.into_iter().map(|version| VersionItem {
        version: version.version,
        name: version.name,
        description: version.description,
        instructions: version.instructions,
        model: version.model,
        limits: version.limits,
        changed_by: version.changed_by,
        created_at: version.created_at,
    });
    Ok(Json(List::whole(items.collect())))
}

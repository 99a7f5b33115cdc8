//! `/api/threads/{id}/runs` and `/api/runs/{id}`

use axum::http::StatusCode;
use retinue_app::run;
use retinue_model::provider::Choice;
use retinue_model::run::Run;
use retinue_model::text::Input;
use retinue_model::{AgentId, Result, RunId, ThreadId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::extract::{Body, Keyed, Param, Unsaid, scope};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// What to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRun {
    /// What the person says.
    #[schema(value_type = Input)]
    input: String,
    /// The agent that answers from now on; the conversation's if left out.
    #[schema(value_type = Option<AgentId>)]
    agent_id: Option<String>,
    /// The model that is asked from now on; the conversation's if left out, null for the agent's own.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    model: Choice,
}

impl NewRun {
    fn check(self) -> Result<run::NewRun> {
        let agent_id = self.agent_id.map(|id| id.parse()).transpose()?;
        Ok(run::NewRun { input: Input::new(&self.input)?, agent_id, model: self.model })
    }
}

/// Say something and begin the answer. What was said is kept when this answers; follow the run's events for the rest.
#[utoipa::path(post, path = "/api/threads/{id}/runs", tag = "runs", params(("id" = ThreadId, Path)), request_body = NewRun, responses(
    (status = 201, body = Run),
    (status = 400, body = Problem, description = "`invalid_input`, `invalid_id`, `invalid_body`, `agent_unknown`, `model_unknown`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`run_in_progress`, `thread_of_another_team`"),
    (status = 413, body = Problem, description = "`input_too_long`, `body_too_large`"),
    (status = 415, body = Problem, description = "`unsupported_media_type`"),
    (status = 429, body = Problem, description = "`budget_spent`, until the month is over; `budget_held`, until answers under way are there"),
    (status = 503, body = Problem, description = "`model_unreachable`, `shutting_down`"),
))]
pub(crate) async fn start(
    Keyed(ctx, _): Keyed<scope::AgentsRun>,
    Param(id): Param<ThreadId>,
    Body(new): Body<NewRun>,
) -> Answer<(StatusCode, Json<Run>)> {
    let new = new.check().in_request(&ctx)?;
    let run = run::start(&ctx, id, new).await.in_request(&ctx)?;
    Ok((StatusCode::CREATED, Json(run)))
}

/// One run.
#[utoipa::path(get, path = "/api/runs/{id}", tag = "runs", params(("id" = RunId, Path)), responses(
    (status = 200, body = Run),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn get(Keyed(ctx, _): Keyed<scope::ThreadsRead>, Param(id): Param<RunId>) -> Answer<Json<Run>> {
    run::get(&ctx, id).await.map(Json).in_request(&ctx)
}

/// Stop a run. The connection to the model is closed; what was said so far stays. A run that has ended stays as it is.
#[utoipa::path(post, path = "/api/runs/{id}/cancel", tag = "runs", params(("id" = RunId, Path)), responses(
    (status = 200, body = Run),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn cancel(
    Keyed(ctx, _): Keyed<scope::AgentsRun>,
    Param(id): Param<RunId>,
    _: Unsaid,
) -> Answer<Json<Run>> {
    run::cancel(&ctx, id).await.map(Json).in_request(&ctx)
}

/// Answer the same message once more. Only the newest run of a conversation can be tried again.
#[utoipa::path(post, path = "/api/runs/{id}/retry", tag = "runs", params(("id" = RunId, Path)), responses(
    (status = 201, body = Run),
    (status = 400, body = Problem, description = "`agent_unknown`, `model_unknown`: what answered is not there any more"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`run_in_progress`, `not_the_latest_run`, `thread_of_another_team`"),
    (status = 429, body = Problem, description = "`budget_spent`, `budget_held`"),
    (status = 503, body = Problem, description = "`model_unreachable`, `shutting_down`"),
))]
pub(crate) async fn retry(
    Keyed(ctx, _): Keyed<scope::AgentsRun>,
    Param(id): Param<RunId>,
    _: Unsaid,
) -> Answer<(StatusCode, Json<Run>)> {
    let run = run::retry(&ctx, id).await.in_request(&ctx)?;
    Ok((StatusCode::CREATED, Json(run)))
}

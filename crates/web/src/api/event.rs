//! `/api/runs/{id}/events`

use axum::http::HeaderMap;
use retinue_app::event;
use retinue_model::RunId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Keyed, Param, Params, scope};
use crate::problem::{Answer, InRequest, Problem};
use crate::sse::{self, RunStream};

/// How to follow.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FollowRun {
    /// Also send `message.rendered` events with the answer as sanitised HTML:
    /// `{"reset"?: true, "settled": "…", "open": "…"}`: add `settled` to what is shown, and show `open` after it in place
    /// of the last `open`; with `reset`, first remove everything.
    #[serde(default)]
    rendered: bool,
}

/// Follow a run as server-sent events: those that happened already, then live ones, until it ends.
///
/// `id:` is the event's number, `event:` its name, `data:` a JSON object: `run.started {model}`, `message.delta {text}`,
/// `message.completed {message}`, and one of `run.completed {usage}`, `run.failed {error}`, `run.cancelled {}`,
/// `run.interrupted {}` as the last. A client that comes back with `Last-Event-ID` gets what came after it.
#[utoipa::path(get, path = "/api/runs/{id}/events", tag = "runs",
    params(("id" = RunId, Path), FollowRun, ("Last-Event-ID" = Option<i64>, Header, description = "The number of the last event that was received.")),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 400, body = Problem, description = "`invalid_last_event_id`"),
        (status = 404, body = Problem, description = "`not_found`"),
    ))]
pub(crate) async fn follow(
    Keyed(ctx, _): Keyed<scope::ThreadsRead>,
    Param(id): Param<RunId>,
    Params(query): Params<FollowRun>,
    headers: HeaderMap,
) -> Answer<RunStream> {
    let known = match headers.get("last-event-id").and_then(|value| value.to_str().ok()) {
        Some(text) => sse::last_event_id(text).in_request(&ctx)?,
        None => 0,
    };
    // HTML needs the text from its beginning.
    let after = if query.rendered { 0 } else { known };
    let follow = event::follow(&ctx, id, after).await.in_request(&ctx)?;
    Ok(RunStream::new(ctx, follow, known, query.rendered))
}

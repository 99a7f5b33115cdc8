//! The description of the API, made from the code.

use axum::Json;
use utoipa::OpenApi;

use crate::routes;

/// What the paths do not say themselves.
#[derive(OpenApi)]
#[openapi(
    info(title = "Retinue", description = "Conversations with agents, for known people. Times are RFC 3339 in UTC; errors are RFC 9457 problem documents with a stable `code`."),
    tags(
        (name = "threads", description = "Conversations and what was said in them"),
        (name = "runs", description = "One turn of an agent's work, and its events"),
        (name = "agents", description = "Who answers, and with which model"),
        (name = "sign-in", description = "Who asks, and how people sign in and out"),
        (name = "account", description = "One's own identities and sessions"),
        (name = "operations", description = "For whoever runs the server"),
    ),
)]
pub(crate) struct Description;

/// What the document says besides its paths.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    routes::described()
}

/// `GET /openapi.json`
pub(crate) async fn get() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

//! The description of the API, made from the code.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};

use crate::routes;

/// What the paths do not say themselves.
#[derive(OpenApi)]
#[openapi(
    info(title = "Retinue", description = "Conversations with agents, for known people. Times are RFC 3339 in UTC; errors are RFC 9457 problem documents with a stable `code`."),
    tags(
        (name = "threads", description = "Conversations and what was said in them"),
        (name = "runs", description = "One turn of an agent's work, and its events"),
        (name = "agents", description = "Who answers, and with which model"),
        (name = "teams", description = "Who shares agents with whom"),
        (name = "audit", description = "Who did what"),
        (name = "usage", description = "What was used, and how much may be"),
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

/// Says of every operation that it wants somebody who is signed in.
pub(crate) fn may_be_unauthenticated(document: &mut utoipa::openapi::OpenApi) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new()
        .description("`not_signed_in`, `session_ended`; of a credential in a header: `invalid_api_key`, `invalid_request`, `credential_kind_disabled`")
        .content("application/problem+json", content)
        .build();
    let operations = document.paths.paths.values_mut().flat_map(|item| {
        let PathItem { get, put, post, delete, patch, .. } = item;
        [get, put, post, delete, patch].into_iter().flatten()
    });
    for operation in operations {
        operation.responses.responses.insert("401".to_owned(), response.clone().into());
    }
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

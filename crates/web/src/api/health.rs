//! `/healthz` and `/readyz`

use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::Visitor;
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = Health)))]
pub(crate) async fn alive() -> Json<Health> {
    Json(OK)
}

/// Requests can be served: the database answers, its schema is current, and the server is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, body = Health),
    (status = 503, body = Problem, description = "`database_unavailable`, `migrations_pending`, `database_newer`, `shutting_down`"),
))]
pub(crate) async fn ready(Visitor(visit): Visitor) -> Answer<Json<Health>> {
    visit.app().check().await.map(|()| Json(OK)).in_request(&visit)
}

//! `/api/models`

use retinue_app::provider;
use retinue_model::provider::Model;

use super::list::List;
use crate::extract::{Keyed, scope};
use crate::json::Json;

/// The models that can be chosen now.
#[utoipa::path(get, path = "/api/models", tag = "agents", responses((status = 200, body = List<Model>)))]
pub(crate) async fn list(Keyed(ctx, _): Keyed<scope::AgentsRead>) -> Json<List<Model>> {
    Json(List::whole(provider::list(&ctx)))
}

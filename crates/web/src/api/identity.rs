//! `/api/identities`: by which identities one may sign in.

use axum::http::StatusCode;
use retinue_app::identity;
use retinue_model::IdentityId;
use retinue_model::identity::Identity;

use super::list::{List, Range, Short};
use crate::extract::{Ctx, Param, Params};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// One's own identities, the oldest first.
#[utoipa::path(get, path = "/api/identities", tag = "account", params(Range), responses(
    (status = 200, body = List<Identity>),
    (status = 400, body = Problem, description = "`invalid_limit`, `invalid_cursor`"),
))]
pub(crate) async fn list(Ctx(ctx): Ctx, Params(range): Params<Range>) -> Answer<Json<List<Identity>>> {
    let entries = identity::list(&ctx).await.in_request(&ctx)?;
    let list = Short { name: "identities", entries, newest_first: false };
    Ok(Json(list.part(&range, |identity| identity.id).in_request(&ctx)?))
}

/// Remove one of one's own identities, and end the sessions that were begun with it.
#[utoipa::path(delete, path = "/api/identities/{id}", tag = "account", params(("id" = IdentityId, Path)), responses(
    (status = 204),
    (status = 403, body = Problem, description = "`sign_in_again`, `user_disabled`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`last_way_in`, `groups_overtaken`"),
))]
pub(crate) async fn remove(Ctx(ctx): Ctx, Param(id): Param<IdentityId>) -> Answer<StatusCode> {
    identity::remove(&ctx, id).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

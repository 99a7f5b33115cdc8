//! `/api/users`: everybody, for those who run the installation.

use jiff::Timestamp;
use retinue_app::people::{self, Change, Seen, Sought};
use retinue_model::UserId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{self, List};
use crate::extract::{Body, Ctx, Param, Params};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserItem {
    id: UserId,
    name: String,
    #[schema(required)]
    email: Option<String>,
    /// Whether somebody trusted says that the address is theirs.
    email_verified: bool,
    /// Whether they run the installation.
    organization_admin: bool,
    /// Whether the configuration says so; then it can't be taken back here.
    admin_declared: bool,
    /// Since when they may not come in any more; null if they may.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Seen> for UserItem {
    fn from(Seen { user, organization_admin, is_declared }: Seen) -> Self {
        Self {
            id: user.id,
            name: user.name,
            email: user.email,
            email_verified: user.email_verified,
            organization_admin,
            admin_declared: is_declared,
            disabled_at: user.disabled_at,
            created_at: user.created_at,
        }
    }
}

/// What to change of a user; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeUser {
    /// Whether they are shut out: their sessions, keys, streams and runs end at once.
    disabled: Option<bool>,
    /// Whether they run the installation.
    organization_admin: Option<bool>,
}

/// Which users.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListUsers {
    /// How many at most: 1 to 200, otherwise 20.
    #[param(minimum = 1, maximum = 200, default = 20)]
    limit: Option<usize>,
    /// Where the list goes on: the `next_cursor` of the answer before.
    cursor: Option<String>,
    /// Only whom this finds: the id of one, the whole address that some are described with, or the beginning of names,
    /// whatever the case of A to Z. Those who are found by name are in the order of the names.
    q: Option<String>,
}

/// Everybody, the oldest first, or whom a search finds. For organization admins.
#[utoipa::path(get, path = "/api/users", tag = "people", params(ListUsers), responses(
    (status = 200, body = List<UserItem>),
    (status = 400, body = Problem, description = "`invalid_cursor`, `invalid_limit`, `invalid_search`, `invalid_query`"),
    (status = 403, body = Problem, description = "`forbidden`"),
))]
pub(crate) async fn list(Ctx(ctx): Ctx, Params(query): Params<ListUsers>) -> Answer<Json<List<UserItem>>> {
    let limit = list::limit(query.limit).in_request(&ctx)?;
    let sought = Sought::read(query.q.as_deref().unwrap_or_default()).in_request(&ctx)?;
    let page = people::list(&ctx, sought.as_ref(), query.cursor.as_deref(), limit).await.in_request(&ctx)?;
    Ok(Json(List { data: page.users.into_iter().map(UserItem::from).collect(), next_cursor: page.next_cursor }))
}

/// One user. For organization admins.
#[utoipa::path(get, path = "/api/users/{id}", tag = "people", params(("id" = UserId, Path)), responses(
    (status = 200, body = UserItem),
    (status = 403, body = Problem, description = "`forbidden`"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn get(Ctx(ctx): Ctx, Param(id): Param<UserId>) -> Answer<Json<UserItem>> {
    people::get(&ctx, id).await.map(|seen| Json(seen.into())).in_request(&ctx)
}

/// Shut somebody out or let them in again, make them an organization admin or take that back. For organization admins.
#[utoipa::path(patch, path = "/api/users/{id}", tag = "people", params(("id" = UserId, Path)), request_body = ChangeUser, responses(
    (status = 200, body = UserItem),
    (status = 400, body = Problem, description = "`invalid_body`"),
    (status = 403, body = Problem, description = "`forbidden`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`last_admin`, `admin_declared`"),
))]
pub(crate) async fn change(
    Ctx(ctx): Ctx,
    Param(id): Param<UserId>,
    Body(change): Body<ChangeUser>,
) -> Answer<Json<UserItem>> {
    let change = Change { disabled: change.disabled, organization_admin: change.organization_admin };
    people::change(&ctx, id, change).await.map(|seen| Json(seen.into())).in_request(&ctx)
}

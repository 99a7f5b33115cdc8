//! `/api/api-keys`: what programs show to act for whoever made it.

use axum::http::StatusCode;
use jiff::Timestamp;
use retinue_app::api_key;
use retinue_model::api_key::{ApiKey, KeyScope, KeyScopes};
use retinue_model::{ApiKeyId, Error, Name, Result, TeamId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::{List, Range};
use crate::extract::{Body, Ctx, Keyed, Param, Params, scope};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// A key. Its text is told only when it is made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyItem {
    id: ApiKeyId,
    /// Who it acts for.
    user_id: UserId,
    /// In which team it acts.
    team_id: TeamId,
    /// What its owner calls it.
    name: String,
    /// Its beginning, to tell keys apart.
    prefix: String,
    /// What it may be used for; its owner may do no more with it than without it.
    scopes: Vec<KeyScope>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Until when it counts; null if until it is revoked.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// Since when it does not count any more.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
}

impl From<ApiKey> for KeyItem {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            user_id: key.user_id,
            team_id: key.team_id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes.iter().collect(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeKey {
    #[serde(flatten)]
    item: KeyItem,
    /// The key itself. It is told now, and never again.
    key: String,
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// The team that it acts in, one of your own.
    #[schema(value_type = TeamId)]
    team_id: String,
    /// What you call it.
    name: String,
    /// What it may be used for; conversing if left out.
    #[schema(value_type = Option<Vec<KeyScope>>)]
    scopes: Option<Vec<String>>,
    /// Until when it counts; until it is revoked if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
}

impl NewKey {
    fn check(self) -> Result<api_key::NewKey> {
        let scopes = match self.scopes {
            None => KeyScopes::for_conversing(),
            Some(names) => KeyScopes::new(names.iter().map(|name| name.parse()).collect::<Result<Vec<_>>>()?)?,
        };
        let time = |text: String| {
            text.parse().map_err(|_| Error::invalid("invalid_time", "A time is written like 2027-01-31T12:00:00Z."))
        };
        Ok(api_key::NewKey {
            team_id: self.team_id.parse()?,
            name: Name::new(&self.name)?,
            scopes,
            expires_at: self.expires_at.map(time).transpose()?,
        })
    }
}

/// Your own keys, the newest first, those that were revoked too.
#[utoipa::path(get, path = "/api/api-keys", tag = "account", params(Range), responses(
    (status = 200, body = List<KeyItem>),
    (status = 400, body = Problem, description = "`invalid_cursor`, `invalid_limit`, `invalid_query`"),
))]
pub(crate) async fn list(Ctx(ctx): Ctx, Params(range): Params<Range>) -> Answer<Json<List<KeyItem>>> {
    let limit = range.limit().in_request(&ctx)?;
    let page = api_key::list(&ctx, range.cursor.as_deref(), limit).await.in_request(&ctx)?;
    Ok(Json(List { data: page.keys.into_iter().map(KeyItem::from).collect(), next_cursor: page.next_cursor }))
}

/// Make a key. The answer is the only one that has it.
#[utoipa::path(post, path = "/api/api-keys", tag = "account", request_body = NewKey, responses(
    (status = 201, body = MadeKey),
    (status = 400, body = Problem, description = "`invalid_name`, `invalid_scope`, `invalid_time`, `expires_in_the_past`, `invalid_id`, `invalid_body`"),
    (status = 403, body = Problem, description = "`keys_disabled`, `role_too_low`; `session_required`: keys make no keys"),
    (status = 404, body = Problem, description = "`not_found`: you do not see that team"),
    (status = 409, body = Problem, description = "`api_key_refused`"),
    (status = 429, body = Problem, description = "`too_many_keys`: after the time in `Retry-After` another one can be made"),
))]
pub(crate) async fn create(Ctx(ctx): Ctx, Body(new): Body<NewKey>) -> Answer<(StatusCode, Json<MadeKey>)> {
    let new = new.check().in_request(&ctx)?;
    let made = api_key::create(&ctx, new).await.in_request(&ctx)?;
    let key = made.text.expose().to_owned();
    Ok((StatusCode::CREATED, Json(MadeKey { item: made.key.into(), key })))
}

/// Revoke a key, at once: your own, one of a team that you are an admin of, or anybody's if you run the installation.
#[utoipa::path(delete, path = "/api/api-keys/{id}", tag = "account", params(("id" = ApiKeyId, Path)), responses(
    (status = 204, description = "It does not count any more."),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn revoke(Ctx(ctx): Ctx, Param(id): Param<ApiKeyId>) -> Answer<StatusCode> {
    api_key::revoke(&ctx, id).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The keys that act in a team, the newest first. For those who run it.
#[utoipa::path(get, path = "/api/teams/{id}/api-keys", tag = "teams", params(("id" = TeamId, Path), Range), responses(
    (status = 200, body = List<KeyItem>),
    (status = 400, body = Problem, description = "`invalid_cursor`, `invalid_limit`, `invalid_query`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn list_of_team(
    Keyed(ctx, _): Keyed<scope::TeamsRead>,
    Param(id): Param<TeamId>,
    Params(range): Params<Range>,
) -> Answer<Json<List<KeyItem>>> {
    let limit = range.limit().in_request(&ctx)?;
    let page = api_key::list_of_team(&ctx, id, range.cursor.as_deref(), limit).await.in_request(&ctx)?;
    Ok(Json(List { data: page.keys.into_iter().map(KeyItem::from).collect(), next_cursor: page.next_cursor }))
}

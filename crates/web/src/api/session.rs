//! `/api/sessions`: where one is signed in. `/auth/me`: as whom.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use retinue_app::auth::Mode;
use retinue_app::{session, user};
use retinue_model::membership::Role;
use retinue_model::session::{Method, Session};
use retinue_model::user::User;
use retinue_model::{OrganizationId, Principal, SessionId, Slug, TeamId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::list::{List, Range, Short};
use crate::extract::{AnyKey, Ctx, Param, Params};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me<'a> {
    /// `single_user`, `oidc` or `local`.
    mode: &'static str,
    user: Person,
    principal: PrincipalView<'a>,
    /// The teams that you belong to, the oldest first; the first 100.
    teams: Vec<OwnTeam>,
}

/// A team that somebody belongs to, and as what.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnTeam {
    id: TeamId,
    slug: Slug,
    name: String,
    role: Role,
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Person {
    id: UserId,
    name: String,
    #[schema(required)]
    email: Option<String>,
}

impl From<User> for Person {
    fn from(user: User) -> Self {
        Self { id: user.id, name: user.name, email: user.email }
    }
}

/// As whom a request acts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PrincipalView<'a> {
    /// `single_user`, `oidc` or `local`.
    mode: &'static str,
    user_id: UserId,
    organization_id: OrganizationId,
    /// The issuer of the identity that the session was begun with; null if it was begun by address, or where nobody signs in.
    #[schema(required)]
    issuer: Option<&'a str>,
    /// Who that identity is there; null where the issuer is.
    #[schema(required)]
    subject: Option<&'a str>,
    /// `single_user` or `session`.
    via: &'static str,
    /// What the credential is narrowed to; with none the request may do all that its user may. A session is not narrowed.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<&'static str>,
    /// Whether they run the installation.
    organization_admin: bool,
}

impl<'a> PrincipalView<'a> {
    fn new(principal: &'a Principal, mode: Mode) -> Self {
        Self {
            mode: mode.as_str(),
            user_id: principal.user_id(),
            organization_id: principal.organization_id(),
            issuer: principal.issuer(),
            subject: principal.subject(),
            via: principal.via().as_str(),
            scopes: principal.scopes(),
            organization_admin: principal.is_organization_admin(),
        }
    }
}

/// Who asks.
#[utoipa::path(get, path = "/auth/me", tag = "sign-in", responses(
    (status = 200, body = Me<'_>),
))]
pub(crate) async fn me(AnyKey(ctx): AnyKey) -> Answer<Response> {
    let user = user::me(&ctx).await.in_request(&ctx)?;
    let teams = user::my_teams(&ctx).await.in_request(&ctx)?;
    let mode = ctx.app().auth().mode;
    let me = Me {
        mode: mode.as_str(),
        user: user.into(),
        principal: PrincipalView::new(ctx.principal(), mode),
        teams: teams
            .into_iter()
            .map(|(team, role)| OwnTeam { id: team.id, slug: team.slug, name: team.name, role })
            .collect(),
    };
    Ok(Json(me).into_response())
}

/// A session of one's own.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionItem {
    id: SessionId,
    /// How it began.
    method: Method,
    /// What the browser called itself.
    user_agent: String,
    /// Where it came from.
    address: String,
    /// Whether this request came with it.
    current: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last used, to the minute.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    /// When it ends at the latest.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl SessionItem {
    fn new(session: Session, current: Option<SessionId>) -> Self {
        Self {
            id: session.id,
            method: session.method,
            user_agent: session.user_agent,
            address: session.address,
            current: current == Some(session.id),
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
        }
    }
}

/// One's own sessions, the newest first.
#[utoipa::path(get, path = "/api/sessions", tag = "account", params(Range), responses(
    (status = 200, body = List<SessionItem>),
    (status = 400, body = Problem, description = "`invalid_limit`, `invalid_cursor`"),
))]
pub(crate) async fn list(Ctx(ctx): Ctx, Params(range): Params<Range>) -> Answer<Json<List<SessionItem>>> {
    let current = session::current(&ctx);
    let sessions = session::list(&ctx).await.in_request(&ctx)?;
    let entries = sessions.into_iter().map(|session| SessionItem::new(session, current)).collect();
    let list = Short { name: "sessions", entries, newest_first: true };
    Ok(Json(list.part(&range, |item| item.id).in_request(&ctx)?))
}

/// End one of one's own sessions, at once.
#[utoipa::path(delete, path = "/api/sessions/{id}", tag = "account", params(("id" = SessionId, Path)), responses(
    (status = 204),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn end(Ctx(ctx): Ctx, Param(id): Param<SessionId>) -> Answer<StatusCode> {
    session::end(&ctx, id).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

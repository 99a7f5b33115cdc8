//! `/api/sessions`: where one is signed in. `/auth/me`: as whom.

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use retinue_app::{session, user};
use retinue_model::membership::Role;
use retinue_model::session::{Method, Session};
use retinue_model::user::User;
use retinue_model::{OrganizationId, SessionId, Slug, TeamId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::list::List;
use crate::extract::{AnyKey, Ctx, Param};
use crate::problem::{Answer, InRequest, Problem};

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// `single_user`, `oidc` or `local`.
    mode: &'static str,
    user: Person,
    principal: PrincipalView,
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
pub(crate) struct PrincipalView {
    user_id: UserId,
    organization_id: OrganizationId,
    /// `single_user` or `session`.
    via: &'static str,
    /// Whether they run the installation.
    organization_admin: bool,
}

/// Who asks.
#[utoipa::path(get, path = "/auth/me", tag = "sign-in", responses(
    (status = 200, body = Me),
))]
pub(crate) async fn me(AnyKey(ctx): AnyKey) -> Answer<Json<Me>> {
    let user = user::me(&ctx).await.in_request(&ctx)?;
    let teams = user::my_teams(&ctx).await.in_request(&ctx)?;
    let principal = ctx.principal();
    Ok(Json(Me {
        mode: ctx.app().auth().mode.as_str(),
        user: user.into(),
        principal: PrincipalView {
            user_id: principal.user_id(),
            organization_id: principal.organization_id(),
            via: principal.via().as_str(),
            organization_admin: principal.is_organization_admin(),
        },
        teams: teams
            .into_iter()
            .map(|(team, role)| OwnTeam { id: team.id, slug: team.slug, name: team.name, role })
            .collect(),
    }))
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
#[utoipa::path(get, path = "/api/sessions", tag = "account", responses((status = 200, body = List<SessionItem>)))]
pub(crate) async fn list(Ctx(ctx): Ctx) -> Answer<Json<List<SessionItem>>> {
    let sessions = session::list(&ctx).await.in_request(&ctx)?;
    let current = session::current(&ctx);
    Ok(Json(List::whole(sessions.into_iter().map(|session| SessionItem::new(session, current)).collect())))
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

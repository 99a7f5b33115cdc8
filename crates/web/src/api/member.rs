//! `/api/teams/{id}/members`

use axum::http::StatusCode;
use jiff::Timestamp;
use retinue_app::membership::{self, Named, TeamMember};
use retinue_model::membership::{Evidence, Membership, Origin, Role};
use retinue_model::{Email, Error, Result, TeamId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::{List, Range};
use crate::extract::{Body, Keyed, Param, Params, scope};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// That somebody belongs to a team.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MembershipView {
    team_id: TeamId,
    user_id: UserId,
    role: Role,
    /// Where it comes from; only those that rules made are changed by rules.
    origin: Origin,
    /// By which group, and when the provider last said so; null but for those that a rule made.
    #[schema(required)]
    evidence: Option<Evidence>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Membership> for MembershipView {
    fn from(membership: Membership) -> Self {
        let Membership { team_id, user_id, role, origin, evidence, created_at, updated_at } = membership;
        Self { team_id, user_id, role, origin, evidence, created_at, updated_at }
    }
}

/// Somebody who belongs to a team.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberItem {
    #[serde(flatten)]
    membership: MembershipView,
    name: String,
    #[schema(required)]
    email: Option<String>,
    /// Whether they may not come in any more.
    disabled: bool,
}

impl From<TeamMember> for MemberItem {
    fn from(member: TeamMember) -> Self {
        let disabled = member.disabled_at.is_some();
        Self { membership: member.membership.into(), name: member.name, email: member.email, disabled }
    }
}

/// Whom to take in, by id or by address, and as what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMember {
    /// Their id.
    #[schema(value_type = Option<UserId>)]
    user_id: Option<String>,
    /// Their address, as somebody trusted says that it is.
    email: Option<String>,
    /// As what.
    #[schema(value_type = Role)]
    role: String,
}

impl NewMember {
    fn check(&self) -> Result<(Named, Role)> {
        let named = match (&self.user_id, &self.email) {
            (Some(id), None) => Named::Id(id.parse()?),
            (None, Some(email)) => Named::Email(Email::new(email)?),
            _ => {
                return Err(Error::invalid(
                    "invalid_body",
                    "Name somebody by `user_id` or by `email`: by one of them.",
                ));
            }
        };
        Ok((named, Role::named(&self.role)?))
    }
}

/// Another role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeMember {
    #[schema(value_type = Role)]
    role: String,
}

/// Who belongs to a team, the first first.
#[utoipa::path(get, path = "/api/teams/{id}/members", tag = "teams", params(("id" = TeamId, Path), Range), responses(
    (status = 200, body = List<MemberItem>),
    (status = 400, body = Problem, description = "`invalid_cursor`, `invalid_limit`, `invalid_query`"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn list(
    Keyed(ctx, _): Keyed<scope::TeamsRead>,
    Param(id): Param<TeamId>,
    Params(range): Params<Range>,
) -> Answer<Json<List<MemberItem>>> {
    let limit = range.limit().in_request(&ctx)?;
    let page = membership::list(&ctx, id, range.cursor.as_deref(), limit).await.in_request(&ctx)?;
    Ok(Json(List { data: page.members.into_iter().map(MemberItem::from).collect(), next_cursor: page.next_cursor }))
}

/// Take somebody into a team.
#[utoipa::path(post, path = "/api/teams/{id}/members", tag = "teams", params(("id" = TeamId, Path)), request_body = NewMember, responses(
    (status = 201, body = MembershipView),
    (status = 400, body = Problem, description = "`user_unknown`, `invalid_role`, `invalid_email`, `invalid_id`, `invalid_body`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`member_already`"),
))]
pub(crate) async fn add(
    Keyed(ctx, _): Keyed<scope::TeamsWrite>,
    Param(id): Param<TeamId>,
    Body(new): Body<NewMember>,
) -> Answer<(StatusCode, Json<MembershipView>)> {
    let (named, role) = new.check().in_request(&ctx)?;
    let membership = membership::add(&ctx, id, named, role).await.in_request(&ctx)?;
    Ok((StatusCode::CREATED, Json(membership.into())))
}

/// Give a member another role. Rules change it no more: so nobody changes one that a rule gave themself.
#[utoipa::path(patch, path = "/api/teams/{id}/members/{user_id}", tag = "teams", request_body = ChangeMember,
    params(("id" = TeamId, Path), ("user_id" = UserId, Path)), responses(
    (status = 200, body = MembershipView),
    (status = 400, body = Problem, description = "`invalid_role`, `invalid_body`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`last_admin`, `own_role_by_rule`, `member_changed`"),
))]
pub(crate) async fn change(
    Keyed(ctx, _): Keyed<scope::TeamsWrite>,
    Param((id, user_id)): Param<(TeamId, UserId)>,
    Body(change): Body<ChangeMember>,
) -> Answer<Json<MembershipView>> {
    let role = Role::named(&change.role).in_request(&ctx)?;
    membership::change(&ctx, id, user_id, role).await.map(|changed| Json(changed.into())).in_request(&ctx)
}

/// Take somebody out of a team, or leave it.
#[utoipa::path(delete, path = "/api/teams/{id}/members/{user_id}", tag = "teams",
    params(("id" = TeamId, Path), ("user_id" = UserId, Path)), responses(
    (status = 204, description = "They belong to it no more."),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`last_admin`, `member_changed`"),
))]
pub(crate) async fn remove(
    Keyed(ctx, _): Keyed<scope::TeamsWrite>,
    Param((id, user_id)): Param<(TeamId, UserId)>,
) -> Answer<StatusCode> {
    membership::remove(&ctx, id, user_id).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/api/teams/{id}/invitations`, and `POST /invitations/accept`.

use axum::Extension;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::invitation::{self, Made};
use retinue_model::invitation::Invitation;
use retinue_model::membership::Role;
use retinue_model::{Email, Error, InvitationId, Result, TeamId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::link::TokenForm;
use super::list::{List, Range};
use crate::asked::Asked;
use crate::extract::{Body, Ctx, Keyed, Param, Params, form_or_json, scope};
use crate::json::Json;
use crate::page::invitation as page;
use crate::problem::{Answer, InRequest, Problem};

/// Whom to invite, and as what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInvitation {
    /// As what.
    #[schema(value_type = Role)]
    role: String,
    /// The only address for which it counts, to which the link goes by mail; if left out, it counts for whoever has the link.
    #[schema(value_type = Option<Email>)]
    email: Option<String>,
    /// Until when it counts, 30 days at most; for a week if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
}

impl NewInvitation {
    fn check(&self) -> Result<invitation::NewInvitation> {
        let time = |text: &String| {
            text.parse().map_err(|_| Error::invalid("invalid_time", "A time is written like 2027-01-31T12:00:00Z."))
        };
        Ok(invitation::NewInvitation {
            role: Role::named(&self.role)?,
            address: self.email.as_deref().map(Email::new).transpose()?,
            expires_at: self.expires_at.as_ref().map(time).transpose()?,
        })
    }
}

/// A new invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeInvitation {
    #[serde(flatten)]
    invitation: Invitation,
    /// The link, if it did not go out by mail. It is told now, and never again.
    #[schema(required)]
    link: Option<String>,
}

impl From<Made> for MadeInvitation {
    fn from(Made { invitation, link }: Made) -> Self {
        Self { invitation, link }
    }
}

/// The open invitations into a team, the oldest first.
#[utoipa::path(get, path = "/api/teams/{id}/invitations", tag = "teams", params(("id" = TeamId, Path), Range), responses(
    (status = 200, body = List<Invitation>),
    (status = 400, body = Problem, description = "`invalid_cursor`, `invalid_limit`, `invalid_query`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn list(
    Keyed(ctx, _): Keyed<scope::TeamsRead>,
    Param(id): Param<TeamId>,
    Params(range): Params<Range>,
) -> Answer<Json<List<Invitation>>> {
    let limit = range.limit().in_request(&ctx)?;
    let page = invitation::list(&ctx, id, range.cursor.as_deref(), limit).await.in_request(&ctx)?;
    Ok(Json(List { data: page.invitations, next_cursor: page.next_cursor }))
}

/// Invite somebody into a team. The link goes to the address by mail; where no mail goes out, or none is named, the answer is
/// the only one that has it. It counts for as long as whoever made it may invite.
#[utoipa::path(post, path = "/api/teams/{id}/invitations", tag = "teams", params(("id" = TeamId, Path)), request_body = NewInvitation, responses(
    (status = 201, body = MadeInvitation),
    (status = 400, body = Problem, description = "`invalid_role`, `invalid_email`, `email_not_ascii`, `email_too_long`, `invalid_time`, `expires_in_the_past`, `expires_too_late`, `invalid_body`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`too_many_invitations`, `nobody_signs_in`"),
    (status = 429, body = Problem, description = "`too_many_attempts`"),
    (status = 503, body = Problem, description = "`mail_too_busy`"),
))]
pub(crate) async fn create(
    Keyed(ctx, _): Keyed<scope::TeamsWrite>,
    Param(id): Param<TeamId>,
    Body(new): Body<NewInvitation>,
) -> Answer<(StatusCode, Json<MadeInvitation>)> {
    let new = new.check().in_request(&ctx)?;
    let made = invitation::create(&ctx, id, new).await.in_request(&ctx)?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Take an invitation back, at once.
#[utoipa::path(delete, path = "/api/teams/{id}/invitations/{invitation_id}", tag = "teams",
    params(("id" = TeamId, Path), ("invitation_id" = InvitationId, Path)), responses(
    (status = 204, description = "It does not count any more."),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`, also if it was used"),
))]
pub(crate) async fn revoke(
    Keyed(ctx, _): Keyed<scope::TeamsWrite>,
    Param((id, invitation_id)): Param<(TeamId, InvitationId)>,
) -> Answer<StatusCode> {
    invitation::revoke(&ctx, id, invitation_id).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accept an invitation, signed in. Nobody's role becomes lower by it. One for an address counts for whoever has shown that
/// the address is theirs.
#[utoipa::path(post, path = "/invitations/accept", tag = "teams",
    request_body(content((TokenForm = "application/json"), (TokenForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 204, description = "For programs"),
        (status = 303, description = "For browsers"),
        (status = 403, body = Problem, description = "`user_disabled`"),
        (status = 409, body = Problem, description = "`invitation_spent`, `invitation_of_another`, `member_already`"),
    ))]
pub(crate) async fn accept(Ctx(ctx): Ctx, Extension(asked): Extension<Asked>, request: Request) -> Answer<Response> {
    let TokenForm { token } = form_or_json(request).await.in_request(&ctx)?;
    match invitation::accept(&ctx, &token).await {
        Ok(team) if asked.wants_page => Ok(Redirect::to(&format!("/teams/{team}")).into_response()),
        Ok(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) if asked.wants_page => Ok(page::refused(&ctx, &token, error).await),
        Err(error) => Err(error).in_request(&ctx),
    }
}

//! `/teams/{id}/invitations`: the part of a team's page that is about who is invited.

use std::collections::HashMap;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use retinue_app::Context;
use retinue_app::invitation::{self, Made, NewInvitation};
use retinue_model::invitation::Invitation;
use retinue_model::membership::Role;
use retinue_model::{Email, Error, InvitationId, Result, TeamId, UserId};
use serde::Deserialize;

use super::team::{Part, Said, again, not_done, render};
use super::{OnPage, Page};
use crate::extract::{Ctx, Param, form};
use crate::field::Wrong;
use crate::when::When;

/// Invitations on one page; a team has no more that are open.
const OPEN: usize = 200;
/// How long an invitation may count, in days.
const LASTS: [(&str, &str); 3] = [("1", "a day"), ("7", "a week"), ("30", "30 days")];

/// Who is invited, and a form to invite somebody.
pub(super) struct Invitations {
    /// Whether a link goes out by mail, where an address is given.
    pub(super) by_mail: bool,
    pub(super) lasts: [(&'static str, &'static str); 3],
    pub(super) open: Vec<InvitationView>,
}

/// An open invitation.
pub(super) struct InvitationView {
    pub(super) href: String,
    pub(super) whom: String,
    pub(super) role: &'static str,
    pub(super) by: String,
    pub(super) since: When,
    pub(super) until: String,
    pub(super) mailed: bool,
}

/// An invitation that was made a moment ago, whose link is seen now and never again.
pub(super) struct MadeView {
    pub(super) link: String,
    /// For whom alone it counts, where a mail to them was not sent.
    pub(super) address: Option<String>,
    pub(super) by_mail: bool,
}

/// What stands in the form.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct InviteForm {
    #[serde(default)]
    pub(super) email: String,
    #[serde(default)]
    pub(super) role: String,
    #[serde(default)]
    pub(super) days: String,
}

impl Default for InviteForm {
    fn default() -> Self {
        Self { email: String::new(), role: Role::Viewer.as_str().to_owned(), days: "7".to_owned() }
    }
}

impl InviteForm {
    fn check(&self, now: Timestamp) -> Result<NewInvitation> {
        let refused = || Error::invalid("invalid_time", "Choose one of the times that are offered.");
        let days = LASTS.iter().find(|(known, _)| *known == self.days).and_then(|(days, _)| days.parse::<i64>().ok());
        let lasts = SignedDuration::from_hours(24 * days.ok_or_else(refused)?);
        let email = Some(self.email.trim()).filter(|email| !email.is_empty());
        Ok(NewInvitation {
            role: Role::named(&self.role)?,
            address: email.map(Email::new).transpose()?,
            expires_at: Some(now.checked_add(lasts).map_err(Error::internal)?),
        })
    }
}

fn view(invitation: Invitation, names: &HashMap<UserId, String>, now: Timestamp) -> InvitationView {
    let Invitation { id, team_id, role, address, mailed, invited_by, created_at, expires_at } = invitation;
    InvitationView {
        href: format!("/teams/{team_id}/invitations/{id}"),
        whom: address.unwrap_or_else(|| "Whoever has the link".to_owned()),
        role: role.as_str(),
        by: match invited_by {
            Some(id) => names.get(&id).cloned().unwrap_or_else(|| "somebody who is gone".to_owned()),
            None => "whoever runs this server".to_owned(),
        },
        since: When::new(created_at, now),
        until: When::new(expires_at, now).exact,
        mailed,
    }
}

/// Those of a team, where people sign in.
pub(super) async fn load(ctx: &Context, team: TeamId) -> Result<Option<Invitations>> {
    if ctx.app().auth().is_single_user() {
        return Ok(None);
    }
    let found = invitation::list(ctx, team, None, OPEN).await?.invitations;
    let names = invitation::inviters(ctx, &found).await?;
    Ok(Some(Invitations {
        by_mail: ctx.app().auth().sends_links(),
        lasts: LASTS,
        open: found.into_iter().map(|invitation| view(invitation, &names, ctx.now())).collect(),
    }))
}

/// Back to who is invited.
fn to_list(id: TeamId) -> Response {
    Redirect::to(&format!("/teams/{id}#invitations")).into_response()
}

/// `POST /teams/{id}/invitations`: where no mail goes out, the answer has the link, and no other ever has.
pub(crate) async fn create(Ctx(ctx): Ctx, Param(id): Param<TeamId>, request: Request) -> Page {
    let typed: InviteForm = form(request).await.on_page(&ctx)?;
    let made = async { invitation::create(&ctx, id, typed.check(ctx.now())?).await };
    match made.await {
        Ok(made) => shown(&ctx, id, made).await.on_page(&ctx),
        Err(error) => {
            let wrong = match error.code() {
                "invalid_email" | "email_too_long" | "email_not_ascii" => Wrong::beside("invite", &error),
                _ => Wrong::of_form(&error),
            };
            again(&ctx, id, &error, Said::of_refused_invitation(typed, wrong)).await
        }
    }
}

async fn shown(ctx: &Context, id: TeamId, Made { invitation, link }: Made) -> Result<Response> {
    let Some(link) = link else { return Ok(to_list(id)) };
    let said =
        Said::of_invitation(MadeView { link, address: invitation.address, by_mail: ctx.app().auth().sends_links() });
    render(ctx, StatusCode::CREATED, (id, Part::default()), said).await
}

/// `POST /teams/{id}/invitations/{invitation_id}/revoke`
pub(crate) async fn revoke(Ctx(ctx): Ctx, Param((id, invitation)): Param<(TeamId, InvitationId)>) -> Page {
    match invitation::revoke(&ctx, id, invitation).await {
        Ok(()) => Ok(to_list(id)),
        Err(error) => not_done(&ctx, id, &error).await,
    }
}

//! `/invitations/accept`: what an invitation is about, and the button that accepts it. Looking uses nothing up.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use retinue_app::invitation::{self, Offer};
use retinue_app::{Context, Visit};
use retinue_model::Error;
use retinue_model::membership::Role;
use retinue_model::return_to::ReturnTo;

use super::set_up::TokenQuery;
use super::{OnPage, Page, html};
use crate::errand::{Errand, Why, href};
use crate::extract::{Params, Perhaps, Visitor};
use crate::when::When;
use crate::{denied, problem};

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage<'a> {
    title: &'static str,
    assets: &'static str,
    shown: Option<Shown<'a>>,
    token: &'a str,
    /// Who is signed in, by name.
    name: Option<&'a str>,
    sign_in: String,
    register: Option<String>,
    /// What is wrong.
    wrong: Option<&'a str>,
}

/// What an invitation is about.
struct Shown<'a> {
    by: &'a str,
    whom: &'a str,
    team: &'a str,
    slug: &'a str,
    role: &'static str,
    until: When,
}

impl<'a> Shown<'a> {
    fn of(offer: &'a Offer) -> Self {
        Self {
            by: offer.by.as_deref().unwrap_or("Whoever runs this server"),
            whom: offer.address.as_deref().unwrap_or("you"),
            team: &offer.team,
            slug: &offer.team_slug,
            role: what(offer.role),
            // How far away it is is not shown.
            until: When::new(offer.expires_at, offer.expires_at),
        }
    }
}

/// What somebody may do who is not signed in.
struct Ways {
    sign_in: String,
    register: Option<String>,
}

impl Ways {
    /// Those of an invitation.
    async fn of(visit: &Visit, token: &str) -> Self {
        let here = href("/invitations/accept", [("token", token)]);
        let errand = Errand { return_to: ReturnTo::new(&here), why: Why::Nothing };
        let may = invitation::look_to_register(visit, token).await;
        let register = may.ok().map(|_| href("/auth/register", [("invitation", token)]));
        Self { sign_in: errand.href("/sign-in"), register }
    }
}

const fn what(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer: you use what the team has",
        Role::Editor => "editor: you make and change agents too",
        Role::Admin => "admin: you say who belongs to the team too",
    }
}

/// `GET /invitations/accept`
pub(crate) async fn show(
    Visitor(visit): Visitor,
    Perhaps(current): Perhaps,
    Params(TokenQuery { token }): Params<TokenQuery>,
) -> Page {
    let current = current.as_ref();
    match invitation::look(&visit, &token).await {
        Ok(offer) => page(&visit, (&token, Some(&offer)), current, None).await.on_page(&visit),
        Err(error) => Ok(dead(&visit, &error).await),
    }
}

async fn page(
    visit: &Visit,
    (token, offer): (&str, Option<&Offer>),
    current: Option<&Context>,
    wrong: Option<&Error>,
) -> retinue_model::Result<Response> {
    let Ways { sign_in, register } = Ways::of(visit, token).await;
    let status = wrong.map_or(StatusCode::OK, problem::status);
    let page = InvitationPage {
        title: "Invitation · Retinue",
        assets: crate::assets::BASE,
        shown: offer.map(Shown::of),
        token,
        name: current.and_then(Context::known_user).map(|user| user.name.as_str()),
        sign_in,
        register,
        wrong: wrong.map(Error::detail),
    };
    html(status, &page)
}

/// An invitation that opens nothing.
async fn dead(visit: &Visit, error: &Error) -> Response {
    problem::log(error, visit.request_id());
    let mut response = match page(visit, ("", None), None, Some(error)).await {
        Ok(response) => response,
        Err(_) => problem::status(error).into_response(),
    };
    problem::add_headers(error, response.headers_mut());
    response
}

/// The page once more, with what was wrong.
pub(crate) async fn refused(ctx: &Context, token: &str, error: Error) -> Response {
    let visit = ctx.as_visit();
    let mut response = match invitation::look(&visit, token).await {
        Ok(offer) => {
            problem::log(&error, ctx.request_id());
            let shown = page(&visit, (token, Some(&offer)), Some(ctx), Some(&error)).await;
            shown.unwrap_or_else(|_| problem::status(&error).into_response())
        }
        Err(_) => dead(&visit, &error).await,
    };
    denied::mark(&mut response, denied::of(Some(ctx), &error));
    response
}

//! `/teams/{id}/delete`: says what a team has, asks once who gets it, then deletes.

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::Context;
use retinue_app::team::{self, Contents, Heirs};
use retinue_model::membership::Role;
use retinue_model::{Error, Result, TeamId};
use serde::Deserialize;

use super::rail::{Rail, View};
use super::{OnPage, Page, VERSION, html, refused};
use crate::extract::{Ctx, Param, form};
use crate::field::Wrong;
use crate::problem;

/// Teams to choose an heir from.
const HEIRS: usize = 200;

#[derive(Template)]
#[template(path = "team_delete.html")]
struct TeamDeletePage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    href: String,
    name: String,
    counts: Contents,
    heirs: Vec<Heir>,
    wrong: Wrong,
}

/// A team that may get the agents.
struct Heir {
    id: String,
    name: String,
}

/// `GET /teams/{id}/delete`
pub(crate) async fn ask(Ctx(ctx): Ctx, Param(id): Param<TeamId>) -> Page {
    render(&ctx, StatusCode::OK, id, Wrong::default()).await.on_page(&ctx)
}

async fn render(ctx: &Context, status: StatusCode, id: TeamId, wrong: Wrong) -> Result<Response> {
    let runs_it = ctx.principal().is_organization_admin();
    let others = if runs_it { team::list_all(ctx, None, HEIRS).await? } else { team::list(ctx, None, HEIRS).await? };
    let others = others.teams.into_iter().filter(|seen| seen.team.id != id);
    let heirs = others.filter(|seen| runs_it || seen.role == Some(Role::Admin));
    let page = TeamDeletePage {
        title: "Delete this team?",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("teams")).await?,
        href: format!("/teams/{id}"),
        name: team::get(ctx, id).await?.team.name,
        counts: team::contents(ctx, id).await?,
        heirs: heirs.map(|seen| Heir { id: seen.team.id.to_string(), name: seen.team.told_apart() }).collect(),
        wrong,
    };
    html(status, &page)
}

#[derive(Debug, Deserialize)]
struct HeirForm {
    /// A team's id; empty if nobody gets the agents.
    heir: String,
}

/// `POST /teams/{id}/delete`
pub(crate) async fn delete(Ctx(ctx): Ctx, Param(id): Param<TeamId>, request: Request) -> Page {
    let HeirForm { heir } = form(request).await.on_page(&ctx)?;
    let done = async {
        let heirs = if heir.is_empty() { Heirs::Nobody } else { Heirs::Team(heir.parse()?) };
        team::delete(&ctx, id, heirs).await
    };
    match done.await {
        Ok(()) => Ok(Redirect::to("/teams").into_response()),
        Err(error) => again(&ctx, id, &error).await,
    }
}

async fn again(ctx: &Context, id: TeamId, error: &Error) -> Page {
    let page = render(ctx, problem::status(error), id, Wrong::of_form(error)).await;
    refused(ctx, error, page)
}

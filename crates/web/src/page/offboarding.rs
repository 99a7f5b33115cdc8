//! `/admin/users/{id}/offboard`: says what is somebody's, asks once what becomes of it, and shows what was done.

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::Context;
use retinue_app::offboarding::{self, Choice, Plan};
use retinue_model::offboarding::{Contents, Fate, Report};
use retinue_model::{Error, Result, UserId};
use serde::Deserialize;

use super::rail::{Rail, View};
use super::{OnPage, Page, VERSION, html, refused};
use crate::extract::{Ctx, Param, form};
use crate::field::Wrong;
use crate::problem;
use crate::when::When;

#[derive(Template)]
#[template(path = "offboard.html")]
struct OffboardPage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    href: String,
    name: String,
    counts: Contents,
    threads: Fate,
    agents: Fate,
    /// Names of the teams that nobody else runs.
    alone_in: Vec<String>,
    whom: String,
    broken_off: bool,
    done: Option<Done>,
    wrong: Wrong,
}

/// What was done.
struct Done {
    at: When,
    report: Report,
}

/// `GET /admin/users/{id}/offboard`
pub(crate) async fn ask(Ctx(ctx): Ctx, Param(id): Param<UserId>) -> Page {
    let asked = Asked { fates: None, whom: String::new() };
    render(&ctx, StatusCode::OK, id, (asked, Wrong::default())).await.on_page(&ctx)
}

/// What was chosen before.
struct Asked {
    fates: Option<(Fate, Fate)>,
    whom: String,
}

/// What is there, whatever the configuration would hand over: that is not for this page.
async fn look(ctx: &Context, id: UserId, fates: Option<(Fate, Fate)>) -> Result<Plan> {
    let here = |(threads, agents): (Fate, Fate)| Choice {
        threads: Some(threads).filter(|fate| *fate != Fate::Transfer),
        agents: Some(agents).filter(|fate| *fate != Fate::Transfer),
        ..Choice::default()
    };
    let chosen = fates.map(here).unwrap_or_default();
    match offboarding::plan(ctx, id, chosen).await {
        Err(error) if error.code() == "transfer_refused" => {
            let kept = Choice { threads: Some(Fate::Keep), agents: Some(Fate::Keep), ..Choice::default() };
            offboarding::plan(ctx, id, kept).await
        }
        found => found,
    }
}

async fn render(ctx: &Context, status: StatusCode, id: UserId, (asked, wrong): (Asked, Wrong)) -> Result<Response> {
    let Plan { user, policy, contents, alone_in, before, .. } = look(ctx, id, asked.fates).await?;
    let finished = before.as_ref().and_then(|report| report.finished_at);
    let is_done = finished.is_some() && user.disabled_at.is_some();
    let page = OffboardPage {
        title: "Offboard",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("admin")).await?,
        href: format!("/admin/users/{id}/offboard"),
        name: user.name,
        counts: contents,
        threads: policy.threads,
        agents: policy.agents,
        alone_in: alone_in.into_iter().map(|team| team.name).collect(),
        whom: asked.whom,
        broken_off: before.is_some() && finished.is_none(),
        done: before
            .zip(finished)
            .filter(|_| is_done)
            .map(|(report, at)| Done { at: When::new(at, ctx.now()), report }),
        wrong,
    };
    html(status, &page)
}

#[derive(Debug, Deserialize)]
struct OffboardForm {
    /// `keep` or `delete`.
    threads: String,
    agents: String,
    /// Whoever becomes an admin of their teams, by address or id; empty if nobody must.
    #[serde(default)]
    teams_to: String,
}

/// `POST /admin/users/{id}/offboard`
pub(crate) async fn offboard(Ctx(ctx): Ctx, Param(id): Param<UserId>, request: Request) -> Page {
    let OffboardForm { threads, agents, teams_to } = form(request).await.on_page(&ctx)?;
    let done = async {
        let teams_to = match teams_to.trim() {
            "" => None,
            named => Some(offboarding::find(&ctx, super::team::named(named)?).await?),
        };
        let (threads, agents) = (Some(Fate::named(&threads)?), Some(Fate::named(&agents)?));
        offboarding::offboard(&ctx, id, Choice { threads, agents, to: None, teams_to }).await
    };
    match done.await {
        Ok(_) => Ok(Redirect::to(&format!("/admin/users/{id}/offboard")).into_response()),
        Err(error) => {
            let fates = Fate::named(&threads).ok().zip(Fate::named(&agents).ok());
            again(&ctx, id, (Asked { fates, whom: teams_to }, &error)).await
        }
    }
}

async fn again(ctx: &Context, id: UserId, (asked, error): (Asked, &Error)) -> Page {
    let wrong = match error.code() {
        "user_unknown" | "invalid_email" | "last_team_admin" | "heir_unknown" => Wrong::beside("teams_to", error),
        _ => Wrong::of_form(error),
    };
    let page = render(ctx, problem::status(error), id, (asked, wrong)).await;
    refused(ctx, error, page)
}

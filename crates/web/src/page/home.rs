//! `/`: a new conversation, and the list of those there are.

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::{Context, provider, run, thread, user};
use retinue_model::provider::Origin;
use retinue_model::{Error, Result};
use serde::Deserialize;

use super::composer::{Composer, Form};
use super::rail::{Rail, View};
use super::{OnPage, Page, VERSION, html};
use crate::extract::{Ctx, Params, form};
use crate::problem;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    composer: Composer,
    notice: Option<String>,
    /// Whether there are conversations from before people signed in, which whoever looks may have.
    left_threads: bool,
}

/// What the rail shows.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct HomeQuery {
    #[serde(default)]
    q: String,
    cursor: Option<String>,
}

/// `GET /`
pub(crate) async fn show(Ctx(ctx): Ctx, Params(query): Params<HomeQuery>) -> Page {
    // Whoever searches is at no place.
    let page = if query.q.trim().is_empty() { "home" } else { "" };
    let view = View { page, query: query.q, cursor: query.cursor, ..View::default() };
    let composer = Composer::new(&ctx, None, None).await.on_page(&ctx)?;
    render(&ctx, view, composer, StatusCode::OK).await.on_page(&ctx)
}

async fn render(ctx: &Context, view: View, composer: Composer, status: StatusCode) -> Result<Response> {
    let page = HomePage {
        title: "Retinue",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, view).await?,
        composer,
        notice: notice(ctx),
        left_threads: user::is_any_left_by_local_user(ctx).await?,
    };
    html(status, &page)
}

/// What keeps answers from being real ones.
fn notice(ctx: &Context) -> Option<String> {
    match provider::default_model(ctx) {
        Ok(model) if model.origin == Origin::BuiltIn => Some(
            "No model is set up yet, so the built-in echo model repeats what you say. The page Agents says what to set."
                .to_owned(),
        ),
        Ok(_) => None,
        Err(error) => Some(error.detail().to_owned()),
    }
}

/// `POST /threads`: begin a conversation with what is said first.
pub(crate) async fn start(Ctx(ctx): Ctx, request: Request) -> Page {
    let form = form::<Form>(request).await.on_page(&ctx)?;
    match begin(&ctx, &form).await {
        Ok(location) => Ok(Redirect::to(&location).into_response()),
        Err(error) => refused(&ctx, form, &error).await.on_page(&ctx),
    }
}

async fn begin(ctx: &Context, form: &Form) -> Result<String> {
    let said = form.check()?;
    let new = thread::NewThread {
        agent_id: said.agent_id,
        model: said.model.apply_to(None),
        team_id: said.team_id,
        ..thread::NewThread::default()
    };
    let run = run::start_thread(ctx, said.input, new).await?;
    Ok(format!("/threads/{}", run.thread_id))
}

async fn refused(ctx: &Context, form: Form, error: &Error) -> Result<Response> {
    problem::log(error, ctx.request_id());
    let composer = Composer::new(ctx, None, None).await?.refused(form, error);
    render(ctx, View::of("home"), composer, problem::status(error)).await
}

//! `/threads/{id}`: a conversation.

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::{Context, run, thread, turn};
use retinue_model::text::Title;
use retinue_model::{Error, Result, RunId, ThreadId};
use serde::Deserialize;

use super::composer::{Composer, Form};
use super::rail::{Rail, View, untitled};
use super::turn::Turn;
use super::{OnPage, Page, VERSION, html};
use crate::extract::{Ctx, Param, Params, form};
use crate::problem;

#[derive(Template)]
#[template(path = "thread.html")]
struct ThreadPage {
    title: String,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    thread: ThreadLinks,
    turns: Vec<Turn>,
    earlier_href: Option<String>,
    composer: Composer,
}

/// A conversation and what can be done with it.
pub(crate) struct ThreadLinks {
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) rename_action: String,
    pub(crate) delete_href: String,
}

impl ThreadLinks {
    pub(crate) fn new(thread: &retinue_model::thread::Thread) -> Self {
        let href = format!("/threads/{}", thread.id);
        Self {
            title: thread.title.clone().unwrap_or_else(|| untitled().to_owned()),
            rename_action: format!("{href}/title"),
            delete_href: format!("{href}/delete"),
            href,
        }
    }
}

/// Which part of the conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThreadQuery {
    before: Option<String>,
}

/// What a person said that was not taken, and why.
type Refused = Option<(Form, Error)>;

/// `GET /threads/{id}`
pub(crate) async fn show(Ctx(ctx): Ctx, Param(id): Param<ThreadId>, Params(query): Params<ThreadQuery>) -> Page {
    render(&ctx, id, query.before, None).await.on_page(&ctx)
}

async fn render(ctx: &Context, id: ThreadId, before: Option<String>, refused: Refused) -> Result<Response> {
    let thread = thread::get(ctx, id).await?;
    let page = turn::list(ctx, id, before.as_deref()).await?;
    let running = running(&page.turns);
    let composer = Composer::new(ctx, Some(&thread), running).await?;
    let (composer, status) = match refused {
        None => (composer, StatusCode::OK),
        Some((form, error)) => (composer.refused(form, &error), problem::status(&error)),
    };
    let links = ThreadLinks::new(&thread);
    let page = ThreadPage {
        title: links.title.clone(),
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: running.is_some(),
        rail: Rail::load(ctx, View { current: Some(id), ..View::of("thread") }).await?,
        earlier_href: page.earlier_cursor.map(|cursor| format!("{}?before={cursor}", links.href)),
        turns: super::turn::render(ctx, page.turns, before.is_none()).await?,
        thread: links,
        composer,
    };
    html(status, &page)
}

fn running(turns: &[turn::Turn]) -> Option<RunId> {
    turns
        .iter()
        .flat_map(|turn| &turn.attempts)
        .map(|attempt| &attempt.run)
        .find(|run| run.status.is_active())
        .map(|run| run.id)
}

/// `POST /threads/{id}/runs`: say something.
pub(crate) async fn say(Ctx(ctx): Ctx, Param(id): Param<ThreadId>, request: Request) -> Page {
    let form = form::<Form>(request).await.on_page(&ctx)?;
    match start(&ctx, id, &form).await {
        Ok(()) => Ok(Redirect::to(&format!("/threads/{id}")).into_response()),
        Err(error) if error.code() == "not_found" => Err(error).on_page(&ctx),
        Err(error) => {
            problem::log(&error, ctx.request_id());
            render(&ctx, id, None, Some((form, error))).await.on_page(&ctx)
        }
    }
}

async fn start(ctx: &Context, id: ThreadId, form: &Form) -> Result<()> {
    let said = form.check()?;
    if said.team_id.is_some() {
        return Err(Error::invalid("invalid_form", "For which team a conversation counts is said when it begins."));
    }
    run::start(ctx, id, run::NewRun { input: said.input, agent_id: said.agent_id, model: said.model }).await.map(drop)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    title: String,
}

/// `POST /threads/{id}/title`
pub(crate) async fn rename(Ctx(ctx): Ctx, Param(id): Param<ThreadId>, request: Request) -> Page {
    let form = form::<Rename>(request).await.on_page(&ctx)?;
    let title = Title::new(&form.title).on_page(&ctx)?;
    let change = thread::Change { title: Some(title), ..thread::Change::default() };
    thread::change(&ctx, id, change).await.on_page(&ctx)?;
    Ok(Redirect::to(&format!("/threads/{id}")).into_response())
}

//! `/threads/{id}/delete`: asks once, then deletes.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::{Context, thread};
use retinue_model::{Result, ThreadId};

use super::rail::{Rail, View};
use super::thread::ThreadLinks;
use super::{OnPage, Page, VERSION, html};
use crate::extract::{Ctx, Param};

#[derive(Template)]
#[template(path = "thread_delete.html")]
struct ThreadDeletePage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    thread: ThreadLinks,
    counts: thread::Contents,
}

/// `GET /threads/{id}/delete`
pub(crate) async fn ask(Ctx(ctx): Ctx, Param(id): Param<ThreadId>) -> Page {
    render(&ctx, id).await.on_page(&ctx)
}

async fn render(ctx: &Context, id: ThreadId) -> Result<Response> {
    let page = ThreadDeletePage {
        title: "Delete this conversation?",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        thread: ThreadLinks::new(&thread::get(ctx, id).await?),
        rail: Rail::load(ctx, View { current: Some(id), ..View::of("thread") }).await?,
        counts: thread::contents(ctx, id).await?,
    };
    html(StatusCode::OK, &page)
}

/// `POST /threads/{id}/delete`
pub(crate) async fn delete(Ctx(ctx): Ctx, Param(id): Param<ThreadId>) -> Page {
    thread::delete(&ctx, id).await.on_page(&ctx)?;
    Ok(Redirect::to("/").into_response())
}

//! `/api/threads`

use axum::Json;
use axum::http::StatusCode;
use retinue_app::thread;
use retinue_model::provider::Choice;
use retinue_model::text::{Search, Title};
use retinue_model::thread::Thread;
use retinue_model::{AgentId, Result, ThreadId};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};

use super::list::{self, List};
use crate::extract::{Body, Ctx, Param, Params};
use crate::problem::{Answer, InRequest, Problem};

/// Which conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListThreads {
    /// How many at most: 1 to 200, otherwise 20.
    #[param(minimum = 1, maximum = 200, default = 20)]
    limit: Option<usize>,
    /// Where the list goes on: the `next_cursor` of the answer before.
    cursor: Option<String>,
    /// Only conversations whose title or one of whose messages has all these words; the last may be the beginning of one.
    q: Option<String>,
}

/// A conversation in a list.
#[derive(Debug, ToSchema)]
pub(crate) struct ThreadItem {
    #[serde(flatten)]
    thread: Thread,
    /// Where a search found its words, if that was in a message.
    excerpt: Option<String>,
}

impl Serialize for ThreadItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Found<'a> {
            #[serde(flatten)]
            thread: &'a Thread,
            excerpt: &'a str,
        }
        match self {
            // Nearly all, and quicker than a thread within something else.
            Self { thread, excerpt: None } => thread.serialize(serializer),
            Self { thread, excerpt: Some(excerpt) } => Found { thread, excerpt }.serialize(serializer),
        }
    }
}

/// A conversation to begin.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewThread {
    /// Its title; made of the first message if left out.
    #[schema(value_type = Option<Title>)]
    title: Option<String>,
    /// The agent that answers; the default assistant if left out.
    #[schema(value_type = Option<AgentId>)]
    agent_id: Option<String>,
    /// The name of a model; the agent's own if left out.
    model: Option<String>,
}

/// What to change of a conversation; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeThread {
    /// Another title.
    #[schema(value_type = Option<Title>)]
    title: Option<String>,
    /// Another agent.
    #[schema(value_type = Option<AgentId>)]
    agent_id: Option<String>,
    /// Another model; null goes back to the agent's own.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    model: Choice,
}

// What is checked is parsed here and not by serde, so that each fault keeps its own code.
fn title(text: Option<String>) -> Result<Option<Title>> {
    text.map(|text| Title::new(&text)).transpose()
}

fn agent_id(text: Option<String>) -> Result<Option<AgentId>> {
    text.map(|text| text.parse()).transpose()
}

impl NewThread {
    fn check(self) -> Result<thread::NewThread> {
        Ok(thread::NewThread { title: title(self.title)?, agent_id: agent_id(self.agent_id)?, model: self.model })
    }
}

impl ChangeThread {
    fn check(self) -> Result<thread::Change> {
        Ok(thread::Change { title: title(self.title)?, agent_id: agent_id(self.agent_id)?, model: self.model })
    }
}

/// Conversations, the last changed first.
#[utoipa::path(get, path = "/api/threads", tag = "threads", params(ListThreads), responses(
    (status = 200, body = List<ThreadItem>),
    (status = 400, body = Problem, description = "`invalid_cursor`, `invalid_limit`, `invalid_search`, `invalid_query`"),
))]
pub(crate) async fn list(Ctx(ctx): Ctx, Params(query): Params<ListThreads>) -> Answer<List<ThreadItem>> {
    let limit = list::limit(query.limit).in_request(&ctx)?;
    let cursor = query.cursor.as_deref();
    let page = match query.q.as_deref() {
        None => thread::list(&ctx, cursor, limit).await,
        Some(words) => {
            let search = Search::new(words).in_request(&ctx)?;
            thread::search(&ctx, &search, cursor, limit).await
        }
    };
    let page = page.in_request(&ctx)?;
    let data =
        page.threads.into_iter().map(|found| ThreadItem { thread: found.thread, excerpt: found.excerpt }).collect();
    Ok(List { data, next_cursor: page.next_cursor })
}

/// Begin a conversation.
#[utoipa::path(post, path = "/api/threads", tag = "threads", request_body = NewThread, responses(
    (status = 201, body = Thread),
    (status = 400, body = Problem, description = "`invalid_title`, `invalid_id`, `invalid_body`, `agent_unknown`, `model_unknown`"),
    (status = 413, body = Problem, description = "`body_too_large`"),
    (status = 415, body = Problem, description = "`unsupported_media_type`"),
    (status = 503, body = Problem, description = "`model_unreachable`: a model was named, and the server that would list it does not answer"),
))]
pub(crate) async fn create(Ctx(ctx): Ctx, Body(new): Body<NewThread>) -> Answer<(StatusCode, Json<Thread>)> {
    let new = new.check().in_request(&ctx)?;
    let thread = thread::create(&ctx, new).await.in_request(&ctx)?;
    Ok((StatusCode::CREATED, Json(thread)))
}

/// One conversation.
#[utoipa::path(get, path = "/api/threads/{id}", tag = "threads", params(("id" = ThreadId, Path)), responses(
    (status = 200, body = Thread),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn get(Ctx(ctx): Ctx, Param(id): Param<ThreadId>) -> Answer<Json<Thread>> {
    thread::get(&ctx, id).await.map(Json).in_request(&ctx)
}

/// Rename a conversation, or give it another agent or model.
#[utoipa::path(patch, path = "/api/threads/{id}", tag = "threads", params(("id" = ThreadId, Path)), request_body = ChangeThread, responses(
    (status = 200, body = Thread),
    (status = 400, body = Problem, description = "`invalid_title`, `invalid_id`, `invalid_body`, `agent_unknown`, `model_unknown`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 413, body = Problem, description = "`body_too_large`"),
    (status = 415, body = Problem, description = "`unsupported_media_type`"),
    (status = 503, body = Problem, description = "`model_unreachable`: a model was named, and the server that would list it does not answer"),
))]
pub(crate) async fn change(
    Ctx(ctx): Ctx,
    Param(id): Param<ThreadId>,
    Body(change): Body<ChangeThread>,
) -> Answer<Json<Thread>> {
    let change = change.check().in_request(&ctx)?;
    thread::change(&ctx, id, change).await.map(Json).in_request(&ctx)
}

/// Delete a conversation with its messages, runs and events. An answer under way is stopped.
#[utoipa::path(delete, path = "/api/threads/{id}", tag = "threads", params(("id" = ThreadId, Path)), responses(
    (status = 204, description = "It is gone."),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn delete(Ctx(ctx): Ctx, Param(id): Param<ThreadId>) -> Answer<StatusCode> {
    thread::delete(&ctx, id).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

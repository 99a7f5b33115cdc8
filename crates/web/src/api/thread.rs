//! `/api/threads`

use axum::http::StatusCode;
use retinue_app::thread;
use retinue_model::provider::Choice;
use retinue_model::text::{Search, Title};
use retinue_model::thread::Thread;
use retinue_model::time::TimeText;
use retinue_model::{AgentId, Result, TeamId, ThreadId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{self, Entry, List};
use crate::extract::{Body, Keyed, Param, Params, scope};
use crate::json::Json;
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
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ThreadItem {
    #[serde(flatten)]
    thread: Thread,
    /// Where a search found its words, if that was in a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt: Option<String>,
}

impl Entry for ThreadItem {
    fn write(&self, json: &mut Vec<u8>) -> serde_json::Result<()> {
        let Self { thread: Thread { id, team_id, title, agent_id, model, created_at, updated_at }, excerpt } = self;
        // Ids and times have nothing that must be escaped.
        json.extend_from_slice(b"{\"id\":\"");
        json.extend_from_slice(id.text().as_str().as_bytes());
        json.extend_from_slice(b"\",\"team_id\":\"");
        json.extend_from_slice(team_id.text().as_str().as_bytes());
        json.extend_from_slice(b"\",\"title\":");
        serde_json::to_writer(&mut *json, title)?;
        json.extend_from_slice(b",\"agent_id\":\"");
        json.extend_from_slice(agent_id.text().as_str().as_bytes());
        json.extend_from_slice(b"\",\"model\":");
        serde_json::to_writer(&mut *json, model)?;
        json.extend_from_slice(b",\"created_at\":\"");
        json.extend_from_slice(TimeText::new(*created_at).as_str().as_bytes());
        json.extend_from_slice(b"\",\"updated_at\":\"");
        json.extend_from_slice(TimeText::new(*updated_at).as_str().as_bytes());
        json.push(b'"');
        if let Some(excerpt) = excerpt {
            json.extend_from_slice(b",\"excerpt\":");
            serde_json::to_writer(&mut *json, excerpt)?;
        }
        json.push(b'}');
        Ok(())
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
    /// The team that it counts for, one of your own; one that has the agent if left out.
    #[schema(value_type = Option<TeamId>)]
    team_id: Option<String>,
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
        let team_id = self.team_id.map(|text| text.parse()).transpose()?;
        Ok(thread::NewThread {
            title: title(self.title)?,
            agent_id: agent_id(self.agent_id)?,
            model: self.model,
            team_id,
        })
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
pub(crate) async fn list(
    Keyed(ctx, _): Keyed<scope::ThreadsRead>,
    Params(query): Params<ListThreads>,
) -> Answer<List<ThreadItem>> {
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
    (status = 400, body = Problem, description = "`invalid_title`, `invalid_id`, `invalid_body`, `agent_unknown`, `model_unknown`, `team_unknown`"),
    (status = 413, body = Problem, description = "`body_too_large`"),
    (status = 415, body = Problem, description = "`unsupported_media_type`"),
    (status = 503, body = Problem, description = "`model_unreachable`: a model was named, and the server that would list it does not answer"),
))]
pub(crate) async fn create(
    Keyed(ctx, _): Keyed<scope::ThreadsWrite>,
    Body(new): Body<NewThread>,
) -> Answer<(StatusCode, Json<Thread>)> {
    let new = new.check().in_request(&ctx)?;
    let thread = thread::create(&ctx, new).await.in_request(&ctx)?;
    Ok((StatusCode::CREATED, Json(thread)))
}

/// One conversation.
#[utoipa::path(get, path = "/api/threads/{id}", tag = "threads", params(("id" = ThreadId, Path)), responses(
    (status = 200, body = Thread),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn get(Keyed(ctx, _): Keyed<scope::ThreadsRead>, Param(id): Param<ThreadId>) -> Answer<Json<Thread>> {
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
    Keyed(ctx, _): Keyed<scope::ThreadsWrite>,
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
pub(crate) async fn delete(
    Keyed(ctx, _): Keyed<scope::ThreadsWrite>,
    Param(id): Param<ThreadId>,
) -> Answer<StatusCode> {
    thread::delete(&ctx, id).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_as_serde_writes_it() {
        let item = |title: Option<&str>, model: Option<&str>, excerpt: Option<&str>| ThreadItem {
            thread: Thread {
                id: "thr_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
                team_id: "team_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
                title: title.map(str::to_owned),
                agent_id: "agt_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
                model: model.map(str::to_owned),
                created_at: "2026-11-22T00:11:41.57Z".parse().unwrap(),
                updated_at: "2026-11-22T00:11:42Z".parse().unwrap(),
            },
            excerpt: excerpt.map(str::to_owned),
        };
        let hostile = "\"},{\"id\":\u{0}\n\u{2028}</script>\\";
        list::assert_written_as_serde_does(&List::<ThreadItem>::whole(Vec::new()));
        list::assert_written_as_serde_does(&List {
            data: vec![item(None, None, None), item(Some(hostile), Some(hostile), Some(hostile))],
            next_cursor: Some(hostile.to_owned()),
        });
    }
}

//! `/api/threads/{id}/messages`

use retinue_app::message;
use retinue_model::ThreadId;
use retinue_model::message::Message;

use super::list::{List, Range};
use crate::extract::{Keyed, Param, Params, scope};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// What was said in a conversation, oldest first. An answer under way is not here yet: follow its run's events.
#[utoipa::path(get, path = "/api/threads/{id}/messages", tag = "threads", params(("id" = ThreadId, Path), Range), responses(
    (status = 200, body = List<Message>),
    (status = 400, body = Problem, description = "`invalid_cursor`, `invalid_limit`"),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn list(
    Keyed(ctx, _): Keyed<scope::ThreadsRead>,
    Param(id): Param<ThreadId>,
    Params(range): Params<Range>,
) -> Answer<Json<List<Message>>> {
    let limit = range.limit().in_request(&ctx)?;
    let page = message::list(&ctx, id, range.cursor.as_deref(), limit).await.in_request(&ctx)?;
    Ok(Json(List { data: page.messages, next_cursor: page.next_cursor }))
}

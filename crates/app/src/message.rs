//! What was said.

use retinue_model::message::Message;
use retinue_model::{Result, ThreadId};
use retinue_store::message as rows;

use crate::{Context, cursor, thread};

/// Some messages of a thread, and where they go on.
#[derive(Clone, Debug)]
pub struct Page {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// Where the list goes on, if it does.
    pub next_cursor: Option<String>,
}

/// What was said in a conversation, oldest first.
///
/// # Errors
/// `not_found`, `invalid_cursor`.
pub async fn list(ctx: &Context, id: ThreadId, cursor: Option<&str>, limit: usize) -> Result<Page> {
    thread::get(ctx, id).await?;
    let after = cursor.map_or(Ok(0), |cursor| cursor::to_position(id, cursor))?;
    let mut placed =
        rows::list(&ctx.scope(), &ctx.store, id, after, i64::try_from(limit + 1).unwrap_or(i64::MAX)).await?;
    let has_more = placed.len() > limit;
    placed.truncate(limit);
    let next_cursor = placed.last().filter(|_| has_more).map(|last| cursor::of_position(id, last.position));
    Ok(Page { messages: placed.into_iter().map(|placed| placed.message).collect(), next_cursor })
}

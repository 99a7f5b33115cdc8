//! What was said.

use retinue_model::message::Message;
use retinue_model::{Result, ThreadId};
use retinue_store::message::{self as rows, Placed};

use crate::{Context, cursor, thread};

/// Messages read at once.
const AT_ONCE: usize = 20;
/// With so much text about, a page ends before its limit.
const MOST_BYTES: usize = 8 << 20;

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
    let (mut placed, mut bytes): (Vec<Placed>, usize) = (Vec::new(), 0);
    let has_more = loop {
        let last = placed.last().map_or(after, |last| last.position);
        let room = limit - placed.len();
        // One more tells whether the list goes on.
        let page =
            rows::list(&ctx.scope(), &ctx.store, id, last, i64::try_from(AT_ONCE.min(room) + 1).unwrap_or(1)).await?;
        let is_end = page.len() <= AT_ONCE.min(room);
        placed.extend(page.into_iter().take(AT_ONCE.min(room)).inspect(|placed| bytes += placed.message.content.len()));
        if is_end || placed.len() == limit || bytes >= MOST_BYTES {
            break !is_end;
        }
    };
    let next_cursor = placed.last().filter(|_| has_more).map(|last| cursor::of_position(id, last.position));
    Ok(Page { messages: placed.into_iter().map(|placed| placed.message).collect(), next_cursor })
}

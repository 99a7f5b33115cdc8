//! What a model is told: the conversation up to the message that a run answers.

use retinue_agent::Spoken;
use retinue_model::message::Role;
use retinue_model::run::Run;
use retinue_model::{Result, ThreadId};
use retinue_store::message::{self, Placed};
use retinue_store::{Scope, Store};

/// Messages read at first, and at most at once.
const FIRST_PAGE: i64 = 4;
const LAST_PAGE: i64 = 64;
/// More text than a token ever stands for; the agent crate trims by tokens what is within this.
const BYTES_PER_TOKEN: usize = 16;

/// The conversation that `run` continues, oldest first, as much of it as could fit into `context_tokens`; the message it
/// answers is the last.
pub(crate) async fn conversation(scope: &Scope, store: &Store, run: &Run, context_tokens: u32) -> Result<Vec<Spoken>> {
    let input = message::get(scope, store, run.input_message_id).await?.ok_or_else(retinue_store::run::ended)?;
    let mut conversation = earlier(scope, store, (run.thread_id, input.position), room(context_tokens)).await?;
    conversation.push(input);
    Ok(conversation.into_iter().map(spoken).collect())
}

/// What was said in a conversation until now, oldest first, as much of it as could fit into `context_tokens`.
pub(crate) async fn so_far(scope: &Scope, store: &Store, thread: ThreadId, context_tokens: u32) -> Result<Vec<Spoken>> {
    let conversation = earlier(scope, store, (thread, i64::MAX), room(context_tokens)).await?;
    Ok(conversation.into_iter().map(spoken).collect())
}

fn room(context_tokens: u32) -> usize {
    usize::try_from(context_tokens).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_TOKEN)
}

/// What was said before a position of a thread, oldest first, up to about so many bytes of it.
async fn earlier(
    scope: &Scope,
    store: &Store,
    (thread, position): (ThreadId, i64),
    room: usize,
) -> Result<Vec<Placed>> {
    let (mut earlier, mut bytes): (Vec<Placed>, usize) = (Vec::new(), 0);
    let (mut before, mut limit) = (position, FIRST_PAGE);
    while bytes < room {
        let page = message::list_back(scope, store, thread, before, limit).await?;
        let Some(last) = page.last() else { break };
        before = last.position;
        for placed in page {
            // A message that was tried again has several answers; the newest one counts.
            if is_answer(&placed) && earlier.last().is_some_and(is_answer) {
                continue;
            }
            bytes += placed.message.content.len();
            earlier.push(placed);
        }
        limit = (limit * 2).min(LAST_PAGE);
    }
    earlier.reverse();
    Ok(earlier)
}

fn is_answer(placed: &Placed) -> bool {
    placed.message.role == Role::Assistant
}

fn spoken(placed: Placed) -> Spoken {
    Spoken { role: placed.message.role, text: placed.message.content }
}

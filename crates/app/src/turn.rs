//! Turns: a person's message with the answers to it, as a conversation is read.

use std::collections::VecDeque;

use retinue_model::message::{Message, Role};
use retinue_model::run::Run;
use retinue_model::{Error, MessageId, Result, ThreadId};
use retinue_store::message::Placed;
use retinue_store::run::Answered;
use retinue_store::{message as message_rows, run as run_rows};

use crate::{Context, cursor, event, thread};

/// Turns on one page, and how much text about.
const MOST_TURNS: usize = 50;
const MOST_BYTES: usize = 2 << 20;
/// Turns read at once.
const AT_ONCE: i64 = 10;
/// Attempts of a turn that are shown: the newest.
const ATTEMPTS: i64 = 10;

/// What a person said and what came of it.
#[derive(Clone, Debug)]
pub struct Turn {
    /// What was said.
    pub input: Message,
    /// The newest of the runs that answer it, oldest first.
    pub attempts: Vec<Attempt>,
}

impl Turn {
    fn bytes(&self) -> usize {
        self.input.content.len() + self.attempts.iter().map(|attempt| attempt.text.len()).sum::<usize>()
    }
}

/// One run with its words.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The run.
    pub run: Run,
    /// What it said, so far if it is under way.
    pub text: String,
}

/// The newest turns of a conversation, or those before a place.
#[derive(Clone, Debug)]
pub struct Page {
    /// The turns, oldest first.
    pub turns: Vec<Turn>,
    /// Where the earlier ones are, if there are any.
    pub earlier_cursor: Option<String>,
}

/// The newest turns of a conversation, or those before `cursor`.
///
/// # Errors
/// `not_found`, `invalid_cursor`.
pub async fn list(ctx: &Context, id: ThreadId, cursor: Option<&str>) -> Result<Page> {
    thread::get(ctx, id).await?;
    let mut before = cursor.map_or(Ok(i64::MAX), |cursor| cursor::to_position(id, cursor))?;
    let (mut turns, mut bytes) = (VecDeque::new(), 0);
    while turns.len() < MOST_TURNS && bytes < MOST_BYTES {
        let mut inputs = message_rows::inputs_back(&ctx.scope(), &ctx.store, id, before, AT_ONCE).await?;
        if inputs.is_empty() {
            break;
        }
        inputs.reverse();
        let positions: Vec<_> = inputs.iter().map(|placed| placed.position).collect();
        for (turn, position) in assemble(ctx, id, inputs).await?.into_iter().zip(positions).rev() {
            if bytes >= MOST_BYTES {
                break;
            }
            before = position;
            bytes += turn.bytes();
            turns.push_front(turn);
        }
    }
    let is_cut = !message_rows::inputs_back(&ctx.scope(), &ctx.store, id, before, 1).await?.is_empty();
    let earlier_cursor = is_cut.then(|| cursor::of_position(id, before));
    Ok(Page { turns: turns.into(), earlier_cursor })
}

/// The turn of one message of a person.
///
/// # Errors
/// `not_found`, also if the message is of another thread.
pub async fn get(ctx: &Context, thread: ThreadId, id: MessageId) -> Result<Turn> {
    let missing = || Error::not_found("message");
    let input = message_rows::get(&ctx.scope(), &ctx.store, id).await?.ok_or_else(missing)?;
    if input.message.thread_id != thread || input.message.role != Role::User {
        return Err(missing());
    }
    assemble(ctx, thread, vec![input]).await?.pop().ok_or_else(missing)
}

/// Whether nothing was said after this turn.
///
/// # Errors
/// What keeps the table from being read.
pub async fn is_last(ctx: &Context, turn: &Turn) -> Result<bool> {
    match message_rows::get(&ctx.scope(), &ctx.store, turn.input.id).await? {
        Some(input) => {
            message_rows::is_last_input(&ctx.scope(), &ctx.store, turn.input.thread_id, input.position).await
        }
        None => Ok(false),
    }
}

async fn assemble(ctx: &Context, thread: ThreadId, inputs: Vec<Placed>) -> Result<Vec<Turn>> {
    let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else { return Ok(Vec::new()) };
    let range = (first.position, last.position);
    let answered = run_rows::of_inputs(&ctx.scope(), &ctx.store, thread, range, ATTEMPTS).await?;
    let mut turns: Vec<Turn> =
        inputs.into_iter().map(|placed| Turn { input: placed.message, attempts: Vec::new() }).collect();
    for Answered { run, answer } in answered {
        let Some(turn) = turns.iter_mut().find(|turn| turn.input.id == run.input_message_id) else { continue };
        let text = match answer {
            Some(answer) => answer,
            None if run.status.is_active() => event::text_so_far(ctx, &run).await?,
            None => String::new(),
        };
        turn.attempts.push(Attempt { run, text });
    }
    Ok(turns)
}

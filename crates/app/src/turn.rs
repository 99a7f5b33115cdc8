//! Turns: a person's message with the answers to it, as a conversation is read.

use retinue_model::message::{Message, Role};
use retinue_model::run::Run;
use retinue_model::{Error, MessageId, Result, ThreadId};
use retinue_store::message::Placed;
use retinue_store::{message as message_rows, run as run_rows};

use crate::{Context, cursor, event, thread};

/// Messages looked at for one page of turns.
const MESSAGES: i64 = 100;

/// What a person said and what came of it.
#[derive(Clone, Debug)]
pub struct Turn {
    /// What was said.
    pub input: Message,
    /// The runs that answer it, oldest first.
    pub attempts: Vec<Attempt>,
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
    let before = cursor.map_or(Ok(i64::MAX), |cursor| cursor::to_position(id, cursor))?;
    let mut placed = message_rows::list_back(&ctx.store, id, before, MESSAGES + 1).await?;
    let is_cut = placed.len() > usize::try_from(MESSAGES).unwrap_or(usize::MAX);
    placed.reverse();
    if is_cut {
        // The page begins with something that a person said.
        let first =
            placed.iter().skip(1).position(|placed| placed.message.role == Role::User).map_or(0, |index| index + 1);
        placed.drain(..first);
    }
    let earlier_cursor = placed.first().filter(|_| is_cut).map(|first| cursor::of_position(id, first.position));
    Ok(Page { turns: assemble(ctx, id, placed).await?, earlier_cursor })
}

/// The turn of one message of a person.
///
/// # Errors
/// `not_found`, also if the message is of another thread.
pub async fn get(ctx: &Context, thread: ThreadId, id: MessageId) -> Result<Turn> {
    let missing = || Error::not_found("message");
    let input = message_rows::get(&ctx.store, id).await?.ok_or_else(missing)?;
    if input.message.thread_id != thread || input.message.role != Role::User {
        return Err(missing());
    }
    let mut placed = message_rows::list(&ctx.store, thread, input.position, MESSAGES).await?;
    let end = placed.iter().position(|placed| placed.message.role == Role::User).unwrap_or(placed.len());
    placed.truncate(end);
    placed.insert(0, input);
    assemble(ctx, thread, placed).await?.into_iter().find(|turn| turn.input.id == id).ok_or_else(missing)
}

/// Whether nothing was said after this turn.
///
/// # Errors
/// What keeps the table from being read.
pub async fn is_last(ctx: &Context, turn: &Turn) -> Result<bool> {
    let newest = message_rows::list_back(&ctx.store, turn.input.thread_id, i64::MAX, MESSAGES).await?;
    let last_input = newest.into_iter().find(|placed| placed.message.role == Role::User);
    Ok(last_input.is_some_and(|placed| placed.message.id == turn.input.id))
}

async fn assemble(ctx: &Context, thread: ThreadId, placed: Vec<Placed>) -> Result<Vec<Turn>> {
    let Some(first) = placed.first() else { return Ok(Vec::new()) };
    let runs = run_rows::of_thread_from(&ctx.store, thread, first.message.created_at).await?;
    let (inputs, answers): (Vec<_>, Vec<_>) =
        placed.into_iter().map(|placed| placed.message).partition(|message| message.role == Role::User);
    let mut turns: Vec<Turn> = inputs.into_iter().map(|input| Turn { input, attempts: Vec::new() }).collect();
    for run in runs {
        let Some(turn) = turns.iter_mut().find(|turn| turn.input.id == run.input_message_id) else { continue };
        let answer = answers.iter().find(|answer| answer.run_id == Some(run.id));
        let text = match answer {
            Some(answer) => answer.content.clone(),
            None if run.status.is_active() => event::text_so_far(ctx, &run).await?,
            None => String::new(),
        };
        turn.attempts.push(Attempt { run, text });
    }
    Ok(turns)
}

//! What a model is told: the conversation up to the message that a run answers.

use retinue_agent::Spoken;
use retinue_model::message::Role;
use retinue_model::run::Run;
use retinue_model::{Error, Result};
use retinue_store::Store;
use retinue_store::message::{self, Placed};

/// Messages looked at, newest first; the agent crate trims what is too long for the model.
const MESSAGES: i64 = 1_000;

/// The conversation that `run` continues, oldest first; the message it answers is the last.
pub(crate) async fn conversation(store: &Store, run: &Run) -> Result<Vec<Spoken>> {
    let input = message::get(store, run.input_message_id)
        .await?
        .ok_or_else(|| Error::internal("the message that a run answers is gone"))?;
    let mut earlier = message::list_back(store, run.thread_id, input.position, MESSAGES).await?;
    earlier.reverse();
    let mut conversation = one_answer_each(earlier);
    conversation.push(spoken(input));
    Ok(conversation)
}

/// A message that was tried again has several answers; the newest one counts.
fn one_answer_each(messages: Vec<Placed>) -> Vec<Spoken> {
    let mut conversation: Vec<Spoken> = Vec::new();
    for placed in messages {
        let is_answer = |spoken: &Spoken| spoken.role == Role::Assistant;
        if placed.message.role == Role::Assistant && conversation.last().is_some_and(is_answer) {
            conversation.pop();
        }
        conversation.push(spoken(placed));
    }
    conversation
}

fn spoken(placed: Placed) -> Spoken {
    Spoken { role: placed.message.role, text: placed.message.content }
}

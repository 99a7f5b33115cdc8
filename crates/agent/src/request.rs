//! What a run is asked to do, and what it gives back.

use std::time::Duration;

use retinue_model::message::Role;
use retinue_model::run::Usage;

use crate::endpoint::Endpoint;
use crate::{tokens, trim};

/// Who answers.
#[derive(Clone, Debug)]
pub enum Backend {
    /// A server that speaks OpenAI's chat completions.
    OpenAi(Endpoint),
    /// No model: what was said is repeated.
    Echo {
        /// What a person sets to get a real model, as Markdown.
        advice: String,
    },
}

/// How far a run may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest answer, in bytes of text.
    pub max_output_bytes: usize,
    /// The longest run, retries included.
    pub max_duration: Duration,
    /// How often a question is asked again after the server was busy, broken or gone, before it said anything.
    pub retries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_output_bytes: 1024 * 1024, max_duration: Duration::from_mins(15), retries: 2 }
    }
}

/// For how many tokens there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many tokens the model takes in all, its answer included.
    pub context_tokens: u32,
    /// The longest answer that is asked for; none leaves it to the server.
    pub max_output_tokens: Option<u32>,
}

/// One message of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// One turn of work.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who answers.
    pub backend: Backend,
    /// The model's name as its server knows it.
    pub upstream_model: String,
    /// What the model is told before the conversation; blank means nothing.
    pub instructions: String,
    /// The conversation, oldest first; the last message is the person's.
    pub conversation: Vec<Spoken>,
    /// How many tokens the model takes in all, its answer included.
    pub context_tokens: u32,
    /// The longest answer that is asked for; none leaves it to the server.
    pub max_output_tokens: Option<u32>,
    /// How far this run may go.
    pub limits: Limits,
    /// Randomness for the pauses between retries.
    pub jitter: u64,
}

impl Request {
    pub(crate) const fn room(&self) -> Room {
        Room { context_tokens: self.context_tokens, max_output_tokens: self.max_output_tokens }
    }

    /// How many tokens the question takes, by estimate.
    #[must_use]
    pub fn asked_tokens(&self) -> u64 {
        trim::asked_tokens(&self.instructions, &self.conversation, self.room())
    }

    /// The longest answer that is taken, in bytes of text. A server that was told a limit in tokens and goes on and on is
    /// stopped.
    pub(crate) fn max_output_bytes(&self) -> usize {
        let told = self.max_output_tokens.map(tokens::most_bytes);
        told.map_or(self.limits.max_output_bytes, |told| told.min(self.limits.max_output_bytes))
    }
}

/// What a run gives back as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next piece of the answer; never empty, at most 16 KiB, without NUL characters.
    Delta(String),
    /// What the model counted of an answer that is about to fail.
    Counted {
        /// What it said.
        usage: Usage,
    },
    /// The answer is whole. Nothing comes after it.
    Finished {
        /// What the model counted, if it said so.
        usage: Option<Usage>,
    },
}

//! A run: one turn of an agent's work, from a person's message to the answer or the reason why there is none.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::id::{AgentId, ApiKeyId, MessageId, RunId, ThreadId};

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted; waits because as many runs as allowed are under way.
    Queued,
    /// Under way.
    Running,
    /// The answer is whole.
    Completed,
    /// It ended with an error; what was said before stays.
    Failed,
    /// A person stopped it.
    Cancelled,
    /// The server stopped while it was under way.
    Interrupted,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled, Self::Interrupted];

    /// The word in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether more is to come.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

impl FromStr for Status {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| Error::internal(format!("unknown run status {text:?} in the database")))
    }
}

/// What the model counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Tokens that were sent to the model.
    pub input_tokens: u64,
    /// Tokens that the model wrote.
    pub output_tokens: u64,
}

/// Why a run failed, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// Stable, for programs: one of `model_unauthorized`, `model_unknown`, `model_unreachable`, `model_rate_limited`,
    /// `model_context_too_long`, `model_refused`, `model_error`, `model_protocol`, `model_timeout`, `output_too_long`,
    /// `run_too_long`, `storage_full`, `storage_unavailable`, `internal_error`.
    pub code: String,
    /// What happened and what to do next.
    pub message: String,
}

impl Failure {
    /// A failure with its stable code.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is whole.
    Completed,
    /// It failed.
    Failed(Failure),
    /// A person stopped it.
    Cancelled,
    /// The server stopped.
    Interrupted,
}

impl Outcome {
    /// The status that a run has after this.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Completed => Status::Completed,
            Self::Failed(_) => Status::Failed,
            Self::Cancelled => Status::Cancelled,
            Self::Interrupted => Status::Interrupted,
        }
    }

    /// The failure, if it is one.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

/// One turn of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Run {
    /// `run_…`
    pub id: RunId,
    /// The conversation it belongs to.
    pub thread_id: ThreadId,
    /// The person's message that it answers. Several runs answer the same message when it was tried again.
    pub input_message_id: MessageId,
    /// The agent that did it.
    pub agent_id: AgentId,
    /// Which version of the agent; null for runs from before agents had versions.
    #[schema(required)]
    pub agent_version: Option<i64>,
    /// The API key that it was begun with; null if a person began it.
    #[schema(required)]
    pub api_key_id: Option<ApiKeyId>,
    /// The name of the model that was asked.
    pub model: String,
    /// How far it has come.
    pub status: Status,
    /// Why it failed; null otherwise.
    #[schema(required)]
    pub error: Option<Failure>,
    /// What the model counted; null when it did not say.
    #[schema(required)]
    pub usage: Option<Usage>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it began; null while it is queued.
    #[schema(required)]
    pub started_at: Option<Timestamp>,
    /// When it ended; null before.
    #[schema(required)]
    pub finished_at: Option<Timestamp>,
}

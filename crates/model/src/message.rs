//! A message: what was said in a thread, by the person or by the agent.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::id::{MessageId, RunId, ThreadId};

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// The agent.
    Assistant,
}

impl Role {
    /// The word in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "user" => Ok(Self::User),
            "assistant" => Ok(Self::Assistant),
            other => Err(Error::internal(format!("unknown role {other:?} in the database"))),
        }
    }
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Message {
    /// `msg_…`
    pub id: MessageId,
    /// The conversation it belongs to.
    pub thread_id: ThreadId,
    /// The run that wrote it; null for what a person said.
    #[schema(required)]
    pub run_id: Option<RunId>,
    /// Who said it.
    pub role: Role,
    /// The text; Markdown when the agent wrote it.
    pub content: String,
    /// When it was said; for an agent, when it was done.
    #[serde(serialize_with = "crate::time::serialize")]
    pub created_at: Timestamp,
}

//! An event: one append-only fact of a run. The table of events is the truth; what streams is the same events.

use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::id::RunId;
use crate::message::Message;
use crate::run::{Failure, Outcome, Usage};

/// The event's name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// The model is being asked.
    RunStarted,
    /// The next piece of the answer.
    MessageDelta,
    /// The answer, whole or as far as it came, is kept.
    MessageCompleted,
    /// The run ended well.
    RunCompleted,
    /// The run ended with an error.
    RunFailed,
    /// A person stopped the run.
    RunCancelled,
    /// The server stopped while the run was under way.
    RunInterrupted,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RunStarted,
        Self::MessageDelta,
        Self::MessageCompleted,
        Self::RunCompleted,
        Self::RunFailed,
        Self::RunCancelled,
        Self::RunInterrupted,
    ];

    /// The name as it is stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RunStarted => "run.started",
            Self::MessageDelta => "message.delta",
            Self::MessageCompleted => "message.completed",
            Self::RunCompleted => "run.completed",
            Self::RunFailed => "run.failed",
            Self::RunCancelled => "run.cancelled",
            Self::RunInterrupted => "run.interrupted",
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::RunCompleted | Self::RunFailed | Self::RunCancelled | Self::RunInterrupted)
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| Error::internal(format!("unknown event {text:?} in the database")))
    }
}

/// What an event says, before it is numbered.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum Data<'a> {
    /// Of `run.started`.
    Started {
        /// The model that is asked.
        model: &'a str,
    },
    /// Of `message.delta`.
    Delta {
        /// The next piece of text.
        text: &'a str,
    },
    /// Of `message.completed`.
    Message {
        /// What is kept.
        message: &'a Message,
    },
    /// Of `run.completed`.
    Completed {
        /// What the model counted.
        usage: Option<Usage>,
    },
    /// Of `run.failed`.
    Failed {
        /// Why.
        error: &'a Failure,
    },
    /// Of `run.cancelled` and `run.interrupted`.
    Nothing {},
}

impl<'a> Data<'a> {
    /// The last event of a run that ended with `outcome`.
    #[must_use]
    pub fn of_outcome(outcome: &'a Outcome, usage: Option<Usage>) -> (Name, Self) {
        match outcome {
            Outcome::Completed => (Name::RunCompleted, Self::Completed { usage }),
            Outcome::Failed(error) => (Name::RunFailed, Self::Failed { error }),
            Outcome::Cancelled => (Name::RunCancelled, Self::Nothing {}),
            Outcome::Interrupted => (Name::RunInterrupted, Self::Nothing {}),
        }
    }
}

/// One numbered fact of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The run it belongs to.
    pub run_id: RunId,
    /// 1, 2, 3… within the run. There is a gap only where a crash took events that were shown and not yet committed.
    pub seq: i64,
    /// What happened.
    pub name: Name,
    /// The JSON object that is stored and sent, byte for byte.
    pub data: Arc<str>,
    /// When it happened.
    pub created_at: Timestamp,
}

impl Event {
    /// Writes `data` as the JSON that will be stored and sent.
    ///
    /// # Errors
    /// `internal_error` if the data can't be written as JSON, which no value of these types does.
    pub fn new(run_id: RunId, seq: i64, name: Name, data: &Data<'_>, created_at: Timestamp) -> Result<Self> {
        let data = serde_json::to_string(data).map_err(Error::internal)?.into();
        Ok(Self { run_id, seq, name, data, created_at })
    }

    /// The text of a `message.delta`; nothing for any other event.
    ///
    /// # Errors
    /// `internal_error` if the stored JSON is broken.
    pub fn delta_text(&self) -> Result<Option<String>> {
        #[derive(serde::Deserialize)]
        struct Delta {
            text: String,
        }
        if self.name != Name::MessageDelta {
            return Ok(None);
        }
        serde_json::from_str::<Delta>(&self.data).map(|delta| Some(delta.text)).map_err(Error::internal)
    }
}

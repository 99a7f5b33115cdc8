//! A thread: one conversation of a person with an agent.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::id::{AgentId, ThreadId};

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Thread {
    /// `thr_…`
    pub id: ThreadId,
    /// Made of the first message when nobody gave one; null until then.
    #[schema(required)]
    pub title: Option<String>,
    /// The agent that answers.
    pub agent_id: AgentId,
    /// The name of the model that was chosen for this thread; null means the agent's own.
    #[schema(required)]
    pub model: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When something was last said in it, or it was renamed.
    pub updated_at: Timestamp,
}

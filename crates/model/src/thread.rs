//! A thread: one conversation of a person with an agent.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::id::{AgentId, TeamId, ThreadId};
use crate::provider::Choice;
use crate::text::Title;

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Thread {
    /// `thr_…`
    pub id: ThreadId,
    /// The team that it counts for. Nobody but its owner reads it, whoever belongs to the team.
    pub team_id: TeamId,
    /// Made of the first message when nobody gave one; null until then.
    #[schema(required)]
    pub title: Option<String>,
    /// The agent that answers.
    pub agent_id: AgentId,
    /// The name of the model that was chosen for this thread; null means the agent's own.
    #[schema(required)]
    pub model: Option<String>,
    /// When it was created.
    #[serde(serialize_with = "crate::time::serialize")]
    pub created_at: Timestamp,
    /// When something was last said in it, or it was renamed.
    #[serde(serialize_with = "crate::time::serialize")]
    pub updated_at: Timestamp,
}

/// What is to change of a thread; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Another title.
    pub title: Option<Title>,
    /// Another agent.
    pub agent_id: Option<AgentId>,
    /// Another model.
    pub model: Choice,
}

impl Change {
    /// Whether it leaves everything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.title.is_none() && self.agent_id.is_none() && matches!(self.model, Choice::Unchanged)
    }

    /// Makes the change.
    pub fn apply_to(self, thread: &mut Thread) {
        if let Some(title) = self.title {
            thread.title = Some(title.into());
        }
        if let Some(agent_id) = self.agent_id {
            thread.agent_id = agent_id;
        }
        thread.model = self.model.apply_to(thread.model.take());
    }
}

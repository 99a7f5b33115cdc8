//! An agent: instructions and a model, under a name.

use serde::Serialize;
use utoipa::ToSchema;

use crate::id::AgentId;

/// Who answers in a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Agent {
    /// `agt_…`; the same as long as the slug is.
    pub id: AgentId,
    /// The name for addresses and programs: lower-case letters, digits and hyphens.
    pub slug: String,
    /// The name for people.
    pub name: String,
    /// What it is for, in a sentence.
    pub description: String,
    /// What the model is told before every conversation.
    pub instructions: String,
    /// The name of its model; null means the first model there is.
    #[schema(required)]
    pub model: Option<String>,
}

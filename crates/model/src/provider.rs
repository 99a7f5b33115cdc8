//! A model as people see it: what may be chosen to answer, and whether it can be reached.
//!
//! Named after who provides it, because "model" is this crate's own name.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// Where a model was declared or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// In the configuration, as `[[models]]`.
    Configuration,
    /// Listed by the server at `OPENAI_BASE_URL`.
    OpenaiBaseUrl,
    /// Listed by an Ollama on its default port.
    Ollama,
    /// Part of Retinue: answers without a model.
    BuiltIn,
}

/// A model that may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Model {
    /// The name to choose it by.
    pub name: String,
    /// The name that its server knows.
    pub upstream_name: String,
    /// Where it was declared or found.
    pub origin: Origin,
    /// How many tokens of conversation it takes in all, its answer included.
    pub context_tokens: u32,
}

/// What becomes of a thread's choice of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// It stays.
    #[default]
    Unchanged,
    /// Back to the agent's own model.
    AgentsOwn,
    /// The model of that name.
    Named(String),
}

/// A name, or null for the agent's own; `#[serde(default)]` on the field makes a missing one `Unchanged`.
impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::AgentsOwn, Self::Named))
    }
}

impl Choice {
    /// The choice after this change to `current`.
    #[must_use]
    pub fn apply_to(self, current: Option<String>) -> Option<String> {
        match self {
            Self::Unchanged => current,
            Self::AgentsOwn => None,
            Self::Named(name) => Some(name),
        }
    }

    /// The name, if it is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            _ => None,
        }
    }
}

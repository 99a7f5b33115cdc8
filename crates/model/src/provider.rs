//! A model as people see it: what may be chosen to answer, and whether it can be reached.
//!
//! Named after who provides it, because "model" is this crate's own name.

use serde::Serialize;
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

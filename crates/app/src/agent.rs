//! Agents: those declared in the configuration, and the default assistant.

use retinue_model::agent::Agent;
use retinue_model::{AgentId, Error, Result};

use crate::Context;

/// All agents, the default one first.
#[must_use]
pub fn list(ctx: &Context) -> &[Agent] {
    ctx.catalog.agents()
}

/// One agent.
///
/// # Errors
/// `not_found`.
pub fn get(ctx: &Context, id: AgentId) -> Result<&Agent> {
    ctx.catalog.agent(id).ok_or_else(|| Error::not_found("agent"))
}

/// The id of a declared agent: the same for the same slug, wherever it is declared.
#[must_use]
pub fn id_of_slug(slug: &str) -> AgentId {
    use sha2::{Digest, Sha256};
    let digest = Sha256::new().chain_update("retinue agent ").chain_update(slug).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // RFC 9562, section 5.8: a UUID of our own making.
    AgentId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// The agent that is there when none was declared.
#[must_use]
pub fn default_assistant() -> Agent {
    Agent {
        id: id_of_slug("assistant"),
        slug: "assistant".to_owned(),
        name: "Assistant".to_owned(),
        description: "Answers questions and helps with text and code.".to_owned(),
        instructions:
            "You are a helpful assistant. Answer in the language you are asked in, in Markdown. Be exact and \
            brief; say so when you do not know."
                .to_owned(),
        model: None,
    }
}

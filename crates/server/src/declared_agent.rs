//! `[[agents]]`: the agents of the configuration.

use std::collections::HashSet;

use retinue_model::agent::{Declared, Description, Instructions, Limits};
use retinue_model::{Error, Name, Result, Slug};
use serde::Deserialize;

use crate::config::ConfigError;

/// One `[[agents]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct DeclaredAgent {
    pub slug: String,
    pub name: String,
    pub instructions: String,
    #[serde(default)]
    pub description: String,
    pub model: Option<String>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub remote_api: bool,
}

impl DeclaredAgent {
    /// What it says, where that is possible.
    pub(crate) fn check(&self) -> Result<Declared> {
        self.parse().map_err(|(_, error)| error)
    }

    /// The same; or else the key that is wrong, and why.
    fn parse(&self) -> Result<Declared, (&'static str, Error)> {
        let at = |key: &'static str| move |error: Error| (key, error);
        Ok(Declared {
            slug: Slug::new(&self.slug).map_err(at("slug"))?,
            name: Name::new(&self.name).map_err(at("name"))?.into(),
            description: Description::new(&self.description).map_err(at("description"))?.into(),
            instructions: Instructions::new(&self.instructions).map_err(at("instructions"))?.into(),
            model: self.model.clone(),
            limits: self.limits.check().map_err(at("limits"))?,
            remote_api: self.remote_api,
        })
    }
}

/// Whether all of them can be what they say.
pub(crate) fn check_all(agents: &[DeclaredAgent]) -> Result<(), ConfigError> {
    let mut slugs = HashSet::new();
    for (index, agent) in agents.iter().enumerate() {
        let at = |key: &str| format!("agents[{index}].{key}");
        agent.parse().map_err(|(key, error)| ConfigError::new(&at(key), error.detail()))?;
        if !slugs.insert(&agent.slug) {
            return Err(ConfigError::new(&at("slug"), format!("“{}” stands twice.", agent.slug)));
        }
    }
    Ok(())
}

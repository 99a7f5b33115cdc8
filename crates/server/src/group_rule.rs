//! `[[auth.group_rules]]`: who has which role in which team, by groups at the identity providers.

use retinue_app::group_rule::GroupRule;
use retinue_model::Slug;
use retinue_model::membership::Role;
use serde::Deserialize;

use crate::auth::{Auth, Mode};
use crate::config::ConfigError;

/// How many there may be.
const MOST: usize = 1_000;
/// The longest name of a group, in bytes.
const LONGEST: usize = 1_024;

/// One `[[auth.group_rules]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredGroupRule {
    pub group: String,
    pub team: String,
    pub role: String,
    pub provider: Option<String>,
}

/// What the program makes of them. Whether there are such teams shows when it runs: they are no part of the configuration.
pub(crate) fn build(auth: &Auth) -> Result<Vec<GroupRule>, ConfigError> {
    let rules = &auth.group_rules;
    if !rules.is_empty() && auth.mode != Mode::Oidc {
        return Err(ConfigError::new(
            "auth.group_rules",
            "are there, but nobody signs in at a provider. Set AUTH_MODE=oidc, or take them out.",
        ));
    }
    if rules.len() > MOST {
        return Err(ConfigError::new("auth.group_rules", format!("are {}; there may be {MOST}.", rules.len())));
    }
    rules.iter().enumerate().map(|(index, rule)| one(auth, index, rule)).collect()
}

fn one(auth: &Auth, index: usize, rule: &DeclaredGroupRule) -> Result<GroupRule, ConfigError> {
    let wrong = |field: &str, reason: String| ConfigError::new(&format!("auth.group_rules[{index}].{field}"), reason);
    if rule.group.is_empty() || rule.group.len() > LONGEST {
        return Err(wrong("group", format!("must be the name of a group, of {LONGEST} bytes at most.")));
    }
    let is_known = |name: &String| auth.configured().any(|(_, provider)| provider.name == *name);
    if let Some(name) = rule.provider.as_ref().filter(|name| !is_known(name)) {
        return Err(wrong("provider", format!("“{name}” is no provider's name here.")));
    }
    Ok(GroupRule {
        provider: rule.provider.clone(),
        group: rule.group.clone(),
        team: Slug::new(&rule.team).map_err(|error| wrong("team", error.detail().to_owned()))?,
        role: Role::named(&rule.role).map_err(|error| wrong("role", error.detail().to_owned()))?,
    })
}

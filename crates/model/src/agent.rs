//! An agent: instructions and a model, under a name.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::id::{AgentId, TeamId, UserId};
use crate::slug::Slug;

/// The longest instructions, in characters.
pub const MAX_INSTRUCTIONS_CHARS: usize = 50_000;
/// The longest description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 500;

/// With whom an agent is shared. Each is with more than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Only its maker uses it.
    Private,
    /// Its team uses it.
    Team,
    /// Everybody in the organization uses it.
    Organization,
}

impl Sharing {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Private, Self::Team, Self::Organization];

    /// Its name in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Team => "team",
            Self::Organization => "organization",
        }
    }

    /// What somebody named.
    ///
    /// # Errors
    /// `invalid_sharing`
    pub fn named(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|sharing| sharing.as_str() == text).ok_or_else(|| {
            Error::invalid("invalid_sharing", "An agent is shared with nobody (`private`), `team` or `organization`.")
        })
    }
}

impl FromStr for Sharing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::named(text).map_err(|_| Error::internal(format!("unknown sharing {text:?} in the database")))
    }
}

/// Bounds on each run of an agent; where there is none, the server's own counts, and none goes over that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How often its model is asked in a run.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub turns: Option<u32>,
    /// How many tokens its model writes in a run.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000_000)]
    pub tokens: Option<u32>,
    /// How long a run takes, in seconds.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 86_400)]
    pub seconds: Option<u32>,
}

impl Limits {
    /// Checks what was asked for.
    ///
    /// # Errors
    /// `invalid_limits`
    pub fn check(self) -> Result<Self> {
        let bounds =
            [("turns", self.turns, 1_000), ("tokens", self.tokens, 10_000_000), ("seconds", self.seconds, 86_400)];
        match bounds.into_iter().find(|(_, value, most)| value.is_some_and(|value| value == 0 || value > *most)) {
            None => Ok(self),
            Some((name, _, most)) => {
                Err(Error::invalid("invalid_limits", format!("The limit `{name}` is from 1 to {most}.")))
            }
        }
    }
}

/// What the model is told before every conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instructions(String);

impl Instructions {
    /// Instructions that somebody wrote.
    ///
    /// # Errors
    /// `invalid_instructions` if they are too long, or hold what no database keeps.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.replace("\r\n", "\n");
        if text.chars().count() > MAX_INSTRUCTIONS_CHARS || text.contains('\0') {
            return Err(Error::invalid(
                "invalid_instructions",
                format!("Instructions have at most {MAX_INSTRUCTIONS_CHARS} characters."),
            ));
        }
        Ok(Self(text))
    }
}

impl From<Instructions> for String {
    fn from(text: Instructions) -> Self {
        text.0
    }
}

/// What an agent is for, in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// A description that somebody wrote; it may be empty.
    ///
    /// # Errors
    /// `invalid_description` if it is too long, or more than a line.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.chars().count() > MAX_DESCRIPTION_CHARS || text.chars().any(crate::visible::is_unseen) {
            return Err(Error::invalid(
                "invalid_description",
                format!("A description is one line of at most {MAX_DESCRIPTION_CHARS} characters."),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<Description> for String {
    fn from(text: Description) -> Self {
        text.0
    }
}

/// Who answers in a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Agent {
    /// `agt_…`
    pub id: AgentId,
    /// The team that it belongs to.
    pub team_id: TeamId,
    /// Who made it; null if it stands in the configuration, or its maker is gone.
    #[schema(required)]
    pub maker_id: Option<UserId>,
    /// The name for addresses and programs; unique in its team.
    pub slug: Slug,
    /// Counts its changes: 1, 2, 3…
    pub version: i64,
    /// The name for people.
    pub name: String,
    /// What it is for, in a sentence.
    pub description: String,
    /// What the model is told before every conversation.
    pub instructions: String,
    /// The name of its model; null means the first model there is.
    #[schema(required)]
    pub model: Option<String>,
    /// Bounds on each run.
    pub limits: Limits,
    /// With whom it is shared.
    pub sharing: Sharing,
    /// Whether programs may use it by the remote agent API.
    pub remote_api: bool,
    /// Whether it stands in the configuration, and is changed there.
    pub declared: bool,
    /// When it was made.
    #[serde(serialize_with = "crate::time::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(serialize_with = "crate::time::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// An agent as the configuration declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The name for addresses and programs; the same one means the same agent.
    pub slug: Slug,
    /// The name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What the model is told before every conversation.
    pub instructions: String,
    /// The name of its model.
    pub model: Option<String>,
    /// Bounds on each run.
    pub limits: Limits,
    /// Whether programs may use it by the remote agent API.
    pub remote_api: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_an_agent_is_bounded() {
        assert_eq!(
            Instructions::new(&"x".repeat(MAX_INSTRUCTIONS_CHARS + 1)).unwrap_err().code(),
            "invalid_instructions"
        );
        assert_eq!(Instructions::new("a\0b").unwrap_err().code(), "invalid_instructions");
        assert_eq!(String::from(Instructions::new("a\r\nb").unwrap()), "a\nb");
        for bad in ["a\nb", "a\u{202e}b", &"x".repeat(501)] {
            assert_eq!(Description::new(bad).unwrap_err().code(), "invalid_description", "{bad:?}");
        }
        assert_eq!(String::from(Description::new("  ").unwrap()), "");
    }

    #[test]
    fn limits_are_within_reason() {
        let limits = Limits { turns: Some(3), tokens: None, seconds: Some(86_400) };
        assert_eq!(limits.check().unwrap(), limits);
        for bad in [Limits { turns: Some(0), ..limits }, Limits { seconds: Some(86_401), ..limits }] {
            assert_eq!(bad.check().unwrap_err().code(), "invalid_limits");
        }
    }

    #[test]
    fn sharing_is_ordered_and_named() {
        assert!(Sharing::Private < Sharing::Team && Sharing::Team < Sharing::Organization);
        assert_eq!(Sharing::named("team").unwrap(), Sharing::Team);
        assert_eq!(Sharing::named("everybody").unwrap_err().code(), "invalid_sharing");
    }
}

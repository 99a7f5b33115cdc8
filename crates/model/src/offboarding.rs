//! Offboarding: what becomes of what is somebody's who leaves, and the report of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::id::UserId;

/// What becomes of a kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It stays whose it is. They may not come in, so nobody reads or uses it.
    Keep,
    /// It is deleted.
    Delete,
    /// Somebody else gets it, and reads it from then on.
    Transfer,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Keep, Self::Delete, Self::Transfer];

    /// Its name in the configuration and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Delete => "delete",
            Self::Transfer => "transfer",
        }
    }

    /// What somebody named.
    ///
    /// # Errors
    /// `invalid_fate`
    pub fn named(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|fate| fate.as_str() == text).ok_or_else(|| {
            Error::invalid("invalid_fate", "What is somebody’s who leaves is for `keep`, `delete` or `transfer`.")
        })
    }
}

/// What becomes of what is somebody's who leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// Of their conversations.
    pub threads: Fate,
    /// Of the agents that are theirs alone; shared ones are their team's.
    pub agents: Fate,
}

impl Default for Policy {
    fn default() -> Self {
        Self { threads: Fate::Keep, agents: Fate::Keep }
    }
}

/// How much is somebody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Contents {
    /// Conversations.
    pub threads: i64,
    /// Agents that only they may use.
    pub private_agents: i64,
    /// Agents that they made and share.
    pub shared_agents: i64,
    /// Sessions that are not over.
    pub sessions: i64,
    /// API keys that were not revoked.
    pub api_keys: i64,
    /// Teams that they belong to.
    pub memberships: i64,
    /// Open invitations that they made.
    pub invitations: i64,
    /// Answers under way.
    pub runs: i64,
}

/// What ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ended {
    /// Sessions.
    pub sessions: i64,
    /// Answers that were under way.
    pub runs: i64,
    /// API keys, which were revoked.
    pub api_keys: i64,
    /// Invitations, which were taken back.
    pub invitations: i64,
    /// Memberships.
    pub memberships: i64,
    /// Whether they ran the installation until then.
    pub organization_admin: bool,
}

/// What somebody else got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transferred {
    /// Conversations.
    pub threads: i64,
    /// Agents.
    pub agents: i64,
    /// Teams, of which somebody else is an admin now.
    pub teams: i64,
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deleted {
    /// Conversations, with all that was said in them.
    pub threads: i64,
    /// Agents that were theirs alone.
    pub agents: i64,
}

/// What stays. So do the user and their identities, by which whoever comes back is known and refused, what they used, and what
/// the audit trail says of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Left {
    /// Conversations, which nobody reads.
    pub threads: i64,
    /// Agents that were theirs alone, which nobody uses.
    pub agents: i64,
    /// Agents that they made and share, which are their teams'.
    pub shared_agents: i64,
}

/// What was done when somebody left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Who left.
    pub user_id: UserId,
    /// What they were called.
    pub name: String,
    /// What the configuration says.
    pub declared: Policy,
    /// What was chosen, if something was, or else the same.
    pub policy: Policy,
    /// Who got what was handed over.
    #[schema(required)]
    pub to: Option<UserId>,
    /// Who became an admin of the teams that they were the only one of.
    #[schema(required)]
    pub teams_to: Option<UserId>,
    /// Who began; null if whoever has the machine did, at its command line.
    #[schema(required)]
    pub begun_by: Option<UserId>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub begun_at: Timestamp,
    /// How often it was taken up again after it had broken off.
    pub resumed: i64,
    /// Who ended it; null if whoever has the machine did, or nobody yet.
    #[schema(required)]
    pub finished_by: Option<UserId>,
    /// When it was done; null if it broke off.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// What ended.
    pub ended: Ended,
    /// What somebody else got.
    pub transferred: Transferred,
    /// What was deleted.
    pub deleted: Deleted,
    /// What stays.
    pub kept: Left,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fate_is_read_as_it_is_written() {
        for fate in Fate::ALL {
            assert_eq!(Fate::named(fate.as_str()).unwrap(), fate);
            assert_eq!(serde_json::to_value(fate).unwrap(), fate.as_str());
        }
        assert_eq!(Fate::named("burn").unwrap_err().code(), "invalid_fate");
    }
}

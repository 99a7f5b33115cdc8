//! A membership: that somebody belongs to a team, and as what.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::id::{TeamId, UserId};

/// What somebody may do in a team. Each may do what the one before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TeamRole)]
pub enum Role {
    /// Uses what the team has.
    Viewer,
    /// Makes and changes agents.
    Editor,
    /// Says who belongs to the team.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// Its name in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// A role that somebody named.
    ///
    /// # Errors
    /// `invalid_role`
    pub fn named(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| Error::invalid("invalid_role", "A role is `viewer`, `editor` or `admin`."))
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::named(text).map_err(|_| Error::internal(format!("unknown role {text:?} in the database")))
    }
}

/// Where a membership comes from. Only those that rules made are changed by rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MembershipOrigin)]
pub enum Origin {
    /// Everybody who comes in belongs to the default team.
    Default,
    /// Somebody who may said so.
    Person,
    /// They were invited, and came.
    Invitation,
    /// A group at their identity provider, by a rule.
    Rule,
}

impl Origin {
    /// Its name in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Person => "person",
            Self::Invitation => "invitation",
            Self::Rule => "rule",
        }
    }
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Default, Self::Person, Self::Invitation, Self::Rule]
            .into_iter()
            .find(|origin| origin.as_str() == text)
            .ok_or_else(|| Error::internal(format!("unknown origin {text:?} of a membership in the database")))
    }
}

/// By which group somebody belongs to a team, and when their provider last said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Evidence {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The group, as the provider spells it.
    pub group: String,
    /// When the provider last said that they are in it.
    #[serde(serialize_with = "crate::time::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// That somebody belongs to a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The team.
    pub team_id: TeamId,
    /// Who belongs to it.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// Where that comes from.
    pub origin: Origin,
    /// What a rule made it of.
    pub evidence: Option<Evidence>,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_named() {
        assert!(Role::Viewer < Role::Editor && Role::Editor < Role::Admin);
        for role in Role::ALL {
            assert_eq!(Role::named(role.as_str()).unwrap(), role);
        }
        for bad in ["", "Admin", "owner", "admin "] {
            assert_eq!(Role::named(bad).unwrap_err().code(), "invalid_role");
        }
    }
}

//! A budget: how many tokens somebody may use in a month.

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::id::{TeamId, UserId};

/// Whose budget it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// What one user uses, in whichever team.
    User(UserId),
    /// What all use in a team.
    Team(TeamId),
}

impl Subject {
    /// Its kind in storage and on the wire.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Team(_) => "team",
        }
    }
}

impl FromStr for Subject {
    type Err = Error;

    /// # Errors
    /// `invalid_id` if the text is the id of neither.
    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with("team_") { text.parse().map(Self::Team) } else { text.parse().map(Self::User) }
    }
}

/// What is left of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many tokens there are in a month; none if there is no bound.
    pub tokens: Option<i64>,
    /// Used in this month.
    pub used: i64,
    /// Held back for runs under way.
    pub reserved: i64,
}

impl Standing {
    /// How many tokens are left; none if there is no bound.
    #[must_use]
    pub fn left(&self) -> Option<i64> {
        self.tokens.map(|tokens| tokens.saturating_sub(self.used).saturating_sub(self.reserved).max(0))
    }
}

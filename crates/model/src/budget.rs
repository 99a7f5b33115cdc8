//! A budget: how many tokens somebody may use in a month.

use uuid::Uuid;

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

    /// Its id, whatever it is the id of.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        match self {
            Self::User(id) => id.uuid(),
            Self::Team(id) => id.uuid(),
        }
    }
}

/// The most that a budget can be.
pub const MOST_TOKENS: i64 = 1_000_000_000_000_000;

/// How much may be used in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// So many tokens.
    Tokens(i64),
    /// As many as there are.
    Unlimited,
}

impl Budget {
    /// A budget that somebody wants; none is as much as there is.
    ///
    /// # Errors
    /// `invalid_budget`
    pub fn new(tokens: Option<i64>) -> Result<Self> {
        match tokens {
            None => Ok(Self::Unlimited),
            Some(tokens) if (0..=MOST_TOKENS).contains(&tokens) => Ok(Self::Tokens(tokens)),
            Some(_) => Err(Error::invalid("invalid_budget", format!("A budget is from 0 to {MOST_TOKENS} tokens."))),
        }
    }

    /// How many tokens; none for as many as there are.
    #[must_use]
    pub const fn tokens(self) -> Option<i64> {
        match self {
            Self::Tokens(tokens) => Some(tokens),
            Self::Unlimited => None,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_within_reason() {
        assert_eq!(Budget::new(Some(0)).unwrap().tokens(), Some(0));
        assert_eq!(Budget::new(None).unwrap(), Budget::Unlimited);
        for bad in [-1, MOST_TOKENS + 1, i64::MIN] {
            assert_eq!(Budget::new(Some(bad)).unwrap_err().code(), "invalid_budget");
        }
    }

    #[test]
    fn nothing_is_left_of_what_is_used_or_held() {
        let standing = Standing { tokens: Some(100), used: 30, reserved: 20 };
        assert_eq!(standing.left(), Some(50));
        assert_eq!(Standing { used: 200, ..standing }.left(), Some(0));
        assert_eq!(Standing { tokens: None, ..standing }.left(), None);
    }
}

//! What was used: tokens and runs of a month.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::id::{AgentId, TeamId, UserId};

/// A month of the calendar, in UTC. `2026-11` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month that a moment is in.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        let date = at.to_zoned(TimeZone::UTC).date();
        Self { year: date.year(), month: date.month() }
    }

    /// As it is stored: 202611.
    #[must_use]
    pub fn number(self) -> i64 {
        i64::from(self.year) * 100 + i64::from(self.month)
    }

    /// A month that somebody named.
    ///
    /// # Errors
    /// `invalid_month`
    pub fn named(text: &str) -> Result<Self> {
        let invalid = || Error::invalid("invalid_month", "A month is written like 2026-11.");
        let (year, month) = text.split_once('-').ok_or_else(invalid)?;
        let is_written_so =
            year.len() == 4 && month.len() == 2 && text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
        let (year, month) = (year.parse().map_err(|_| invalid())?, month.parse().map_err(|_| invalid())?);
        if is_written_so && (1..=12).contains(&month) { Ok(Self { year, month }) } else { Err(invalid()) }
    }

    /// The month before.
    #[must_use]
    pub const fn before(self) -> Self {
        if self.month == 1 {
            Self { year: self.year - 1, month: 12 }
        } else {
            Self { year: self.year, month: self.month - 1 }
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Runs and tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amount {
    /// Runs that ended.
    pub runs: i64,
    /// Tokens that were sent to models.
    pub input_tokens: i64,
    /// Tokens that models wrote.
    pub output_tokens: i64,
}

impl Amount {
    /// Tokens, in and out.
    #[must_use]
    pub const fn tokens(self) -> i64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// What was used for one user, team, agent and model in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// For whom.
    pub user_id: UserId,
    /// In which team.
    pub team_id: TeamId,
    /// By which agent.
    pub agent_id: AgentId,
    /// Of which model.
    pub model: String,
    /// How much.
    pub amount: Amount,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let at = |text: &str| Month::of(text.parse().unwrap());
        assert_eq!(at("2026-11-30T23:59:59.999Z").to_string(), "2026-11");
        assert_eq!(at("2026-12-01T00:00:00Z").number(), 202_612);
        assert_eq!(Month::named("2027-01").unwrap().before(), Month::named("2026-12").unwrap());
        for bad in ["", "2026", "2026-13", "2026-00", "2026-1", "02026-01", "2026-+1", "-2026-01", "2026-11-30"] {
            assert_eq!(Month::named(bad).unwrap_err().code(), "invalid_month", "{bad}");
        }
    }
}

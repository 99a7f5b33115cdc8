//! What was used: tokens and runs of a month.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::id::{AgentId, TeamId, UserId};
use crate::run::Usage;

/// More than a run takes, in or out. A model's server may say any number.
const MOST_TOKENS: u64 = 1_000_000_000;

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
        Self::of_date(at.to_zoned(TimeZone::UTC).date())
    }

    /// The month that a day is in.
    #[must_use]
    pub fn of_date(date: Date) -> Self {
        Self { year: date.year(), month: date.month() }
    }

    /// As it is stored: 202611.
    #[must_use]
    pub fn number(self) -> i64 {
        i64::from(self.year) * 100 + i64::from(self.month)
    }

    /// The month that is stored as this number.
    ///
    /// # Errors
    /// If there is no such month.
    pub fn of_number(number: i64) -> Result<Self> {
        let unknown = || Error::internal(format!("unknown month {number} in the database"));
        let year = i16::try_from(number / 100).map_err(|_| unknown())?;
        let month = i8::try_from(number % 100).map_err(|_| unknown())?;
        if (0..=9999).contains(&year) && (1..=12).contains(&month) { Ok(Self { year, month }) } else { Err(unknown()) }
    }

    /// When the next one begins: budgets begin anew then.
    #[must_use]
    pub fn end(self) -> Timestamp {
        let first = Date::new(self.year, self.month, 1).and_then(|first| first.last_of_month().tomorrow());
        let end = first.and_then(|first| first.to_zoned(TimeZone::UTC));
        end.map_or(Timestamp::MAX, |end| end.timestamp())
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

    /// Its name, such as "November".
    #[must_use]
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        usize::try_from(self.month - 1).ok().and_then(|index| NAMES.get(index)).copied().unwrap_or_default()
    }

    /// Such as "November 2026".
    #[must_use]
    pub fn in_words(self) -> String {
        format!("{} {}", self.name(), self.year)
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
    /// Of these, runs whose tokens were estimated, because the model's server did not say.
    pub estimated_runs: i64,
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

impl Amount {
    /// What one run took.
    #[must_use]
    pub fn of_run(taken: Taken) -> Self {
        let count = |tokens: u64| i64::try_from(tokens.min(MOST_TOKENS)).unwrap_or_default();
        let (usage, is_estimated) = match taken {
            Taken::Counted(usage) => (usage, false),
            Taken::Estimated(usage) => (usage, true),
        };
        Self {
            runs: 1,
            estimated_runs: i64::from(is_estimated),
            input_tokens: count(usage.input_tokens),
            output_tokens: count(usage.output_tokens),
        }
    }
}

/// What a run took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The model's server said so.
    Counted(Usage),
    /// It did not say.
    Estimated(Usage),
}

/// By what usage is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UsageBy)]
pub enum By {
    /// For whom.
    User,
    /// In which team.
    Team,
    /// By which agent.
    Agent,
    /// Of which model.
    Model,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::User, Self::Team, Self::Agent, Self::Model];

    /// Its name in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Team => "team",
            Self::Agent => "agent",
            Self::Model => "model",
        }
    }

    /// What somebody named.
    ///
    /// # Errors
    /// `invalid_query`
    pub fn named(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|by| by.as_str() == text);
        found.ok_or_else(|| Error::invalid("invalid_query", "`by` is `user`, `team`, `agent` or `model`."))
    }
}

/// What somebody used in a month by one agent and model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// By which agent.
    pub agent_id: AgentId,
    /// What it is called, if it is shared with somebody or theirs.
    pub agent_name: Option<String>,
    /// Of which model.
    pub model: String,
    /// How much.
    pub amount: Amount,
}

/// What was used for one user, of a team, by one agent and model in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// For whom.
    pub user_id: UserId,
    /// What they are called, if they are still there.
    pub user_name: Option<String>,
    /// By which agent.
    pub agent_id: AgentId,
    /// What it is called, if it is shared with somebody.
    pub agent_name: Option<String>,
    /// Of which model.
    pub model: String,
    /// How much.
    pub amount: Amount,
}

/// Of whom or of what it is that was used in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// A user.
    User(UserId),
    /// A team.
    Team(TeamId),
    /// An agent.
    Agent(AgentId),
    /// A model.
    Model(String),
}

/// What was used in a month for one user, in one team, by one agent, or of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// Of which.
    pub of: Of,
    /// What it is called, if it is still there and is not its maker's alone.
    pub name: Option<String>,
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
        assert_eq!(at("2026-11-30T23:59:59.999Z").end().to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(Month::named("2026-12").unwrap().end().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(Month::of_number(202_612).unwrap(), Month::named("2026-12").unwrap());
        assert!(Month::of_number(202_613).is_err() && Month::of_number(-1).is_err());
        for bad in ["", "2026", "2026-13", "2026-00", "2026-1", "02026-01", "2026-+1", "-2026-01", "2026-11-30"] {
            assert_eq!(Month::named(bad).unwrap_err().code(), "invalid_month", "{bad}");
        }
    }

    #[test]
    fn no_count_is_beyond_reason() {
        let usage = Usage { input_tokens: u64::MAX, output_tokens: 3 };
        let amount = Amount::of_run(Taken::Estimated(usage));
        assert_eq!((amount.runs, amount.estimated_runs, amount.tokens()), (1, 1, 1_000_000_003));
        assert_eq!(Amount::of_run(Taken::Counted(usage)).estimated_runs, 0);
    }
}

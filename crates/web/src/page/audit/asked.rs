//! What the form asks for, and the addresses that ask for the same.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use retinue_app::trail::Wanted;
use retinue_model::audit::{Action, Outcome};
use retinue_model::{Error, Result, TeamId, UserId};
use serde::Deserialize;

/// Which events, as the form says it. What is empty is not asked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// `mine`, `all`, or a team's id.
    #[serde(default, alias = "team_id")]
    pub(super) of: String,
    /// Who did it: an id, or an address.
    #[serde(default)]
    pub(super) who: String,
    /// To what it was done: an id.
    #[serde(default)]
    pub(super) target: String,
    #[serde(default)]
    pub(super) action: String,
    #[serde(default)]
    pub(super) outcome: String,
    /// The first day, of UTC.
    #[serde(default)]
    pub(super) since: String,
    /// The last day.
    #[serde(default)]
    pub(super) until: String,
    pub(super) cursor: Option<String>,
}

impl Asked {
    /// Whoever runs the installation sees everything at first, and others what is theirs.
    pub(super) fn settled(mut self, runs_it: bool) -> Self {
        if self.of.is_empty() {
            if runs_it { "all" } else { "mine" }.clone_into(&mut self.of);
        }
        self.who = self.who.trim().to_owned();
        self.target = self.target.trim().to_owned();
        self
    }

    /// All but who did it.
    pub(super) fn wanted(&self) -> Result<Wanted> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let unknown = |what: &str| Error::invalid("invalid_query", format!("There is no such {what}."));
        let team: Option<TeamId> = match self.of.as_str() {
            "mine" | "all" => None,
            id => Some(id.parse()?),
        };
        if !self.target.is_empty() && (self.of != "all" || !self.who.is_empty()) {
            let said = "What was done to one thing is asked for among everything, whoever did it: choose “Everything”, and leave “Done by” empty.";
            return Err(Error::invalid("invalid_query", said));
        }
        Ok(Wanted {
            team,
            target: given(&self.target),
            mine: self.of == "mine",
            action: given(&self.action).map(|text| text.parse()).transpose().map_err(|_| unknown("action"))?,
            outcome: given(&self.outcome).map(|text| text.parse()).transpose().map_err(|_| unknown("outcome"))?,
            since: given(&self.since).map(|text| day(&text, 0)).transpose()?,
            until: given(&self.until).map(|text| day(&text, 1)).transpose()?,
            ..Wanted::default()
        })
    }

    /// Whether some events are left out that could be seen.
    pub(super) fn is_narrow(&self) -> bool {
        [&self.who, &self.target, &self.action, &self.outcome, &self.since, &self.until]
            .iter()
            .any(|text| !text.is_empty())
    }

    fn href(&self, cursor: Option<&str>) -> String {
        let all = [
            ("of", &*self.of),
            ("who", &*self.who),
            ("target", &*self.target),
            ("action", &*self.action),
            ("outcome", &*self.outcome),
            ("since", &*self.since),
            ("until", &*self.until),
            ("cursor", cursor.unwrap_or_default()),
        ];
        address("/audit", &all)
    }

    /// Where the list goes on.
    pub(super) fn next(&self, cursor: &str) -> String {
        self.href(Some(cursor))
    }

    /// Where it begins.
    pub(super) fn first(&self) -> String {
        self.href(None)
    }

    /// The same, but only what this user did; none where that is asked for, or can't be.
    pub(super) fn of_actor(&self, id: UserId) -> Option<String> {
        let id = id.to_string();
        let other = Self { who: id, target: String::new(), ..self.clone() };
        (self.of != "mine" && self.who != other.who).then(|| other.href(None))
    }

    /// The same, but only what was done to the thing of this id, among everything; none where that is asked for.
    pub(super) fn of_target(&self, id: &str) -> Option<String> {
        let other = Self { of: "all".to_owned(), who: String::new(), target: id.to_owned(), ..self.clone() };
        (self.target != id).then(|| other.href(None))
    }
}

/// The beginning of a day, or of one after it.
fn day(text: &str, later: i64) -> Result<Timestamp> {
    let invalid = || Error::invalid("invalid_time", "A day is written like 2027-01-31.");
    let date: Date = text.parse().map_err(|_| invalid())?;
    let date = date.checked_add(later.days()).map_err(|_| invalid())?;
    date.to_zoned(TimeZone::UTC).map(|day| day.timestamp()).map_err(|_| invalid())
}

/// An address with what is asked for.
fn address(path: &str, asked: &[(&str, &str)]) -> String {
    let asked: Vec<_> = asked.iter().filter(|(_, value)| !value.is_empty()).collect();
    // Pairs of strings are always encoded.
    let query = serde_urlencoded::to_string(asked).unwrap_or_default();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Where the same is to be had as a file.
pub(super) fn export_href(wanted: &Wanted) -> String {
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let all = [
        ("mine", if wanted.mine { "true" } else { "" }),
        ("team_id", &*wanted.team.map(|id| id.to_string()).unwrap_or_default()),
        ("actor", &*wanted.actor.map(|id| id.to_string()).unwrap_or_default()),
        ("target", wanted.target.as_deref().unwrap_or_default()),
        ("action", wanted.action.map(Action::as_str).unwrap_or_default()),
        ("outcome", wanted.outcome.map(Outcome::as_str).unwrap_or_default()),
        ("since", &*text(wanted.since)),
        ("until", &*text(wanted.until)),
    ];
    address("/api/audit/export", &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_the_last_one_counts() {
        let asked = |since: &str, until: &str| Asked {
            of: "all".to_owned(),
            since: since.to_owned(),
            until: until.to_owned(),
            ..Asked::default()
        };
        let wanted = asked("2027-01-31", "2027-01-31").wanted().unwrap();
        let both = [wanted.since, wanted.until].map(|time| time.unwrap().to_string());
        assert_eq!(both, ["2027-01-31T00:00:00Z", "2027-02-01T00:00:00Z"]);
        let href = "/api/audit/export?since=2027-01-31T00%3A00%3A00Z&until=2027-02-01T00%3A00%3A00Z";
        assert_eq!(export_href(&wanted), href);
        for bad in ["31.1.2027", "2027-02-30", "9999-12-31", "-009999-01-01", "now"] {
            assert_eq!(asked("", bad).wanted().unwrap_err().code(), "invalid_time", "{bad}");
        }
        assert_eq!(asked("", "").first(), "/audit?of=all");
    }
}

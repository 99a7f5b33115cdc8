//! `[audit]`, and `retinue audit …`: looking through the trail, for whoever has the machine. A server may be running beside it.

mod verified;

use std::fmt::Write as _;
use std::io::{BufWriter, ErrorKind, Write as _};

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use retinue_app::administration::Administration;
use retinue_app::trail::{Names, Wanted};
use retinue_model::audit::{Action, Actor, Head, Outcome, Recorded};
use retinue_model::{Error, UserId};

use crate::config::{Config, ConfigError};
use crate::operator::open;
use crate::terminal::line;

pub(crate) use verified::NotWhole;

/// The longest time that can be set, in days: a hundred years.
const MOST_DAYS: u32 = 36_500;
/// Events that are read at once.
const PART: i64 = 500;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Look through the whole trail: is it what was written? If not, say where, and end with code 1
    Verify {
        /// Where the trail ended once, as this command said then: so is found, too, who wrote all of it anew or cut off its end
        #[arg(long, value_name = "HEAD")]
        head: Option<Head>,
    },
    /// List events, the newest first
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most
        #[arg(long, default_value = "50", value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        /// Only those before the event of this number
        #[arg(long, value_name = "NUMBER")]
        before: Option<i64>,
    },
    /// Write events as JSON lines, the newest first; the trail tells it
    Export {
        #[command(flatten)]
        which: Which,
    },
}

/// Which events.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// Only what this user did: an address or id, also of somebody who is gone
    #[arg(long)]
    user: Option<String>,
    /// Only what is the business of the team of this short name
    #[arg(long)]
    team: Option<String>,
    /// Only what was done to the thing of this id
    #[arg(long, conflicts_with_all = ["user", "team"])]
    target: Option<String>,
    /// Only what is of this kind, such as team.created
    #[arg(long)]
    action: Option<String>,
    /// Only what was `done`, or `refused`
    #[arg(long)]
    outcome: Option<String>,
    /// Not before this time, such as 2027-01-31T12:00:00Z
    #[arg(long)]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long)]
    until: Option<Timestamp>,
}

impl Config {
    /// How long the audit trail is kept; without end if none.
    #[must_use]
    pub fn audit_lasts(&self) -> Option<SignedDuration> {
        let days = self.audit.retention_days;
        (days > 0).then(|| SignedDuration::from_hours(24 * i64::from(days)))
    }

    pub(crate) fn check_audit(&self) -> Result<(), ConfigError> {
        let days = self.audit.retention_days;
        if days <= MOST_DAYS {
            return Ok(());
        }
        let reason = format!("is {days}; it must be from 1 to {MOST_DAYS}, or 0 for ever.");
        Err(ConfigError::new("audit.retention_days", reason))
    }
}

fn unknown(what: &str, known: &[&str]) -> anyhow::Error {
    anyhow::anyhow!("{what} is one of these: {}.", known.join(", "))
}

impl Which {
    async fn wanted(self, people: &Administration) -> anyhow::Result<Wanted> {
        let actions: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        let action = self.action.map(|text| text.parse().map_err(|_| unknown("An action", &actions))).transpose()?;
        let outcome = self.outcome.map(|text| text.parse::<Outcome>());
        let outcome = outcome.transpose().map_err(|_| unknown("An outcome", &["done", "refused"]))?;
        let actor: Option<UserId> = match self.user {
            Some(named) => Some(match named.parse() {
                Ok(id) => id,
                Err(_) => people.find(&named).await?.id,
            }),
            None => None,
        };
        let team = match self.team {
            Some(slug) => Some(people.find_team(&slug).await?.id),
            None => None,
        };
        Ok(Wanted {
            team,
            actor,
            target: self.target,
            action,
            outcome,
            since: self.since,
            until: self.until,
            mine: false,
        })
    }
}

/// Does it, and says what was found.
pub(crate) async fn run(config: &Config, command: AuditCommand, as_json: bool) -> anyhow::Result<String> {
    let people = open(config).await?;
    match command {
        AuditCommand::Verify { head } => verified::said(&people.verify_trails(head.as_ref()).await?, as_json),
        AuditCommand::List { which, limit, before } => {
            list(&people, &which.wanted(&people).await?, (before.unwrap_or(i64::MAX), limit), as_json).await
        }
        AuditCommand::Export { which } => {
            export(&people, &which.wanted(&people).await?).await?;
            Ok(String::new())
        }
    }
}

async fn list(
    people: &Administration,
    wanted: &Wanted,
    (mut before, limit): (i64, i64),
    as_json: bool,
) -> anyhow::Result<String> {
    let (mut text, mut left) = (String::new(), limit);
    while left > 0 {
        let (events, names) = people.trail(wanted, (before, left.min(PART))).await?;
        let Some(last) = events.last() else { break };
        before = last.seq;
        left -= i64::try_from(events.len()).unwrap_or(left);
        for recorded in events {
            if as_json {
                text.push_str(&retinue_web::audit_line(recorded)?);
            } else {
                let _ = writeln!(text, "{}", line(&sentence(&recorded, &names)));
            }
        }
    }
    if as_json {
        let lines: Vec<&str> = text.lines().collect();
        return Ok(format!("[{}]\n", lines.join(",")));
    }
    Ok(if text.is_empty() { "Nothing of this kind is in the audit trail.\n".to_owned() } else { text })
}

/// One line for people. What is in it others wrote.
fn sentence(Recorded { seq, event, .. }: &Recorded, names: &Names) -> String {
    let called = |id: UserId| names.of_user(id).map_or_else(|| id.to_string(), |name| format!("{name} ({id})"));
    let by = match event.actor {
        Actor::User(id) => called(id),
        other => other.kind().to_owned(),
    };
    let mut text =
        format!("{seq:>8}  {}  {:<20}  by {by}", event.at.strftime("%Y-%m-%d %H:%M:%SZ"), event.action.as_str());
    if let Some(target) = &event.target {
        let name = names.of_target(target).map(|name| format!("{name}, ")).unwrap_or_default();
        let _ = write!(text, "  {} {name}{}", target.kind, target.id);
    }
    let is_target = |id: UserId| event.target.as_ref().is_some_and(|target| target.id == id.to_string());
    let others = [
        event
            .user_id
            .filter(|id| event.actor.user_id() != Some(*id) && !is_target(*id))
            .map(|id| format!("about {}", called(id))),
        event.reason.as_ref().map(|reason| format!("refused: {reason}")),
        event.details.clone(),
        event.address.as_ref().map(|address| format!("from {address}")),
    ];
    for other in others.into_iter().flatten() {
        let _ = write!(text, "  {other}");
    }
    text
}

/// Writes what is wanted to standard output, however much that is.
async fn export(people: &Administration, wanted: &Wanted) -> anyhow::Result<()> {
    people.begin_export(wanted).await?;
    let (mut before, mut out) = (i64::MAX, BufWriter::new(std::io::stdout()));
    loop {
        let events = people.trail_before(wanted, before).await?;
        let Some(last) = events.last() else { break };
        before = last.seq;
        let lines: String = events.into_iter().map(retinue_web::audit_line).collect::<Result<_, Error>>()?;
        match out.write_all(lines.as_bytes()) {
            // Whoever reads has enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    match out.flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use retinue_model::audit::{AuditEvent, Target};

    use super::*;
    use crate::terminal::safe;

    #[test]
    fn a_line_for_people_is_one_line_whatever_stands_in_it() {
        let event = AuditEvent {
            id: "aud_00000000000000000000000001".parse().unwrap(),
            at: Timestamp::UNIX_EPOCH,
            actor: Actor::Stranger,
            via: "password".to_owned(),
            via_id: None,
            action: Action::SignInRefused,
            target: Some(Target { kind: "team".to_owned(), id: "\u{1b}[2J".to_owned() }),
            user_id: None,
            team_id: None,
            outcome: Outcome::Refused,
            reason: Some("wrong\ncredentials".to_owned()),
            details: Some("{\"name\":\"=cmd()\u{9b}31m\"}".to_owned()),
            request_id: None,
            address: Some("127.0.0.1".to_owned()),
        };
        let text = sentence(&Recorded { seq: 7, event, hash: Vec::new() }, &Names::default());
        assert_eq!(
            safe(&line(&text)),
            "       7  1970-01-01 00:00:00Z  session.refused       by stranger  team \\u001b[2J  refused: \
             wrong\\ncredentials  {\"name\":\"=cmd()\\u009b31m\"}  from 127.0.0.1"
        );
    }
}

//! Reading the audit trail: all of it for those who run the installation, a team's part for those who run the team, and
//! one's own part for everybody.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use retinue_model::audit::{Action, Outcome, Recorded};
use retinue_model::{Error, Result, TeamId, UserId};
use retinue_store::audit as rows;
use retinue_store::audit::{By, Filter};
use retinue_store::user as users;

use crate::policy::Action as Want;
use crate::{Context, access, cursor};

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only those of a team.
    pub team: Option<TeamId>,
    /// Only what concerns whoever asks.
    pub mine: bool,
    /// Only what this user did.
    pub actor: Option<UserId>,
    /// Only what was done to the thing of this id.
    pub target: Option<String>,
    /// Only what is of this kind.
    pub action: Option<Action>,
    /// Only what went so.
    pub outcome: Option<Outcome>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

/// Some events of the trail, and where it goes on.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events, the newest first.
    pub events: Vec<Recorded>,
    /// Where the list goes on, if it does.
    pub next_cursor: Option<String>,
}

impl Wanted {
    /// What is asked of the table. One of the conditions is what it goes along; only action, outcome and times can stand
    /// beside it.
    fn filter(&self) -> Result<Filter> {
        let by = [self.team.map(By::Team), self.actor.map(By::Actor), self.target.clone().map(By::Target)];
        let mut by = by.into_iter().flatten();
        let first = by.next();
        if by.next().is_some() || first.is_some() && self.mine {
            return Err(Error::invalid(
                "invalid_query",
                "Ask for one of `team_id`, `actor`, `target` and `mine`; `action`, `outcome`, `since` and `until` can stand beside it.",
            ));
        }
        let by = first.or(self.action.filter(|_| !self.mine).map(By::Action)).unwrap_or(By::Everything);
        let all = Filter::default();
        Ok(Filter {
            action: self.action,
            outcome: self.outcome,
            since: self.since.unwrap_or(all.since),
            until: self.until.unwrap_or(all.until),
            by,
        })
    }
}

/// Events of the trail, the newest first.
///
/// # Errors
/// `forbidden`, `not_found`, `role_too_low`, `invalid_query`, `invalid_cursor`.
pub async fn list(ctx: &Context, wanted: &Wanted, cursor: Option<&str>, limit: usize) -> Result<Page> {
    let filter = wanted.filter()?;
    let before = cursor.map_or(Ok(i64::MAX), cursor::to_event)?;
    let place = (before, cursor::one_more(limit));
    let mut events = if wanted.mine {
        rows::of_oneself(&ctx.scope(), &ctx.store, &filter, place).await?
    } else {
        match wanted.team {
            Some(team) => drop(access::require_of_team(ctx, Want::AuditReadOfTeam, team).await?),
            None => drop(access::require_of_organization(ctx, Want::AuditRead).await?),
        }
        rows::list(&ctx.tenant(), &ctx.store, &filter, place).await?
    };
    let has_more = events.len() > limit;
    events.truncate(limit);
    let next_cursor = events.last().filter(|_| has_more).map(|last| cursor::of_event(last.seq));
    Ok(Page { events, next_cursor })
}

/// What those are called whom some events name, for whoever may read the events. Who is gone has no name any more.
///
/// # Errors
/// What keeps the table from being read.
pub async fn names(ctx: &Context, events: &[Recorded]) -> Result<HashMap<UserId, String>> {
    let concerned = events.iter().flat_map(|recorded| [recorded.event.actor.user_id(), recorded.event.user_id]);
    let ids: HashSet<UserId> = concerned.flatten().collect();
    let mut names = HashMap::new();
    for id in ids {
        if let Some(user) = users::get(&ctx.tenant(), &ctx.store, id).await? {
            names.insert(id, user.name);
        }
    }
    Ok(names)
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

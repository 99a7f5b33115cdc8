//! Reading the audit trail: all of it for those who run the installation, a team's part for those who run the team, and
//! one's own part for everybody.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use retinue_model::audit::{Action, Actor, AuditEvent, Outcome, Recorded, Target};
use retinue_model::{Email, Error, Result, TeamId, UserId};
use retinue_store::audit::{By, Filter};
use retinue_store::{Store, Tenant};
use retinue_store::{audit as rows, membership as memberships, team as teams, user as users};
use uuid::Uuid;

use crate::access::{Grant, Thing};
use crate::policy::Action as Want;
use crate::{Context, access, cursor, membership};

mod export;

pub(crate) use export::PART;
pub use export::{Export, export, may_export};

/// Nothing has a longer id.
const LONGEST_TARGET: usize = 200;
/// The beginning of the year 1: not all databases go further back.
const FIRST_YEAR: Timestamp = Timestamp::constant(-62_135_596_800, 0);

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
    /// What is asked of the table; `invalid_query` or `invalid_time` if it is more than that takes. One of the conditions is what it goes along; only action, outcome and times can stand
    /// beside it, and a team beside a user.
    pub(crate) fn filter(&self) -> Result<Filter> {
        let by = match (self.mine, self.team, self.actor, &self.target) {
            (true, None, None, None) => By::Everything,
            (false, Some(team), None, None) => By::Team(team),
            (false, None, Some(user), None) => By::Actor(user),
            (false, Some(team), Some(user), None) => By::ActorInTeam(user, team),
            (false, None, None, Some(id)) => By::Target(id.clone()),
            (false, None, None, None) => self.action.map_or(By::Everything, By::Action),
            _ => {
                return Err(Error::invalid(
                    "invalid_query",
                    "Ask for one of `team_id`, `actor`, `target` and `mine`, or for `actor` with `team_id`; `action`, `outcome`, `since` and `until` can stand beside it.",
                ));
            }
        };
        if self.target.as_ref().is_some_and(|id| id.len() > LONGEST_TARGET || id.contains('\0')) {
            return Err(Error::invalid("invalid_query", "There is nothing of such an id."));
        }
        if self.since.into_iter().chain(self.until).any(|time| time < FIRST_YEAR) {
            return Err(Error::invalid("invalid_time", "A time is of the years from 1 to 9999."));
        }
        let all = Filter::default();
        Ok(Filter {
            action: self.action,
            outcome: self.outcome,
            since: self.since.unwrap_or(all.since),
            until: self.until.unwrap_or(all.until),
            by,
        })
    }

    /// Requires that whoever asks may read it at this moment. What concerns oneself everybody may.
    async fn require(&self, ctx: &Context) -> Result<Option<Grant>> {
        match (self.mine, self.team) {
            (true, _) => Ok(None),
            (false, Some(team)) => access::require_of_team(ctx, Want::AuditReadOfTeam, team).await.map(Some),
            (false, None) => access::require_of_organization(ctx, Want::AuditRead).await.map(Some),
        }
    }

    /// Some of the events, for whoever may read them at this moment.
    async fn read(&self, ctx: &Context, filter: &Filter, place: (i64, i64)) -> Result<Vec<Recorded>> {
        self.require(ctx).await?;
        let mut events = if self.mine {
            rows::of_oneself(&ctx.scope(), &ctx.store, filter, place).await?
        } else {
            rows::list(&ctx.tenant(), &ctx.store, filter, place).await?
        };
        let is_part = self.mine || self.team.is_some();
        if is_part && !access::may(ctx, Want::AuditRead, Thing::default()).await? {
            // Where its owner was is nothing to a key.
            let me = ctx.key_team().is_none().then(|| Actor::User(ctx.principal().user_id()));
            for recorded in &mut events {
                hide_whereabouts(me, &mut recorded.event);
            }
        }
        Ok(events)
    }
}

/// Where others were, and in which session, is for whoever runs the installation.
fn hide_whereabouts(me: Option<Actor>, event: &mut AuditEvent) {
    if me != Some(event.actor) {
        event.address = None;
        event.via_id.take_if(|_| event.via == "session");
    }
}

/// Events of the trail, the newest first.
///
/// # Errors
/// `forbidden`, `not_found`, `role_too_low`, `invalid_query`, `invalid_cursor`.
pub async fn list(ctx: &Context, wanted: &Wanted, cursor: Option<&str>, limit: usize) -> Result<Page> {
    let filter = wanted.filter()?;
    let before = cursor.map_or(Ok(i64::MAX), cursor::to_event)?;
    let mut events = wanted.read(ctx, &filter, (before, cursor::one_more(limit))).await?;
    let has_more = events.len() > limit;
    events.truncate(limit);
    let next_cursor = events.last().filter(|_| has_more).map(|last| cursor::of_event(last.seq));
    Ok(Page { events, next_cursor })
}

/// Who is meant by an id, or by an address that is known to be theirs, for whoever may see what others did. For a team's part
/// only those have addresses who belong to the team, or did something in it.
///
/// # Errors
/// `forbidden`, `not_found`, `role_too_low`, `invalid_query`, `user_unknown`.
pub async fn actor(ctx: &Context, wanted: &Wanted, named: &str) -> Result<UserId> {
    if wanted.mine {
        let said = "What others did is not among what concerns you. Choose a team, or everything.";
        return Err(Error::invalid("invalid_query", said));
    }
    wanted.require(ctx).await?;
    let unknown = || Error::invalid("user_unknown", "Nobody here is known by this. Give an id, or a whole address.");
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    let email = Email::new(named).map_err(|_| unknown())?;
    let found = membership::by_address(ctx, &email).await?.map(|user| user.id);
    let is_seen = match wanted.team {
        Some(team) if !ctx.principal().is_organization_admin() => is_known_in(ctx, team, found).await?,
        _ => true,
    };
    found.filter(|_| is_seen).ok_or_else(unknown)
}

/// Whether somebody belongs to a team, or did something in it: who else has an account is nothing to those who run it. Of
/// nobody the same is looked up.
async fn is_known_in(ctx: &Context, team: TeamId, user: Option<UserId>) -> Result<bool> {
    let (tenant, user) = (ctx.tenant(), user.unwrap_or(UserId::new(Uuid::nil())));
    let belongs = memberships::get(&tenant, &ctx.store, team, user).await?.is_some();
    let filter = Filter { by: By::ActorInTeam(user, team), ..Filter::default() };
    let did = rows::list(&tenant, &ctx.store, &filter, (i64::MAX, 1)).await?;
    Ok(belongs || !did.is_empty())
}

/// What users and teams are called that some events name. Who is gone has no name any more.
#[derive(Clone, Debug, Default)]
pub struct Names {
    users: HashMap<UserId, String>,
    teams: HashMap<TeamId, String>,
}

impl Names {
    /// What a user is called.
    #[must_use]
    pub fn of_user(&self, id: UserId) -> Option<&str> {
        self.users.get(&id).map(String::as_str)
    }

    /// What a team is called.
    #[must_use]
    pub fn of_team(&self, id: TeamId) -> Option<&str> {
        self.teams.get(&id).map(String::as_str)
    }

    /// What is called so that something was done to, if it is a user or a team.
    #[must_use]
    pub fn of_target(&self, target: &Target) -> Option<&str> {
        match &*target.kind {
            "user" => self.of_user(target.id.parse().ok()?),
            "team" => self.of_team(target.id.parse().ok()?),
            _ => None,
        }
    }

    /// Of those that some events name, for whoever may read the events.
    pub(crate) async fn of_events(tenant: &Tenant, store: &Store, events: &[Recorded]) -> Result<Self> {
        let events = || events.iter().map(|recorded| &recorded.event);
        let target = |kind: &'static str| {
            move |event: &AuditEvent| {
                event.target.as_ref().filter(|target| target.kind == kind).map(|target| target.id.clone())
            }
        };
        let concerned = events().flat_map(|event| {
            [event.actor.user_id(), event.user_id, target("user")(event).and_then(|id| id.parse().ok())]
        });
        let users: HashSet<UserId> = concerned.flatten().collect();
        let concerned =
            events().flat_map(|event| [event.team_id, target("team")(event).and_then(|id| id.parse().ok())]);
        let teams: HashSet<TeamId> = concerned.flatten().collect();
        let (users, teams) = (Vec::from_iter(users), Vec::from_iter(teams));
        Ok(Self {
            users: users::names(tenant, store, &users).await?.into_iter().collect(),
            teams: teams::names(tenant, store, &teams).await?.into_iter().collect(),
        })
    }
}

/// What those are called whom some events name, for whoever may read the events.
///
/// # Errors
/// What keeps the tables from being read.
pub async fn names(ctx: &Context, events: &[Recorded]) -> Result<Names> {
    Names::of_events(&ctx.tenant(), &ctx.store, events).await
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

//! Group rules: who belongs to which team, and as what, by the groups that a provider says they are in.
//!
//! Only what rules made of the same provider's word is touched: a person's word is never raised, lowered or taken back by
//! them. Of several rules for one team the highest role counts. Where nothing is known of somebody's groups nothing changes.
//! The last admin of a team who may come in stays one, and the trail says that they were to go.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::membership::{Evidence, Membership, Origin, Role};
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::{Error, IdentityId, Result, Slug, TeamId, UserId};
use retinue_oidc::Groups;
use retinue_store::membership::by_rule::{self as rows, Given};
use retinue_store::{Batch, TeamScope, identity as identities, membership as memberships, team as teams};

use crate::audit::Note;
use crate::{App, access, session};

mod left_over;

pub use left_over::{keep, take_back};

/// How often it is looked again, when others change who belongs to a team at the same moment.
const TRIES: usize = 3;
/// By what memberships that rules make are told to come about.
pub(crate) const VIA: &str = "group_rule";

/// Whoever is in a group has a role in a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRule {
    /// At this provider only; at each if none.
    pub provider: Option<String>,
    /// The group, as the provider spells it.
    pub group: String,
    /// The team, by its short name.
    pub team: Slug,
    /// The role.
    pub role: Role,
}

impl GroupRule {
    /// Whether it is for people who come from this provider.
    #[must_use]
    pub fn is_for(&self, provider: &str) -> bool {
        self.provider.as_deref().is_none_or(|only| only == provider)
    }
}

/// Says which rules lead nowhere, at the start: teams are made and renamed by people while the program runs.
///
/// # Errors
/// What keeps the table from being read.
pub async fn prepare(app: &App) -> Result<()> {
    let slugs: HashSet<&Slug> = app.auth.group_rules.iter().map(|rule| &rule.team).collect();
    for slug in slugs {
        if teams::by_slug(&app.tenant(), &app.store, slug).await?.is_none() {
            tracing::warn!(
                team = slug.as_str(),
                "auth.group_rules names a team that there is not: its rules give nothing until somebody makes one with this short name"
            );
        }
    }
    Ok(())
}

/// Somebody of whom a provider says in which groups they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) user: UserId,
    pub(crate) provider: &'a str,
    pub(crate) said: Said<'a>,
    /// They become a user in the same batch, and belong to the default team already.
    pub(crate) is_new: bool,
}

/// What a provider says of somebody's groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) groups: &'a Groups,
    /// By which identity it was asked; none where none of this provider is left.
    pub(crate) by: Option<IdentityId>,
    /// When it was asked. What it was asked later counts more, whichever answer comes first.
    pub(crate) asked_at: Timestamp,
}

/// What rules do to somebody's memberships.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// Nothing is written.
    None,
    /// What there is was said anew.
    Seen,
    /// They belong to other teams, or have other roles.
    Changed,
}

/// What a rule gives: a role, and by which group.
type Wanted = HashMap<TeamId, (Role, String)>;

/// Brings what rules made of somebody's memberships up to what the provider says now, when the batch is written; `note`
/// begins what is told of it. See [`rows::is_passing`] and [`identities::is_known_better`].
pub(crate) async fn apply_with(
    app: &App,
    batch: &mut Batch,
    member: Member<'_>,
    note: impl Fn(Told) -> Note,
) -> Result<Effect> {
    let Some(wanted) = wanted(app, member).await? else { return Ok(Effect::None) };
    let before = before(app, member).await?;
    // There is evidence of those only that rules made.
    let is_ours = |membership: &Membership| {
        membership.evidence.as_ref().is_some_and(|evidence| evidence.provider == member.provider)
    };
    let mut effect = Effect::None;
    // Where no rule is nothing can come back that was taken away.
    if let Some(identity) = member.said.by.filter(|_| rules_for(app, member.provider).next().is_some()) {
        identities::heard_with(&app.tenant(), batch, (identity, member.user), member.said.asked_at);
        effect = Effect::Seen;
    }
    // In the order of their ids: everybody holds several teams in the same one.
    let mut ids: Vec<TeamId> = wanted.keys().copied().chain(before.keys().copied()).collect();
    ids.sort_unstable_by_key(|id| id.uuid());
    ids.dedup();
    for id in ids {
        let change = Change { app, member, team: access::by_rule(&app.tenant(), id) };
        effect = effect.max(match (wanted.get(&id), before.get(&id)) {
            (Some(given), None) => change.add_with(batch, given, &note),
            (Some(given), Some(held)) if is_ours(held) => change.give_with(batch, (given, held), &note).await?,
            (None, Some(held)) if is_ours(held) => change.remove_with(batch, held, &note).await?,
            _ => Effect::None,
        });
    }
    if effect == Effect::Changed {
        session::revoke_with(app, batch, member.user, None);
    }
    Ok(effect)
}

/// What the rules give; none if that can't be told. Where no rule is for this provider none gives anything, whatever it says.
async fn wanted(app: &App, member: Member<'_>) -> Result<Option<Wanted>> {
    let rules: Vec<_> = rules_for(app, member.provider).collect();
    let groups: HashSet<&str> = match member.said.groups {
        Groups::Known(names) => names.iter().map(String::as_str).collect(),
        Groups::Unknown if rules.is_empty() => HashSet::new(),
        Groups::Unknown => {
            tracing::info!(user = %member.user, provider = member.provider, "a provider does not say whole in which groups somebody is: rules change nothing");
            return Ok(None);
        }
    };
    let mut wanted = Wanted::new();
    for rule in rules.into_iter().filter(|rule| groups.contains(rule.group.as_str())) {
        let Some(team) = teams::by_slug(&app.tenant(), &app.store, &rule.team).await? else { continue };
        let given = wanted.entry(team.id).or_insert_with(|| (rule.role, rule.group.clone()));
        if given.0 < rule.role {
            *given = (rule.role, rule.group.clone());
        }
    }
    Ok(Some(wanted))
}

fn rules_for<'a>(app: &'a App, provider: &'a str) -> impl Iterator<Item = &'a GroupRule> {
    app.auth.group_rules.iter().filter(move |rule| rule.is_for(provider))
}

/// To which teams they belong.
async fn before(app: &App, member: Member<'_>) -> Result<HashMap<TeamId, Membership>> {
    let found = memberships::of_user(&app.tenant(), &app.store, member.user).await?;
    let mut before: HashMap<_, _> = found.into_iter().map(|membership| (membership.team_id, membership)).collect();
    if member.is_new {
        let now = app.now();
        before.insert(DEFAULT_TEAM, membership(member, DEFAULT_TEAM, (Role::Viewer, None), now));
    }
    Ok(before)
}

fn membership(
    member: Member<'_>,
    team_id: TeamId,
    (role, evidence): (Role, Option<Evidence>),
    now: Timestamp,
) -> Membership {
    let origin = if evidence.is_some() { Origin::Rule } else { Origin::Default };
    Membership { team_id, user_id: member.user, role, origin, evidence, created_at: now, updated_at: now }
}

/// What a rule does in one team.
struct Change<'a> {
    app: &'a App,
    member: Member<'a>,
    team: TeamScope,
}

impl Change<'_> {
    /// One moment for all that is written of it: what was said last is told from what was done last.
    fn now(&self) -> Timestamp {
        self.member.said.asked_at
    }

    fn evidence(&self, group: &str) -> Evidence {
        Evidence { provider: self.member.provider.to_owned(), group: group.to_owned(), at: self.now() }
    }

    fn note(&self, note: Note) -> Note {
        note.on("team", self.team.id())
            .of_team(self.team.id())
            .about(self.member.user)
            .with("provider", self.member.provider)
    }

    fn add_with(&self, batch: &mut Batch, (role, group): &(Role, String), note: &impl Fn(Told) -> Note) -> Effect {
        let new = membership(self.member, self.team.id(), (*role, Some(self.evidence(group))), self.now());
        rows::insert_with(&self.app.tenant(), batch, &new);
        let note = self.note(note(Told::MembershipAdded)).with("role", role.as_str()).with("group", group.clone());
        note.write(&self.app.tenant(), batch);
        Effect::Changed
    }

    /// Gives another role, or notes that the provider says the same once more.
    async fn give_with(
        &self,
        batch: &mut Batch,
        ((role, group), held): (&(Role, String), &Membership),
        note: &impl Fn(Told) -> Note,
    ) -> Result<Effect> {
        let given = Given { user: self.member.user, role: *role, evidence: self.evidence(group) };
        if *role == held.role {
            rows::see_with(&self.team, batch, &given);
            return Ok(Effect::Seen);
        }
        if *role < Role::Admin && self.is_last_admin(held).await? {
            return Ok(self.keep_with(batch, (held, Told::MembershipChanged), note));
        }
        rows::change_with(&self.team, batch, &given, held.role);
        let note = self.note(note(Told::MembershipChanged)).with("group", group.clone());
        let note = note.with("role", role.as_str()).with("role_before", held.role.as_str());
        note.write(&self.app.tenant(), batch);
        Ok(Effect::Changed)
    }

    async fn remove_with(&self, batch: &mut Batch, held: &Membership, note: &impl Fn(Told) -> Note) -> Result<Effect> {
        if self.is_last_admin(held).await? {
            return Ok(self.keep_with(batch, (held, Told::MembershipRemoved), note));
        }
        let last = (held.role, self.app.now());
        rows::remove_with(&self.team, batch, (self.member.user, self.member.provider), last);
        let note = self.note(note(Told::MembershipRemoved)).with("role_before", held.role.as_str());
        note.write(&self.app.tenant(), batch);
        Ok(Effect::Changed)
    }

    async fn is_last_admin(&self, held: &Membership) -> Result<bool> {
        let is_admin = held.role == Role::Admin;
        Ok(is_admin && !memberships::has_other_admin(&self.team, &self.app.store, self.member.user).await?)
    }

    /// The last admin stays, with what the provider said of them before. That is told once, until it says it again.
    fn keep_with(&self, batch: &mut Batch, (held, told): (&Membership, Told), note: &impl Fn(Told) -> Note) -> Effect {
        if held.evidence.as_ref().is_some_and(|evidence| evidence.at < held.updated_at) {
            return Effect::None;
        }
        rows::keep_with(&self.team, batch, (self.member.user, self.member.provider), self.now());
        let note = self.note(note(told)).with("role_before", held.role.as_str()).refused("last_admin");
        note.write(&self.app.tenant(), batch);
        tracing::warn!(
            user = %self.member.user,
            team = %self.team.id(),
            provider = self.member.provider,
            "the last admin of a team is in no group any more that makes them one, and stays: make somebody else an admin of it"
        );
        Effect::Seen
    }
}

pub(crate) fn overtaken() -> Error {
    Error::conflict("groups_overtaken", "Others change who belongs to these teams at this very moment. Try again.")
}

/// Takes over in which groups somebody is, beside a sign-in.
///
/// # Errors
/// `groups_overtaken`, or what keeps it from being written.
pub(crate) async fn take_over(app: &App, member: Member<'_>) -> Result<()> {
    for _ in 0..TRIES {
        let mut batch = Batch::default();
        let effect = apply_with(app, &mut batch, member, |told| app.note((Actor::Provider, VIA), told)).await?;
        if effect == Effect::None {
            return Ok(());
        }
        match app.store.write(batch).await {
            Err(error) if rows::is_passing(&error) => {}
            Err(error) if identities::is_known_better(&error) => return Ok(()),
            other => {
                other?;
                if effect == Effect::Changed {
                    session::look_again(app, member.user).await;
                }
                return Ok(());
            }
        }
    }
    Err(overtaken())
}

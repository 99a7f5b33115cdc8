//! What somebody may do with something: the facts are looked up at this moment, and [`crate::policy`] decides.
//!
//! Whoever may not know of a thing hears that there is none; whoever may hears that their role is too low.

use retinue_model::agent::Agent;
use retinue_model::error::Kind;
use retinue_model::invitation::Invitation;
use retinue_model::principal::Via;
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{AgentId, Error, Result, TeamId, UserId};
use retinue_store::{Batch, TeamScope, Tenant, agent as agents, api_key as keys, membership as memberships};
use retinue_store::{session as sessions, team as teams, user as users};

use crate::denial::Tried;
use crate::policy::{self, Action, Decision, Facts, Who};
use crate::{App, Context, admin};

/// How somebody stands to a thing, besides what they are in its team.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Thing {
    /// The team that it belongs to.
    pub(crate) team: Option<TeamId>,
    /// Whose it is, or who it is.
    pub(crate) of: Option<UserId>,
    /// Who made it.
    pub(crate) maker: Option<UserId>,
    /// With whom it is shared.
    pub(crate) sharing: Option<retinue_model::agent::Sharing>,
}

impl Thing {
    pub(crate) fn team(id: TeamId) -> Self {
        Self { team: Some(id), ..Self::default() }
    }

    pub(crate) fn of_agent(agent: &Agent) -> Self {
        Self { team: Some(agent.team_id), maker: agent.maker_id, sharing: Some(agent.sharing), of: None }
    }
}

/// How somebody stands to a thing.
#[derive(Clone, Debug)]
struct Standing {
    user: User,
    facts: Facts,
}

/// Whose rights count.
#[derive(Clone, Copy, Debug)]
struct Asker {
    user: UserId,
    /// The one team that they may act in, as with an API key.
    team: Option<TeamId>,
}

impl Asker {
    /// A user, in all that they may do.
    const fn user(user: UserId) -> Self {
        Self { user, team: None }
    }

    fn of(ctx: &Context) -> Self {
        Self { user: ctx.principal().user_id(), team: ctx.principal().team() }
    }

    /// Whether what they are may count for a thing.
    fn reaches(self, thing: Thing) -> bool {
        self.team.is_none() || thing.team.is_none() || self.team == thing.team
    }
}

/// Looks up how somebody stands to a thing. Whether they run the installation is not looked up yet.
async fn look_up(app: &App, asker: Asker, thing: Thing) -> Result<Standing> {
    let (tenant, user) = (app.tenant(), asker.user);
    let found = users::get(&tenant, &app.store, user).await?.ok_or_else(users::missing)?;
    let membership = match thing.team.filter(|_| asker.reaches(thing)) {
        Some(team) => memberships::get(&tenant, &app.store, team, user).await?,
        None => None,
    };
    let facts = Facts {
        disabled: found.disabled_at.is_some(),
        organization_admin: false,
        role: membership.as_ref().map(|membership| membership.role),
        oneself: thing.of == Some(user),
        maker: thing.maker == Some(user),
        sharing: thing.sharing,
    };
    Ok(Standing { user: found, facts })
}

/// Decides whether somebody may do something with a thing, by what is so at this moment.
async fn decide(app: &App, asker: Asker, action: Action, thing: Thing) -> Result<(Decision, Standing)> {
    let mut standing = look_up(app, asker, thing).await?;
    let decision = policy::decide(&standing.facts, action);
    let row = decision.row;
    // Asked only where it makes a difference: it takes more to look up.
    let matters =
        !decision.is_allowed() && row.allowed.iter().chain(row.visible).any(|who| *who == Who::OrganizationAdmin);
    // A key does not run the installation.
    if matters && asker.team.is_none() {
        standing.facts.organization_admin = runs_it(app, &standing.user).await?;
    }
    Ok((policy::decide(&standing.facts, action), standing))
}

/// The same, with the facts that it went by.
pub(crate) async fn decide_for(app: &App, user: UserId, action: Action, thing: Thing) -> Result<(Decision, Facts)> {
    let (decision, standing) = decide(app, Asker::user(user), action, thing).await?;
    Ok((decision, standing.facts))
}

/// Whether somebody runs the installation.
pub(crate) async fn runs_it(app: &App, user: &User) -> Result<bool> {
    Ok(app.auth.is_single_user() || admin::is_admin(app, user).await?)
}

/// That somebody may do something, by what was so when it was looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    user: UserId,
    by: Who,
    team: Option<TeamScope>,
    /// They run the installation because somebody made them do so, which can be taken back at any moment.
    was_made_admin: bool,
}

impl Grant {
    /// What belongs to the team that was asked about.
    pub(crate) fn team(&self) -> Result<TeamScope> {
        self.team.ok_or_else(|| Error::internal("nothing was decided about a team"))
    }

    /// Refuses the batch if it is not so any more when it is written, or if what whoever asks came in with does not count then.
    pub(crate) fn hold_with(&self, ctx: &Context, batch: &mut Batch) {
        self.hold_in(&ctx.tenant(), batch);
        match ctx.principal().via() {
            Via::SingleUser => {}
            Via::Session(id) => sessions::require_open_with(&ctx.scope(), batch, id),
            Via::ApiKey(id) => keys::require_good_with(&ctx.scope(), batch, id, ctx.now()),
        }
    }

    /// The same, of somebody who does not ask.
    pub(crate) fn hold_in(&self, tenant: &Tenant, batch: &mut Batch) {
        users::require_enabled_with(tenant, batch, self.user);
        let least = match self.by {
            Who::Member(least)
            | Who::Maker(least)
            | Who::MakerWithin(least)
            | Who::Shared(least)
            | Who::SharedWithin(least) => Some(least),
            Who::OrganizationAdmin => {
                // What the configuration says stays so until the next start.
                if self.was_made_admin {
                    users::require_admin_with(tenant, batch, self.user);
                }
                None
            }
            Who::Anybody | Who::Oneself | Who::SharedWithAll => None,
        };
        if let (Some(team), Some(least)) = (self.team, least) {
            memberships::require_role_with(&team, batch, self.user, least);
        }
    }
}

/// Whether somebody who does not ask may do something with a team at this moment.
pub(crate) async fn grant_of(app: &App, user: UserId, action: Action, team: TeamId) -> Result<Option<Grant>> {
    let (decision, standing) = decide(app, Asker::user(user), action, Thing::team(team)).await?;
    let team = Some(TeamScope::granted(&app.tenant(), team));
    Ok(decision.by.map(|by| Grant { user, by, team, was_made_admin: standing.user.organization_admin }))
}

/// What belongs to the team that an invitation leads into: whoever has it may come in, and whoever has the machine may take
/// it back.
pub(crate) const fn invited(tenant: &Tenant, invitation: &Invitation) -> TeamScope {
    TeamScope::granted(tenant, invitation.team_id)
}

/// What belongs to a team of which somebody who leaves is an admin: for whoever may offboard them.
pub(crate) const fn of_leaver(tenant: &Tenant, team: TeamId) -> TeamScope {
    TeamScope::granted(tenant, team)
}

/// What belongs to a team that a rule names.
pub(crate) const fn by_rule(tenant: &Tenant, team: TeamId) -> TeamScope {
    TeamScope::granted(tenant, team)
}

/// What belongs to a team, for whoever has the machine.
pub(crate) const fn for_operator(tenant: &Tenant, team: &Team) -> TeamScope {
    TeamScope::granted(tenant, team.id)
}

/// What belongs to the team of an agent, for whoever has the machine.
pub(crate) const fn of_agent_for_operator(tenant: &Tenant, agent: &Agent) -> TeamScope {
    TeamScope::granted(tenant, agent.team_id)
}

/// Nobody but those who run the installation may do this.
fn forbidden() -> Error {
    Error::new(Kind::Forbidden, "forbidden", "Only an organization admin may do this. Ask whoever runs this server.")
}

/// Requires that whoever asks may do something with a thing; `missing` is what they hear who may not know of it.
pub(crate) async fn require(ctx: &Context, action: Action, thing: Thing, missing: fn() -> Error) -> Result<Grant> {
    let (decision, standing) = decide(ctx.app(), Asker::of(ctx), action, thing).await?;
    match decision.by {
        Some(by) => {
            let team = thing.team.map(|team| TeamScope::granted(&ctx.tenant(), team));
            let Standing { user, .. } = standing;
            Ok(Grant { user: user.id, by, team, was_made_admin: user.organization_admin })
        }
        None if standing.facts.disabled => Err(users::disabled()),
        None if !decision.is_visible => Err(missing()),
        // No role in the team would do.
        None if thing.team.is_none() || decision.row.allowed == [Who::OrganizationAdmin] => {
            Err(forbidden().because(Tried { action, team: thing.team }))
        }
        None => Err(memberships::role_too_low().because(Tried { action, team: thing.team })),
    }
}

/// Whether whoever asks may do something with a thing at this moment, for pages that offer it or not.
pub(crate) async fn may(ctx: &Context, action: Action, thing: Thing) -> Result<bool> {
    Ok(decide(ctx.app(), Asker::of(ctx), action, thing).await?.0.is_allowed())
}

/// The same for what belongs to the organization.
pub(crate) async fn require_of_organization(ctx: &Context, action: Action) -> Result<Grant> {
    require(ctx, action, Thing::default(), forbidden).await
}

/// The same for a team.
pub(crate) async fn require_of_team(ctx: &Context, action: Action, team: TeamId) -> Result<Grant> {
    let found = require(ctx, action, Thing::team(team), teams::missing).await;
    // Whoever belongs to it knows that it is there. Whoever runs the installation may see all, and so also what is not.
    let belongs = matches!(&found, Ok(grant) if grant.by != Who::OrganizationAdmin);
    if !belongs && teams::get(&ctx.tenant(), &ctx.store, team).await?.is_none() {
        return Err(teams::missing());
    }
    found
}

/// The same for an agent, which comes with it.
pub(crate) async fn require_of_agent(ctx: &Context, action: Action, id: AgentId) -> Result<(Agent, Grant)> {
    let agent = agents::get(&ctx.tenant(), &ctx.store, id).await?.ok_or_else(agents::missing)?;
    let grant = require(ctx, action, Thing::of_agent(&agent), agents::missing).await?;
    Ok((agent, grant))
}

//! Agents: who answers. Made and changed by people, or declared in the configuration.

use jiff::Timestamp;
use retinue_model::agent::{Agent, Description, Instructions, Limits, Sharing};
use retinue_model::audit::Action as Told;
use retinue_model::provider::Choice;
use retinue_model::{AgentId, Error, Name, Result, Slug, TeamId, UserId};
use retinue_store::agent as rows;
use retinue_store::agent::Place;
use retinue_store::agent::version;
use retinue_store::{Batch, Tenant};

use crate::access;
use crate::audit::Note;
use crate::policy::Action;
use crate::{Context, cursor};

mod declared;
mod undo;

pub use declared::{declare, default_assistant, id_of_slug};
pub use retinue_store::agent::version::Version;
pub use undo::{deleted_lately, restore};

/// Agents that somebody may choose between.
const MOST_OFFERED: i64 = 200;

/// Some agents of a list, and where it goes on.
#[derive(Clone, Debug)]
pub struct Page {
    /// The agents, by name.
    pub agents: Vec<Agent>,
    /// Where the list goes on, if it does.
    pub next_cursor: Option<String>,
}

/// What may be said of a new agent.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// The team that it belongs to.
    pub team_id: TeamId,
    /// The name for programs; made of the other one if none.
    pub slug: Option<Slug>,
    /// The name for people.
    pub name: Name,
    /// What it is for.
    pub description: Description,
    /// What the model is told.
    pub instructions: Instructions,
    /// The name of its model.
    pub model: Option<String>,
    /// Bounds on each run.
    pub limits: Limits,
    /// With whom it is shared.
    pub sharing: Sharing,
    /// Whether programs may use it by the remote agent API.
    pub remote_api: bool,
}

/// What is to change of an agent; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The version that was read; a change to another one is refused.
    pub version: Option<i64>,
    /// Another name for programs.
    pub slug: Option<Slug>,
    /// Another name for people.
    pub name: Option<Name>,
    /// What it is for.
    pub description: Option<Description>,
    /// What the model is told.
    pub instructions: Option<Instructions>,
    /// Another model, or none of its own.
    pub model: Choice,
    /// Other bounds on each run.
    pub limits: Option<Limits>,
    /// With whom it is shared.
    pub sharing: Option<Sharing>,
    /// Whether programs may use it by the remote agent API.
    pub remote_api: Option<bool>,
}

impl Change {
    pub(crate) fn apply_to(self, agent: &mut Agent) {
        macro_rules! set {
            ($($field:ident),*) => { $(if let Some(value) = self.$field { agent.$field = value.into(); })* };
        }
        set!(slug, name, description, instructions, limits, sharing, remote_api);
        agent.model = self.model.apply_to(agent.model.take());
    }
}

/// The agents that whoever asks may use.
///
/// # Errors
/// `invalid_cursor`.
pub async fn list(ctx: &Context, cursor: Option<&str>, limit: usize) -> Result<Page> {
    let after = cursor.map(cursor::to_agent).transpose()?;
    let mut agents = rows::usable(&ctx.scope(), &ctx.store, after, cursor::one_more(limit)).await?;
    let has_more = agents.len() > limit;
    agents.truncate(limit);
    let place = |last: &Agent| cursor::of_agent(&Place { name: last.name.clone(), id: last.id });
    Ok(Page { next_cursor: agents.last().filter(|_| has_more).map(place), agents })
}

/// The agents to choose between in a conversation, the default one first, then by name.
///
/// # Errors
/// What keeps the tables from being read.
pub async fn offered(ctx: &Context) -> Result<Vec<Agent>> {
    let mut agents = rows::usable(&ctx.scope(), &ctx.store, None, MOST_OFFERED).await?;
    if let Some(first) = first_declared(ctx).await? {
        agents.retain(|agent| agent.id != first.id);
        agents.insert(0, first);
    }
    Ok(agents)
}

/// The first agent of the configuration, by itself: nobody comes before it by the name that they choose.
async fn first_declared(ctx: &Context) -> Result<Option<Agent>> {
    let Some(first) = rows::first_declared(&ctx.tenant(), &ctx.store).await? else { return Ok(None) };
    let may = access::may(ctx, Action::AgentUse, access::Thing::of_agent(&first)).await?;
    Ok(Some(first).filter(|_| may))
}

/// The agent that answers where none was chosen: the first of the configuration, or else the first that there is.
///
/// # Errors
/// `agent_unknown` if there is none for whoever asks.
pub(crate) async fn default(ctx: &Context) -> Result<Agent> {
    if let Some(first) = first_declared(ctx).await? {
        return Ok(first);
    }
    offered(ctx).await?.into_iter().next().ok_or_else(|| {
        Error::invalid("agent_unknown", "There is no agent for you here. Ask to be taken into a team that has one.")
    })
}

/// One agent.
///
/// # Errors
/// `not_found`.
pub async fn get(ctx: &Context, id: AgentId) -> Result<Agent> {
    Ok(access::require_of_agent(ctx, Action::AgentRead, id).await?.0)
}

/// Whether whoever asks may change an agent at this moment.
///
/// # Errors
/// What keeps the tables from being read.
pub async fn may_change(ctx: &Context, agent: &Agent) -> Result<bool> {
    Ok(!agent.declared && access::may(ctx, Action::AgentChange, access::Thing::of_agent(agent)).await?)
}

/// What an agent is called that took part in a conversation of one's own, whether one may still use it or not.
///
/// # Errors
/// What keeps the table from being read.
pub async fn name_of(ctx: &Context, id: AgentId) -> Result<Option<String>> {
    rows::name_of(&ctx.scope(), &ctx.store, id).await
}

/// The agent, if whoever asks may have it answer at this moment.
///
/// # Errors
/// `agent_unknown`.
pub(crate) async fn usable(ctx: &Context, id: AgentId) -> Result<Agent> {
    match access::require_of_agent(ctx, Action::AgentUse, id).await {
        Ok((agent, _)) => Ok(agent),
        Err(error) if matches!(error.code(), "not_found" | "role_too_low") => Err(Error::invalid(
            "agent_unknown",
            "There is no such agent now. Choose another one for this conversation.",
        )),
        Err(error) => Err(error),
    }
}

/// Makes an agent.
///
/// # Errors
/// `not_found` for the team, `role_too_low`, `slug_taken`, `too_many_agents`, `model_unknown`.
pub async fn create(ctx: &Context, new: NewAgent) -> Result<Agent> {
    let grant = access::require_of_team(ctx, Action::AgentCreate, new.team_id).await?;
    let agent = make(new, (ctx.new_id(), Some(ctx.principal().user_id())), ctx.now())?;
    check_model(ctx, &agent)?;
    let share = match agent.sharing {
        Sharing::Organization => {
            Some(access::require(ctx, Action::AgentShare, access::Thing::of_agent(&agent), rows::missing).await?)
        }
        _ => None,
    };
    ctx.detached(move |ctx| async move {
        let mut batch = Batch::default();
        grant.hold_with(&ctx, &mut batch);
        if let Some(share) = share {
            share.hold_with(&ctx, &mut batch);
        }
        insert_with(&ctx.tenant(), &mut batch, &agent, ctx.note(Told::AgentCreated));
        ctx.store.write(batch).await?;
        Ok(agent)
    })
    .await
}

/// An agent that is not written down yet.
pub(crate) fn make(new: NewAgent, (id, maker_id): (AgentId, Option<UserId>), now: Timestamp) -> Result<Agent> {
    let name = String::from(new.name);
    Ok(Agent {
        id,
        team_id: new.team_id,
        maker_id,
        slug: new.slug.unwrap_or_else(|| Slug::of_name(&name, "agent")),
        version: 1,
        name,
        description: new.description.into(),
        instructions: new.instructions.into(),
        model: new.model,
        limits: new.limits.check()?,
        sharing: new.sharing,
        remote_api: new.remote_api,
        declared: false,
        created_at: now,
        updated_at: now,
    })
}

/// Adds an agent, and what is told of it, when the batch is written.
pub(crate) fn insert_with(tenant: &Tenant, batch: &mut Batch, agent: &Agent, note: Note) {
    rows::insert_with(tenant, batch, agent, None);
    let note = note.on("agent", agent.id).of_team(agent.team_id);
    named(note, agent).with("sharing", agent.sharing.as_str()).write(tenant, batch);
}

fn check_model(ctx: &Context, agent: &Agent) -> Result<()> {
    match agent.model.as_deref().map(|name| ctx.catalog.entry(Some(name))) {
        None | Some(Ok(_)) => Ok(()),
        // It may be there again later.
        Some(Err(error)) if error.code() == "model_unreachable" => Ok(()),
        Some(Err(error)) => Err(error),
    }
}

/// It stands in the configuration.
pub(crate) fn declared() -> Error {
    Error::conflict("agent_declared", "This agent stands in the server's configuration, and is changed there.")
}

/// Changes an agent. Runs that are under way go on with what it was.
///
/// # Errors
/// `not_found`, `role_too_low`, `agent_declared`, `agent_changed`, `slug_taken`, `model_unknown`.
pub async fn change(ctx: &Context, id: AgentId, change: Change) -> Result<Agent> {
    let (before, grant) = access::require_of_agent(ctx, Action::AgentChange, id).await?;
    if before.declared {
        return Err(declared());
    }
    if change.version.is_some_and(|version| version != before.version) {
        return Err(rows::changed());
    }
    let mut agent = before.clone();
    change.apply_to(&mut agent);
    agent.limits.check()?;
    if agent == before {
        return Ok(before);
    }
    if agent.model != before.model {
        check_model(ctx, &agent)?;
    }
    let touches_all = before.sharing.max(agent.sharing) == Sharing::Organization && before.sharing != agent.sharing;
    let share = if touches_all { Some(access::require_of_agent(ctx, Action::AgentShare, id).await?.1) } else { None };
    (agent.version, agent.updated_at) = (before.version + 1, ctx.now());
    ctx.detached(move |ctx| async move {
        let (mut batch, by) = (Batch::default(), Some(ctx.principal().user_id()));
        grant.hold_with(&ctx, &mut batch);
        if let Some(share) = share {
            share.hold_with(&ctx, &mut batch);
        }
        rows::change_with(&grant.team()?, &mut batch, &agent, by);
        let note = named(ctx.note(Told::AgentChanged).on("agent", id).of_team(agent.team_id), &agent);
        note.with("version", agent.version).with("changed", changed(&before, &agent)).write(&ctx.tenant(), &mut batch);
        ctx.store.write(batch).await?;
        Ok(agent)
    })
    .await
}

/// With the names of an agent, unless it is its maker's alone: whoever reads the trail may not know of it.
pub(crate) fn named(note: Note, agent: &Agent) -> Note {
    match agent.sharing {
        Sharing::Private => note,
        _ => note.with("name", agent.name.clone()).with("slug", agent.slug.as_str()),
    }
}

/// Which of its fields are others now. What stands in them is in its versions.
pub(crate) fn changed(before: &Agent, now: &Agent) -> Vec<&'static str> {
    let fields = [
        ("slug", before.slug != now.slug),
        ("name", before.name != now.name),
        ("description", before.description != now.description),
        ("instructions", before.instructions != now.instructions),
        ("model", before.model != now.model),
        ("limits", before.limits != now.limits),
        ("sharing", before.sharing != now.sharing),
        ("remote_api", before.remote_api != now.remote_api),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// Deletes an agent. Conversations that it took part in stay, and go on with another one.
///
/// # Errors
/// `not_found`, `role_too_low`, `agent_declared`, `agent_changed`.
pub async fn delete(ctx: &Context, id: AgentId) -> Result<()> {
    let (agent, grant) = access::require_of_agent(ctx, Action::AgentDelete, id).await?;
    if agent.declared {
        return Err(declared());
    }
    ctx.detached(move |ctx| async move {
        let mut batch = Batch::default();
        grant.hold_with(&ctx, &mut batch);
        rows::delete_with(&grant.team()?, &mut batch, &agent, ctx.now());
        let note = ctx.note(Told::AgentDeleted).on("agent", id).of_team(agent.team_id);
        named(note, &agent).write(&ctx.tenant(), &mut batch);
        ctx.store.write(batch).await
    })
    .await
}

/// What an agent was before, the newest version first, for those who may change it. What it was while it was private stays
/// its maker's alone.
///
/// # Errors
/// `not_found`, `role_too_low`.
pub async fn versions(ctx: &Context, id: AgentId, before: Option<i64>, limit: usize) -> Result<Vec<Version>> {
    let (_, grant) = access::require_of_agent(ctx, Action::AgentChange, id).await?;
    let reader = ctx.principal().user_id();
    version::list(&grant.team()?, &ctx.store, (id, reader), (before.unwrap_or(i64::MAX), cursor::one_more(limit) - 1))
        .await
}

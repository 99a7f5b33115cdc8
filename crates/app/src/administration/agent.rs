//! Agents, for whoever has the machine. What an agent that is its maker's alone is told, they see no more of than anybody.

use retinue_model::agent::{Agent, Sharing};
use retinue_model::audit::{Action as Told, Actor, Outcome};
use retinue_model::error::Kind;
use retinue_model::team::Team;
use retinue_model::{AgentId, Error, Result, Slug, UserId};
use retinue_store::agent as rows;
use retinue_store::agent::version::{self, Version};
use retinue_store::audit::{self as events, By, Filter};
use retinue_store::{Batch, TeamScope};

use super::{Administration, PAGE};
use crate::access;
use crate::agent::{self, Change, NewAgent};

/// Who made no agent: what is its maker's alone is not for whoever has the machine.
const NOBODY: UserId = UserId::new(uuid::Uuid::max());

/// Only its maker may do that.
fn private() -> Error {
    Error::conflict(
        "agent_private",
        "This agent is its maker’s alone: only they see and change what it is. It can be deleted, and `retinue user offboard` says what becomes of it when they leave.",
    )
}

impl Administration {
    fn scope_of(agent: &Agent) -> TeamScope {
        access::of_agent_for_operator(&Self::tenant(), agent)
    }

    /// The agents of a team, those that are their makers' alone too.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn agents(&self, team: &Team) -> Result<Vec<Agent>> {
        let mut all: Vec<Agent> = Vec::new();
        loop {
            let after = all.last().map(|last| last.id);
            let page = rows::all_of_team(&Self::team_scope(team), &self.store, after, PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// The agent of this id, or of this name: its team's short name, `/`, and its own.
    ///
    /// # Errors
    /// `not_found`, `invalid_slug`.
    pub async fn find_agent(&self, named: &str) -> Result<Agent> {
        let found = match (named.parse(), named.split_once('/')) {
            (Ok(id), _) => rows::get(&Self::tenant(), &self.store, id).await?,
            (Err(_), Some((team, slug))) => {
                let team = self.find_team(team).await?;
                rows::by_slug(&Self::team_scope(&team), &self.store, &Slug::new(slug)?).await?
            }
            (Err(_), None) => None,
        };
        found.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                "not_found",
                "There is no such agent. `retinue agent list` shows them: name one by its id, or by its team and its short name, such as default/assistant.",
            )
        })
    }

    /// What an agent was in its versions, the newest first, but for those that were its maker's alone.
    ///
    /// # Errors
    /// `agent_private`
    pub async fn agent_versions(&self, agent: &Agent) -> Result<Vec<Version>> {
        if agent.sharing == Sharing::Private {
            return Err(private());
        }
        let (scope, mut all) = (Self::scope_of(agent), Vec::<Version>::new());
        loop {
            let before = all.last().map_or(i64::MAX, |last| last.version);
            let page = version::list(&scope, &self.store, (agent.id, NOBODY), (before, PAGE)).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Makes an agent that nobody made, so that it is shared.
    ///
    /// # Errors
    /// `agent_without_maker`, `slug_taken`, `too_many_agents`, `invalid_limits`.
    pub async fn create_agent(&self, new: NewAgent) -> Result<Agent> {
        let agent = agent::make(new, (self.new_id(), None), self.now())?;
        if agent.sharing == Sharing::Private {
            return Err(Error::invalid(
                "agent_without_maker",
                "Nobody could use a private agent that nobody made. Share it with `team` or `organization`.",
            ));
        }
        let mut batch = Batch::default();
        agent::insert_with(&Self::tenant(), &mut batch, &agent, self.note(Told::AgentCreated));
        self.store.write(batch).await?;
        Ok(agent)
    }

    /// Changes an agent that is shared. Runs that are under way go on with what it was.
    ///
    /// # Errors
    /// `agent_declared`, `agent_private`, `agent_without_maker`, `agent_changed`, `slug_taken`, `invalid_limits`.
    pub async fn change_agent(&self, before: &Agent, change: Change) -> Result<Agent> {
        if before.declared {
            return Err(agent::declared());
        }
        if before.sharing == Sharing::Private || change.sharing == Some(Sharing::Private) {
            return Err(private());
        }
        let mut agent = before.clone();
        change.apply_to(&mut agent);
        agent.limits.check()?;
        if agent == *before {
            return Ok(agent);
        }
        (agent.version, agent.updated_at) = (before.version + 1, self.now());
        let mut batch = Batch::default();
        rows::change_with(&Self::scope_of(before), &mut batch, &agent, None);
        let note = self.note(Told::AgentChanged).on("agent", agent.id).of_team(agent.team_id);
        let note = note.with("version", agent.version).with("changed", agent::changed(before, &agent));
        note.write(&Self::tenant(), &mut batch);
        self.store.write(batch).await?;
        Ok(agent)
    }

    /// Deletes an agent. Conversations that it took part in stay, and go on with another one.
    ///
    /// # Errors
    /// `agent_declared`, `not_found`.
    pub async fn delete_agent(&self, agent: &Agent) -> Result<()> {
        if agent.declared {
            return Err(agent::declared());
        }
        let mut batch = Batch::default();
        rows::delete_with(&Self::scope_of(agent), &mut batch, agent, self.now());
        let note = self.note(Told::AgentDeleted).on("agent", agent.id).of_team(agent.team_id);
        agent::named(note, agent).write(&Self::tenant(), &mut batch);
        self.store.write(batch).await
    }

    /// Takes back that whoever has the machine deleted an agent: it is what it was. Nobody else's deed is taken back.
    ///
    /// # Errors
    /// `not_found`, `slug_taken`.
    pub async fn restore_agent(&self, id: AgentId) -> Result<Agent> {
        let (tenant, store) = (Self::tenant(), &self.store);
        let of_agent = Filter { by: By::Target(id.to_string()), outcome: Some(Outcome::Done), ..Filter::default() };
        let last = events::list(&tenant, store, &of_agent, (i64::MAX, 1)).await?.pop().map(|told| told.event);
        let is_own = last.is_some_and(|event| (event.actor, event.action) == (Actor::Operator, Told::AgentDeleted));
        let agent = if is_own { rows::get_deleted(&tenant, store, id).await? } else { None };
        let agent = agent.ok_or_else(|| {
            let said = "No agent of this id was deleted here by a command, or something else was done to it since.";
            Error::new(Kind::NotFound, "not_found", said)
        })?;
        let mut batch = Batch::default();
        rows::restore_with(&Self::scope_of(&agent), &mut batch, id);
        let note = self.note(Told::AgentRestored).on("agent", id).of_team(agent.team_id);
        agent::named(note, &agent).write(&tenant, &mut batch);
        self.store.write(batch).await?;
        Ok(agent)
    }
}

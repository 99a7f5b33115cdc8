//! Why somebody may do something, or may not: by the very function that decides, and with what it went by.

use retinue_model::identity::Identity;
use retinue_model::membership::Membership;
use retinue_model::user::User;
use retinue_model::{AgentId, ApiKeyId, Error, Result, TeamId, ThreadId, UserId};
use retinue_store::{agent as agents, api_key as keys, identity as identities, team as teams};
use retinue_store::{membership as memberships, thread as threads, user as users};

use crate::access::{self, Thing};
use crate::policy::{Action, Decision, Facts};
use crate::{App, Context};

/// What somebody may do something with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The organization: whatever belongs to no team.
    Organization,
    /// A team, and what is in it.
    Team(TeamId),
    /// An agent.
    Agent(AgentId),
    /// A conversation.
    Thread(ThreadId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// A user.
    User(UserId),
}

impl Resource {
    /// Reads `organization`, or the id of something.
    ///
    /// # Errors
    /// `invalid_resource`
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |_| {
            Error::invalid(
                "invalid_resource",
                "A resource is `organization`, or the id of a team, an agent, a thread, an API key or a user.",
            )
        };
        match text.split_once('_').map_or(text, |(prefix, _)| prefix) {
            "organization" => Ok(Self::Organization),
            "team" => text.parse().map(Self::Team).map_err(invalid),
            "agt" => text.parse().map(Self::Agent).map_err(invalid),
            "thr" => text.parse().map(Self::Thread).map_err(invalid),
            "key" => text.parse().map(Self::ApiKey).map_err(invalid),
            "usr" => text.parse().map(Self::User).map_err(invalid),
            other => Err(invalid(Error::internal(format!("there is no {other}")))),
        }
    }

    /// What it is.
    const fn kind(self) -> Kind {
        match self {
            Self::Organization => Kind::Organization,
            Self::Team(_) => Kind::Team,
            Self::Agent(_) => Kind::Agent,
            Self::Thread(_) => Kind::Thread,
            Self::ApiKey(_) => Kind::ApiKey,
            Self::User(_) => Kind::User,
        }
    }

    /// Requires that some door does the action to such a thing.
    ///
    /// # Errors
    /// `invalid_resource`
    fn require_fit(self, action: Action) -> Result<()> {
        let fitting = fitting(action);
        if fitting.contains(&self.kind()) {
            return Ok(());
        }
        let words: Vec<_> = fitting.iter().map(|kind| kind.words()).collect();
        let (action, words) = (action.as_str(), words.join(", or "));
        Err(Error::invalid("invalid_resource", format!("{action} is done to something else: give {words}.")))
    }

    /// How people stand to it.
    ///
    /// # Errors
    /// `not_found`
    async fn thing(self, app: &App) -> Result<Thing> {
        let (tenant, store) = (app.tenant(), &app.store);
        match self {
            Self::Organization => Ok(Thing::default()),
            Self::Team(id) => {
                teams::get(&tenant, store, id).await?.ok_or_else(teams::missing)?;
                Ok(Thing::team(id))
            }
            Self::Agent(id) => {
                let agent = agents::get(&tenant, store, id).await?.ok_or_else(agents::missing)?;
                Ok(Thing::of_agent(&agent))
            }
            Self::Thread(id) => {
                let owner = threads::owner_of(&tenant, store, id).await?;
                Ok(Thing { of: Some(owner.ok_or_else(|| Error::not_found("thread"))?), ..Thing::default() })
            }
            Self::ApiKey(id) => {
                let key = keys::get(&tenant, store, id).await?.ok_or_else(keys::missing)?;
                Ok(Thing { team: Some(key.team_id), of: Some(key.user_id), ..Thing::default() })
            }
            Self::User(id) => {
                users::get(&tenant, store, id).await?.ok_or_else(users::missing)?;
                Ok(Thing { of: Some(id), ..Thing::default() })
            }
        }
    }
}

/// What kind of thing a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Organization,
    Team,
    Agent,
    Thread,
    ApiKey,
    User,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Organization => "`organization`",
            Self::Team => "the id of a team",
            Self::Agent => "the id of an agent",
            Self::Thread => "the id of a thread",
            Self::ApiKey => "the id of an API key",
            Self::User => "the id of a user",
        }
    }
}

/// To what an action is done.
const fn fitting(action: Action) -> &'static [Kind] {
    match action {
        Action::UserList
        | Action::TeamCreate
        | Action::TeamList
        | Action::AuditRead
        | Action::UsageRead
        | Action::AccessExplain => &[Kind::Organization],
        Action::UserDisable | Action::UserGrantAdmin | Action::UserOffboard | Action::BudgetChange => {
            &[Kind::Organization, Kind::User]
        }
        Action::TeamRead
        | Action::TeamChange
        | Action::TeamDelete
        | Action::MemberRead
        | Action::MemberAdd
        | Action::MemberChange
        | Action::MemberRemove
        | Action::MemberLeave
        | Action::InvitationRead
        | Action::InvitationCreate
        | Action::InvitationRevoke
        | Action::AgentCreate
        | Action::KeyCreate
        | Action::KeyReadOfTeam
        | Action::AuditReadOfTeam
        | Action::UsageReadOfTeam
        | Action::BudgetChangeOfTeam => &[Kind::Team],
        Action::AgentRead | Action::AgentUse | Action::AgentChange | Action::AgentShare | Action::AgentDelete => {
            &[Kind::Agent]
        }
        Action::KeyRevoke => &[Kind::ApiKey],
        Action::ThreadUse => &[Kind::Thread],
    }
}

/// The chain from who somebody is to what was decided.
#[derive(Debug)]
pub struct Explanation {
    /// Who was asked about.
    pub user: User,
    /// By which identities they may come in.
    pub identities: Vec<Identity>,
    /// What they are in the team that the resource belongs to, and where that comes from.
    pub membership: Option<Membership>,
    /// Whether they run the installation.
    pub organization_admin: bool,
    /// How they stand to the resource otherwise.
    pub facts: Facts,
    /// What was decided, and by which line of the table.
    pub decision: Decision,
}

impl Explanation {
    /// The same in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (name, action) = (&self.user.name, self.decision.row.action.as_str());
        match self.decision.by {
            Some(by) => format!("Yes: {name} may do {action}, as {by}."),
            None if self.facts.disabled => format!("No: {name} is disabled, and may do nothing."),
            None if !self.decision.is_visible => {
                format!("No: for {name} it does not exist; {action} takes {}.", words(self.decision.row.allowed))
            }
            None => format!("No: {action} takes {}.", words(self.decision.row.allowed)),
        }
    }
}

/// Those who may, as a sentence has them.
fn words(who: &[crate::policy::Who]) -> String {
    who.iter().map(ToString::to_string).collect::<Vec<_>>().join(", or ")
}

/// Explains, for those who run the installation.
///
/// # Errors
/// `forbidden`; `not_found` if there is no such user or resource; `invalid_resource` if nothing of the kind can be done to it.
pub async fn explain(ctx: &Context, user: UserId, action: Action, resource: Resource) -> Result<Explanation> {
    access::require_of_organization(ctx, Action::AccessExplain).await?;
    for_operator(ctx.app(), user, action, resource).await
}

/// Explains, for whoever has the machine.
///
/// # Errors
/// `not_found` if there is no such user or resource; `invalid_resource` if nothing of the kind can be done to it.
pub async fn for_operator(app: &App, user: UserId, action: Action, resource: Resource) -> Result<Explanation> {
    let (tenant, store) = (app.tenant(), &app.store);
    let found = users::get(&tenant, store, user).await?.ok_or_else(users::missing)?;
    resource.require_fit(action)?;
    let thing = resource.thing(app).await?;
    let (decision, facts) = access::decide_for(app, user, action, thing).await?;
    let membership = match thing.team {
        Some(team) => memberships::get(&tenant, store, team, user).await?,
        None => None,
    };
    Ok(Explanation {
        identities: identities::of_user(&tenant, store, user).await?,
        organization_admin: access::runs_it(app, &found).await?,
        user: found,
        membership,
        facts,
        decision,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_named_by_their_ids() {
        let team = "team_00000000000000000000000001";
        assert_eq!(Resource::parse(team).unwrap(), Resource::Team(team.parse().unwrap()));
        assert_eq!(Resource::parse("organization").unwrap(), Resource::Organization);
        for wrong in ["", "team", "team_1", "msg_00000000000000000000000001", "organizations", "usr_x"] {
            assert_eq!(Resource::parse(wrong).unwrap_err().code(), "invalid_resource", "{wrong}");
        }
    }
}

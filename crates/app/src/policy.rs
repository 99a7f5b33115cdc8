//! Who may do what: one table, and the one function that reads it.
//!
//! Whoever asks comes with facts that were looked up at this moment: what they are in the team that the target belongs to, and
//! how they stand to it. Nothing here reads the database. `policy/table.txt` shows the whole table; a test holds it to this.

use std::fmt;

use retinue_model::agent::Sharing;
use retinue_model::membership::Role;

mod table;
#[cfg(test)]
mod tests;

pub use table::TABLE;

/// By virtue of what somebody may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Whoever may come in.
    Anybody,
    /// Whoever it is about, or whose it is.
    Oneself,
    /// Whoever has this role, or a higher one, in the team that it belongs to.
    Member(Role),
    /// Whoever made it, while they have this role in its team.
    Maker(Role),
    /// The same, unless it is shared with the organization.
    MakerWithin(Role),
    /// Whoever has this role in its team, if it is shared there.
    Shared(Role),
    /// The same, unless it is shared with the organization.
    SharedWithin(Role),
    /// Whoever may come in, if it is shared with the organization.
    SharedWithAll,
    /// Whoever runs the installation.
    OrganizationAdmin,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.write_str("anybody"),
            Self::Oneself => f.write_str("oneself"),
            Self::Member(role) => write!(f, "team {}", role.as_str()),
            Self::Maker(role) => write!(f, "its maker, if {}", role.as_str()),
            Self::MakerWithin(role) => {
                write!(f, "its maker, if {}, unless shared with the organization", role.as_str())
            }
            Self::SharedWithin(role) => write!(f, "team {}, if shared with the team alone", role.as_str()),
            Self::Shared(role) => write!(f, "team {}, if shared", role.as_str()),
            Self::SharedWithAll => f.write_str("anybody, if shared with the organization"),
            Self::OrganizationAdmin => f.write_str("organization admin"),
        }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {
        /// What may be done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name: the noun it is done to, and the verb.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The action of this name.
            #[must_use]
            pub fn named(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|action| action.as_str() == text)
            }
        }
    };
}

actions! {
    /// Seeing who all users are.
    UserList "user.list";
    /// Shutting somebody out, or letting them in again.
    UserDisable "user.disable";
    /// Making somebody an organization admin, or taking that back.
    UserGrantAdmin "user.grant_admin";
    /// Handing over or deleting what is somebody's.
    UserOffboard "user.offboard";
    /// Making a team.
    TeamCreate "team.create";
    /// Seeing all teams there are.
    TeamList "team.list";
    /// Seeing a team.
    TeamRead "team.read";
    /// Giving a team another name.
    TeamChange "team.change";
    /// Deleting a team.
    TeamDelete "team.delete";
    /// Seeing who belongs to a team.
    MemberRead "member.read";
    /// Taking somebody into a team.
    MemberAdd "member.add";
    /// Giving a member another role.
    MemberChange "member.change";
    /// Taking somebody out of a team.
    MemberRemove "member.remove";
    /// Leaving a team.
    MemberLeave "member.leave";
    /// Seeing who is invited.
    InvitationRead "invitation.read";
    /// Inviting somebody.
    InvitationCreate "invitation.create";
    /// Taking an invitation back.
    InvitationRevoke "invitation.revoke";
    /// Seeing that there is an agent, and what it is for.
    AgentRead "agent.read";
    /// Having an agent answer.
    AgentUse "agent.use";
    /// Making an agent.
    AgentCreate "agent.create";
    /// Changing an agent.
    AgentChange "agent.change";
    /// Sharing an agent with the whole organization, or taking that back.
    AgentShare "agent.share_with_organization";
    /// Deleting an agent.
    AgentDelete "agent.delete";
    /// Making an API key that acts in a team.
    KeyCreate "api_key.create";
    /// Seeing the keys that act in a team.
    KeyReadOfTeam "api_key.read_of_team";
    /// Revoking a key.
    KeyRevoke "api_key.revoke";
    /// Reading, continuing, changing and deleting a conversation.
    ThreadUse "thread.use";
    /// Reading the whole audit trail, and taking it out.
    AuditRead "audit.read";
    /// Reading a team's part of the audit trail.
    AuditReadOfTeam "audit.read_of_team";
    /// Seeing what was used by all.
    UsageRead "usage.read";
    /// Seeing what was used in a team.
    UsageReadOfTeam "usage.read_of_team";
    /// Saying how many tokens somebody may use.
    BudgetChange "budget.change";
    /// Saying how many tokens a team may use.
    BudgetChangeOfTeam "budget.change_of_team";
    /// Asking why somebody may do something, or may not.
    AccessExplain "access.explain";
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is done.
    pub action: Action,
    /// Who may.
    pub allowed: &'static [Who],
    /// Who may know that it is there, though they may not do it.
    pub visible: &'static [Who],
}

/// How somebody stands to what they want to do something with, at this moment.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and all combinations occur")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// They may not come in any more: then nothing else counts.
    pub disabled: bool,
    /// They run the installation.
    pub organization_admin: bool,
    /// What they are in the team that it belongs to.
    pub role: Option<Role>,
    /// It is theirs, or they are it.
    pub oneself: bool,
    /// They made it.
    pub maker: bool,
    /// With whom it is shared, if it is something that can be.
    pub sharing: Option<Sharing>,
}

/// What was decided, and why.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    /// The line that says so.
    pub row: &'static Row,
    /// By virtue of what it is allowed; none if it is not.
    pub by: Option<Who>,
    /// Whether they may know that it is there.
    pub is_visible: bool,
}

impl Decision {
    /// Whether it is allowed.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        self.by.is_some()
    }
}

impl Facts {
    /// Whether somebody of whom this is true is meant.
    fn are_of(self, who: Who) -> bool {
        let has = |least: Role| self.role.is_some_and(|role| role >= least);
        !self.disabled
            && match who {
                Who::Anybody => true,
                Who::Oneself => self.oneself,
                Who::Member(least) => has(least),
                Who::Maker(least) => self.maker && has(least),
                Who::MakerWithin(least) => self.maker && has(least) && self.sharing != Some(Sharing::Organization),
                Who::SharedWithin(least) => has(least) && self.sharing == Some(Sharing::Team),
                Who::Shared(least) => has(least) && self.sharing.is_some_and(|sharing| sharing >= Sharing::Team),
                Who::SharedWithAll => self.sharing == Some(Sharing::Organization),
                Who::OrganizationAdmin => self.organization_admin,
            }
    }
}

/// Whether somebody may do something: the only place where that is decided.
#[must_use]
pub fn decide(facts: &Facts, action: Action) -> Decision {
    let row = row(action);
    let by = row.allowed.iter().copied().find(|who| facts.are_of(*who));
    let is_visible = by.is_some() || row.visible.iter().any(|who| facts.are_of(*who));
    Decision { row, by, is_visible }
}

/// The line of an action.
#[must_use]
pub fn row(action: Action) -> &'static Row {
    // A test shows that there is one of each, in this order.
    &TABLE[action as usize]
}

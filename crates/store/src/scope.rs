//! Whose rows a function may read and write.
//!
//! Nothing that belongs to somebody is reached without one of these: a function that took none could not be called from
//! a place that knows nobody. `cargo xtask check` says where they may be made.

use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::{OrganizationId, Principal, RunId, TeamId, UserId};

/// What one user owns, and which teams are theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    organization: OrganizationId,
    owner: UserId,
    team: Option<TeamId>,
}

impl Scope {
    /// What belongs to whoever a request acts as.
    #[must_use]
    pub const fn of(principal: &Principal) -> Self {
        Self { organization: principal.organization_id(), owner: principal.user_id(), team: principal.team() }
    }

    pub(crate) const fn of_row(organization: OrganizationId, owner: UserId) -> Self {
        Self { organization, owner, team: None }
    }

    pub(crate) const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// Whether it is of the same owner, in whichever of their teams.
    #[must_use]
    pub fn is_of_owner_of(&self, other: &Self) -> bool {
        (self.organization, self.owner) == (other.organization, other.owner)
    }

    /// Whether it is this user's.
    #[must_use]
    pub fn is_of(&self, user: UserId) -> bool {
        self.owner() == user
    }

    pub(crate) const fn owner(&self) -> UserId {
        self.owner
    }

    /// The one team of theirs that is meant; all of them if none.
    pub(crate) const fn team(&self) -> Option<TeamId> {
        self.team
    }

    pub(crate) const fn tenant(&self) -> Tenant {
        Tenant(self.organization)
    }
}

/// The people of one organization, and their ways in. For whoever lets people in before they are known, and for whoever
/// runs the installation. It reaches nothing that those people have said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tenant(OrganizationId);

impl Tenant {
    /// The organization that everybody who signs in belongs to.
    #[must_use]
    pub const fn default_organization() -> Self {
        Self(DEFAULT_ORGANIZATION)
    }

    /// Of an organization that was found among all.
    pub(crate) const fn of_row(id: OrganizationId) -> Self {
        Self(id)
    }

    pub(crate) const fn id(&self) -> OrganizationId {
        self.0
    }
}

/// What belongs to one team: who is in it, its agents, its invitations and its keys. For whoever a decision says may reach
/// it; it reaches nothing that its people have said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TeamScope {
    organization: OrganizationId,
    team: TeamId,
}

impl TeamScope {
    /// What belongs to a team of this organization. Whoever makes one has decided that it may be reached.
    #[must_use]
    pub const fn granted(tenant: &Tenant, team: TeamId) -> Self {
        Self { organization: tenant.0, team }
    }

    /// The team.
    #[must_use]
    pub const fn id(&self) -> TeamId {
        self.team
    }

    pub(crate) const fn organization(&self) -> OrganizationId {
        self.organization
    }

    pub(crate) const fn tenant(&self) -> Tenant {
        Tenant(self.organization)
    }
}

/// What the program itself must look after, whoever it belongs to: runs that a crash left behind, sessions that ended. It
/// has no user's rights; what it finds comes with its owner's scope.
#[derive(Clone, Copy, Debug)]
pub struct System(());

impl System {
    /// For the program's own work at start.
    #[must_use]
    pub const fn at_start() -> Self {
        Self(())
    }

    /// For the program's own work beside the requests.
    #[must_use]
    pub const fn in_background() -> Self {
        Self(())
    }
}

/// The right to write the events and the end of one run. Whoever writes a run down gets it, and whoever finds one that is
/// under way within a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pen {
    run: RunId,
    scope: Scope,
}

impl Pen {
    pub(crate) const fn of(scope: Scope, run: RunId) -> Self {
        Self { run, scope }
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// Whose run it is.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }
}

#[cfg(test)]
mod tests;

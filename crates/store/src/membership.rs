//! Memberships in storage: who belongs to which team, and as what.

use jiff::Timestamp;
use retinue_model::membership::{Evidence, Membership, Role};
use retinue_model::principal::LOCAL_USER;
use retinue_model::team::Team;
use retinue_model::{Error, Result, TeamId, UserId};

use crate::batch::Batch;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::params;
use crate::{Store, TeamScope, Tenant, api_key, invitation, team};

pub mod by_rule;

pub(crate) mod sql {
    super::statements! {
        // The same once more changes nothing; another one of the same person is refused.
        INSERT = "INSERT INTO memberships (team_id, user_id, organization_id, role, origin, rule_provider, rule_group, \
            evidence_at, created_at, updated_at) SELECT $1, u.id, u.organization_id, $2, $3, $4, $5, $6, $7, $8 \
            FROM users u WHERE u.id = $9 AND u.organization_id = $10 AND u.disabled_at IS NULL \
            ON CONFLICT (team_id, user_id) DO UPDATE SET updated_at = excluded.updated_at \
            WHERE memberships.created_at = excluded.created_at AND memberships.role = excluded.role";
        GET = "SELECT team_id, user_id, role, origin, rule_provider, rule_group, evidence_at, created_at, updated_at \
            FROM memberships WHERE team_id = $1 AND user_id = $2 AND organization_id = $3";
        LIST = "SELECT m.team_id, m.user_id, m.role, m.origin, m.rule_provider, m.rule_group, m.evidence_at, m.created_at, \
            m.updated_at, u.name, u.email, u.disabled_at FROM memberships m JOIN users u ON u.id = m.user_id \
            WHERE m.team_id = $1 AND m.organization_id = $2 AND (m.created_at, m.user_id) > ($3, $4) \
            ORDER BY m.created_at, m.user_id LIMIT $5";
        OF_USER = "SELECT team_id, user_id, role, origin, rule_provider, rule_group, evidence_at, created_at, updated_at \
            FROM memberships WHERE user_id = $1 AND organization_id = $2 ORDER BY team_id LIMIT 1000";
        OF_USERS = "SELECT m.user_id, t.id, t.slug, t.name, t.created_at, t.updated_at, m.role FROM users u \
            JOIN memberships m ON m.user_id = u.id JOIN teams t ON t.id = m.team_id WHERE u.organization_id = $1 \
            AND (u.created_at, u.id) >= ($2, $3) AND (u.created_at, u.id) <= ($4, $5) ORDER BY u.created_at, u.id, m.team_id";
        // What is told of it names what it was before. The same once more changes nothing.
        CHANGE = "UPDATE memberships SET role = $1, origin = 'person', rule_provider = NULL, rule_group = NULL, \
            evidence_at = NULL, updated_at = $2 WHERE team_id = $3 AND user_id = $4 AND organization_id = $5 \
            AND ((role = $6 AND origin = $7) OR (role = $1 AND origin = 'person' AND updated_at = $2))";
        // Never to a lower role, nor from a person's word to another one of the same; nor is it one's own word that makes it a
        // person's. The same once more changes nothing.
        JOIN = "INSERT INTO memberships (team_id, user_id, organization_id, role, origin, created_at, updated_at) \
            SELECT $1, u.id, u.organization_id, $2, 'invitation', $3, $3 FROM users u \
            WHERE u.id = $4 AND u.organization_id = $5 AND u.disabled_at IS NULL \
            ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role, origin = excluded.origin, \
            rule_provider = NULL, rule_group = NULL, evidence_at = NULL, updated_at = excluded.updated_at \
            WHERE (memberships.role = excluded.role \
            AND ((memberships.origin = 'rule' AND CAST($6 AS BIGINT) = 1) OR memberships.updated_at = excluded.updated_at)) \
            OR (excluded.role = 'admin' AND memberships.role <> 'admin') \
            OR (excluded.role = 'editor' AND memberships.role = 'viewer')";
        REMOVE = "DELETE FROM memberships WHERE team_id = $1 AND user_id = $2 AND organization_id = $3 \
            AND role = $4 AND origin = $5";
        // To come after the team is held.
        KEEP_ADMIN = "UPDATE teams SET updated_at = updated_at WHERE id = $1 AND organization_id = $2 \
            AND (EXISTS (SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id \
            WHERE m.team_id = $1 AND m.role = 'admin' AND m.user_id NOT IN ($3, $4) AND u.disabled_at IS NULL) \
            OR NOT EXISTS (SELECT 1 FROM memberships o WHERE o.team_id = $1 AND o.user_id = $3 AND o.role = 'admin'))";
        OTHER_ADMIN = "SELECT m.user_id FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.team_id = $1 \
            AND m.organization_id = $2 AND m.role = 'admin' AND m.user_id NOT IN ($3, $4) AND u.disabled_at IS NULL LIMIT 1";
        REQUIRE_ROLE = "UPDATE memberships SET role = role WHERE team_id = $1 AND user_id = $2 AND organization_id = $3 \
            AND (role = $4 OR role = 'admin' OR (role = 'editor' AND CAST($5 AS BIGINT) = 1))";
    }
}

/// Who counts among those who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comers {
    /// Nobody signs in: the local user counts.
    Anybody,
    /// Whoever may sign in. As the local user nobody comes.
    WhoSignsIn,
}

impl Comers {
    /// The one who does not count.
    fn but(self) -> UserId {
        match self {
            Self::Anybody => UserId::new(uuid::Uuid::nil()),
            Self::WhoSignsIn => LOCAL_USER,
        }
    }
}

/// Somebody who belongs to a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// As what.
    pub membership: Membership,
    /// What they are called.
    pub name: String,
    /// Their address.
    pub email: Option<String>,
    /// Since when they may not come in any more.
    pub disabled_at: Option<Timestamp>,
}

pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Membership> {
    let (team_id, user_id) = (columns.take()?, columns.take()?);
    let (role, origin) = (columns.take::<String>()?.parse()?, columns.take::<String>()?.parse()?);
    let (provider, group) = (columns.take::<Option<String>>()?, columns.take::<Option<String>>()?);
    let at = columns.take::<Option<Timestamp>>()?;
    Ok(Membership {
        team_id,
        user_id,
        role,
        origin,
        evidence: provider.zip(group).zip(at).map(|((provider, group), at)| Evidence { provider, group, at }),
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

fn read_row(row: &Row<'_>) -> Result<Membership> {
    read(&mut row.columns())
}

/// Nobody of this id belongs to the team.
#[must_use]
pub fn missing() -> Error {
    Error::not_found("member")
}

/// Makes somebody belong to a team, when the batch is written. Requires that they may come in, and do not belong to it:
/// `member_already`.
pub fn insert_with(tenant: &Tenant, batch: &mut Batch, membership: &Membership) {
    add_with(tenant, batch, membership, || {
        Error::conflict(
            "member_already",
            "This user belongs to the team already, or is disabled. Look at the list of members, and change the role there.",
        )
    });
}

fn add_with(tenant: &Tenant, batch: &mut Batch, membership: &Membership, refused: fn() -> Error) {
    let (provider, group, at) = match &membership.evidence {
        Some(evidence) => (Some(evidence.provider.clone()), Some(evidence.group.clone()), Some(evidence.at)),
        None => (None, None, None),
    };
    batch.require(
        &sql::INSERT,
        params![
            membership.team_id,
            membership.role.as_str(),
            membership.origin.as_str(),
            provider,
            group,
            at,
            membership.created_at,
            membership.updated_at,
            membership.user_id,
            tenant.id()
        ],
        refused,
    );
}

/// Makes whoever was invited belong to a team, when the batch is written, or gives them a higher role in it; what a rule gave
/// becomes the word of whoever invited, if that is somebody else. Requires that they may come in, and do not belong to it so
/// already: `member_already`.
pub fn join_with(
    team: &TeamScope,
    batch: &mut Batch,
    (user, by): (UserId, Option<UserId>),
    (role, now): (Role, Timestamp),
) {
    let is_by_other = i64::from(by != Some(user));
    let params = params![team.id(), role.as_str(), now, user, team.organization(), is_by_other];
    batch.require(&sql::JOIN, params, member_already);
}

/// They are there already, with this role or a higher one.
#[must_use]
pub fn member_already() -> Error {
    Error::conflict(
        "member_already",
        "You belong to this team already, and may do as much there as this invitation says. It still counts for somebody else.",
    )
}

/// What somebody is in a team; nothing if they do not belong to it.
///
/// # Errors
/// What the engine says.
pub async fn get(tenant: &Tenant, store: &Store, team: TeamId, user: UserId) -> Result<Option<Membership>> {
    store.query_one(&sql::GET, &params![team, user, tenant.id()], read_row).await
}

/// A place in a list of members: what comes after it came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Since when the last one belongs to the team.
    pub created_at: Timestamp,
    /// The last one.
    pub user_id: UserId,
}

/// Who belongs to a team, the first first, from the beginning or after a place.
///
/// # Errors
/// What the engine says.
pub async fn list(team: &TeamScope, store: &Store, after: Option<Place>, limit: i64) -> Result<Vec<Member>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok(Member {
            membership: read(&mut columns)?,
            name: columns.take()?,
            email: columns.take()?,
            disabled_at: columns.take()?,
        })
    };
    let nil = UserId::new(uuid::Uuid::nil());
    let Place { created_at, user_id } = after.unwrap_or(Place { created_at: Timestamp::UNIX_EPOCH, user_id: nil });
    store.query(&sql::LIST, &params![team.id(), team.organization(), created_at, user_id, limit], read).await
}

/// To which teams a user belongs, and as what. The first 1,000.
///
/// # Errors
/// What the engine says.
pub async fn of_user(tenant: &Tenant, store: &Store, user: UserId) -> Result<Vec<Membership>> {
    store.query(&sql::OF_USER, &params![user, tenant.id()], read_row).await
}

/// To which teams those users belong who came from the one to the other of two places of the list of users.
///
/// # Errors
/// What the engine says.
pub async fn of_users(
    tenant: &Tenant,
    store: &Store,
    (first, last): ((Timestamp, UserId), (Timestamp, UserId)),
) -> Result<Vec<(UserId, Team, Role)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take()?, team::read(&mut columns)?, columns.take::<String>()?.parse()?))
    };
    store.query(&sql::OF_USERS, &params![tenant.id(), first.0, first.1, last.0, last.1], read).await
}

/// The code for a membership that others changed since it was looked up.
const CHANGED: &str = "member_changed";

/// Others changed a membership since it was looked up.
#[must_use]
pub fn changed() -> Error {
    Error::conflict(CHANGED, "Others change what this member is at this very moment. Look at it again.")
}

/// Whether others changed a membership since it was looked up: look again.
#[must_use]
pub fn is_passing(error: &Error) -> bool {
    error.code() == CHANGED
}

/// Gives a member another role, when the batch is written: that is a person's word then, whatever it was before. Requires
/// that it still is what it was `before`: see [`is_passing`].
pub fn change_with(team: &TeamScope, batch: &mut Batch, before: &Membership, (role, now): (Role, Timestamp)) {
    let Membership { user_id, role: role_before, origin, .. } = before;
    let (role, organization) = (role.as_str(), team.organization());
    let params = params![role, now, team.id(), *user_id, organization, role_before.as_str(), origin.as_str()];
    batch.require(&sql::CHANGE, params, changed);
}

/// Takes somebody out of a team, when the batch is written, with their keys and invitations there, which do not count again when
/// they come back. Requires that they still are what they were `before`: see [`is_passing`].
pub fn remove_with(team: &TeamScope, batch: &mut Batch, before: &Membership, now: Timestamp) {
    let Membership { user_id: user, role, origin, .. } = *before;
    let params = params![team.id(), user, team.organization(), role.as_str(), origin.as_str()];
    batch.require(&sql::REMOVE, params, changed);
    api_key::revoke_of_leaver_with(team, batch, user, now);
    invitation::revoke_of_leaver_with(team, batch, user, now);
}

/// Refuses the batch if a member is the only admin of the team who may come in: `last_admin`. The team is held until it is
/// written, so that of two who go at once one stays.
pub fn keep_admin_with(team: &TeamScope, batch: &mut Batch, user: UserId, among: Comers) {
    let last = || {
        Error::conflict("last_admin", "This is the only admin of the team. Make somebody else an admin of it first.")
    };
    team::hold_with(team, batch);
    batch.require(&sql::KEEP_ADMIN, params![team.id(), team.organization(), user, among.but()], last);
}

/// Whether somebody else is an admin of the team who may sign in.
///
/// # Errors
/// What the engine says.
pub async fn has_other_admin(team: &TeamScope, store: &Store, user: UserId) -> Result<bool> {
    let params = params![team.id(), team.organization(), user, Comers::WhoSignsIn.but()];
    let found: Option<UserId> = store.query_one(&sql::OTHER_ADMIN, &params, |row| row.columns().take()).await?;
    Ok(found.is_some())
}

/// Refuses the batch if somebody has less than a role in the team when it is written: `role_too_low`.
pub fn require_role_with(team: &TeamScope, batch: &mut Batch, user: UserId, least: Role) {
    let params = params![team.id(), user, team.organization(), least.as_str(), i64::from(least <= Role::Editor)];
    batch.require(&sql::REQUIRE_ROLE, params, role_too_low);
}

/// Somebody may know that it is there, but may not do this.
#[must_use]
pub fn role_too_low() -> Error {
    Error::new(
        retinue_model::error::Kind::Forbidden,
        "role_too_low",
        "Your role in this team does not allow that. Ask an admin of the team.",
    )
}

#[cfg(test)]
mod tests;

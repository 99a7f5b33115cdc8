//! Memberships that rules made: only these are reached here, and only those of one provider.

use jiff::Timestamp;
use retinue_model::membership::{Evidence, Membership, Role};
use retinue_model::{Error, Result, UserId};

use super::Comers;
use crate::batch::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::params;
use crate::{Store, TeamScope, Tenant, api_key, fault, invitation, team};

pub(crate) mod sql {
    super::statements! {
        // The same once more changes nothing.
        CHANGE = "UPDATE memberships SET role = $1, rule_group = $2, evidence_at = $3, updated_at = $3 \
            WHERE team_id = $4 AND user_id = $5 AND organization_id = $6 AND origin = 'rule' AND rule_provider = $7 \
            AND (role = $8 OR (role = $1 AND evidence_at = $3))";
        SEE = "UPDATE memberships SET rule_group = $1, evidence_at = $2 WHERE team_id = $3 AND user_id = $4 \
            AND organization_id = $5 AND origin = 'rule' AND rule_provider = $6 AND evidence_at < $2";
        KEEP = "UPDATE memberships SET updated_at = $1 WHERE team_id = $2 AND user_id = $3 \
            AND organization_id = $4 AND origin = 'rule' AND rule_provider = $5";
        // To come after the team is held. Written twice, there is none any more.
        IS_STILL_OURS = "UPDATE teams SET updated_at = updated_at WHERE id = $1 AND organization_id = $2 \
            AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.team_id = $1 AND m.user_id = $3 \
            AND (m.origin <> 'rule' OR m.rule_provider <> $4 OR m.role <> $5))";
        REMOVE = "DELETE FROM memberships WHERE team_id = $1 AND user_id = $2 AND organization_id = $3 \
            AND origin = 'rule' AND rule_provider = $4";
        LEFT_OVER = "SELECT DISTINCT m.user_id, m.rule_provider FROM memberships m WHERE m.organization_id = $1 \
            AND m.origin = 'rule' AND (m.user_id, m.rule_provider) > ($2, $3) AND NOT EXISTS (SELECT 1 FROM identities i \
            WHERE i.user_id = m.user_id AND i.provider = m.rule_provider) ORDER BY m.user_id, m.rule_provider LIMIT $4";
    }
}

/// What a rule gives somebody in a team.
#[derive(Clone, Debug)]
pub struct Given {
    /// To whom.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// By which group of which provider, now.
    pub evidence: Evidence,
}

/// The code for memberships that others changed since they were looked up.
const MOVED: &str = "membership_moved";

fn moved() -> Error {
    Error::conflict(MOVED, "Others change who belongs to these teams at this very moment. Try again.")
}

/// Whether others changed something first that makes another answer right: look again.
#[must_use]
pub fn is_passing(error: &Error) -> bool {
    // Of two last admins the other one went, or the team itself did.
    [MOVED, "last_admin", team::missing().code(), fault::gone().code()].contains(&error.code())
}

/// Makes somebody belong to a team by a rule, when the batch is written. Requires that they may come in, and do not belong to
/// it: see [`is_passing`].
pub fn insert_with(tenant: &Tenant, batch: &mut Batch, new: &Membership) {
    super::add_with(tenant, batch, new, moved);
}

/// Gives somebody another role by a rule, when the batch is written; lower than `before` only if they are not the last admin.
/// Requires that a rule of the same provider made the membership, with the role `before`: see [`is_passing`].
pub fn change_with(scope: &TeamScope, batch: &mut Batch, given: &Given, before: Role) {
    let Given { user, role, evidence } = given;
    if before == Role::Admin {
        super::keep_admin_with(scope, batch, *user, Comers::WhoSignsIn);
    }
    let params = params![
        role.as_str(),
        evidence.group.clone(),
        evidence.at,
        scope.id(),
        *user,
        scope.organization(),
        evidence.provider.clone(),
        before.as_str()
    ];
    batch.require(&sql::CHANGE, params, moved);
}

/// Notes that the provider says the same once more, when the batch is written, if a rule of it made the membership.
pub fn see_with(scope: &TeamScope, batch: &mut Batch, given: &Given) {
    let Given { user, evidence, .. } = given;
    let params = params![
        evidence.group.clone(),
        evidence.at,
        scope.id(),
        *user,
        scope.organization(),
        evidence.provider.clone()
    ];
    batch.write(&sql::SEE, params);
}

/// Notes that somebody was to go, and stays, when the batch is written.
pub fn keep_with(scope: &TeamScope, batch: &mut Batch, (user, provider): (UserId, &str), now: Timestamp) {
    batch.write(&sql::KEEP, params![now, scope.id(), user, scope.organization(), provider.to_owned()]);
}

/// Takes somebody out of a team by a rule, when the batch is written; not the last admin. Requires that a rule of the same
/// provider made the membership, with this role: see [`is_passing`].
pub fn remove_with(
    scope: &TeamScope,
    batch: &mut Batch,
    (user, provider): (UserId, &str),
    (role, now): (Role, Timestamp),
) {
    if role == Role::Admin {
        super::keep_admin_with(scope, batch, user, Comers::WhoSignsIn);
    } else {
        team::hold_with(scope, batch);
    }
    let still = params![scope.id(), scope.organization(), user, provider.to_owned(), role.as_str()];
    batch.require(&sql::IS_STILL_OURS, still, moved);
    batch.write(&sql::REMOVE, params![scope.id(), user, scope.organization(), provider.to_owned()]);
    api_key::revoke_of_leaver_with(scope, batch, user, now);
    invitation::revoke_of_leaver_with(scope, batch, user, now);
}

/// Of whom rules made a membership by the word of a provider from which they do not come any more, and of which one; some,
/// after a user and a provider.
///
/// # Errors
/// What the engine says.
pub async fn left_over(
    tenant: &Tenant,
    store: &Store,
    (user, provider): (UserId, &str),
    limit: i64,
) -> Result<Vec<(UserId, String)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    };
    store.query(&sql::LEFT_OVER, &params![tenant.id(), user, provider, limit], read).await
}

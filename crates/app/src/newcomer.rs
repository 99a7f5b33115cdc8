//! Somebody who becomes a user: they belong to the default team from then on.

use retinue_model::membership::{Membership, Origin, Role};
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::user::User;
use retinue_store::{Batch, Tenant, membership as memberships, user as users};

use crate::audit::Note;

/// Makes somebody a user, when the batch is written; `note` tells of it. Whoever runs the installation runs the default team
/// too.
pub(crate) fn add_with(
    tenant: &Tenant,
    batch: &mut Batch,
    (user, email_key): (&User, Option<String>),
    is_admin: bool,
    note: Note,
) {
    users::insert_with(tenant, batch, user, email_key);
    let membership = Membership {
        team_id: DEFAULT_TEAM,
        user_id: user.id,
        role: if is_admin { Role::Admin } else { Role::Viewer },
        origin: Origin::Default,
        evidence: None,
        created_at: user.created_at,
        updated_at: user.created_at,
    };
    memberships::insert_with(tenant, batch, &membership);
    let note = note.on("user", user.id).about(user.id).with("name", user.name.clone());
    note.with("organization_admin", is_admin).write(tenant, batch);
}

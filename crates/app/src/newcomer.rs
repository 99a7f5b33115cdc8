//! Somebody who becomes a user: they belong to the default team from then on.

use jiff::Timestamp;
use retinue_model::audit::{Action, Actor};
use retinue_model::credential::{Credential, PasswordHash};
use retinue_model::membership::{Membership, Origin, Role};
use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::user::User;
use retinue_model::{Email, Result, UserId};
use retinue_store::{Batch, Store, Tenant, credential as credentials, membership as memberships, user as users};

use crate::Visit;
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
    let role = if is_admin { Role::Admin } else { Role::Viewer };
    memberships::insert_with(tenant, batch, &membership(user.id, role, user.created_at));
    let note = note.on("user", user.id).about(user.id).with("name", user.name.clone());
    note.with("organization_admin", is_admin).write(tenant, batch);
}

fn membership(user_id: UserId, role: Role, now: Timestamp) -> Membership {
    Membership {
        team_id: DEFAULT_TEAM,
        user_id,
        role,
        origin: Origin::Default,
        evidence: None,
        created_at: now,
        updated_at: now,
    }
}

/// Lets somebody in again, when the batch is written. Whoever was taken out of all teams, as by offboarding, belongs to the
/// default one then, as newcomers do; `note` tells of that.
pub(crate) async fn let_in_with(
    (tenant, store): (&Tenant, &Store),
    batch: &mut Batch,
    (user, now): (UserId, Timestamp),
    note: Note,
) -> Result<()> {
    users::enable_with(tenant, batch, user, now);
    if memberships::of_user(tenant, store, user).await?.is_empty() {
        memberships::insert_with(tenant, batch, &membership(user, Role::Viewer, now));
        let note = note.on("team", DEFAULT_TEAM).of_team(DEFAULT_TEAM).about(user);
        note.with("role", Role::Viewer.as_str()).write(tenant, batch);
    }
    Ok(())
}

/// Somebody who becomes a user by an address.
pub(crate) struct Newcomer {
    /// What they are called.
    pub(crate) name: String,
    /// Whether they have opened a mail that went to their address.
    pub(crate) verified: bool,
    /// Whether nothing is known of their address but that they say it.
    pub(crate) claims: bool,
    /// What they sign in with, besides links.
    pub(crate) password: Option<PasswordHash>,
}

impl Newcomer {
    /// Adds them, when the batch is written.
    pub(crate) fn add_with(self, visit: &Visit, batch: &mut Batch, address: &Email) -> User {
        let now = visit.now();
        let user = User {
            id: visit.new_id(),
            organization_id: DEFAULT_ORGANIZATION,
            name: self.name,
            email: Some(address.as_str().to_owned()),
            email_verified: self.verified,
            organization_admin: false,
            disabled_at: None,
            created_at: now,
        };
        let credential =
            Credential { user_id: user.id, address: address.clone(), password_hash: self.password, updated_at: now };
        let note = visit.note((Actor::User(user.id), "session"), Action::UserCreated);
        add_with(&visit.tenant(), batch, (&user, Some(address.key())), false, note);
        credentials::set_password_with(&visit.tenant(), batch, &credential);
        if self.claims {
            credentials::claim_with(&visit.tenant(), batch, user.id, now);
        }
        user
    }
}

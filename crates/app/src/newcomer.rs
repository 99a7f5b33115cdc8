//! Somebody who becomes a user by an address.

use retinue_model::Email;
use retinue_model::credential::{Credential, PasswordHash};
use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::user::User;
use retinue_store::{Batch, credential as credentials, user as users};

use crate::Visit;

/// Somebody who becomes a user.
pub(crate) struct Newcomer {
    /// What they are called.
    pub(crate) name: String,
    /// Whether they have opened a mail that went to their address.
    pub(crate) verified: bool,
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
        users::insert_with(&visit.tenant(), batch, &user, Some(address.key()));
        credentials::set_password_with(&visit.tenant(), batch, &credential);
        user
    }
}

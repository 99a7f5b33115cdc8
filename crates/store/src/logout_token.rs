//! Logout tokens that were taken: each counts once (OpenID Connect Back-Channel Logout 1.0, section 2.6).

use jiff::Timestamp;
use uuid::Uuid;

use crate::batch::Batch;
use crate::statement::statements;
use crate::value::params;
use crate::{System, Tenant};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO logout_tokens (id, organization_id, provider, token_id, expires_at) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (id) DO NOTHING";
        FORGET = "DELETE FROM logout_tokens WHERE expires_at < $1";
    }
}

/// A token of a provider.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Tells this use of it from others.
    pub id: Uuid,
    /// The provider's name.
    pub provider: String,
    /// Its `jti`.
    pub token_id: String,
    /// When it would be refused for its age.
    pub expires_at: Timestamp,
}

/// Takes a token, when the batch is written; `logout_token_replayed` if it was taken before.
pub fn take_with(tenant: &Tenant, batch: &mut Batch, taken: Taken) {
    let Taken { id, provider, token_id, expires_at } = taken;
    batch.write(&sql::INSERT, params![id, tenant.id(), provider, token_id, expires_at]);
}

/// Forgets those that would be refused for their age, when the batch is written.
pub fn forget_with(_: &System, batch: &mut Batch, now: Timestamp) {
    batch.write(&sql::FORGET, params![now]);
}

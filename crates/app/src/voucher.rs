//! Whose word is taken for an address.
//!
//! With several providers each says of addresses what it likes: one that may not make somebody a user by an address may not
//! give anybody another's address either.

use retinue_model::identity::Identity;
use retinue_model::{Result, UserId};
use retinue_store::{Store, Tenant, credential, identity};

use crate::Auth;

/// Whether somebody who may says that this address, as it is compared, is this user's: a provider that is trusted with
/// addresses (the only one there is, or one with `link_by_email`), or the owner of the address, by a link that was sent there.
pub(crate) async fn vouches_for((auth, store): (&Auth, &Store), user: UserId, key: &str) -> Result<bool> {
    let tenant = Tenant::default_organization();
    let identities = identity::of_user(&tenant, store, user).await?;
    if identities.iter().any(|identity| is_good(auth, identity, key)) {
        return Ok(true);
    }
    let found = credential::of_user(&tenant, store, user).await?;
    Ok(found.is_some_and(|found| found.address_verified && found.credential.address.key() == key))
}

fn is_good(auth: &Auth, identity: &Identity, key: &str) -> bool {
    let has_address = identity.email_key().as_deref() == Some(key);
    // What a provider said that had the same name before counts no more.
    let is_trusted = auth.trusted_with_addresses().has(&identity.provider, &identity.issuer);
    has_address && identity.email_verified && is_trusted
}

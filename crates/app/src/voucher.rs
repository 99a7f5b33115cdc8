//! Whose word is taken for an address.
//!
//! With several providers each says of addresses what it likes: one that may not make somebody a user by an address may not
//! give anybody another's address either.

use retinue_model::identity::Identity;
use retinue_model::{Result, UserId};
use retinue_store::{credential, identity};

use crate::App;

/// Whether somebody who may says that this address, as it is compared, is this user's: a provider that is trusted with
/// addresses (the only one there is, or one with `link_by_email`), or the owner of the address, by a link that was sent there.
pub(crate) async fn vouches_for(app: &App, user: UserId, key: &str) -> Result<bool> {
    let identities = identity::of_user(&app.tenant(), &app.store, user).await?;
    if identities.iter().any(|identity| is_good(app, identity, key)) {
        return Ok(true);
    }
    let found = credential::of_user(&app.tenant(), &app.store, user).await?;
    Ok(found.is_some_and(|found| found.address_verified && found.credential.address.key() == key))
}

fn is_good(app: &App, identity: &Identity, key: &str) -> bool {
    let has_address = identity.email_key().as_deref() == Some(key);
    // What a provider said that had the same name before counts no more.
    let is_trusted = app.auth.trusted_with_addresses().has(&identity.provider, &identity.issuer);
    has_address && identity.email_verified && is_trusted
}

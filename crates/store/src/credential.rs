//! Ways in by address, in storage.

use jiff::Timestamp;
use retinue_model::credential::{Credential, PasswordHash};
use retinue_model::{Email, Error, Result, UserId};

use crate::batch::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::params;
use crate::{Store, System, Tenant};

pub(crate) mod sql {
    super::statements! {
        BY_ADDRESS = "SELECT c.user_id, c.address, c.password_hash, c.updated_at, c.address_verified_at, c.claimed_at, u.disabled_at \
            FROM credentials c JOIN users u ON u.id = c.user_id WHERE c.organization_id = $1 AND c.address = $2";
        OF_USER = "SELECT c.user_id, c.address, c.password_hash, c.updated_at, c.address_verified_at, c.claimed_at, u.disabled_at \
            FROM credentials c JOIN users u ON u.id = c.user_id WHERE c.user_id = $1 AND c.organization_id = $2";
        // A user of another organization is not there.
        SET_PASSWORD = "INSERT INTO credentials (user_id, organization_id, address, password_hash, updated_at) \
            SELECT id, organization_id, $1, $2, $3 FROM users WHERE id = $4 AND organization_id = $5 \
            ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash, updated_at = excluded.updated_at";
        // The same use may be written down again, when the new hash is there already.
        CONFIRM_PASSWORD = "UPDATE credentials SET password_hash = $1 \
            WHERE user_id = $2 AND organization_id = $3 AND password_hash IN ($4, $1)";
        CONFIRM_FIRST_PASSWORD = "UPDATE credentials SET password_hash = $1 \
            WHERE user_id = $2 AND organization_id = $3 AND (password_hash IS NULL OR password_hash = $1)";
        LETS_IN = "SELECT c.user_id FROM credentials c JOIN users u ON u.id = c.user_id WHERE c.organization_id = $1 \
            AND u.disabled_at IS NULL AND (c.password_hash IS NOT NULL OR CAST($2 AS BIGINT) = 1) LIMIT 1";
        // A PHC string without its salt and its output, which are after its last two signs: what one is like another in.
        EXAMPLES = "SELECT MIN(password_hash) FROM credentials kept WHERE password_hash IS NOT NULL \
            AND EXISTS (SELECT 1 FROM users u WHERE u.id = kept.user_id AND u.disabled_at IS NULL) \
            GROUP BY rtrim(rtrim(rtrim(password_hash, replace(password_hash, '$', '')), '$'), \
            replace(password_hash, '$', '')) ORDER BY COUNT(*) DESC, 1 LIMIT $1";
        // Only a mail that went there leads to it.
        CHANGE_ADDRESS = "UPDATE credentials SET address = $1, address_verified_at = $2, updated_at = $2 \
            WHERE user_id = $3 AND organization_id = $4";
        // What was there before anybody showed that the address is theirs.
        DROP_PASSWORD = "UPDATE credentials SET password_hash = NULL, updated_at = $1 \
            WHERE user_id = $2 AND organization_id = $3 AND address = $4 AND address_verified_at IS NULL";
        DROP_IDENTITIES = "DELETE FROM identities WHERE user_id = $1 AND organization_id = $2 AND EXISTS (SELECT 1 \
            FROM credentials c WHERE c.user_id = $1 AND c.address = $3 AND c.address_verified_at IS NULL)";
        CLAIM = "UPDATE credentials SET claimed_at = $1 WHERE user_id = $2 AND organization_id = $3";
        VERIFY = "UPDATE credentials SET address_verified_at = $1 \
            WHERE user_id = $2 AND organization_id = $3 AND address = $4";
    }
}

/// A credential, with what must be known of its user before it opens anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The credential.
    pub credential: Credential,
    /// Whether the user has opened a mail that went to its address.
    pub address_verified: bool,
    /// Whether somebody merely said that the address is theirs when they became a user.
    pub is_claimed: bool,
    /// When the user was disabled, if they are.
    pub disabled_at: Option<Timestamp>,
}

fn read(row: &Row<'_>) -> Result<Found> {
    let mut columns = row.columns();
    let credential = Credential {
        user_id: columns.take()?,
        address: Email::new(&columns.take::<String>()?).map_err(Error::internal)?,
        password_hash: columns.take::<Option<String>>()?.map(PasswordHash::new),
        updated_at: columns.take()?,
    };
    let (verified_at, claimed_at): (Option<Timestamp>, Option<Timestamp>) = (columns.take()?, columns.take()?);
    let (address_verified, is_claimed) = (verified_at.is_some(), claimed_at.is_some());
    Ok(Found { credential, address_verified, is_claimed, disabled_at: columns.take()? })
}

impl Found {
    /// Whether the address says who is meant: its user has shown that it is theirs, or whoever has the machine gave it to them.
    #[must_use]
    pub const fn names_its_user(&self) -> bool {
        self.address_verified || !self.is_claimed
    }
}

fn no_user() -> Error {
    Error::not_found("user")
}

fn no_credential() -> Error {
    Error::not_found("way in by address")
}

/// Who signs in with an address.
///
/// # Errors
/// What the engine says.
pub async fn by_address(tenant: &Tenant, store: &Store, address: &Email) -> Result<Option<Found>> {
    store.query_one(&sql::BY_ADDRESS, &params![tenant.id(), address.key()], read).await
}

/// A user's credential, if they have one.
///
/// # Errors
/// What the engine says.
pub async fn of_user(tenant: &Tenant, store: &Store, user: UserId) -> Result<Option<Found>> {
    store.query_one(&sql::OF_USER, &params![user, tenant.id()], read).await
}

/// Gives a user a credential, or another password to the one that they have, whose address stays, when the batch is
/// written. Requires that there is such a user: `not_found`; and that the address is nobody else's: `address_taken`.
pub fn set_password_with(tenant: &Tenant, batch: &mut Batch, credential: &Credential) {
    let hash = credential.password_hash.as_ref().map(|hash| hash.as_str().to_owned());
    let params = params![credential.address.key(), hash, credential.updated_at, credential.user_id, tenant.id()];
    batch.require(&sql::SET_PASSWORD, params, no_user);
}

/// Notes, when the batch is written, that of a user's address nothing is known but that they say it.
pub fn claim_with(tenant: &Tenant, batch: &mut Batch, user: UserId, now: Timestamp) {
    batch.write(&sql::CLAIM, params![now, user, tenant.id()]);
}

/// Requires, when the batch is written, that a user's password is still the one of `old`, and keeps it as `new`: `not_found`
/// if another one was set meanwhile.
pub fn confirm_password_with(
    tenant: &Tenant,
    batch: &mut Batch,
    user: UserId,
    (old, new): (&PasswordHash, &PasswordHash),
) {
    let params = params![new.as_str().to_owned(), user, tenant.id(), old.as_str().to_owned()];
    batch.require(&sql::CONFIRM_PASSWORD, params, no_credential);
}

/// Requires, when the batch is written, that a user has no password yet, and gives them this one: `not_found` if one was set
/// meanwhile.
pub fn confirm_first_password_with(tenant: &Tenant, batch: &mut Batch, user: UserId, new: &PasswordHash) {
    let params = params![new.as_str().to_owned(), user, tenant.id()];
    batch.require(&sql::CONFIRM_FIRST_PASSWORD, params, no_credential);
}

/// Whether anybody who is not disabled can sign in by address: with a password, or also with none where links are sent.
///
/// # Errors
/// What the engine says.
pub async fn lets_anybody_in(tenant: &Tenant, store: &Store, by_link: bool) -> Result<bool> {
    let params = params![tenant.id(), i64::from(by_link)];
    let found: Option<UserId> = store.query_one(&sql::LETS_IN, &params, |row| row.columns().take()).await?;
    Ok(found.is_some())
}

/// Takes a user's password and identities away, when the batch is written, if they sign in with this address, as it is compared,
/// and nobody has opened a mail that went there. Of sessions only those of these identities go too. To come before that is noted,
/// before other sessions are ended, and before another password is set.
pub fn shut_with(tenant: &Tenant, batch: &mut Batch, user: UserId, key: &str, now: Timestamp) {
    batch.write(&sql::DROP_PASSWORD, params![now, user, tenant.id(), key.to_owned()]);
    batch.write(&sql::DROP_IDENTITIES, params![user, tenant.id(), key.to_owned()]);
}

/// How many ways to keep passwords are told.
const MOST_EXAMPLES: i64 = 8;

/// The password of somebody who may come in, for each way in which such are kept, the most frequent first. Reads all there
/// are.
///
/// # Errors
/// What the engine says.
pub async fn examples(_system: &System, store: &Store) -> Result<Vec<PasswordHash>> {
    let read = |row: &Row<'_>| row.columns().take().map(PasswordHash::new);
    store.query_long(&sql::EXAMPLES, params![MOST_EXAMPLES].into(), read).await
}

/// Notes that a user has opened a mail that went to an address, as it is compared, when the batch is written, if it is the
/// one that they sign in with.
pub(crate) fn verify_with(tenant: &Tenant, batch: &mut Batch, user: UserId, key: String, now: Timestamp) {
    batch.write(&sql::VERIFY, params![now, user, tenant.id(), key]);
}

/// Lets a user sign in with another address, to which a mail went that they opened, when the batch is written. Requires that they have a credential:
/// `not_found`; and that the address is nobody else's: `address_taken`.
pub fn change_address_with(tenant: &Tenant, batch: &mut Batch, user: UserId, address: &Email, now: Timestamp) {
    batch.require(&sql::CHANGE_ADDRESS, params![address.key(), now, user, tenant.id()], no_credential);
}

#[cfg(test)]
mod tests;

//! One-time tokens in storage: their hashes, never they themselves.

use jiff::Timestamp;
use retinue_model::one_time_token::{MAX_CODE_ATTEMPTS, OneTimeToken, Purpose};
use retinue_model::{Email, Error, OneTimeTokenId, Result, UserId};
use uuid::Uuid;

use crate::batch::Batch;
use crate::row::Row;
use crate::statement::statements;
use crate::value::{Value, params};
use crate::{Store, System, Tenant};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO one_time_tokens (id, organization_id, user_id, purpose, token_hash, code_hash, attempts, \
            address, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING";
        BY_HASH = "SELECT id, user_id, purpose, token_hash, code_hash, attempts, address, created_at, expires_at, used_at \
            FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2 AND organization_id = $3";
        NEWEST = "SELECT id, user_id, purpose, token_hash, code_hash, attempts, address, created_at, expires_at, used_at \
            FROM one_time_tokens WHERE address = $1 AND purpose = $2 AND organization_id = $3 \
            ORDER BY created_at DESC, id DESC LIMIT 1";
        // The same use may be written down again; another one may not.
        SPEND = "UPDATE one_time_tokens SET used_at = $1, used_by = $2 WHERE id = $3 AND organization_id = $4 \
            AND ((used_at IS NULL AND expires_at > $1) OR used_by = $2)";
        TRY_CODE = "UPDATE one_time_tokens SET attempts = attempts + 1 WHERE id = $1 AND organization_id = $2 \
            AND used_at IS NULL AND expires_at > $3 AND code_hash IS NOT NULL AND attempts < $4";
        CLOSE = "UPDATE one_time_tokens SET used_at = $1 WHERE address = $2 AND purpose = $3 AND organization_id = $4 \
            AND used_at IS NULL";
        CLOSE_OF_USER = "UPDATE one_time_tokens SET used_at = $1 WHERE user_id = $2 AND purpose = $3 \
            AND organization_id = $4 AND id <> $5 AND used_at IS NULL";
        EXPIRED = "SELECT attempts FROM one_time_tokens WHERE expires_at <= $1 LIMIT 1";
        DELETE_EXPIRED = "DELETE FROM one_time_tokens WHERE id IN \
            (SELECT id FROM one_time_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    }
}

/// How many are deleted at once, so that nobody waits long for it.
const DELETED_AT_ONCE: i64 = 1_000;

fn read(row: &Row<'_>) -> Result<OneTimeToken> {
    let mut columns = row.columns();
    Ok(OneTimeToken {
        id: columns.take()?,
        user_id: columns.take()?,
        purpose: Purpose::stored(&columns.take::<String>()?)?,
        token_hash: hash(columns.take()?)?,
        code_hash: columns.take::<Option<Vec<u8>>>()?.map(hash).transpose()?,
        attempts: columns.take()?,
        address: Email::new(&columns.take::<String>()?).map_err(Error::internal)?,
        created_at: columns.take()?,
        expires_at: columns.take()?,
        used_at: columns.take()?,
    })
}

fn hash(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| Error::internal("a stored hash is not of SHA-256"))
}

fn spent() -> Error {
    Error::conflict("token_spent", "This was used already, or it is too old. Ask for a new one.")
}

fn dead() -> Error {
    Error::conflict("code_dead", "This code does not work any more. Ask for a new one, or open the link in the mail.")
}

/// Adds a token, when the batch is written.
pub fn insert_with(tenant: &Tenant, batch: &mut Batch, token: &OneTimeToken) {
    batch.write(
        &sql::INSERT,
        params![
            token.id,
            tenant.id(),
            token.user_id,
            token.purpose.as_str(),
            token.token_hash,
            token.code_hash,
            token.attempts,
            token.address.key(),
            token.created_at,
            token.expires_at
        ],
    );
}

/// The token with this hash, also one that was used or is too old: it tells what to say.
///
/// # Errors
/// What the engine says.
pub async fn by_hash(
    tenant: &Tenant,
    store: &Store,
    purpose: Purpose,
    hash: &[u8; 32],
) -> Result<Option<OneTimeToken>> {
    store.query_one(&sql::BY_HASH, &params![hash, purpose.as_str(), tenant.id()], read).await
}

/// The last token that was sent to an address: the only one whose code may be typed.
///
/// # Errors
/// What the engine says.
pub async fn newest(tenant: &Tenant, store: &Store, purpose: Purpose, address: &Email) -> Result<Option<OneTimeToken>> {
    store.query_one(&sql::NEWEST, &params![address.key(), purpose.as_str(), tenant.id()], read).await
}

/// Uses a token up, when the batch is written, together with what it opens. Requires that it is open: `token_spent`. Of
/// two who come at once one gets it. `by` names this use alone, and bears that its batch is written twice.
pub fn spend_with(tenant: &Tenant, batch: &mut Batch, id: OneTimeTokenId, by: Uuid, now: Timestamp) {
    batch.require(&sql::SPEND, [Value::from(now), Value::Uuid(by), Value::from(id), Value::from(tenant.id())], spent);
}

/// Counts an attempt at a token's code, when the batch is written. To be written *before* the code is compared, so that
/// as many as come at once have no more attempts than one who comes after the other. Requires that there is an attempt
/// left: `code_dead`. Written twice it takes two, which errs on the safe side.
pub fn try_code_with(tenant: &Tenant, batch: &mut Batch, id: OneTimeTokenId, now: Timestamp) {
    batch.require(&sql::TRY_CODE, params![id, tenant.id(), now, MAX_CODE_ATTEMPTS], dead);
}

/// Makes all open tokens of a purpose worthless that went to an address, when the batch is written. Those that the batch
/// uses itself come before.
pub fn close_with(tenant: &Tenant, batch: &mut Batch, purpose: Purpose, address: &Email, now: Timestamp) {
    batch.write(&sql::CLOSE, params![now, address.key(), purpose.as_str(), tenant.id()]);
}

/// Makes all open tokens of a purpose worthless that are for a user, whichever address they went to, but for one if there is
/// to be one, when the batch is written. Those that the batch uses itself come before.
pub fn close_of_user_with(
    tenant: &Tenant,
    batch: &mut Batch,
    (purpose, user): (Purpose, UserId),
    (but, now): (Option<OneTimeTokenId>, Timestamp),
) {
    let but = but.unwrap_or(OneTimeTokenId::new(Uuid::nil()));
    batch.write(&sql::CLOSE_OF_USER, params![now, user, purpose.as_str(), tenant.id(), but]);
}

/// Whether there are tokens that are too old.
///
/// # Errors
/// What the engine says.
pub async fn has_expired(_system: &System, store: &Store, now: Timestamp) -> Result<bool> {
    let found: Option<i64> = store.query_one(&sql::EXPIRED, &params![now], |row| row.columns().take()).await?;
    Ok(found.is_some())
}

/// Deletes tokens that are too old, some at a time, when the batch is written.
pub fn delete_expired_with(_system: &System, batch: &mut Batch, now: Timestamp) {
    batch.write(&sql::DELETE_EXPIRED, params![now, DELETED_AT_ONCE]);
}

#[cfg(test)]
mod tests;

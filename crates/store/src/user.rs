//! Users in storage.

use jiff::Timestamp;
use retinue_model::error::Kind;
use retinue_model::user::User;
use retinue_model::{Error, Result, ThreadId, UserId};

use crate::batch::Batch;
use crate::identity::Trusted;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::params;
use crate::{Scope, Store, Tenant, credential};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO users (id, organization_id, name, email, email_key, email_verified, organization_admin, \
            created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
        GET = "SELECT id, organization_id, name, email, email_verified, organization_admin, disabled_at, created_at \
            FROM users WHERE id = $1 AND organization_id = $2";
        BY_VOUCHED_EMAIL = "SELECT u.id, u.organization_id, u.name, u.email, u.email_verified, u.organization_admin, \
            u.disabled_at, u.created_at FROM users u WHERE u.organization_id = $1 AND u.email_key = $2 AND u.email_verified = $3 \
            AND (EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id AND i.email_verified = $3 AND i.email_key = $2 \
            AND REPLACE($4, '|' || i.provider || ' ' || i.issuer || '|', '') <> $4) \
            OR EXISTS (SELECT 1 FROM credentials c WHERE c.user_id = u.id AND c.address = $2 AND c.address_verified_at IS NOT NULL)) \
            ORDER BY u.created_at, u.id LIMIT 2";
        LIST = "SELECT id, organization_id, name, email, email_verified, organization_admin, disabled_at, created_at \
            FROM users WHERE organization_id = $1 AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4";
        BY_EMAIL = "SELECT id, organization_id, name, email, email_verified, organization_admin, disabled_at, created_at \
            FROM users WHERE organization_id = $1 AND email_key = $2 AND id > $3 ORDER BY id LIMIT $4";
        BY_NAME = sqlite "SELECT id, organization_id, name, email, email_verified, organization_admin, disabled_at, created_at \
            FROM users WHERE organization_id = $1 AND lower(name) >= $2 AND (lower(name), id) > ($2, $3) AND lower(name) < $4 \
            ORDER BY lower(name), id LIMIT $5"
            postgres "SELECT id, organization_id, name, email, email_verified, organization_admin, disabled_at, created_at \
            FROM users WHERE organization_id = $1 AND lower(name COLLATE \"C\") >= $2 \
            AND (lower(name COLLATE \"C\"), id) > ($2, $3) AND lower(name COLLATE \"C\") < $4 \
            ORDER BY lower(name COLLATE \"C\"), id LIMIT $5";
        NAMES = sqlite "SELECT id, name FROM users WHERE (organization_id = $1) IS TRUE AND id IN (SELECT unhex(value) FROM json_each($2))"
            postgres "SELECT id, name FROM users WHERE organization_id = $1 AND id IN \
            (SELECT CAST(value AS uuid) FROM json_array_elements_text(CAST(CAST($2 AS TEXT) AS json)))";
        RENAME = "UPDATE users SET name = $1, updated_at = $2 WHERE id = $3 AND organization_id = $4";
        DESCRIBE = "UPDATE users SET name = $1, email = $2, email_key = $3, email_verified = $4, updated_at = $5 \
            WHERE id = $6 AND organization_id = $7";
        ADDRESS = "UPDATE users SET email = $1, email_key = $2, email_verified = $3, updated_at = $4 \
            WHERE id = $5 AND organization_id = $6";
        VERIFY = "UPDATE users SET email_verified = $1, updated_at = $2 \
            WHERE id = $3 AND organization_id = $4 AND email_key = $5";
        DISABLE = "UPDATE users SET disabled_at = COALESCE(disabled_at, $1), updated_at = $1 WHERE id = $2 AND organization_id = $3";
        REQUIRE_ENABLED = "UPDATE users SET disabled_at = NULL WHERE id = $1 AND organization_id = $2 AND disabled_at IS NULL";
        ENABLE = "UPDATE users SET disabled_at = NULL, updated_at = $1 WHERE id = $2 AND organization_id = $3";
        MAKE_ADMIN = "UPDATE users SET organization_admin = $1, updated_at = $2 WHERE id = $3 AND organization_id = $4";
        REQUIRE_ADMIN = "UPDATE users SET organization_admin = organization_admin WHERE id = $1 AND organization_id = $2 \
            AND organization_admin = $3";
        REQUIRE_OTHER_ADMIN = "UPDATE users SET organization_admin = organization_admin WHERE organization_id = $1 \
            AND id <> $2 AND disabled_at IS NULL AND organization_admin = $3";
        // Who begins a conversation refers to its owner, and who begins an answer holds its conversation: one of the two
        // waits for the other. An UPDATE of PostgreSQL's would not keep others from referring to the row.
        HOLD_OWNER = sqlite "UPDATE users SET organization_admin = organization_admin WHERE id = $1 AND organization_id = $2"
        postgres "WITH held AS (SELECT id FROM users WHERE id = $1 AND organization_id = $2 FOR UPDATE) \
            UPDATE users SET organization_admin = organization_admin FROM held WHERE users.id = held.id";
        HOLD_THREADS = "UPDATE threads SET owner_user_id = owner_user_id WHERE owner_user_id = $1 AND organization_id = $2";
        REQUIRE_IDLE = "UPDATE users SET organization_admin = organization_admin WHERE id = $1 AND organization_id = $2 \
            AND NOT EXISTS (SELECT 1 FROM threads t JOIN runs r ON r.thread_id = t.id \
            WHERE t.owner_user_id = $1 AND r.status IN ('queued', 'running'))";
        HAND_OVER = "UPDATE threads SET owner_user_id = $1 WHERE owner_user_id = $2 AND organization_id = $3";
        COUNT_THREADS = "SELECT COUNT(*) FROM threads WHERE owner_user_id = $1 AND organization_id = $2";
        HAS_THREADS = "SELECT id FROM threads WHERE owner_user_id = $1 AND organization_id = $2 LIMIT 1";
    }
}

/// How a person is described; who they are is another matter.
#[derive(Clone, Debug)]
pub struct Description {
    /// What they are called.
    pub name: String,
    /// The address.
    pub email: Option<String>,
    /// The address, as it is compared.
    pub email_key: Option<String>,
    /// Whether somebody who should know said that it is theirs.
    pub email_verified: bool,
}

impl Description {
    /// Whether somebody is described in other words than these.
    #[must_use]
    pub fn differs_from(&self, user: &User) -> bool {
        (&self.name, &self.email, self.email_verified) != (&user.name, &user.email, user.email_verified)
    }
}

/// An address that somebody is described with.
#[derive(Clone, Debug)]
pub struct Address {
    /// As it is written.
    pub email: Option<String>,
    /// As it is compared.
    pub key: Option<String>,
    /// Whether somebody who should know said that it is theirs.
    pub verified: bool,
}

pub(crate) fn read(columns: &mut Columns<'_>) -> Result<User> {
    Ok(User {
        id: columns.take()?,
        organization_id: columns.take()?,
        name: columns.take()?,
        email: columns.take()?,
        email_verified: columns.take()?,
        organization_admin: columns.take()?,
        disabled_at: columns.take()?,
        created_at: columns.take()?,
    })
}

fn read_row(row: &Row<'_>) -> Result<User> {
    read(&mut row.columns())
}

/// No user has this id.
#[must_use]
pub fn missing() -> Error {
    Error::not_found("user")
}

/// This user is shut out.
#[must_use]
pub fn disabled() -> Error {
    Error::new(
        Kind::Forbidden,
        "user_disabled",
        "Your account is disabled here. Ask whoever runs this server to enable it.",
    )
}

/// Adds a user, when the batch is written.
pub fn insert_with(tenant: &Tenant, batch: &mut Batch, user: &User, email_key: Option<String>) {
    batch.write(
        &sql::INSERT,
        params![
            user.id,
            tenant.id(),
            user.name.clone(),
            user.email.clone(),
            email_key,
            user.email_verified,
            user.organization_admin,
            user.created_at,
            user.created_at
        ],
    );
}

/// One user.
///
/// # Errors
/// What the engine says.
pub async fn get(tenant: &Tenant, store: &Store, id: UserId) -> Result<Option<User>> {
    store.query_one(&sql::GET, &params![id, tenant.id()], read_row).await
}

/// Users whose verified address this is, by the word of one of these providers or of a mail that went there; two at most:
/// one alone may be meant.
///
/// # Errors
/// What the engine says.
pub async fn by_vouched_email(tenant: &Tenant, store: &Store, email_key: &str, by: &Trusted) -> Result<Vec<User>> {
    store.query(&sql::BY_VOUCHED_EMAIL, &params![tenant.id(), email_key, true, by.text()], read_row).await
}

/// Users, the oldest first, after one of them.
///
/// # Errors
/// What the engine says.
pub async fn list(tenant: &Tenant, store: &Store, after: Option<(Timestamp, UserId)>, limit: i64) -> Result<Vec<User>> {
    let (time, id) = after.unwrap_or((Timestamp::UNIX_EPOCH, UserId::new(uuid::Uuid::nil())));
    store.query(&sql::LIST, &params![tenant.id(), time, id, limit], read_row).await
}

/// Users who are described with this address, by their ids, after one of them.
///
/// # Errors
/// What the engine says.
pub async fn by_email(
    tenant: &Tenant,
    store: &Store,
    email_key: &str,
    (after, limit): (Option<UserId>, i64),
) -> Result<Vec<User>> {
    let after = after.unwrap_or(UserId::new(uuid::Uuid::nil()));
    store.query(&sql::BY_EMAIL, &params![tenant.id(), email_key, after, limit], read_row).await
}

/// Users whose name begins so, whatever the case of A to Z, by name, after one of them.
///
/// # Errors
/// What the engine says.
pub async fn by_name(
    tenant: &Tenant,
    store: &Store,
    begins: &str,
    (after, limit): (Option<(String, UserId)>, i64),
) -> Result<Vec<User>> {
    let begins = begins.to_ascii_lowercase();
    // What begins so comes before this, in the order of the bytes.
    let end = format!("{begins}{}", char::MAX);
    let (name, id) = after.unwrap_or((begins, UserId::new(uuid::Uuid::nil())));
    let params = params![tenant.id(), name.to_ascii_lowercase(), id, end, limit];
    store.query(&sql::BY_NAME, &params, read_row).await
}

/// What these are called, of those who are still here.
///
/// # Errors
/// What the engine says.
pub async fn names(tenant: &Tenant, store: &Store, ids: &[UserId]) -> Result<Vec<(UserId, String)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    };
    store.query(&sql::NAMES, &params![tenant.id(), crate::value::id_list(ids)], read).await
}

/// Gives somebody another name, when the batch is written. Requires that there is such a user: `not_found`.
pub fn rename_with(scope: &Scope, batch: &mut Batch, name: String, now: Timestamp) {
    batch.require(&sql::RENAME, params![name, now, scope.owner(), scope.organization()], missing);
}

/// Describes a user anew, when the batch is written. Requires that there is such a user: `not_found`.
pub fn describe_with(tenant: &Tenant, batch: &mut Batch, id: UserId, person: &Description, now: Timestamp) {
    let Description { name, email, email_key, email_verified } = person.clone();
    let params = params![name, email, email_key, email_verified, now, id, tenant.id()];
    batch.require(&sql::DESCRIBE, params, missing);
}

/// Describes a user with another address, when the batch is written. Requires that there is such a user: `not_found`.
pub fn address_with(tenant: &Tenant, batch: &mut Batch, id: UserId, address: Address, now: Timestamp) {
    let Address { email, key, verified } = address;
    batch.require(&sql::ADDRESS, params![email, key, verified, now, id, tenant.id()], missing);
}

/// Notes that somebody has opened a mail that went to an address, when the batch is written, if it is the one they are
/// described with, and if it is the one they sign in with.
pub fn verify_with(tenant: &Tenant, batch: &mut Batch, id: UserId, email_key: String, now: Timestamp) {
    credential::verify_with(tenant, batch, id, email_key.clone(), now);
    batch.write(&sql::VERIFY, params![true, now, id, tenant.id(), email_key]);
}

/// Shuts somebody out, when the batch is written. Requires that there is such a user: `not_found`.
pub fn disable_with(tenant: &Tenant, batch: &mut Batch, id: UserId, now: Timestamp) {
    batch.require(&sql::DISABLE, params![now, id, tenant.id()], missing);
}

/// Refuses the batch if somebody is shut out: `user_disabled`. Until it is written nobody else can shut them out.
pub fn require_enabled_with(tenant: &Tenant, batch: &mut Batch, id: UserId) {
    batch.require(&sql::REQUIRE_ENABLED, params![id, tenant.id()], disabled);
}

/// Lets somebody in again, when the batch is written. Requires that there is such a user: `not_found`.
pub fn enable_with(tenant: &Tenant, batch: &mut Batch, id: UserId, now: Timestamp) {
    batch.require(&sql::ENABLE, params![now, id, tenant.id()], missing);
}

/// Makes somebody an administrator of the organization or takes that back, when the batch is written. Requires that there
/// is such a user: `not_found`.
pub fn make_admin_with(tenant: &Tenant, batch: &mut Batch, id: UserId, (admin, now): (bool, Timestamp)) {
    batch.require(&sql::MAKE_ADMIN, params![admin, now, id, tenant.id()], missing);
}

/// This user does not run the installation.
#[must_use]
pub fn not_an_admin() -> Error {
    Error::new(Kind::Forbidden, "forbidden", "Only an administrator may do this.")
}

/// Refuses the batch if nobody made somebody an administrator: `forbidden`. Until it is written nobody else can take that
/// back.
pub fn require_admin_with(tenant: &Tenant, batch: &mut Batch, id: UserId) {
    batch.require(&sql::REQUIRE_ADMIN, params![id, tenant.id(), true], not_an_admin);
}

fn last_admin() -> Error {
    Error::conflict(
        "last_admin",
        "Nobody else runs the installation. Make somebody else an administrator first: `retinue user grant-admin`.",
    )
}

/// Refuses the batch if somebody may not come in whom the configuration declares an administrator: `last_admin`. Until it is
/// written nobody else can shut them out.
pub fn require_admin_to_come_with(tenant: &Tenant, batch: &mut Batch, id: UserId) {
    batch.require(&sql::REQUIRE_ENABLED, params![id, tenant.id()], last_admin);
}

/// Refuses the batch if nobody else of the organization is an administrator who may come in: `last_admin`.
pub fn require_other_admin_with(tenant: &Tenant, batch: &mut Batch, id: UserId) {
    batch.require(&sql::REQUIRE_OTHER_ADMIN, params![tenant.id(), id, true], last_admin);
}

fn under_way() -> Error {
    Error::conflict(
        "run_in_progress",
        "An answer is under way in one of these conversations. Wait until it is there, or stop the server, and try again.",
    )
}

/// Refuses the batch if an answer is under way in a conversation of a user: `run_in_progress`. Until it is written no answer
/// begins, and no conversation.
pub fn require_idle_with(tenant: &Tenant, batch: &mut Batch, id: UserId) {
    // In this order: of conversations that begin meanwhile none must be missed.
    hold_owner_with(tenant, batch, id);
    batch.write(&sql::HOLD_THREADS, params![id, tenant.id()]);
    batch.require(&sql::REQUIRE_IDLE, params![id, tenant.id()], under_way);
}

/// Lets no conversation of a user begin until the batch is written, and waits for those that are about to.
pub(crate) fn hold_owner_with(tenant: &Tenant, batch: &mut Batch, id: UserId) {
    batch.write(&sql::HOLD_OWNER, params![id, tenant.id()]);
}

/// Gives all conversations of one user to another, when the batch is written.
pub fn hand_over_with(tenant: &Tenant, batch: &mut Batch, from: UserId, to: UserId) {
    batch.write(&sql::HAND_OVER, params![to, from, tenant.id()]);
}

/// How many conversations a user has. Which, only they can ask.
///
/// # Errors
/// What the engine says.
pub async fn count_threads(tenant: &Tenant, store: &Store, id: UserId) -> Result<i64> {
    let params = params![id, tenant.id()];
    let count = store.query_one(&sql::COUNT_THREADS, &params, |row| row.columns().take()).await?;
    Ok(count.unwrap_or(0))
}

/// Whether somebody has any conversation.
///
/// # Errors
/// What the engine says.
pub async fn has_threads(tenant: &Tenant, store: &Store, id: UserId) -> Result<bool> {
    let found: Option<ThreadId> =
        store.query_one(&sql::HAS_THREADS, &params![id, tenant.id()], |row| row.columns().take()).await?;
    Ok(found.is_some())
}

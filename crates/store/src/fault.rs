//! What a database's error means to whoever asked.

use retinue_model::error::Kind;
use retinue_model::{Error, Result};
use rusqlite::ErrorCode;
use tokio_postgres::error::SqlState;

pub(crate) const RUN_IN_PROGRESS: &str =
    "An answer is still being written in this conversation. Wait for it or stop it first.";

/// The code for what comes too late to a run.
pub(crate) const ENDED: &str = "run_ended";

/// The code for an identity that was written down a moment ago.
pub(crate) const IDENTITY_TAKEN: &str = "identity_taken";

/// Constraints that a correct client can run into, with what that means. Each is found by its PostgreSQL name or by
/// the columns that SQLite names instead.
const CONFLICTS: [(&str, &str, &str, &str); 8] = [
    ("runs_one_active", "runs.thread_id", "run_in_progress", RUN_IN_PROGRESS),
    (
        "messages_position",
        "messages.thread_id, messages.position",
        "run_in_progress",
        "Something else was just said in this conversation. Look at it, then send again.",
    ),
    (
        "identities_subject",
        "identities.provider, identities.issuer, identities.subject",
        IDENTITY_TAKEN,
        "This identity belongs to somebody already.",
    ),
    (
        "logout_tokens_id",
        "logout_tokens.provider, logout_tokens.token_id",
        "logout_token_replayed",
        "This logout token was used before.",
    ),
    (
        "credentials_address",
        "credentials.organization_id, credentials.address",
        "address_taken",
        "Somebody signs in with this address already. Choose another one.",
    ),
    ("teams_slug", "teams.organization_id, teams.slug", "slug_taken", SLUG_TAKEN),
    (
        "teams_name",
        "teams.organization_id, teams.name_key",
        "name_taken",
        "Another team has this name already. Choose another one, so that people can tell them apart.",
    ),
    ("agents_slug", "agents.team_id, agents.slug", "slug_taken", SLUG_TAKEN),
];

const SLUG_TAKEN: &str = "Another one has this short name already. Choose another one.";

/// What PostgreSQL says when the same may well succeed the next time, besides that it is starting or stopping.
const PASSING: [SqlState; 6] = [
    SqlState::TOO_MANY_CONNECTIONS,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::T_R_SERIALIZATION_FAILURE,
    // Over a limit of the session.
    SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    // It was the primary until now; a new connection finds the new one.
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::CONNECTION_FAILURE,
];

fn conflict(matches: impl Fn(&str, &str) -> bool) -> Option<Error> {
    CONFLICTS
        .iter()
        .find(|(postgres, sqlite, ..)| matches(postgres, sqlite))
        .map(|(_, _, code, detail)| Error::conflict(code, *detail))
}

fn full() -> Error {
    Error::new(
        Kind::StorageFull,
        "storage_full",
        "The server's disk is full, so nothing more can be kept. Free some space and try again.",
    )
}

fn unavailable() -> Error {
    Error::unavailable(
        "database_unavailable",
        "The database does not answer at the moment. Try again in a few seconds.",
    )
}

pub(crate) fn sqlite(error: rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(failure, message) = &error else {
        return Error::internal(error);
    };
    let known = match failure.code {
        ErrorCode::DiskFull => Some(full()),
        // A quota or a limit on the file's size.
        ErrorCode::SystemIoFailure if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE => Some(full()),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => {
            Some(unavailable())
        }
        ErrorCode::OperationInterrupted => Some(too_slow()),
        ErrorCode::ReadOnly => Some(Error::new(
            Kind::StorageFull,
            "storage_read_only",
            "The server's database can't be written to. Whoever runs the server must mend its permissions.",
        )),
        ErrorCode::ConstraintViolation if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
            Some(gone())
        }
        ErrorCode::ConstraintViolation => {
            let message = message.as_deref().unwrap_or_default();
            conflict(|_, columns| message.ends_with(columns))
        }
        _ => None,
    };
    match known {
        Some(known) => known.because(error),
        None => Error::internal(error),
    }
}

pub(crate) fn postgres(error: tokio_postgres::Error) -> Error {
    let known = match error.as_db_error() {
        None if is_connection_fault(&error) => Some(unavailable()),
        Some(db) if *db.code() == SqlState::DISK_FULL => Some(full()),
        Some(db) if *db.code() == SqlState::UNIQUE_VIOLATION => {
            conflict(|name, _| db.constraint().is_some_and(|constraint| constraint == name))
        }
        Some(db) if *db.code() == SqlState::FOREIGN_KEY_VIOLATION => Some(gone()),
        Some(db) if *db.code() == SqlState::LOCK_NOT_AVAILABLE => Some(locked()),
        Some(db) if db.code().code().starts_with("57P") || PASSING.contains(db.code()) => Some(unavailable()),
        Some(db) if *db.code() == SqlState::QUERY_CANCELED => Some(too_slow()),
        None | Some(_) => None,
    };
    match known {
        Some(known) => known.because(error),
        None => Error::internal(error),
    }
}

/// Whether the server was not reached, as opposed to a value that did not fit its column.
fn is_connection_fault(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || std::error::Error::source(error).is_none_or(<dyn std::error::Error>::is::<std::io::Error>)
}

/// The code of [`locked`].
pub(crate) const LOCKED: &str = "database_locked";

/// Somebody else changes the same rows and takes long.
fn locked() -> Error {
    Error::unavailable(
        LOCKED,
        "This is being changed at the moment, or something that it depends on. Try again in a few seconds.",
    )
}

/// What a row was to belong to is not there any more.
pub(crate) fn gone() -> Error {
    Error::conflict(ENDED, "This run has already ended, or its conversation was deleted.")
}

/// The database took too long.
pub(crate) fn silent() -> Error {
    unavailable().because("no answer in time")
}

/// A read took longer than anybody should wait.
pub(crate) fn too_slow() -> Error {
    Error::unavailable("database_too_slow", "This took the database too long. Ask for less, or try again later.")
}

/// Nothing may be read or written until the server lock is held again.
pub(crate) fn fenced() -> Error {
    unavailable().because("the database's server lock is not held at the moment")
}

pub(crate) fn pool(error: deadpool_postgres::PoolError) -> Error {
    unavailable().because(error)
}

/// Adds the mapping to a driver's result.
pub(crate) trait Mapped<T> {
    fn mapped(self) -> Result<T>;
}

impl<T> Mapped<T> for rusqlite::Result<T> {
    fn mapped(self) -> Result<T> {
        self.map_err(sqlite)
    }
}

impl<T> Mapped<T> for std::result::Result<T, tokio_postgres::Error> {
    fn mapped(self) -> Result<T> {
        self.map_err(postgres)
    }
}

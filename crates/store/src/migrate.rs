//! Numbered pairs of scripts that move the schema up and down.

#[cfg(test)]
mod tests;

use retinue_model::principal::LOCAL_USER;
use retinue_model::{Error, Result};

use crate::row::Row;
use crate::statement::statements;
use crate::value::params;
use crate::{Location, Store, Tx};

/// The version with which conversations have owners.
const OWNERS: i64 = 2;

/// One step of the schema.
#[derive(Debug)]
pub struct Migration {
    /// 1, 2, 3…
    pub version: i64,
    /// What it brings.
    pub name: &'static str,
    /// What is lost with it, to go on after "and with it".
    pub takes_away: &'static str,
    sqlite: Scripts,
    postgres: Scripts,
}

#[derive(Debug)]
struct Scripts {
    up: &'static str,
    down: &'static str,
}

macro_rules! migration {
    ($version:literal, $file:literal, $takes_away:literal) => {
        Migration {
            version: $version,
            name: $file,
            takes_away: $takes_away,
            sqlite: Scripts {
                up: include_str!(concat!("../migrations/sqlite/", $file, ".up.sql")),
                down: include_str!(concat!("../migrations/sqlite/", $file, ".down.sql")),
            },
            postgres: Scripts {
                up: include_str!(concat!("../migrations/pg/", $file, ".up.sql")),
                down: include_str!(concat!("../migrations/pg/", $file, ".down.sql")),
            },
        }
    };
}

/// All of them, oldest first.
pub static MIGRATIONS: [Migration; 3] = [
    migration!(1, "0001_threads", "all conversations"),
    migration!(2, "0002_identity", "users, their ways in and their sessions; conversations stay, without owners"),
    migration!(
        3,
        "0003_teams",
        "teams and who belongs to them, invitations, agents that were made here, API keys, what was used and may be used, and \
         the audit trail; conversations stay, each its owner's"
    ),
];

/// The version that this program works with.
#[must_use]
pub fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL)";
/// Keeps two processes from migrating at once; SQLite's write transaction does so by itself.
const LOCK_POSTGRES: &str = "SELECT pg_advisory_xact_lock(31061957)";

pub(crate) mod sql {
    super::statements! {
        TABLES = sqlite "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'migrations'"
            postgres "SELECT COUNT(*) FROM information_schema.tables \
                WHERE table_schema = current_schema() AND table_name = 'migrations'";
        CURRENT = "SELECT COALESCE(MAX(version), 0) FROM migrations";
        OWNED_BY_OTHERS = "SELECT (SELECT COUNT(*) FROM threads WHERE owner_user_id < $1) \
            + (SELECT COUNT(*) FROM threads WHERE owner_user_id > $1)";
        APPLIED = "INSERT INTO migrations (version, name) VALUES ($1, $2)";
        REVERTED = "DELETE FROM migrations WHERE version = $1";
    }
}

/// The version that the database has; 0 when it is empty. Changes nothing, and a server may be running.
///
/// # Errors
/// What the engine says.
pub async fn current(location: &Location) -> Result<i64> {
    if let Location::Sqlite(path) = location
        && !path.exists()
    {
        return Ok(0);
    }
    version_of(&Store::open_beside(location).await?).await
}

async fn version_of(store: &Store) -> Result<i64> {
    let tables: Option<i64> = store.query_one(&sql::TABLES, &[], |row| row.columns().take()).await?;
    match tables {
        Some(1..) => Ok(store.query_one(&sql::CURRENT, &[], |row| row.columns().take()).await?.unwrap_or(0)),
        _ => Ok(0),
    }
}

/// Applies what is missing, all of it or nothing, and tells which versions those were.
///
/// # Errors
/// `database_newer` if the database was made by a newer program.
pub async fn up(store: &Store) -> Result<Vec<i64>> {
    up_to(store, newest()).await
}

async fn up_to(store: &Store, newest: i64) -> Result<Vec<i64>> {
    let mut tx = store.begin_schema_change().await?;
    let version = read_version(&mut tx).await?;
    refuse_newer(version)?;
    let mut applied = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| (version + 1..=newest).contains(&migration.version)) {
        tx.run_script(migration.sqlite.up, migration.postgres.up).await?;
        tx.execute(&sql::APPLIED, &params![migration.version, migration.name]).await?;
        applied.push(migration.version);
    }
    tx.commit().await?;
    Ok(applied)
}

/// How many conversations of others than the local user there are, if the next step down forgets whose conversations are
/// whose: all of them become the local user's.
///
/// # Errors
/// What the engine says.
pub async fn merged_by_down(store: &Store) -> Result<i64> {
    if version_of(store).await? != OWNERS {
        return Ok(0);
    }
    let count = store.query_one(&sql::OWNED_BY_OTHERS, &params![LOCAL_USER], |row| row.columns().take()).await?;
    Ok(count.unwrap_or(0))
}

/// The step that a version came with.
#[must_use]
pub fn step(version: i64) -> Option<&'static Migration> {
    MIGRATIONS.iter().find(|migration| migration.version == version)
}

/// Takes back the newest version, with its data, and tells which one it was.
///
/// # Errors
/// `database_newer` if the database was made by a newer program.
pub async fn down(store: &Store) -> Result<Option<i64>> {
    let mut tx = store.begin_schema_change().await?;
    let version = read_version(&mut tx).await?;
    refuse_newer(version)?;
    let newest = step(version);
    if let Some(migration) = newest {
        tx.run_script(migration.sqlite.down, migration.postgres.down).await?;
        tx.execute(&sql::REVERTED, &params![migration.version]).await?;
    }
    tx.commit().await?;
    Ok(newest.map(|migration| migration.version))
}

/// Whether the schema is the one that this program works with.
///
/// # Errors
/// `migrations_pending` or `database_newer`.
pub async fn check(store: &Store) -> Result<()> {
    let version = store.query_one(&sql::CURRENT, &[], |row: &Row<'_>| row.columns().take()).await?.unwrap_or(0);
    if version > newest() {
        return Err(Error::unavailable(
            "database_newer",
            format!("The database was moved to version {version} by a newer Retinue."),
        ));
    }
    if version < newest() {
        return Err(Error::unavailable(
            "migrations_pending",
            format!(
                "The database is at version {version} and this program works with {}. Run `retinue migrate up`.",
                newest()
            ),
        ));
    }
    Ok(())
}

async fn read_version(tx: &mut Tx) -> Result<i64> {
    tx.run_script("", LOCK_POSTGRES).await?;
    tx.run_script(CREATE_TABLE, CREATE_TABLE).await?;
    Ok(tx.query_one(&sql::CURRENT, &[], |row| row.columns().take()).await?.unwrap_or(0))
}

fn refuse_newer(version: i64) -> Result<()> {
    if version > newest() {
        return Err(Error::conflict(
            "database_newer",
            format!(
                "The database is at version {version}, made by a newer Retinue; this one knows up to {}. Start the newer one, or let it run `retinue migrate down --yes` first.",
                newest()
            ),
        ));
    }
    Ok(())
}

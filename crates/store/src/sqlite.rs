//! The SQLite engine: one writer, several readers, write-ahead log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use retinue_model::error::Kind;
use retinue_model::{Error, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::Semaphore;

use crate::append::{self, Appender};
use crate::checkpoint::Checkpointer;
use crate::fault::Mapped;
use crate::lock::FileLock;
use crate::readers::{self, Readers};
use crate::row::Row;
use crate::statement::Statement;
use crate::tx::Tx;
use crate::value::Value;

/// Short reads run on the runtime's own threads, so a few more connections than threads keep them from waiting.
const READERS: usize = 6;
const LONG_READERS: usize = 4;
/// How long somebody should wait until something is written.
pub(crate) const WRITE_LIMIT: Duration = Duration::from_secs(30);

pub(crate) type Writer = Arc<tokio::sync::Mutex<Connection>>;

#[derive(Debug)]
pub(crate) struct Sqlite {
    writer: Writer,
    readers: Readers,
    long_readers: Readers,
    /// A place for each of them, so that nobody waits for one on a thread.
    long_places: Arc<Semaphore>,
    appender: Appender,
    // Ends its thread when it is dropped.
    _checkpointer: Checkpointer,
    _lock: Option<FileLock>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, alone: bool) -> Result<Self> {
        let lock = alone.then(|| FileLock::take(&path.with_extension("lock"))).transpose()?;
        let writer = Arc::new(tokio::sync::Mutex::new(open_writer(path)?));
        Ok(Self {
            readers: Readers::open(path, READERS)?,
            long_readers: Readers::open(path, LONG_READERS)?,
            long_places: Arc::new(Semaphore::new(LONG_READERS)),
            appender: append::sqlite(Arc::clone(&writer))?,
            _checkpointer: Checkpointer::start(path)?,
            writer,
            _lock: lock,
        })
    }

    /// Moves everything out of the write-ahead log, so that the file alone is the whole database.
    pub(crate) async fn settle(&self) -> Result<()> {
        let connection = Arc::clone(&self.writer).lock_owned().await;
        let settle = move || connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).mapped();
        tokio::task::spawn_blocking(settle).await.map_err(Error::internal)?
    }

    pub(crate) const fn appender(&self) -> &Appender {
        &self.appender
    }

    pub(crate) fn query<T>(
        &self,
        statement: &'static Statement,
        params: &[Value<'_>],
        map: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        query(&self.readers.borrow(), statement, params, map)
    }

    pub(crate) async fn query_long<T: Send + 'static>(
        self: Arc<Self>,
        statement: &'static Statement,
        params: Vec<Value<'static>>,
        map: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let read = move |connection: &Connection| query(connection, statement, &params, map);
        let places = Arc::clone(&self.long_places);
        readers::read_long(places, move |wait| wait.run(&self.long_readers, read)).await
    }

    pub(crate) async fn begin_schema_change(&self) -> Result<Tx> {
        let connection = Arc::clone(&self.writer).lock_owned().await;
        // From here on a transaction, whose end turns them on again.
        let tx = Tx::sqlite(connection);
        tx.set_foreign_keys(false)?;
        tx.begin_sqlite()?;
        Ok(tx)
    }
}

/// Makes the file for its owner alone; SQLite gives its companions the same rights.
#[cfg(unix)]
fn make_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(not_writable(path, &error.to_string()).because(error))
        }
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> Result<()> {
    Ok(())
}

fn open_writer(path: &Path) -> Result<Connection> {
    make_private(path)?;
    let connection = Connection::open(path).map_err(|error| cannot_open(path, error))?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(|error| cannot_open(path, error))?;
    // What was acknowledged must survive a power cut; checkpoints are made by their own thread.
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0; \
             PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;",
        )
        .mapped()?;
    prepare_connection(&connection)?;
    Ok(connection)
}

pub(crate) fn prepare_connection(connection: &Connection) -> Result<()> {
    // Or else SQLite parses a statement anew each time that its `LIMIT $1` is bound, because the plan might depend on it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).mapped()?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).mapped()?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

fn cannot_open(path: &Path, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Error::conflict(
            "database_damaged",
            format!("{} is not an SQLite database, or it is damaged. Put a backup in its place, or move it away to begin anew.", path.display()),
        ),
        _ => not_writable(path, &error.to_string()),
    }
    .because(error)
}

fn not_writable(path: &Path, reason: &str) -> Error {
    let folder = path.parent().unwrap_or(path).display();
    Error::new(
        Kind::StorageFull,
        "data_dir_not_writable",
        format!(
            "The database {} can't be opened for writing: {reason}. Make the folder {folder} writable for this user, or choose another with RETINUE_DATA_DIR.",
            path.display()
        ),
    )
}

/// Executes a statement without parameters.
pub(crate) fn run(connection: &Connection, text: &str) -> Result<()> {
    connection.prepare_cached(text).and_then(|mut statement| statement.execute([])).mapped().map(drop)
}

/// Whether references between rows are kept; SQLite takes this outside of transactions only.
pub(crate) fn set_foreign_keys(connection: &Connection, on: bool) -> Result<()> {
    connection.pragma_update(None, "foreign_keys", on).mapped()
}

/// Looks for rows that refer to rows which are not there.
pub(crate) fn check_foreign_keys(connection: &Connection) -> Result<()> {
    let broken =
        connection.query_row("SELECT COUNT(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).mapped()?;
    match broken {
        0_i64 => Ok(()),
        _ => Err(Error::internal(format!("{broken} rows refer to rows that are not there"))),
    }
}

pub(crate) fn begin(connection: &Connection) -> Result<()> {
    run(connection, "BEGIN IMMEDIATE")
}

pub(crate) fn commit(connection: &Connection) -> Result<()> {
    let committed = run(connection, "COMMIT");
    if committed.is_err() {
        rollback(connection);
    }
    committed
}

pub(crate) fn rollback(connection: &Connection) {
    // After some errors, a full disk among them, SQLite has already rolled back.
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "can_fail(rollback): the transaction could not be rolled back");
    }
}

pub(crate) fn execute(connection: &Connection, statement: &Statement, params: &[Value<'_>]) -> Result<u64> {
    let mut prepared = connection.prepare_cached(statement.sqlite).mapped()?;
    bind(&mut prepared, params)?;
    prepared.raw_execute().mapped().map(|count| count as u64)
}

pub(crate) fn query<T>(
    connection: &Connection,
    statement: &Statement,
    params: &[Value<'_>],
    map: fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut prepared = connection.prepare_cached(statement.sqlite).mapped()?;
    bind(&mut prepared, params)?;
    let mut rows = prepared.raw_query();
    let mut out = Vec::new();
    while let Some(row) = rows.next().mapped()? {
        out.push(map(&Row::Sqlite(row))?);
    }
    Ok(out)
}

fn bind(prepared: &mut rusqlite::Statement<'_>, params: &[Value<'_>]) -> Result<()> {
    for (index, value) in params.iter().enumerate() {
        prepared.raw_bind_parameter(index + 1, value).mapped()?;
    }
    Ok(())
}

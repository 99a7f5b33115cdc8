//! Connections that only read SQLite, and reads that may take long.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use retinue_model::{Error, Result};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::fault::{self, Mapped};
use crate::sqlite;

/// How long a read may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After how many steps of SQLite's machine a read looks whether it is still wanted; some tens of microseconds.
const STEPS: std::ffi::c_int = 10_000;

/// A fixed set of connections that only read.
#[derive(Debug)]
pub(crate) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> Result<Self> {
        let connections = (0..count).map(|_| open_reader(path).map(Mutex::new)).collect::<Result<_>>()?;
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    /// A free connection, or the wait for one.
    pub(crate) fn borrow(&self) -> MutexGuard<'_, Connection> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let nth = |step: usize| &self.connections[start.wrapping_add(step) % self.connections.len()];
        (0..self.connections.len())
            .find_map(|step| match nth(step).try_lock() {
                Ok(connection) => Some(connection),
                // A reader that panicked left no transaction behind that could hurt the next one.
                Err(TryLockError::Poisoned(left)) => Some(left.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            })
            .unwrap_or_else(|| nth(0).lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).mapped()?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;").mapped()?;
    sqlite::prepare_connection(&connection)?;
    Ok(connection)
}

/// Reads on a thread that may wait. Whoever asks gets an answer in a bounded time, and when nobody waits for it any more
/// the read ends.
///
/// # Errors
/// `database_too_slow`, or what the read says.
pub(crate) async fn read_long<T: Send + 'static>(
    places: Arc<Semaphore>,
    read: impl FnOnce(&Wait) -> Result<T> + Send + 'static,
) -> Result<T> {
    let wait = Wait::default();
    let _abandon = Abandon(wait.clone());
    let reading = async {
        let place = places.acquire_owned().await.map_err(Error::internal)?;
        let read = move || {
            let _place = place;
            read(&wait)
        };
        tokio::task::spawn_blocking(read).await.map_err(Error::internal)?
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| Err(fault::too_slow()))
}

/// Whether anybody waits for a read still.
#[derive(Clone, Default)]
pub(crate) struct Wait(Arc<AtomicBool>);

impl Wait {
    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Reads with the next free connection, as long as somebody waits.
    pub(crate) fn run<T>(&self, readers: &Readers, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut connection = readers.borrow();
        let wait = self.clone();
        connection.progress_handler(STEPS, Some(move || wait.is_over())).mapped()?;
        let result = if self.is_over() { Err(fault::too_slow()) } else { read(&connection) };
        connection.progress_handler(STEPS, None::<fn() -> bool>).mapped()?;
        result
    }
}

/// Says that nobody waits any more when it is dropped.
struct Abandon(Wait);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n";

    #[tokio::test]
    async fn a_read_ends_when_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        drop(Connection::open(&path).unwrap());
        let readers = Arc::new(Readers::open(&path, 1).unwrap());
        let borrowed = Arc::clone(&readers);
        let endless = |connection: &Connection| connection.query_row(ENDLESS, [], |_| Ok(())).mapped();
        let places = Arc::new(Semaphore::new(1));
        let reading = tokio::spawn(read_long(Arc::clone(&places), move |wait| wait.run(&borrowed, endless)));
        while readers.connections[0].try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
        reading.abort();
        // Free again, and not interrupted for the next one.
        let one = |connection: &Connection| connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)).mapped();
        let begun = Instant::now();
        assert_eq!(read_long(places, move |wait| wait.run(&readers, one)).await.unwrap(), 1);
        assert!(begun.elapsed() < PATIENCE);
    }
}

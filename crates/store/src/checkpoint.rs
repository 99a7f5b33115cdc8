//! Moves the write-ahead log into the database on a thread of its own, so that no commit pays for it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use retinue_model::{Error, Result};
use rusqlite::Connection;

use crate::fault::Mapped;

const PAUSE: Duration = Duration::from_millis(500);
/// From here on the log is copied while writers go on.
const COPY_FROM_BYTES: u64 = 4 << 20;
/// From here on writers wait for a moment, so that the log begins anew instead of growing for ever.
const RESTART_FROM_BYTES: u64 = 64 << 20;

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(crate) fn start(path: &Path) -> Result<Self> {
        let connection = Connection::open(path).mapped()?;
        connection.busy_timeout(Duration::from_millis(200)).mapped()?;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let log = PathBuf::from(log);
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                    checkpoint(&connection, &log);
                }
            })
            .map_err(Error::internal)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn checkpoint(connection: &Connection, log: &Path) {
    let size = std::fs::metadata(log).map_or(0, |metadata| metadata.len());
    if size < COPY_FROM_BYTES {
        return;
    }
    run(connection, "PASSIVE");
    if size >= RESTART_FROM_BYTES {
        run(connection, "TRUNCATE");
    }
}

fn run(connection: &Connection, mode: &str) {
    let result = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
    if let Err(error) = result {
        // Readers or a full disk are in the way; the next round tries again.
        tracing::debug!(%error, mode, "can_fail(checkpoint)");
    }
}

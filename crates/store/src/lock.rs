//! One server per database: a second one would take the first one's runs for interrupted.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use retinue_model::error::Kind;
use retinue_model::{Error, Result};

/// Another process serves this database.
pub(crate) fn in_use(what: &str) -> Error {
    Error::conflict(
        "database_in_use",
        format!(
            "Another Retinue is using {what}. Stop it first, or give this one its own with RETINUE_DATA_DIR or DATABASE_URL."
        ),
    )
}

/// Another process serves this database now, and this one did until it lost its connection.
pub(crate) fn taken_over(what: &str) -> Error {
    Error::conflict(
        "database_taken_over",
        format!(
            "Another Retinue took over {what} while this one had lost its connection, so this one has stopped: two would interrupt each other's answers. Leave one of them stopped, or give it its own with DATABASE_URL."
        ),
    )
}

/// A lock on a file; ends with the process, whatever ends it.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let folder = path.parent().unwrap_or(path).display();
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(|error| {
            Error::new(
                Kind::StorageFull,
                "data_dir_not_writable",
                format!("The folder {folder} can't be written to: {error}. Make it writable for this user, or choose another with RETINUE_DATA_DIR."),
            )
            .because(error)
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(in_use(&folder.to_string())),
            Err(TryLockError::Error(error)) => Err(Error::internal(error)),
        }
    }
}

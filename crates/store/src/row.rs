//! One row type over both drivers.

use jiff::Timestamp;
use retinue_model::id::{Id, Noun};
use retinue_model::{Error, Result};
use uuid::Uuid;

/// A row of a result.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// The columns from left to right.
    pub(crate) const fn columns(&self) -> Columns<'_> {
        Columns { row: self, next: 0 }
    }
}

/// Takes one column after the other.
pub(crate) struct Columns<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl Columns<'_> {
    /// The next column as a `T`.
    pub(crate) fn take<T: Column>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        match self.row {
            Row::Sqlite(row) => T::from_sqlite(row, index),
            Row::Postgres(row) => T::from_postgres(row, index),
        }
    }
}

impl Columns<'_> {
    /// Passes over `count` columns.
    pub(crate) const fn skip(mut self, count: usize) -> Self {
        self.next += count;
        self
    }
}

/// A type that a column is read as.
pub(crate) trait Column: Sized {
    fn from_sqlite(row: &rusqlite::Row<'_>, index: usize) -> Result<Self>;
    fn from_postgres(row: &tokio_postgres::Row, index: usize) -> Result<Self>;
}

macro_rules! native_columns {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn from_sqlite(row: &rusqlite::Row<'_>, index: usize) -> Result<Self> {
                row.get(index).map_err(Error::internal)
            }
            fn from_postgres(row: &tokio_postgres::Row, index: usize) -> Result<Self> {
                row.try_get(index).map_err(Error::internal)
            }
        }
    )*};
}
native_columns! { bool, i64, String, Vec<u8>, Uuid, Option<i64>, Option<String>, Option<Vec<u8>>, Option<Uuid> }

impl Column for Option<Timestamp> {
    fn from_sqlite(row: &rusqlite::Row<'_>, index: usize) -> Result<Self> {
        let micros: Option<i64> = row.get(index).map_err(Error::internal)?;
        micros.map(|micros| Timestamp::from_microsecond(micros).map_err(Error::internal)).transpose()
    }

    fn from_postgres(row: &tokio_postgres::Row, index: usize) -> Result<Self> {
        row.try_get(index).map_err(Error::internal)
    }
}

impl Column for Timestamp {
    fn from_sqlite(row: &rusqlite::Row<'_>, index: usize) -> Result<Self> {
        let micros: i64 = row.get(index).map_err(Error::internal)?;
        Self::from_microsecond(micros).map_err(Error::internal)
    }

    fn from_postgres(row: &tokio_postgres::Row, index: usize) -> Result<Self> {
        row.try_get(index).map_err(Error::internal)
    }
}

impl<N: Noun> Column for Id<N> {
    fn from_sqlite(row: &rusqlite::Row<'_>, index: usize) -> Result<Self> {
        Uuid::from_sqlite(row, index).map(Self::new)
    }

    fn from_postgres(row: &tokio_postgres::Row, index: usize) -> Result<Self> {
        Uuid::from_postgres(row, index).map(Self::new)
    }
}

impl<N: Noun> Column for Option<Id<N>> {
    fn from_sqlite(row: &rusqlite::Row<'_>, index: usize) -> Result<Self> {
        Ok(Option::<Uuid>::from_sqlite(row, index)?.map(Id::new))
    }

    fn from_postgres(row: &tokio_postgres::Row, index: usize) -> Result<Self> {
        Ok(Option::<Uuid>::from_postgres(row, index)?.map(Id::new))
    }
}

//! Groups of batches on SQLite.

use retinue_model::Result;
use rusqlite::Connection;

use super::{Refused, concerns_all};
use crate::batch::Batch;
use crate::{audit, event, sqlite};

/// Writes a group in one transaction. A batch that can't be written is left out; the others are not held up by it.
pub(super) fn write(connection: &Connection, group: &[Batch]) -> Result<Refused> {
    match together(connection, group) {
        Ok(()) => Ok(Vec::new()),
        Err(error) if concerns_all(&error) => Err(error),
        Err(error) if group.len() == 1 => Ok(vec![(0, error)]),
        Err(_) => transaction(connection, || each(connection, group)),
    }
}

fn each(connection: &Connection, group: &[Batch]) -> Result<Refused> {
    let (mut refused, mut written) = (Vec::new(), Vec::new());
    for (at, batch) in group.iter().enumerate() {
        match apart(connection, batch)? {
            Ok(()) => written.push(batch),
            Err(error) => refused.push((at, error)),
        }
    }
    audit::on_sqlite(connection, written.into_iter().flat_map(|batch| &batch.audits))?;
    Ok(refused)
}

fn together(connection: &Connection, group: &[Batch]) -> Result<()> {
    transaction(connection, || {
        group.iter().try_for_each(|batch| fill(connection, batch))?;
        audit::on_sqlite(connection, group.iter().flat_map(|batch| &batch.audits))
    })
}

/// What a batch's own failure is, as opposed to one that ends the whole transaction.
fn apart(connection: &Connection, batch: &Batch) -> Result<Result<()>> {
    sqlite::run(connection, "SAVEPOINT batch")?;
    match fill(connection, batch) {
        Err(error) if concerns_all(&error) => Err(error),
        Err(error) => {
            sqlite::run(connection, "ROLLBACK TO batch")?;
            sqlite::run(connection, "RELEASE batch")?;
            Ok(Err(error))
        }
        Ok(()) => sqlite::run(connection, "RELEASE batch").map(Ok),
    }
}

fn fill(connection: &Connection, batch: &Batch) -> Result<()> {
    for write in &batch.writes {
        write.check(sqlite::execute(connection, write.statement, &write.params)?)?;
    }
    for event in &batch.events {
        sqlite::execute(connection, &event::sql::INSERT, &event::params(event))?;
    }
    Ok(())
}

fn transaction<T>(connection: &Connection, work: impl FnOnce() -> Result<T>) -> Result<T> {
    sqlite::begin(connection)?;
    match work() {
        Ok(done) => sqlite::commit(connection).map(|()| done),
        Err(error) => {
            sqlite::rollback(connection);
            Err(error)
        }
    }
}

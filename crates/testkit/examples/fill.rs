//! Fills a migrated SQLite database with conversations, straight through SQL.
//!
//! `fill FILE COUNT` adds so many that there are COUNT in all. One must be there already: its owner and its agent are theirs too.

use std::error::Error;

use rusqlite::{Connection, params};

/// Numbered, so that no two ids or times are equal, one microsecond apart, the newest at a fixed time in the past.
const INSERT: &str = "WITH RECURSIVE n (i) AS (SELECT ?1 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
    INSERT INTO threads (id, organization_id, owner_user_id, team_id, title, agent_id, model, created_at, updated_at)
    SELECT unhex(printf('019400000000' || '7%03x8%015x', i % 4096, i)),
        (SELECT organization_id FROM threads LIMIT 1), (SELECT owner_user_id FROM threads LIMIT 1),
        (SELECT team_id FROM threads LIMIT 1), 'Conversation number ' || i || ' about something',
        (SELECT agent_id FROM threads LIMIT 1), NULL, 1735689600000000 + i, 1735689600000000 + i FROM n";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, count] = args.as_slice() else { return Err("usage: fill FILE COUNT".into()) };
    let count: i64 = count.parse()?;
    let mut connection = Connection::open(file)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144;")?;
    let transaction = connection.transaction()?;
    let there: i64 = transaction.query_row("SELECT COUNT(*) FROM threads", [], |row| row.get(0))?;
    if there == 0 {
        return Err("the database has no conversation whose agent could be taken".into());
    }
    if there < count {
        transaction.execute(INSERT, params![there, count])?;
    }
    transaction.commit()?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}

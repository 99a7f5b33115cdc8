//! `retinue migrate`: the schema's version, up and down.

use retinue_store::Store;
use retinue_store::migrate::{self, MIGRATIONS};

use crate::cli::MigrateCommand;
use crate::config::Config;
use crate::wiring;

/// Does it, and says what was done.
pub(crate) async fn run(config: &Config, command: MigrateCommand) -> anyhow::Result<String> {
    let store = Store::open(&wiring::location(config)?).await?;
    Ok(match command {
        MigrateCommand::Status => status(migrate::current(&store).await?),
        MigrateCommand::Up => match migrate::up(&store).await?.as_slice() {
            [] => "Nothing to do: the database is current.\n".to_owned(),
            versions => format!("Migrated to version {}.\n", versions.last().copied().unwrap_or(0)),
        },
        MigrateCommand::Down { yes: false } => {
            anyhow::bail!(
                "this takes back the newest version with the data that came with it. Make a backup, then add --yes"
            )
        }
        MigrateCommand::Down { yes: true } => match migrate::down(&store).await? {
            None => "Nothing to do: the database is empty.\n".to_owned(),
            Some(version) => format!("Took back version {version}.\n"),
        },
    })
}

fn status(current: i64) -> String {
    let line = |version: i64, name: &str| {
        let state = if version <= current { "applied" } else { "pending" };
        format!("{version:>4}  {state}  {name}\n")
    };
    let mut text: String = MIGRATIONS.iter().map(|migration| line(migration.version, migration.name)).collect();
    if current > migrate::newest() {
        text.push_str(&format!("The database is at version {current}, made by a newer Retinue.\n"));
    }
    text
}

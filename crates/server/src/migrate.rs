//! `retinue migrate`: the schema's version, up and down.

use retinue_store::Store;
use retinue_store::migrate::{self, MIGRATIONS};

use crate::cli::MigrateCommand;
use crate::config::Config;
use crate::wiring;

/// Does it, and says what was done.
pub(crate) async fn run(config: &Config, command: MigrateCommand) -> anyhow::Result<String> {
    match command {
        MigrateCommand::Status => Ok(status(migrate::current(&wiring::location(config)).await?)),
        MigrateCommand::Up => up(&open(config).await?).await,
        MigrateCommand::Down { yes: true, merge_everybodys_conversations } => {
            let store = open(config).await?;
            if !merge_everybodys_conversations {
                refuse_to_merge(&store).await?;
            }
            down(&store).await
        }
        MigrateCommand::Down { yes: false, .. } => refuse_to_lose(migrate::current(&wiring::location(config)).await?),
    }
}

async fn open(config: &Config) -> anyhow::Result<Store> {
    wiring::make_data_folder(config)?;
    Ok(Store::open(&wiring::location(config)).await?)
}

async fn up(store: &Store) -> anyhow::Result<String> {
    Ok(match migrate::up(store).await?.last() {
        None => "Nothing to do: the database is current.\n".to_owned(),
        Some(version) => format!("Migrated to version {version}.\n"),
    })
}

fn refuse_to_lose(version: i64) -> anyhow::Result<String> {
    let what = match migrate::step(version) {
        None => "the newest version with the data that came with it".to_owned(),
        Some(step) => format!("version {version}, and with it {}", step.takes_away),
    };
    anyhow::bail!("This takes back {what}. Make a backup, then add --yes.")
}

async fn refuse_to_merge(store: &Store) -> anyhow::Result<()> {
    match migrate::merged_by_down(store).await? {
        0 => Ok(()),
        count => anyhow::bail!(
            "This forgets who had which conversation. {count} that belong to people who sign in would be the local user's, with everybody else's: whoever opens the server then reads them all, and after an upgrade any administrator takes them over. Make a backup; if you want that, add --merge-everybodys-conversations."
        ),
    }
}

async fn down(store: &Store) -> anyhow::Result<String> {
    Ok(match migrate::down(store).await? {
        None => "Nothing to do: the database is empty.\n".to_owned(),
        Some(version) => {
            let gone = migrate::step(version).map(|step| format!("Gone with it: {}.\n", step.takes_away));
            format!("Took back version {version}.\n{}", gone.unwrap_or_default())
        }
    })
}

fn status(current: i64) -> String {
    let line = |version: i64, name: &str| {
        let state = if version <= current { "applied" } else { "pending" };
        format!("{version:>4}  {state}  {name}\n")
    };
    let known = MIGRATIONS.iter().map(|migration| line(migration.version, migration.name));
    let newer = (current > migrate::newest())
        .then(|| format!("The database is at version {current}, made by a newer Retinue.\n"));
    known.chain(newer).collect()
}

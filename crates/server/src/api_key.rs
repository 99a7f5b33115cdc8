//! `retinue api-key …`: API keys, for whoever has the machine. A server may be running beside it. A key acts for its user.

use anyhow::bail;
use clap::{ArgGroup, Subcommand};
use jiff::{SignedDuration, Timestamp};
use retinue_app::Clock as _;
use retinue_app::api_key::{Made, NewKey};
use retinue_model::Name;
use retinue_model::api_key::{ApiKey, KeyScope, KeyScopes, State};
use serde_json::{Value, json};

use crate::config::Config;
use crate::operator::{called, open};
use crate::system::SystemClock;
use crate::terminal::{said, table};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// List somebody's keys, or those that act in a team
    #[command(group(ArgGroup::new("whose").required(true).args(["user", "team"])))]
    List {
        /// Their address or id
        #[arg(long)]
        user: Option<String>,
        /// The team's short name or id
        #[arg(long)]
        team: Option<String>,
    },
    /// Make a key that acts for somebody; it is printed once, and kept nowhere
    Create {
        /// What it is called
        name: String,
        /// Whom it acts for, by address or id
        #[arg(long)]
        user: String,
        /// The team that it acts in, one of theirs, by short name or id
        #[arg(long)]
        team: String,
        /// What it may be used for, such as threads:read; several times for several; conversing if left out
        #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
        scopes: Vec<KeyScope>,
        /// For how many days it counts; until it is revoked if left out
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
        days: Option<u16>,
    },
    /// Let a key count no more, at once
    Revoke {
        /// Its id
        id: String,
    },
}

fn scope(text: &str) -> Result<KeyScope, String> {
    let known = || KeyScope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
    text.parse().map_err(|_| format!("a scope is one of {}", known()))
}

/// Does it, and says what was done.
pub(crate) async fn run(config: &Config, command: ApiKeyCommand, as_json: bool) -> anyhow::Result<String> {
    let takes_keys = config.remote_api.auth.api_key.enabled;
    match command {
        ApiKeyCommand::List { user: Some(user), .. } => {
            let people = open(config).await?;
            let keys = people.keys_of_user(&people.find_any(&user).await?).await?;
            Ok(listed(&keys, takes_keys, as_json))
        }
        ApiKeyCommand::List { team, .. } => {
            let people = open(config).await?;
            let team = people.find_team(&team.unwrap_or_default()).await?;
            Ok(listed(&people.keys_of_team(&team).await?, takes_keys, as_json))
        }
        ApiKeyCommand::Create { name, user, team, scopes, days } => {
            if !takes_keys {
                bail!(
                    "This server takes no API keys, so none is made. Set remote_api.auth.api_key.enabled = true, and start it again."
                );
            }
            let people = open(config).await?;
            let (user, team) = (people.find_any(&user).await?, people.find_team(&team).await?);
            let new = NewKey {
                team_id: team.id,
                name: Name::new(&name)?,
                scopes: if scopes.is_empty() { KeyScopes::for_conversing() } else { KeyScopes::new(scopes)? },
                expires_at: days.map(expiry).transpose()?,
            };
            let made = people.create_key(&user, new).await?;
            let Made { key, text } = &made;
            let until = key.expires_at.map_or_else(|| "it is revoked".to_owned(), |at| at.to_string());
            let done = format!(
                "{} counts for {} in {} until {until}. This is the key; it is not shown again:\n{}\n",
                key.id,
                called(&user),
                team.slug.as_str(),
                text.expose()
            );
            let mut for_programs = view(key);
            for_programs["key"] = json!(text.expose());
            Ok(said(as_json, &for_programs, done))
        }
        ApiKeyCommand::Revoke { id } => {
            let key = open(config).await?.revoke_key(id.parse()?).await?;
            Ok(said(as_json, &view(&key), format!("{} does not count any more.\n", key.id)))
        }
    }
}

fn expiry(days: u16) -> anyhow::Result<Timestamp> {
    Ok(SystemClock.now().checked_add(SignedDuration::from_hours(i64::from(days) * 24))?)
}

fn view(key: &ApiKey) -> Value {
    let scopes: Vec<_> = key.scopes.iter().collect();
    json!({
        "id": key.id, "user_id": key.user_id, "team_id": key.team_id, "name": key.name, "prefix": key.prefix, "scopes": scopes,
        "created_at": key.created_at, "expires_at": key.expires_at, "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    })
}

/// Until when a key counts, or why it does not.
fn counts(key: &ApiKey, takes_keys: bool) -> String {
    let at = |time: Option<Timestamp>| time.map(|at| at.to_string()).unwrap_or_default();
    match key.state(SystemClock.now(), takes_keys) {
        State::Active if key.expires_at.is_some() => format!("until {}", at(key.expires_at)),
        State::Active => "until it is revoked".to_owned(),
        state @ State::Revoked => format!("{} {}", state.as_str(), at(key.revoked_at)),
        state @ State::Expired => format!("{} {}", state.as_str(), at(key.expires_at)),
        state @ State::TurnedOff => state.as_str().to_owned(),
    }
}

fn listed(keys: &[ApiKey], takes_keys: bool, as_json: bool) -> String {
    let row = |key: &ApiKey| {
        let state = counts(key, takes_keys);
        let used = key.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        [key.id.to_string(), key.prefix.clone(), key.name.clone(), key.user_id.to_string(), state, used]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    let heading = ["id", "begins with", "name", "acts for", "counts", "last used"];
    let none = "There are no keys. Make one: `retinue api-key create`.";
    said(as_json, &Value::Array(keys.iter().map(view).collect()), table(heading, &rows, none))
}

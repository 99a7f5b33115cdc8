//! `retinue team …`: teams, for whoever has the machine. A server may be running beside it.

use clap::Subcommand;
use retinue_app::administration::Heirs;
use retinue_app::team::Change;
use retinue_model::team::Team;
use retinue_model::{Name, Slug};
use serde_json::{Value, json};

use crate::config::Config;
use crate::operator::open;
use crate::terminal::{said, table};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TeamCommand {
    /// List all teams
    List,
    /// Make a team; nobody belongs to it yet
    Create {
        /// The name for people
        name: String,
        /// The name for rules and programs; made of the other one if left out
        #[arg(long)]
        slug: Option<String>,
    },
    /// Give a team another name
    Rename {
        /// Its short name or id
        team: String,
        /// The name for people
        #[arg(long, required_unless_present = "slug")]
        name: Option<String>,
        /// The name for rules and programs
        #[arg(long)]
        slug: Option<String>,
    },
    /// Delete a team, with its memberships, invitations and keys; conversations stay whose they are
    Delete {
        /// Its short name or id
        team: String,
        /// The team that gets its agents, by short name or id
        #[arg(long, value_name = "TEAM", required_unless_present = "delete_agents")]
        move_to: Option<String>,
        /// Delete its agents too
        #[arg(long, conflicts_with = "move_to")]
        delete_agents: bool,
    },
}

/// Does it, and says what was done.
pub(crate) async fn run(config: &Config, command: TeamCommand, as_json: bool) -> anyhow::Result<String> {
    let people = open(config).await?;
    match command {
        TeamCommand::List => Ok(listed(&people.teams().await?, as_json)),
        TeamCommand::Create { name, slug } => {
            let team = people.create_team(Name::new(&name)?, slug.as_deref().map(Slug::new).transpose()?).await?;
            let next = format!("Take somebody in: `retinue member add --team {} USER`.", team.slug.as_str());
            Ok(said(as_json, &json!(team), format!("Made the team {}.\n{next}\n", called(&team))))
        }
        TeamCommand::Rename { team, name, slug } => {
            let team = people.find_team(&team).await?;
            let change = Change {
                name: name.as_deref().map(Name::new).transpose()?,
                slug: slug.as_deref().map(Slug::new).transpose()?,
            };
            let team = people.rename_team(&team, change).await?;
            Ok(said(as_json, &json!(team), format!("The team is {} now.\n", called(&team))))
        }
        TeamCommand::Delete { team, move_to, .. } => {
            let team = people.find_team(&team).await?;
            let heirs = match move_to {
                Some(named) => Heirs::Team(people.find_team(&named).await?),
                None => Heirs::Nobody,
            };
            let had = people.contents_of_team(&team).await?;
            let agents = match &heirs {
                Heirs::Team(heir) => format!("{} agents are {}’s now", had.agents, heir.slug.as_str()),
                Heirs::Nobody => format!("{} agents are deleted", had.agents),
            };
            people.delete_team(&team, heirs).await?;
            let done = format!(
                "{} is deleted: {agents}, and {} conversations stay their owners’.\n",
                called(&team),
                had.threads
            );
            let for_programs = json!({ "id": team.id, "agents": had.agents, "threads": had.threads });
            Ok(said(as_json, &for_programs, done))
        }
    }
}

fn called(team: &Team) -> String {
    format!("{} ({}, {})", team.name, team.slug.as_str(), team.id)
}

fn listed(teams: &[Team], as_json: bool) -> String {
    let row = |team: &Team| [team.id.to_string(), team.slug.as_str().to_owned(), team.name.clone()];
    let rows: Vec<_> = teams.iter().map(row).collect();
    let for_programs = Value::Array(teams.iter().map(|team| json!(team)).collect());
    said(as_json, &for_programs, table(["id", "short name", "name"], &rows, "There are no teams."))
}

//! `retinue member …`: who belongs to a team, for whoever has the machine. A server may be running beside it.

use clap::Subcommand;
use retinue_app::membership::TeamMember;
use retinue_model::membership::{Membership, Role};
use serde_json::{Value, json};

use crate::config::Config;
use crate::operator::{called, open};
use crate::terminal::{said, table};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// List who belongs to a team, and as what
    List {
        /// Its short name or id
        #[arg(long)]
        team: String,
    },
    /// Take somebody into a team
    Add {
        /// Their address or id
        user: String,
        /// The team's short name or id
        #[arg(long)]
        team: String,
        /// As what: `viewer`, `editor` or `admin`
        #[arg(long, default_value = "viewer", value_parser = role)]
        role: Role,
    },
    /// Give a member another role
    SetRole {
        /// Their address or id
        user: String,
        /// `viewer`, `editor` or `admin`
        #[arg(value_parser = role)]
        role: Role,
        /// The team's short name or id
        #[arg(long)]
        team: String,
    },
    /// Take somebody out of a team
    Remove {
        /// Their address or id
        user: String,
        /// The team's short name or id
        #[arg(long)]
        team: String,
    },
}

fn role(text: &str) -> Result<Role, String> {
    Role::named(text).map_err(|error| error.detail().to_owned())
}

/// Does it, and says what was done.
pub(crate) async fn run(config: &Config, command: MemberCommand, as_json: bool) -> anyhow::Result<String> {
    let people = open(config).await?;
    let (user, team, role) = match command {
        MemberCommand::List { team } => {
            let team = people.find_team(&team).await?;
            return Ok(listed(&people.members(&team).await?, as_json));
        }
        MemberCommand::Add { user, team, role } => {
            let (user, team) = (people.find_any(&user).await?, people.find_team(&team).await?);
            people.add_member(&team, &user, role).await?;
            (user, team, Some(role))
        }
        MemberCommand::SetRole { user, role, team } => {
            let (user, team) = (people.find_any(&user).await?, people.find_team(&team).await?);
            people.set_role(&team, &user, role).await?;
            (user, team, Some(role))
        }
        MemberCommand::Remove { user, team } => {
            let (user, team) = (people.find_any(&user).await?, people.find_team(&team).await?);
            people.remove_member(&team, &user).await?;
            (user, team, None)
        }
    };
    let done = match role {
        Some(role) => format!("{} is {} of {} now.\n", called(&user), role.as_str(), team.slug.as_str()),
        None => format!("{} does not belong to {} any more.\n", called(&user), team.slug.as_str()),
    };
    Ok(said(as_json, &json!({ "user_id": user.id, "team_id": team.id, "role": role }), done))
}

fn listed(members: &[TeamMember], as_json: bool) -> String {
    let row = |member: &TeamMember| {
        let Membership { user_id, role, origin, .. } = &member.membership;
        let email = member.email.clone().unwrap_or_else(|| "-".to_owned());
        let mark = if member.disabled_at.is_some() { "disabled" } else { "" };
        let (role, origin) = (role.as_str().to_owned(), origin.as_str().to_owned());
        [user_id.to_string(), role, origin, email, member.name.clone(), mark.to_owned()]
    };
    let view = |member: &TeamMember| {
        let Membership { user_id, team_id, role, origin, evidence, created_at, .. } = &member.membership;
        json!({
            "user_id": user_id, "team_id": team_id, "role": role, "origin": origin, "evidence": evidence,
            "since": created_at, "name": member.name, "email": member.email, "disabled_at": member.disabled_at,
        })
    };
    let rows: Vec<_> = members.iter().map(row).collect();
    let none = "Nobody belongs to this team. Take somebody in: `retinue member add`.";
    let heading = ["id", "role", "by", "address", "name", ""];
    said(as_json, &Value::Array(members.iter().map(view).collect()), table(heading, &rows, none))
}

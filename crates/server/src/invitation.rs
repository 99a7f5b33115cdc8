//! `retinue invitation …`: who is invited into teams, for whoever has the machine. A server may be running beside it.

use clap::Subcommand;
use retinue_app::administration::Invited;
use retinue_app::invitation::NewInvitation;
use retinue_app::mail::Mail;
use retinue_model::Email;
use retinue_model::invitation::Invitation;
use retinue_model::membership::Role;
use serde_json::{Value, json};

use crate::config::Config;
use crate::operator::open;
use crate::terminal::{said, table};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum InvitationCommand {
    /// Invite somebody into a team, once, within a week: by mail, or by a link that is printed
    Create {
        /// The team's short name or id
        #[arg(long)]
        team: String,
        /// The only address for which it counts, to which the link goes; else it counts for whoever has the link
        #[arg(long)]
        email: Option<String>,
        /// As what: `viewer`, `editor` or `admin`
        #[arg(long, default_value = "viewer")]
        role: String,
        /// Print the link, and send no mail
        #[arg(long)]
        no_mail: bool,
    },
    /// List the open invitations of a team
    List {
        /// The team's short name or id
        #[arg(long)]
        team: String,
    },
    /// Take an invitation back
    Revoke {
        /// Its id
        id: String,
    },
}

/// Does it, and says what was done.
pub(crate) async fn run(config: &Config, command: InvitationCommand, as_json: bool) -> anyhow::Result<String> {
    match command {
        InvitationCommand::Create { team, email, role, no_mail } => {
            let address = email.as_deref().map(Email::new).transpose()?;
            let new = NewInvitation { role: Role::named(&role)?, address, expires_at: None };
            create(config, &team, new, (no_mail, as_json)).await
        }
        InvitationCommand::List { team } => {
            let people = open(config).await?;
            let found = people.invitations(&people.find_team(&team).await?).await?;
            let for_programs = Value::Array(found.iter().map(|one| json!(one)).collect());
            Ok(said(as_json, &for_programs, listed(&found)))
        }
        InvitationCommand::Revoke { id } => {
            let revoked = open(config).await?.revoke_invitation(id.parse()?).await?;
            let done = format!("{} does not count any more.\n", revoked.id);
            Ok(said(as_json, &json!({ "id": revoked.id }), done))
        }
    }
}

async fn create(
    config: &Config,
    team: &str,
    new: NewInvitation,
    (no_mail, as_json): (bool, bool),
) -> anyhow::Result<String> {
    if config.auth.is_single_user() {
        anyhow::bail!("Nobody signs in on this server, so nobody can accept an invitation. Set AUTH_MODE first.");
    }
    let public_url = config.public_url(config.server.listen.0);
    let mailer = if no_mail { None } else { config.mailer(&public_url)? };
    let mailer = mailer.zip(new.address.clone());
    let people = open(config).await?;
    let team = people.find_team(team).await?;
    let Invited { invitation, link, letter } = people.invite_into(&team, new, (&public_url, mailer.is_some())).await?;
    let into = team.told_apart();
    let Some((mailer, to)) = mailer else {
        let whom = invitation.address.as_deref().unwrap_or("whoever is meant");
        let done =
            format!("Give this link to {whom}: it leads into {into}. It is good for a week, and once.\n{link}\n");
        return Ok(said(as_json, &json!({ "invitation": invitation, "link": link }), done));
    };
    let done = format!("A mail to {to} has the link into {into}. It is good for a week, and once.\n");
    // The link is for whoever reads the mail, and for no log that has what is printed here.
    if let Err(error) = mailer.send_now(&Mail { to, letter }).await {
        people.revoke_invitation(invitation.id).await?;
        anyhow::bail!("{} Nobody has the link. Try again, or use --no-mail to print one.", error.detail());
    }
    Ok(said(as_json, &json!({ "invitation": invitation, "link": null }), done))
}

fn listed(invitations: &[Invitation]) -> String {
    let row = |one: &Invitation| {
        let whom = one.address.clone().unwrap_or_else(|| "whoever has the link".to_owned());
        [one.id.to_string(), one.role.as_str().to_owned(), whom, one.expires_at.to_string()]
    };
    let rows: Vec<_> = invitations.iter().map(row).collect();
    table(["id", "role", "for", "until"], &rows, "Nobody is invited into this team at the moment.")
}

//! `retinue user …` and `retinue thread transfer`: people, for whoever has the machine. A server may be running beside it.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::Arc;

use clap::Subcommand;
use retinue_app::administration::{Administration, NewUser};
use retinue_model::credential::PasswordHash;
use retinue_model::user::User;
use retinue_model::{Email, NewPassword, Password};
use retinue_store::{Store, migrate};
use serde_json::{Value, json};

use crate::config::Config;
use crate::system::{SystemClock, SystemRng};
use crate::{password_prompt, wiring};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add somebody who signs in with an address; the password is asked for, or read from standard input
    Add {
        /// The address
        email: String,
        /// The name; else the part of the address before the @
        #[arg(long)]
        name: Option<String>,
        /// They run the installation
        #[arg(long)]
        admin: bool,
        /// They have no password, and sign in with links by mail
        #[arg(long)]
        no_password: bool,
    },
    /// Shut somebody out at once, and end their sessions
    Disable {
        /// Their address or id
        user: String,
    },
    /// Let somebody in again
    Enable {
        /// Their address or id
        user: String,
    },
    /// Give somebody another password, and end their sessions; it is asked for, or read from standard input
    SetPassword {
        /// Their address or id
        user: String,
    },
    /// List everybody
    List,
    /// Print a link by which somebody may become a user, once, within a week
    Invite {
        /// The address they will sign in with
        email: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ThreadCommand {
    /// Give the conversations from before people signed in to somebody
    Transfer {
        /// Whose they are: `local`, the user of a server on which nobody signs in
        #[arg(long, value_parser = ["local"])]
        from: String,
        /// The address or id of whoever gets them
        #[arg(long, value_name = "USER")]
        to: String,
    },
}

async fn open(config: &Config) -> anyhow::Result<Administration> {
    wiring::make_data_folder(config)?;
    let location = wiring::location(config);
    if migrate::current(&location).await? == 0 {
        migrate::up(&Store::open(&location).await?).await?;
    }
    let store = Store::open_beside(&location).await?;
    migrate::check(&store).await?;
    Ok(Administration::new(store, Arc::new(SystemClock), Arc::new(SystemRng::new())))
}

/// What is said for people, or the same as JSON.
fn said(as_json: bool, for_programs: &Value, for_people: String) -> String {
    if as_json { format!("{for_programs}\n") } else { for_people }
}

fn view(user: &User) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "email_verified": user.email_verified,
        "organization_admin": user.organization_admin,
        "disabled_at": user.disabled_at,
        "created_at": user.created_at,
    })
}

fn called(user: &User) -> String {
    format!("{} ({})", user.name, user.email.clone().unwrap_or_else(|| user.id.to_string()))
}

/// Does it, and says what was done.
pub(crate) async fn run(config: &Config, command: UserCommand, as_json: bool) -> anyhow::Result<String> {
    match command {
        UserCommand::Add { email, name, admin, no_password } => {
            let email = Email::new(&email)?;
            let password = if no_password { None } else { Some(password(config, Some(&email)).await?) };
            let user = open(config).await?.add(NewUser { name, email, admin, password }).await?;
            Ok(said(as_json, &view(&user), format!("Added {}.\n", called(&user)) + hint(config)))
        }
        UserCommand::Disable { user } => {
            let people = open(config).await?;
            let user = people.find(&user).await?;
            people.disable(&user).await?;
            let done = format!("{} is shut out, and their sessions have ended.\n", called(&user));
            Ok(said(as_json, &view(&people.find(&user.id.to_string()).await?), done))
        }
        UserCommand::Enable { user } => {
            let people = open(config).await?;
            let user = people.find(&user).await?;
            people.enable(&user).await?;
            let done = format!("{} may come in again.\n", called(&user));
            Ok(said(as_json, &view(&people.find(&user.id.to_string()).await?), done))
        }
        UserCommand::SetPassword { user } => {
            let people = open(config).await?;
            let user = people.find(&user).await?;
            let email = user.email.as_deref().and_then(|email| Email::new(email).ok());
            people.set_password(&user, password(config, email.as_ref()).await?).await?;
            let done = format!("{} has another password, and their sessions have ended.\n", called(&user));
            Ok(said(as_json, &view(&user), done + hint(config)))
        }
        UserCommand::List => Ok(list(&open(config).await?.list().await?, as_json)),
        UserCommand::Invite { email } => invite(config, &Email::new(&email)?, as_json).await,
    }
}

async fn invite(config: &Config, email: &Email, as_json: bool) -> anyhow::Result<String> {
    let token = open(config).await?.invite(email).await?;
    let link = format!("{}/auth/register?token={token}", config.public_url(config.server.listen.0));
    let note = if config.takes_invitations() {
        String::new()
    } else {
        "It does not work yet: set auth.local.registration to `invite`, and start the server again.\n".to_owned()
    };
    Ok(said(
        as_json,
        &json!({ "link": link }),
        format!("Give this link to {email}. It is good for a week, and once.\n{link}\n{note}"),
    ))
}

/// `retinue thread transfer`
pub(crate) async fn run_thread(config: &Config, command: ThreadCommand, as_json: bool) -> anyhow::Result<String> {
    let ThreadCommand::Transfer { to, .. } = command;
    let people = open(config).await?;
    let user = people.find(&to).await?;
    let count = people.transfer_threads(&user).await?;
    let done = match count {
        0 => "There are no conversations from before people signed in.\n".to_owned(),
        1 => format!("1 conversation belongs to {} now.\n", called(&user)),
        count => format!("{count} conversations belong to {} now.\n", called(&user)),
    };
    Ok(said(as_json, &json!({ "threads": count, "to": user.id }), done))
}

/// What to set before that counts.
fn hint(config: &Config) -> &'static str {
    if config.takes_addresses() {
        ""
    } else {
        "Nobody signs in with an address yet: set AUTH_MODE=local, or auth.local.enabled, and start the server again.\n"
    }
}

async fn password(config: &Config, email: Option<&Email>) -> anyhow::Result<PasswordHash> {
    let typed = if std::io::stdin().is_terminal() { password_prompt::ask()? } else { password_prompt::read()? };
    let new = NewPassword::new(Password::new(typed)?, email)?;
    Ok(config.passwords()?.hash(&new).await?)
}

fn list(users: &[User], as_json: bool) -> String {
    if as_json {
        return format!("{}\n", Value::Array(users.iter().map(view).collect()));
    }
    if users.is_empty() {
        return "There are no users yet. Add one: `retinue user add ada@example.com --admin`.\n".to_owned();
    }
    let mut text = String::new();
    for user in users {
        let marks = [(user.organization_admin, "administrator"), (user.disabled_at.is_some(), "disabled")];
        let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
        let email = user.email.as_deref().unwrap_or("-");
        // Names are people's own words: one line each, whatever they are.
        let _ = writeln!(text, "{}  {email:<32}  {:<24}  {}", user.id, user.name, marks.join(", "));
    }
    text
}

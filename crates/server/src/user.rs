//! `retinue user …` and `retinue thread transfer`: people, for whoever has the machine. A server may be running beside it.

use std::io::IsTerminal as _;

use clap::Subcommand;
use retinue_app::administration::{Administration, INVITATION_LASTS, Membership, NewUser, Person, WayIn};
use retinue_app::mail::{Letter, Mail, Mailer};
use retinue_app::notice::Change;
use retinue_app::people::Sought;
use retinue_model::credential::PasswordHash;
use retinue_model::membership::Role;
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{Email, NewPassword, Password};
use serde_json::{Value, json};

use crate::config::{Config, Environment};
use crate::offboarding::{self, Offboard};
use crate::operator::{called, open};
use crate::password_prompt;
use crate::terminal::{facts, said, table};

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
    /// Let somebody run the installation
    GrantAdmin {
        /// Their address or id
        user: String,
    },
    /// Let somebody run the installation no longer
    RevokeAdmin {
        /// Their address or id
        user: String,
    },
    /// List everybody, with their teams
    List {
        /// Only whom this finds: an id, a whole address, or the beginning of a name
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Say what there is to know of somebody
    Show {
        /// Their address or id; `local` where nobody signs in
        user: String,
    },
    /// Shut somebody out who leaves, and hand over or delete what is theirs
    Offboard(Offboard),
    /// Send somebody a link by which they may become a user, once, within a week; print it where no mail is set up
    Invite {
        /// The address they will sign in with
        email: String,
        /// Print the link, and send no mail
        #[arg(long)]
        no_mail: bool,
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

pub(crate) fn view(user: &User) -> Value {
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

/// Does it, and says what was done.
pub(crate) async fn run(
    config: &Config,
    environment: &Environment,
    command: UserCommand,
    as_json: bool,
) -> anyhow::Result<String> {
    match command {
        UserCommand::Add { email, name, admin, no_password } => {
            let email = Email::new(&email)?;
            let password = if no_password { None } else { Some(password(config, Some(&email)).await?) };
            let user = open(config).await?.add(NewUser { name, email, admin, password }).await?;
            Ok(said(as_json, &view(&user), format!("Added {}.\n", called(&user)) + hint(config)))
        }
        UserCommand::Disable { user } => {
            let done = "is shut out, and their sessions have ended";
            change(config, (&user, as_json), async |people, user| people.disable(user).await, done).await
        }
        UserCommand::Enable { user } => {
            let done = "may come in again";
            change(config, (&user, as_json), async |people, user| people.enable(user).await, done).await
        }
        UserCommand::GrantAdmin { user } => {
            let done = "runs the installation now";
            change(config, (&user, as_json), async |people, user| people.grant_admin(user).await, done).await
        }
        UserCommand::RevokeAdmin { user } => {
            let done = "is no administrator any more";
            change(config, (&user, as_json), async |people, user| people.revoke_admin(user).await, done).await
        }
        UserCommand::SetPassword { user } => set_password(config, &user, as_json).await,
        UserCommand::List { search } => {
            let people = open(config).await?;
            match search.as_deref().map(Sought::read).transpose()?.flatten() {
                Some(sought) => {
                    Ok(list(&people.search_with_teams(&sought).await?, "Nobody is found by this.", as_json))
                }
                None => Ok(list(&people.list_with_teams().await?, NOBODY, as_json)),
            }
        }
        UserCommand::Show { user } => show(config, &user, as_json).await,
        UserCommand::Offboard(command) => offboarding::run(config, environment, command, as_json).await,
        UserCommand::Invite { email, no_mail } => invite(config, &Email::new(&email)?, (no_mail, as_json)).await,
    }
}

/// Changes somebody, and says what they are now.
async fn change(
    config: &Config,
    (named, as_json): (&str, bool),
    work: impl AsyncFnOnce(&Administration, &User) -> retinue_model::Result<()>,
    done: &str,
) -> anyhow::Result<String> {
    let people = open(config).await?;
    let user = people.find(named).await?;
    work(&people, &user).await?;
    let done = format!("{} {done}.\n", called(&user));
    Ok(said(as_json, &view(&people.find(&user.id.to_string()).await?), done))
}

async fn set_password(config: &Config, named: &str, as_json: bool) -> anyhow::Result<String> {
    let people = open(config).await?;
    let user = people.find(named).await?;
    let way_in = people.way_in(&user).await?;
    let mailer = config.mailer(&config.public_url(config.server.listen.0))?;
    let hash = password(config, way_in.as_ref().map(|way_in| &way_in.address)).await?;
    people.set_password(&user, hash).await?;
    let told = tell(mailer.zip(way_in.clone()), Change::PasswordSet).await;
    let note = match &told {
        Some(Ok(())) => "A mail tells them.\n".to_owned(),
        Some(Err(error)) => format!("{} Tell them yourself.\n", error.detail()),
        None => String::new(),
    };
    let unshown = way_in.filter(|way_in| !way_in.is_shown).map(|WayIn { address, .. }| {
        format!(
            "Nobody has shown yet that {address} is theirs: whoever opens the first mail to it has the account alone, and \
            what opened it before counts no more.\n"
        )
    });
    let done = format!(
        "{} has another password, and their sessions have ended.\n{note}{}",
        called(&user),
        unshown.unwrap_or_default()
    );
    let mut view = view(&user);
    view["told"] = json!(matches!(told, Some(Ok(()))));
    Ok(said(as_json, &view, done + hint(config)))
}

/// Tells somebody what was changed of their account, where mails are sent and somebody vouches for the address or it opens
/// the account; what became of that, if one was.
async fn tell(reached: Option<(Mailer, WayIn)>, change: Change) -> Option<retinue_model::Result<()>> {
    let (mailer, WayIn { address: to, .. }) = reached?;
    Some(mailer.send_now(&Mail { to, letter: Letter::WaysChanged { change } }).await)
}

async fn invite(config: &Config, email: &Email, (no_mail, as_json): (bool, bool)) -> anyhow::Result<String> {
    let token = open(config).await?.invite(email).await?;
    let public_url = config.public_url(config.server.listen.0);
    let link = format!("{public_url}/auth/register?token={token}");
    let note = if config.takes_invitations() {
        ""
    } else {
        "It does not work yet: set auth.local.registration to `invite`, and start the server again.\n"
    };
    let mailer = if no_mail { None } else { config.mailer(&public_url)? };
    let Some(mailer) = mailer else {
        let done = format!("Give this link to {email}. It is good for a week, and once.\n{link}\n{note}");
        return Ok(said(as_json, &json!({ "link": link }), done));
    };
    let letter = Letter::Invitation { link, good_for: INVITATION_LASTS.unsigned_abs() };
    // The link is for whoever reads the mail, and for no log that has what is printed here.
    mailer.send_now(&Mail { to: email.clone(), letter }).await.map_err(|error| {
        anyhow::anyhow!("{} Nobody has the link. Try again, or use --no-mail to print one.", error.detail())
    })?;
    let done = format!("A mail to {email} has the link. It is good for a week, and once.\n{note}");
    Ok(said(as_json, &json!({ "sent_to": email.as_str() }), done))
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

/// What there is to read before anybody came.
const NOBODY: &str = "There are no users yet. Add one: `retinue user add ada@example.com --admin`.";

fn list(people: &[(User, Vec<(Team, Role)>)], none: &str, as_json: bool) -> String {
    let role = |(team, role): &(Team, Role)| format!("{} ({})", team.slug.as_str(), role.as_str());
    let row = |(user, teams): &(User, Vec<(Team, Role)>)| {
        let marks = [(user.organization_admin, "administrator"), (user.disabled_at.is_some(), "disabled")];
        let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
        let email = user.email.clone().unwrap_or_else(|| "-".to_owned());
        let teams: Vec<_> = teams.iter().map(role).collect();
        [user.id.to_string(), email, user.name.clone(), teams.join(", "), marks.join(", ")]
    };
    let rows: Vec<_> = people.iter().map(row).collect();
    let for_programs = people.iter().map(|(user, teams)| {
        let mut view = view(user);
        let team = |(team, role): &(Team, Role)| json!({ "id": team.id, "slug": team.slug, "role": role });
        view["teams"] = teams.iter().map(team).collect();
        view
    });
    said(as_json, &for_programs.collect(), table(["id", "address", "name", "teams", ""], &rows, none))
}

/// `retinue user show`
async fn show(config: &Config, named: &str, as_json: bool) -> anyhow::Result<String> {
    let people = open(config).await?;
    let Person { user, identities, memberships, contents } = people.person(people.find_any(named).await?).await?;
    let mut for_programs = view(&user);
    for_programs["identities"] = json!(identities);
    for_programs["contents"] = json!(contents);
    for_programs["teams"] = memberships
        .iter()
        .map(|Membership { team, membership }| {
            json!({
                "id": team.id, "slug": team.slug, "name": team.name, "role": membership.role, "origin": membership.origin,
                "since": membership.created_at,
            })
        })
        .collect();
    let vouched = if user.email_verified { "" } else { " (nobody vouches for it)" };
    let count = |count: i64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut known = vec![
        ("id", user.id.to_string()),
        ("name", user.name.clone()),
        ("address", user.email.as_ref().map(|email| format!("{email}{vouched}")).unwrap_or_default()),
        ("since", user.created_at.to_string()),
        ("disabled", user.disabled_at.map(|at| format!("since {at}")).unwrap_or_default()),
        ("runs", if user.organization_admin { "the installation".to_owned() } else { String::new() }),
    ];
    known
        .extend(identities.iter().map(|one| ("identity", format!("{}: {}|{}", one.provider, one.issuer, one.subject))));
    known.extend(memberships.iter().map(|Membership { team, membership }| {
        let (slug, role, origin) = (team.slug.as_str(), membership.role.as_str(), membership.origin.as_str());
        ("team", format!("{slug}: {role} ({origin})"))
    }));
    known.push((
        "has",
        format!(
            "{}, {}, {}, {}, {}",
            count(contents.threads, "conversation"),
            count(contents.private_agents, "private agent"),
            count(contents.shared_agents, "shared agent"),
            count(contents.sessions, "session"),
            count(contents.api_keys, "API key"),
        ),
    ));
    Ok(said(as_json, &for_programs, facts(&known)))
}

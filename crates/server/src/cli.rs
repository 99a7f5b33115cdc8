//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use retinue_model::usage::Month;

use crate::agent::AgentCommand;
use crate::api_key::ApiKeyCommand;
use crate::audit::{self, AuditCommand};
use crate::budget::BudgetCommand;
use crate::config::{Config, Environment, Layers};
use crate::invitation::InvitationCommand;
use crate::member::MemberCommand;
use crate::team::TeamCommand;
use crate::terminal::safe;
use crate::usage::{self, Whose};
use crate::user::{ThreadCommand, UserCommand};
use crate::{
    access, agent, api_key, budget, doctor, invitation, key, member, migrate, reference, serve, show, team, telemetry,
    user,
};

/// A self-hosted server for people who work with AI agents.
#[derive(Debug, Parser)]
#[command(
    name = "retinue",
    version,
    about,
    after_help = "Without a command, the server is started: http://127.0.0.1:8080"
)]
struct Cli {
    /// The configuration file; otherwise `RETINUE_CONFIG`, or `retinue.toml` if there is one
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Start the server (the default)
    Serve,
    /// Show or change the version of the database's schema
    Migrate {
        #[command(subcommand)]
        command: MigrateCommand,
    },
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Look at the whole sign-in set-up, at the real identity providers, and say how to mend what is wrong
    Doctor,
    /// The keys that cookies are signed with
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Add people, shut them out, offboard them, give them passwords, let them run the installation; also beside a running server
    User {
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Teams; also beside a running server
    Team {
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: TeamCommand,
    },
    /// Who belongs to a team; also beside a running server
    Member {
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: MemberCommand,
    },
    /// Agents; also beside a running server
    Agent {
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: AgentCommand,
    },
    /// API keys; also beside a running server
    ApiKey {
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: ApiKeyCommand,
    },
    /// Invitations into teams; also beside a running server
    Invitation {
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: InvitationCommand,
    },
    /// Conversations from before people signed in
    Thread {
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: ThreadCommand,
    },
    /// What was used in a month: runs and tokens
    Usage {
        /// Which month, such as 2026-11; this one if left out
        #[arg(long, value_parser = usage::parse_month)]
        month: Option<Month>,
        #[command(flatten)]
        whose: Whose,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// How many tokens a user or a team may use in a month; also beside a running server
    Budget {
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: BudgetCommand,
    },
    /// Why somebody may do something, or may not
    Access {
        #[command(subcommand)]
        command: AccessCommand,
    },
    /// The audit trail: who did what; also beside a running server
    Audit {
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Print the OpenAPI document
    Openapi,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Say whether somebody may do something, and by what chain
    Explain {
        /// Who: an id, or an address that is known to be theirs
        #[arg(long)]
        user: String,
        /// What, such as agent.use
        #[arg(long)]
        action: String,
        /// With what: `organization`, or the id of a team, an agent, a thread, an API key or a user
        #[arg(long, default_value = "organization")]
        resource: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum KeyCommand {
    /// Take a new key for what is new; what the others made still counts for as long as a session may last
    Rotate {
        /// Let nothing count any more that the others made: everybody signs in again
        #[arg(long)]
        forget: bool,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Say which versions are applied
    Status,
    /// Apply what is missing; `serve` does so by itself
    Up,
    /// Take back the newest version, with the data that came with it
    Down {
        /// Yes, delete that data
        #[arg(long)]
        yes: bool,
        /// Yes, let the conversations of all people be one person's
        #[arg(long)]
        merge_everybodys_conversations: bool,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum ConfigCommand {
    /// Say what is wrong, without starting
    Check,
    /// Print what is in force and where each value came from; secrets are hidden
    Show,
    /// Print the reference of all keys, in Markdown
    Reference,
}

/// Runs the command that was given. Exit codes: 0 done, 1 failed, 2 the configuration is wrong, 130 told twice to stop.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment: Environment = std::env::vars_os()
        // What is not UTF-8 is none of our names or values.
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match cli.command.unwrap_or(Command::Serve) {
        Command::Openapi => openapi(),
        Command::Config { command: ConfigCommand::Reference } => print(&reference::markdown()),
        command => with_config(cli.config.as_deref(), &environment, command),
    }
}

fn with_config(file: Option<&std::path::Path>, environment: &Environment, command: Command) -> ExitCode {
    let read = Layers::read(file, environment).and_then(|layers| Ok((layers.config(environment)?, layers)));
    let (config, layers) = match read {
        Ok(read) => read,
        Err(error) => return complain(&format!("The configuration is wrong.\n  {error}"), 2),
    };
    match command {
        Command::Config { command: ConfigCommand::Show } => print(&show::text(&layers)),
        Command::Config { .. } | Command::Openapi => check(&config, environment),
        Command::Serve => match telemetry::start_logs(&config.log) {
            Ok(()) => finish(block_on(serve::run(config, environment, &layers)).map(|()| String::new())),
            Err(error) => complain(&format!("The configuration is wrong.\n  {error}"), 2),
        },
        Command::Doctor => finish(block_on(doctor::run(&config))),
        Command::Key { command: KeyCommand::Rotate { forget } } => {
            finish(block_on(async { Ok(key::rotate(&config, forget).await?) }))
        }
        Command::Migrate { command } => finish(block_on(migrate::run(&config, command))),
        Command::User { command, json } => finish(block_on(user::run(&config, environment, command, json))),
        Command::Team { command, json } => finish(block_on(team::run(&config, command, json))),
        Command::Member { command, json } => finish(block_on(member::run(&config, command, json))),
        Command::Agent { command, json } => finish(block_on(agent::run(&config, environment, command, json))),
        Command::ApiKey { command, json } => finish(block_on(api_key::run(&config, command, json))),
        Command::Invitation { command, json } => finish(block_on(invitation::run(&config, command, json))),
        Command::Usage { month, whose, json } => finish(block_on(usage::run(&config, whose, month, json))),
        Command::Budget { command, json } => finish(block_on(budget::run(&config, command, json))),
        Command::Access { command } => finish(block_on(access::run(&config, environment, command))),
        Command::Audit { command, json } => finish(block_on(audit::run(&config, command, json))),
        Command::Thread { command, json } => finish(block_on(user::run_thread(&config, command, json))),
    }
}

fn check(config: &Config, environment: &Environment) -> ExitCode {
    match crate::wiring::catalog(config, environment) {
        Ok(_) => {
            let warning = config.warning().map(|text| format!("Note: {text}\n")).unwrap_or_default();
            print(&format!("The configuration is fine.\n{warning}"))
        }
        Err(error) => complain(&format!("The configuration is wrong.\n  {}", error.detail()), 2),
    }
}

fn openapi() -> ExitCode {
    match retinue_web::openapi().to_pretty_json() {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => complain(&error.to_string(), 1),
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    if result.is_err() {
        // Otherwise the end would wait for whatever is still at work on the disk.
        runtime.shutdown_background();
    }
    result
}

fn finish(result: anyhow::Result<String>) -> ExitCode {
    match result {
        Ok(text) => print(&text),
        // Not what went wrong, but what was asked for.
        Err(error) if error.is::<doctor::Unwell>() || error.is::<audit::NotWhole>() => {
            print(&format!("{error}\n"));
            ExitCode::FAILURE
        }
        // The log says so already.
        Err(error) if error.is::<serve::StoppedAtOnce>() => ExitCode::from(130),
        Err(error) => match error.downcast_ref::<retinue_model::Error>() {
            Some(known) => {
                let cause = known
                    .cause_chain()
                    .filter(|cause| !known.detail().contains(cause.as_str()))
                    .map(|cause| format!("\n  Cause: {cause}"))
                    .unwrap_or_default();
                complain(&format!("{}{cause}", known.detail()), 1)
            }
            None => complain(&format!("{error:#}"), 1),
        },
    }
}

#[expect(clippy::print_stdout, reason = "what a command prints is its result")]
fn print(text: &str) -> ExitCode {
    print!("{}", safe(text));
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "whoever typed the command reads this")]
fn complain(text: &str, code: u8) -> ExitCode {
    eprintln!("{}", safe(text));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    const ABOUT_TEAMS: &str = include_str!("../../../docs/teams.md");

    /// What the document says of a command and of those below it.
    fn said_of(command: &str) -> String {
        let begins = format!("| `retinue {command} ");
        ABOUT_TEAMS.lines().filter(|line| line.starts_with(&begins)).collect::<Vec<_>>().join("\n")
    }

    fn words(text: &str) -> impl Iterator<Item = &str> {
        text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
    }

    #[test]
    fn what_can_be_typed_about_teams_is_documented() {
        let mut cli = Cli::command();
        cli.build();
        let others = ["serve", "migrate", "config", "doctor", "key", "user", "thread", "openapi", "help"];
        for command in cli.get_subcommands().filter(|command| !others.contains(&command.get_name())) {
            let said = said_of(command.get_name());
            let below = || command.get_subcommands().filter(|below| below.get_name() != "help");
            for verb in below() {
                assert!(words(&said).any(|word| word == verb.get_name()), "{} {}", command.get_name(), verb.get_name());
            }
            let arguments = below().chain([command]).flat_map(clap::Command::get_arguments);
            let options = arguments.filter(|argument| !argument.is_global_set()).filter_map(clap::Arg::get_long);
            for option in options.filter(|option| !["help", "json", "version", "config"].contains(option)) {
                let option = format!("--{option}");
                assert!(words(&said).any(|word| word == option), "{} {option}", command.get_name());
            }
        }
    }
}

//! `retinue agent …`: agents, for whoever has the machine. A server may be running beside it. Of an agent that is its maker's
//! alone it says that there is one, and no more.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use retinue_app::agent::{Change, NewAgent, Version};
use retinue_model::agent::{Agent, Description, Instructions, Limits, Sharing};
use retinue_model::provider::Choice;
use retinue_model::{Name, Slug};
use serde_json::{Value, json};

use crate::config::{Config, Environment};
use crate::operator::open;
use crate::terminal::{facts, said, table};
use crate::wiring;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// List agents
    List {
        /// Only those of this team, by short name or id
        #[arg(long)]
        team: Option<String>,
    },
    /// Say what an agent is
    Show {
        /// Its id, or its team and its short name, such as default/assistant
        agent: String,
    },
    /// List what an agent was, the newest version first; with --json also what its model was told
    Versions {
        /// Its id, or its team and its short name
        agent: String,
    },
    /// Make an agent
    Create {
        /// The name for people
        name: String,
        /// The team that it belongs to, by short name or id
        #[arg(long)]
        team: String,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Change an agent that is shared; what is left out stays
    Set {
        /// Its id, or its team and its short name
        agent: String,
        /// The name for people
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Delete an agent; conversations that it took part in stay
    Delete {
        /// Its id, or its team and its short name
        agent: String,
    },
    /// Take back that an agent was deleted by a command
    Restore {
        /// Its id
        #[arg(value_name = "ID")]
        agent: String,
    },
}

/// What may be said of an agent.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// The name for programs
    #[arg(long)]
    slug: Option<String>,
    /// What it is for, in a line
    #[arg(long)]
    description: Option<String>,
    /// What the model is told before every conversation
    #[arg(long, value_name = "TEXT")]
    instructions: Option<String>,
    /// The same, from a file
    #[arg(long, value_name = "FILE", conflicts_with = "instructions")]
    instructions_file: Option<PathBuf>,
    /// Its model; `default` for the first one there is
    #[arg(long)]
    model: Option<String>,
    /// How often its model is asked in a run; 0 for as often as the server lets it
    #[arg(long, value_name = "COUNT")]
    max_turns: Option<u32>,
    /// How many tokens its model writes in a run; 0 for as many as the server lets it
    #[arg(long, value_name = "COUNT")]
    max_tokens: Option<u32>,
    /// How long a run takes; 0 for as long as the server lets it
    #[arg(long, value_name = "SECONDS")]
    max_seconds: Option<u32>,
    /// With whom it is shared: `team` or `organization`
    #[arg(long, value_parser = sharing)]
    sharing: Option<Sharing>,
    /// Whether programs may use it by the remote agent API; of no effect in this release: API keys reach every agent that
    /// their owner may use
    #[arg(long, value_name = "BOOL")]
    remote_api: Option<bool>,
}

fn sharing(text: &str) -> Result<Sharing, String> {
    Sharing::named(text).map_err(|error| error.detail().to_owned())
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("The instructions can't be read from {}. Name a text file.", path.display()))
}

impl Settings {
    fn instructions(&self) -> anyhow::Result<Option<Instructions>> {
        let text = match (&self.instructions, &self.instructions_file) {
            (Some(text), _) => Some(text.clone()),
            (None, Some(path)) => Some(read(path)?),
            (None, None) => None,
        };
        Ok(text.as_deref().map(Instructions::new).transpose()?)
    }

    /// Its limits, where it had these.
    fn limits(&self, before: Limits) -> Limits {
        let one = |new: Option<u32>, before| new.map_or(before, |limit| Some(limit).filter(|limit| *limit > 0));
        Limits {
            turns: one(self.max_turns, before.turns),
            tokens: one(self.max_tokens, before.tokens),
            seconds: one(self.max_seconds, before.seconds),
        }
    }

    /// What becomes of its model.
    fn model(&self, config: &Config, environment: &Environment) -> anyhow::Result<Choice> {
        match self.model.as_deref() {
            None => Ok(Choice::Unchanged),
            Some("default") => Ok(Choice::AgentsOwn),
            Some(name) => {
                wiring::check_model(config, environment, name)?;
                Ok(Choice::Named(name.to_owned()))
            }
        }
    }

    fn slug(&self) -> retinue_model::Result<Option<Slug>> {
        self.slug.as_deref().map(Slug::new).transpose()
    }
}

/// Does it, and says what was done.
pub(crate) async fn run(
    config: &Config,
    environment: &Environment,
    command: AgentCommand,
    as_json: bool,
) -> anyhow::Result<String> {
    match command {
        AgentCommand::List { team } => list(config, team.as_deref(), as_json).await,
        AgentCommand::Show { agent } => {
            let agent = open(config).await?.find_agent(&agent).await?;
            Ok(said(as_json, &view(&agent), shown(&agent)))
        }
        AgentCommand::Versions { agent } => {
            let people = open(config).await?;
            let agent = people.find_agent(&agent).await?;
            Ok(versions(&people.agent_versions(&agent).await?, as_json))
        }
        AgentCommand::Create { name, team, settings } => {
            let people = open(config).await?;
            let new = NewAgent {
                team_id: people.find_team(&team).await?.id,
                slug: settings.slug()?,
                name: Name::new(&name)?,
                description: Description::new(settings.description.as_deref().unwrap_or_default())?,
                instructions: settings.instructions()?.map_or_else(|| Instructions::new(""), Ok)?,
                model: settings.model(config, environment)?.name().map(str::to_owned),
                limits: settings.limits(Limits::default()).check()?,
                sharing: settings.sharing.unwrap_or(Sharing::Team),
                remote_api: settings.remote_api.unwrap_or(false),
            };
            let agent = people.create_agent(new).await?;
            Ok(said(as_json, &view(&agent), format!("Made {}.\n", called(&agent))))
        }
        AgentCommand::Set { agent, name, settings } => {
            let people = open(config).await?;
            let before = people.find_agent(&agent).await?;
            let change = Change {
                version: None,
                slug: settings.slug()?,
                name: name.as_deref().map(Name::new).transpose()?,
                description: settings.description.as_deref().map(Description::new).transpose()?,
                instructions: settings.instructions()?,
                model: settings.model(config, environment)?,
                limits: Some(settings.limits(before.limits)),
                sharing: settings.sharing,
                remote_api: settings.remote_api,
            };
            let agent = people.change_agent(&before, change).await?;
            let done = if agent.version == before.version {
                format!("{} is that already.\n", called(&agent))
            } else {
                format!("{} is changed: version {}.\n", called(&agent), agent.version)
            };
            Ok(said(as_json, &view(&agent), done))
        }
        AgentCommand::Delete { agent } => {
            let people = open(config).await?;
            let agent = people.find_agent(&agent).await?;
            people.delete_agent(&agent).await?;
            let done =
                format!("{} is deleted.\nTo take that back: `retinue agent restore {}`.\n", called(&agent), agent.id);
            Ok(said(as_json, &json!({ "id": agent.id }), done))
        }
        AgentCommand::Restore { agent } => {
            let agent = open(config).await?.restore_agent(agent.parse()?).await?;
            Ok(said(as_json, &view(&agent), format!("{} is there again.\n", called(&agent))))
        }
    }
}

async fn list(config: &Config, team: Option<&str>, as_json: bool) -> anyhow::Result<String> {
    let people = open(config).await?;
    let teams = match team {
        Some(named) => vec![people.find_team(named).await?],
        None => people.teams().await?,
    };
    let (mut rows, mut views) = (Vec::new(), Vec::new());
    for team in teams {
        for agent in people.agents(&team).await? {
            let name = |text: &str| if is_private(&agent) { "-".to_owned() } else { text.to_owned() };
            let marks = [(agent.declared, "declared"), (agent.remote_api, "remote API")];
            let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
            let (sharing, team) = (agent.sharing.as_str().to_owned(), team.slug.as_str().to_owned());
            rows.push([
                agent.id.to_string(),
                team,
                name(agent.slug.as_str()),
                name(&agent.name),
                sharing,
                marks.join(", "),
            ]);
            views.push(view(&agent));
        }
    }
    let heading = ["id", "team", "short name", "name", "shared with", ""];
    let none = "There are no agents. Make one: `retinue agent create`.";
    Ok(said(as_json, &Value::Array(views), table(heading, &rows, none)))
}

fn is_private(agent: &Agent) -> bool {
    agent.sharing == Sharing::Private
}

fn called(agent: &Agent) -> String {
    if is_private(agent) {
        return format!("The private agent {}", agent.id);
    }
    format!("{} ({}, {})", agent.name, agent.slug.as_str(), agent.id)
}

fn view(agent: &Agent) -> Value {
    if !is_private(agent) {
        return json!(agent);
    }
    json!({
        "id": agent.id, "team_id": agent.team_id, "maker_id": agent.maker_id, "sharing": agent.sharing,
        "created_at": agent.created_at, "updated_at": agent.updated_at,
    })
}

fn bounds(limits: Limits) -> String {
    let limit = |one: &str, limit: Option<u32>| {
        limit.map(|limit| format!("{limit} {one}{}", if limit == 1 { "" } else { "s" }))
    };
    let all = [limit("turn", limits.turns), limit("token", limits.tokens), limit("second", limits.seconds)];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `retinue agent versions`
fn versions(all: &[Version], as_json: bool) -> String {
    let row = |one: &Version| {
        let by = one.changed_by.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let model = one.model.clone().unwrap_or_default();
        [one.version.to_string(), one.created_at.to_string(), by, one.name.clone(), model, bounds(one.limits)]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let for_programs = all.iter().map(|one| {
        json!({
            "version": one.version, "name": one.name, "description": one.description, "instructions": one.instructions,
            "model": one.model, "limits": one.limits, "changed_by": one.changed_by, "created_at": one.created_at,
        })
    });
    let heading = ["version", "made", "by", "name", "model", "limits"];
    said(as_json, &for_programs.collect(), table(heading, &rows, "All of its versions were its maker’s alone."))
}

fn shown(agent: &Agent) -> String {
    let maker = agent.maker_id.map(|id| id.to_string()).unwrap_or_default();
    if is_private(agent) {
        let known = [
            ("id", agent.id.to_string()),
            ("team", agent.team_id.to_string()),
            ("maker", maker),
            ("shared with", "nobody: what it is, only its maker sees".to_owned()),
        ];
        return facts(&known);
    }
    let known = [
        ("id", agent.id.to_string()),
        ("team", agent.team_id.to_string()),
        ("short name", agent.slug.as_str().to_owned()),
        ("name", agent.name.clone()),
        ("for", agent.description.clone()),
        ("model", agent.model.clone().unwrap_or_else(|| "the first one there is".to_owned())),
        ("limits", bounds(agent.limits)),
        ("shared with", agent.sharing.as_str().to_owned()),
        ("remote API", if agent.remote_api { "yes" } else { "no" }.to_owned()),
        ("maker", if agent.declared { "the configuration".to_owned() } else { maker }),
        ("version", agent.version.to_string()),
    ];
    format!("{}\n{}\n", facts(&known), agent.instructions)
}

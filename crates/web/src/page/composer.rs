//! Where a person writes, and chooses who answers.

use retinue_app::budget::{self, Warning};
use retinue_app::{Context, agent, provider, user};
use retinue_model::agent::Agent;
use retinue_model::provider::Choice as ModelChoice;
use retinue_model::text::{Input, MAX_INPUT_CHARS};
use retinue_model::thread::Thread;
use retinue_model::{AgentId, Error, Result, RunId, TeamId};
use serde::Deserialize;

use super::usage::count;
use crate::when::When;

/// The composer.
pub(crate) struct Composer {
    pub(crate) action: String,
    pub(crate) thread_id: String,
    pub(crate) running: Option<RunRef>,
    pub(crate) agents: Vec<Choice>,
    pub(crate) models: Vec<Choice>,
    /// What a new conversation may count for, where that is a choice.
    pub(crate) teams: Vec<Choice>,
    /// What one counts for that is there, where others could be meant.
    pub(crate) counts_for: Option<String>,
    pub(crate) input: String,
    pub(crate) error: Option<String>,
    /// That little is left of what may be used.
    pub(crate) warning: Option<String>,
    pub(crate) max_chars: usize,
}

/// The run that the stop button stops.
pub(crate) struct RunRef {
    pub(crate) id: String,
    pub(crate) cancel_action: String,
}

/// One entry of a choice.
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) selected: bool,
}

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    #[serde(default)]
    pub(crate) input: String,
    agent_id: Option<String>,
    model: Option<String>,
    team_id: Option<String>,
}

/// What the form says, checked.
pub(crate) struct Said {
    pub(crate) input: Input,
    pub(crate) agent_id: Option<AgentId>,
    pub(crate) model: ModelChoice,
    /// Of a new conversation.
    pub(crate) team_id: Option<TeamId>,
}

impl Form {
    pub(crate) fn check(&self) -> Result<Said> {
        Ok(Said {
            input: Input::new(&self.input)?,
            agent_id: self.agent_id.as_deref().filter(|id| !id.is_empty()).map(str::parse).transpose()?,
            team_id: self.team_id.as_deref().filter(|id| !id.is_empty()).map(str::parse).transpose()?,
            model: match self.model.as_deref() {
                None => ModelChoice::Unchanged,
                Some("") => ModelChoice::AgentsOwn,
                Some(name) => ModelChoice::Named(name.to_owned()),
            },
        })
    }
}

impl Composer {
    /// For a conversation, or for a new one.
    pub(crate) async fn new(ctx: &Context, thread: Option<&Thread>, running: Option<RunId>) -> Result<Self> {
        let offered = agent::offered(ctx).await?;
        let team = thread.map(|thread| thread.team_id).or_else(|| Some(offered.first()?.team_id));
        let warning = match team {
            Some(team) => budget::warning(ctx, team).await?.map(warned),
            None => None,
        };
        let (teams, counts_for) = teams(ctx, thread).await?;
        Ok(Self {
            action: thread.map_or_else(|| "/threads".to_owned(), |thread| format!("/threads/{}/runs", thread.id)),
            thread_id: thread.map(|thread| thread.id.to_string()).unwrap_or_default(),
            running: running.map(|id| RunRef { id: id.to_string(), cancel_action: format!("/runs/{id}/cancel") }),
            agents: agents(ctx, thread, &offered).await?,
            models: models(ctx, thread),
            teams,
            counts_for,
            input: String::new(),
            error: None,
            warning,
            max_chars: MAX_INPUT_CHARS,
        })
    }

    /// With what was typed and why it was not taken.
    #[must_use]
    pub(crate) fn refused(mut self, form: Form, error: &Error) -> Self {
        self.input = form.input;
        self.error = Some(error.detail().to_owned());
        // One sentence is enough.
        self.warning = None;
        let keep = |choices: &mut Vec<Choice>, value: Option<String>| {
            if let Some(value) = value {
                for choice in choices {
                    choice.selected = choice.value == value;
                }
            }
        };
        keep(&mut self.agents, form.agent_id);
        keep(&mut self.models, form.model);
        keep(&mut self.teams, form.team_id);
        self
    }
}

fn warned(warning: Warning) -> String {
    match warning {
        Warning::Spent(why) => why,
        Warning::Little { left, renews_at } => {
            let renews = When::new(renews_at, renews_at).exact;
            let what = match left {
                Some(left) => format!("{} tokens are left of your budget.", count(left)),
                None => {
                    "Less than a tenth is left of the budget of the team that this conversation counts for.".to_owned()
                }
            };
            format!("{what} It begins anew on {renews}.")
        }
    }
}

async fn agents(ctx: &Context, thread: Option<&Thread>, all: &[Agent]) -> Result<Vec<Choice>> {
    let chosen = thread.map(|thread| thread.agent_id).or(all.first().map(|agent| agent.id));
    let mut choices: Vec<_> = all
        .iter()
        .map(|agent| Choice {
            value: agent.id.to_string(),
            label: agent.name.clone(),
            selected: Some(agent.id) == chosen,
        })
        .collect();
    if let Some(chosen) = chosen.filter(|_| choices.iter().all(|choice| !choice.selected)) {
        let name = agent::name_of(ctx, chosen).await?.unwrap_or_else(|| "Unknown agent".to_owned());
        choices.insert(0, Choice { value: chosen.to_string(), label: format!("{name} (gone)"), selected: true });
    }
    Ok(choices)
}

/// The teams that a new conversation may count for, or the one that this one does, for those who belong to several.
async fn teams(ctx: &Context, thread: Option<&Thread>) -> Result<(Vec<Choice>, Option<String>)> {
    let own: Vec<_> = user::my_teams(ctx).await?.into_iter().map(|(team, _)| team).collect();
    if own.len() < 2 {
        return Ok((Vec::new(), None));
    }
    if let Some(thread) = thread {
        let known = own.into_iter().find(|team| team.id == thread.team_id);
        return Ok((Vec::new(), known.map(|team| team.name)));
    }
    let mut choices = vec![Choice { value: String::new(), label: "For the agent’s team".to_owned(), selected: true }];
    choices.extend(own.into_iter().map(|team| Choice {
        value: team.id.to_string(),
        label: format!("For {}", team.told_apart()),
        selected: false,
    }));
    Ok((choices, None))
}

fn models(ctx: &Context, thread: Option<&Thread>) -> Vec<Choice> {
    let all = provider::list(ctx);
    let chosen = thread.and_then(|thread| thread.model.as_deref());
    if all.len() < 2 && chosen.is_none() {
        return Vec::new();
    }
    let default = provider::default_model(ctx).map_or_else(|_| "agent’s own".to_owned(), |model| model.name);
    let mut choices =
        vec![Choice { value: String::new(), label: format!("Default ({default})"), selected: chosen.is_none() }];
    choices.extend(all.into_iter().map(|model| Choice {
        selected: chosen == Some(model.name.as_str()),
        label: model.name.clone(),
        value: model.name,
    }));
    if let Some(gone) = chosen.filter(|_| choices.iter().all(|choice| !choice.selected)) {
        choices.push(Choice { value: gone.to_owned(), label: format!("{gone} (not available now)"), selected: true });
    }
    choices
}

//! `retinue usage`: what was used, for whoever has the machine. A server may be running beside it.

use clap::{Args, ValueEnum};
use retinue_app::administration::Administration;
use retinue_model::usage::{Amount, By, Entry, Month, Of, Part, Total};
use serde_json::{Value, json};

use crate::config::Config;
use crate::operator::open;
use crate::terminal::{said, table};

/// What to tell usage apart by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Apart {
    /// For whom
    User,
    /// In which team
    Team,
    /// By which agent
    Agent,
    /// Of which model
    Model,
}

impl From<Apart> for By {
    fn from(apart: Apart) -> Self {
        match apart {
            Apart::User => Self::User,
            Apart::Team => Self::Team,
            Apart::Agent => Self::Agent,
            Apart::Model => Self::Model,
        }
    }
}

/// Of whom, and what to tell apart.
#[derive(Args, Clone, Debug)]
pub(crate) struct Whose {
    /// What to tell apart of what all used
    #[arg(long, value_enum, default_value = "user")]
    by: Apart,
    /// Only what this user used, by agent and model: an address or id
    #[arg(long, conflicts_with_all = ["by", "team"])]
    user: Option<String>,
    /// Only what was used in this team, by user, agent and model: its short name or id
    #[arg(long, conflicts_with = "by")]
    team: Option<String>,
}

pub(crate) fn parse_month(text: &str) -> Result<Month, String> {
    Month::named(text).map_err(|error| error.detail().to_owned())
}

/// Reads it, and says what was used.
pub(crate) async fn run(config: &Config, whose: Whose, month: Option<Month>, as_json: bool) -> anyhow::Result<String> {
    let people = open(config).await?;
    let month = month.unwrap_or_else(|| people.month());
    let (for_programs, for_people) = match whose {
        Whose { user: Some(user), .. } => of_user(&people, &user, month).await?,
        Whose { team: Some(team), .. } => of_team(&people, &team, month).await?,
        Whose { by, .. } => of_all(&people, by.into(), month).await?,
    };
    Ok(said(as_json, &for_programs, for_people))
}

async fn of_all(people: &Administration, by: By, month: Month) -> anyhow::Result<(Value, String)> {
    let totals = people.usage(by, month).await?;
    let view = |total: &Total| with(total.amount, [("id", json!(id(total))), ("name", json!(total.name))]);
    let view = json!({ "month": month, "by": by, "data": totals.iter().map(view).collect::<Vec<_>>() });
    let row = |total: &Total| {
        let [runs, input, output] = counts(total.amount);
        [id(total), or_dash(total.name.as_ref()), runs, input, output]
    };
    let (rows, amounts) = (totals.iter().map(row).collect::<Vec<_>>(), totals.iter().map(|total| total.amount));
    Ok((view, text([by.as_str(), "name", "runs", "tokens in", "tokens out"], &rows, (month, amounts))))
}

async fn of_user(people: &Administration, named: &str, month: Month) -> anyhow::Result<(Value, String)> {
    let user = people.find_any(named).await?;
    let parts = people.usage_of_user(&user, month).await?;
    let view = |part: &Part| {
        let Part { agent_id, agent_name, model, amount } = part;
        with(*amount, [("agent_id", json!(agent_id)), ("agent_name", json!(agent_name)), ("model", json!(model))])
    };
    let view = json!({ "month": month, "user_id": user.id, "data": parts.iter().map(view).collect::<Vec<_>>() });
    let row = |part: &Part| {
        let [runs, input, output] = counts(part.amount);
        [part.agent_id.to_string(), or_dash(part.agent_name.as_ref()), part.model.clone(), runs, input, output]
    };
    let (rows, amounts) = (parts.iter().map(row).collect::<Vec<_>>(), parts.iter().map(|part| part.amount));
    Ok((view, text(["agent", "name", "model", "runs", "tokens in", "tokens out"], &rows, (month, amounts))))
}

async fn of_team(people: &Administration, named: &str, month: Month) -> anyhow::Result<(Value, String)> {
    let team = people.find_team(named).await?;
    let entries = people.usage_of_team(&team, month).await?;
    let view = |entry: &Entry| {
        let Entry { user_id, user_name, agent_id, agent_name, model, amount } = entry;
        let user = [("user_id", json!(user_id)), ("user_name", json!(user_name))];
        let agent = [("agent_id", json!(agent_id)), ("agent_name", json!(agent_name)), ("model", json!(model))];
        with(*amount, user.into_iter().chain(agent))
    };
    let view = json!({ "month": month, "team_id": team.id, "data": entries.iter().map(view).collect::<Vec<_>>() });
    let row = |entry: &Entry| {
        let ([runs, input, output], user) = (counts(entry.amount), entry.user_id.to_string());
        let agent = entry.agent_name.clone().unwrap_or_else(|| entry.agent_id.to_string());
        [user, or_dash(entry.user_name.as_ref()), agent, entry.model.clone(), runs, input, output]
    };
    let (rows, amounts) = (entries.iter().map(row).collect::<Vec<_>>(), entries.iter().map(|entry| entry.amount));
    let heading = ["user", "name", "agent", "model", "runs", "tokens in", "tokens out"];
    Ok((view, text(heading, &rows, (month, amounts))))
}

fn id(total: &Total) -> String {
    match &total.of {
        Of::User(id) => id.to_string(),
        Of::Team(id) => id.to_string(),
        Of::Agent(id) => id.to_string(),
        Of::Model(name) => name.clone(),
    }
}

fn or_dash(name: Option<&String>) -> String {
    name.map_or_else(|| "-".to_owned(), String::clone)
}

fn counts(amount: Amount) -> [String; 3] {
    [amount.runs, amount.input_tokens, amount.output_tokens].map(|count| count.to_string())
}

fn with(amount: Amount, of: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let mut view = json!(amount);
    for (name, value) in of {
        view[name] = value;
    }
    view
}

fn text<const N: usize>(
    heading: [&str; N],
    rows: &[[String; N]],
    (month, mut amounts): (Month, impl Iterator<Item = Amount>),
) -> String {
    let mut text = table(heading, rows, &format!("Nothing was used in {month} (UTC)."));
    if amounts.any(|amount| amount.estimated_runs > 0) {
        text.push_str("Where a model’s server did not say what a run took, its tokens are estimated.\n");
    }
    text
}

//! `/agents/new` and `/agents/{id}`: what an agent is, and a form for those who may change it.

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::agent::{self, Change, NewAgent};
use retinue_app::{Context, provider, team};
use retinue_model::agent::{Agent, Description, Instructions, Limits, Sharing};
use retinue_model::membership::Role;
use retinue_model::provider::Choice;
use retinue_model::{AgentId, Error, Name, Result, Slug};
use serde::Deserialize;

use super::agent_version::{self, Versions};
use super::rail::{Rail, View};
use super::{OnPage, Page, VERSION, html, refused};
use crate::extract::{Ctx, Param, Params, form};
use crate::field::Wrong;
use crate::problem;

/// Teams to choose from.
const TEAMS: usize = 200;

#[derive(Template)]
#[template(path = "agent.html")]
struct AgentPage {
    title: String,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    /// The agent that there is already.
    known: Option<Known>,
    teams: Vec<TeamChoice>,
    models: Vec<String>,
    /// Whether there is a form, or only what the agent is.
    editable: bool,
    /// For those who may change it.
    versions: Option<Versions>,
    form: AgentForm,
    wrong: Wrong,
}

struct Known {
    href: String,
    team: String,
    declared: bool,
    may_change: bool,
}

struct TeamChoice {
    id: String,
    name: String,
}

/// What stands in the form. Numbers are texts until they are read.
#[derive(Clone, Debug, Default, Deserialize)]
struct AgentForm {
    /// The version that was read; empty for a new one.
    #[serde(default)]
    version: String,
    #[serde(default)]
    team: String,
    name: String,
    #[serde(default)]
    slug: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    instructions: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    turns: String,
    #[serde(default)]
    tokens: String,
    #[serde(default)]
    seconds: String,
    #[serde(default)]
    sharing: String,
    #[serde(default)]
    remote_api: String,
}

fn number(text: &str) -> Result<Option<u32>> {
    let refused = |_| Error::invalid("invalid_limits", "A limit is a whole number, or nothing.");
    Some(text.trim()).filter(|text| !text.is_empty()).map(|text| text.parse().map_err(refused)).transpose()
}

impl AgentForm {
    fn of(agent: &Agent) -> Self {
        let text = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        Self {
            version: agent.version.to_string(),
            team: agent.team_id.to_string(),
            name: agent.name.clone(),
            slug: agent.slug.as_str().to_owned(),
            description: agent.description.clone(),
            instructions: agent.instructions.clone(),
            model: agent.model.clone().unwrap_or_default(),
            turns: text(agent.limits.turns),
            tokens: text(agent.limits.tokens),
            seconds: text(agent.limits.seconds),
            sharing: agent.sharing.as_str().to_owned(),
            remote_api: if agent.remote_api { "1".to_owned() } else { String::new() },
        }
    }

    fn limits(&self) -> Result<Limits> {
        let limits =
            Limits { turns: number(&self.turns)?, tokens: number(&self.tokens)?, seconds: number(&self.seconds)? };
        limits.check()
    }

    fn model(&self) -> Option<String> {
        Some(self.model.clone()).filter(|model| !model.is_empty())
    }

    fn slug(&self) -> Result<Option<Slug>> {
        Some(self.slug.trim()).filter(|slug| !slug.is_empty()).map(Slug::new).transpose()
    }

    fn new_agent(&self) -> Result<NewAgent> {
        Ok(NewAgent {
            team_id: self.team.parse()?,
            slug: self.slug()?,
            name: Name::new(&self.name)?,
            description: Description::new(&self.description)?,
            instructions: Instructions::new(&self.instructions)?,
            model: self.model(),
            limits: self.limits()?,
            sharing: Sharing::named(&self.sharing)?,
            remote_api: !self.remote_api.is_empty(),
        })
    }

    fn change(&self) -> Result<Change> {
        let stale = |_| Error::invalid("invalid_form", "The form is not whole. Open the page again.");
        Ok(Change {
            version: Some(self.version.parse().map_err(stale)?),
            slug: self.slug()?,
            name: Some(Name::new(&self.name)?),
            description: Some(Description::new(&self.description)?),
            instructions: Some(Instructions::new(&self.instructions)?),
            model: self.model().map_or(Choice::AgentsOwn, Choice::Named),
            limits: Some(self.limits()?),
            sharing: Some(Sharing::named(&self.sharing)?),
            remote_api: Some(!self.remote_api.is_empty()),
        })
    }
}

/// Beside which field something is wrong.
fn wrong(error: &Error) -> Wrong {
    match error.code() {
        "invalid_slug" | "slug_taken" => Wrong::beside("slug", error),
        "invalid_description" => Wrong::beside("description", error),
        "invalid_instructions" => Wrong::beside("instructions", error),
        "invalid_limits" => Wrong::beside("limits", error),
        "agent_changed" => Wrong::beside("version", error),
        "model_unknown" => Wrong::beside("model", error),
        "invalid_id" | "not_found" => Wrong::beside("team", error),
        _ => Wrong::of(error),
    }
}

async fn known(ctx: &Context, agent: &Agent) -> Result<Known> {
    let team = team::get(ctx, agent.team_id).await;
    Ok(Known {
        href: format!("/agents/{}", agent.id),
        // One that is shared with everybody may be of a team that one does not see.
        team: team.map_or_else(|_| "another team".to_owned(), |seen| seen.team.name),
        declared: agent.declared,
        may_change: agent::may_change(ctx, agent).await?,
    })
}

/// Where the list of versions goes on.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Part {
    before: Option<i64>,
}

async fn render(
    ctx: &Context,
    status: StatusCode,
    agent: Option<(&Agent, Part)>,
    (form, wrong): (AgentForm, Wrong),
) -> Result<Response> {
    let own = team::list(ctx, None, TEAMS).await?.teams.into_iter();
    let makes = own.filter(|seen| seen.role.is_some_and(|role| role >= Role::Editor));
    let known = match &agent {
        Some((agent, _)) => Some(known(ctx, agent).await?),
        None => None,
    };
    let versions = match &agent {
        Some((agent, part)) if known.as_ref().is_some_and(|known| known.may_change) => {
            Some(agent_version::load(ctx, agent, part.before).await?)
        }
        _ => None,
    };
    let teams: Vec<_> =
        makes.map(|seen| TeamChoice { id: seen.team.id.to_string(), name: seen.team.told_apart() }).collect();
    let page = AgentPage {
        title: agent.map_or_else(|| "New agent".to_owned(), |(agent, _)| format!("{} · Agents", agent.name)),
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("agents")).await?,
        editable: known.as_ref().map_or(!teams.is_empty(), |known| known.may_change),
        known,
        versions,
        teams,
        models: provider::list(ctx).into_iter().map(|model| model.name).collect(),
        form,
        wrong,
    };
    html(status, &page)
}

/// `GET /agents/new`
pub(crate) async fn ask(Ctx(ctx): Ctx) -> Page {
    let form = AgentForm { sharing: Sharing::Team.as_str().to_owned(), ..AgentForm::default() };
    render(&ctx, StatusCode::OK, None, (form, Wrong::default())).await.on_page(&ctx)
}

/// `GET /agents/{id}`
pub(crate) async fn show(Ctx(ctx): Ctx, Param(id): Param<AgentId>, Params(part): Params<Part>) -> Page {
    let agent = agent::get(&ctx, id).await.on_page(&ctx)?;
    let form = AgentForm::of(&agent);
    render(&ctx, StatusCode::OK, Some((&agent, part)), (form, Wrong::default())).await.on_page(&ctx)
}

/// `POST /agents`
pub(crate) async fn create(Ctx(ctx): Ctx, request: Request) -> Page {
    let typed: AgentForm = form(request).await.on_page(&ctx)?;
    let made = async { agent::create(&ctx, typed.new_agent()?).await };
    match made.await {
        Ok(agent) => Ok(Redirect::to(&format!("/agents/{}", agent.id)).into_response()),
        Err(error) => {
            let page = render(&ctx, problem::status(&error), None, (typed, wrong(&error))).await;
            refused(&ctx, &error, page)
        }
    }
}

/// `POST /agents/{id}`
pub(crate) async fn save(Ctx(ctx): Ctx, Param(id): Param<AgentId>, request: Request) -> Page {
    let typed: AgentForm = form(request).await.on_page(&ctx)?;
    let saved = async { agent::change(&ctx, id, typed.change()?).await };
    match saved.await {
        Ok(_) => Ok(Redirect::to(&format!("/agents/{id}")).into_response()),
        Err(error) => {
            // What is not there for whoever asks is not shown either.
            let agent = agent::get(&ctx, id).await.on_page(&ctx)?;
            let shown = Some((&agent, Part::default()));
            let page = render(&ctx, problem::status(&error), shown, (typed, wrong(&error))).await;
            refused(&ctx, &error, page)
        }
    }
}

/// `POST /agents/{id}/delete`
pub(crate) async fn delete(Ctx(ctx): Ctx, Param(id): Param<AgentId>) -> Page {
    agent::delete(&ctx, id).await.on_page(&ctx)?;
    Ok(Redirect::to("/agents").into_response())
}

/// `POST /agents/{id}/restore`
pub(crate) async fn restore(Ctx(ctx): Ctx, Param(id): Param<AgentId>) -> Page {
    agent::restore(&ctx, id).await.on_page(&ctx)?;
    Ok(Redirect::to(&format!("/agents/{id}")).into_response())
}

//! `/agents`: who can answer, with which models, and what to set next.

use askama::Template;
use axum::Extension;
use axum::http::StatusCode;
use axum::response::Response;
use retinue_app::provider::{Entry, SourceState};
use retinue_app::{Context, agent, provider};
use retinue_model::Result;
use retinue_model::provider::{Model, Origin};

use super::rail::{Rail, View};
use super::turn::grouped;
use super::{OnPage, Page, VERSION, html, with_code};
use crate::asked::Asked;
use crate::extract::Ctx;

#[derive(Template)]
#[template(path = "agents.html")]
struct AgentsPage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    agents: Vec<AgentView>,
    models: Vec<ModelView>,
    advice: Vec<String>,
    /// What was deleted a moment ago.
    deleted: Option<DeletedView>,
}

struct DeletedView {
    name: String,
    href: String,
}

struct AgentView {
    href: String,
    name: String,
    slug: String,
    description: String,
    instructions: String,
    model: String,
    origin: &'static str,
}

struct ModelView {
    name: String,
    /// What its server calls it, if that is another name.
    id: Option<String>,
    provider: String,
    state: &'static str,
    problem: Option<String>,
    context_tokens: String,
    origin: &'static str,
}

/// `GET /agents`
pub(crate) async fn list(Ctx(ctx): Ctx, Extension(asked): Extension<Asked>) -> Page {
    render(&ctx, &asked.settings.advice).await.on_page(&ctx)
}

async fn render(ctx: &Context, advice: &[String]) -> Result<Response> {
    let page = AgentsPage {
        title: "Agents",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("agents")).await?,
        agents: agents(ctx).await?,
        models: models(ctx),
        deleted: agent::deleted_lately(ctx)
            .await?
            .map(|agent| DeletedView { name: agent.name, href: format!("/agents/{}", agent.id) }),
        advice: advice.iter().map(|line| with_code(line)).collect(),
    };
    html(StatusCode::OK, &page)
}

async fn agents(ctx: &Context) -> Result<Vec<AgentView>> {
    let views = agent::offered(ctx).await?.into_iter().map(|agent| AgentView {
        href: format!("/agents/{}", agent.id),
        name: agent.name,
        slug: agent.slug.into(),
        description: agent.description,
        instructions: agent.instructions,
        model: agent.model.unwrap_or_else(|| "the default one".to_owned()),
        origin: if agent.declared { "configuration" } else { "here" },
    });
    Ok(views.collect())
}

fn models(ctx: &Context) -> Vec<ModelView> {
    let mut views: Vec<ModelView> = provider::declared(ctx).iter().map(declared).collect();
    views.extend(provider::sources(ctx).iter().flat_map(listed));
    if views.iter().all(|view| view.state == "unreachable") {
        views.extend(
            provider::list(ctx)
                .into_iter()
                .filter(|model| model.origin == Origin::BuiltIn)
                .map(|model| view(&model, "built in".to_owned(), "ready")),
        );
    }
    views
}

fn declared(entry: &Entry) -> ModelView {
    view(&entry.model, entry.address.clone(), "unknown")
}

fn listed(state: &SourceState) -> Vec<ModelView> {
    let address = state.source.address.clone();
    match &state.answer {
        Some(Ok(models)) => models.iter().map(|model| view(model, address.clone(), "ready")).collect(),
        // Nobody asked for it: that it is not there is no news.
        _ if !state.source.expected => Vec::new(),
        answer => {
            let problem =
                answer.as_ref().and_then(|answer| answer.as_ref().err()).map(|failure| failure.message.clone());
            vec![ModelView {
                name: address.clone(),
                id: None,
                provider: address,
                state: if problem.is_some() { "unreachable" } else { "unknown" },
                problem,
                context_tokens: "not known".to_owned(),
                origin: origin(state.source.origin),
            }]
        }
    }
}

fn view(model: &Model, provider: String, state: &'static str) -> ModelView {
    ModelView {
        name: model.name.clone(),
        id: Some(model.upstream_name.clone()).filter(|id| *id != model.name),
        provider,
        state,
        problem: None,
        context_tokens: format!("{} tokens", grouped(model.context_tokens.into())),
        origin: origin(model.origin),
    }
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Configuration => "configuration",
        Origin::OpenaiBaseUrl => "OPENAI_BASE_URL",
        Origin::Ollama => "found on this machine (Ollama)",
        Origin::BuiltIn => "built in",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_its_server_calls_a_model_is_shown_if_that_is_another_name() {
        let called = |upstream_name: &str| {
            let upstream_name = upstream_name.to_owned();
            let model =
                Model { name: "gpt".to_owned(), upstream_name, origin: Origin::Configuration, context_tokens: 1 };
            view(&model, String::new(), "ready").id
        };
        assert_eq!((called("gpt"), called("gpt-5.2")), (None, Some("gpt-5.2".to_owned())));
    }
}

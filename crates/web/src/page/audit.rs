//! `/audit`: who did what.

use std::collections::HashMap;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use retinue_app::trail::{self, Wanted};
use retinue_app::{Context, team};
use retinue_model::audit::{Action, Actor, Outcome, Recorded};
use retinue_model::membership::Role;
use retinue_model::{Error, Result, TeamId, UserId};
use serde::Deserialize;

use super::rail::{Rail, View};
use super::{OnPage, Page, VERSION, html};
use crate::extract::{Ctx, Params};
use crate::when::When;

/// Events on one page.
const EVENTS: usize = 50;
/// Teams to choose from.
const TEAMS: usize = 200;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    runs_it: bool,
    asked: Asked,
    teams: Vec<Choice>,
    actions: Vec<&'static str>,
    events: Vec<EventView>,
    next_href: Option<String>,
}

struct Choice {
    id: String,
    name: String,
}

struct EventView {
    number: i64,
    at: When,
    action: &'static str,
    /// Who did it, and by what they were known.
    actor: String,
    via: String,
    target: Option<String>,
    about: Option<String>,
    /// Why it was refused, if it was.
    refused: Option<String>,
    details: Option<String>,
    address: Option<String>,
    request_id: Option<String>,
}

/// Which events, as the form says it. What is empty is not asked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// `mine`, `all`, or a team's id.
    #[serde(default, alias = "team_id")]
    of: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    outcome: String,
    cursor: Option<String>,
}

impl Asked {
    /// Whoever runs the installation sees everything at first, and others what is theirs.
    fn settled(mut self, runs_it: bool) -> Self {
        if self.of.is_empty() {
            if runs_it { "all" } else { "mine" }.clone_into(&mut self.of);
        }
        self
    }

    fn wanted(&self) -> Result<Wanted> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let unknown = |what: &str| Error::invalid("invalid_query", format!("There is no such {what}."));
        let team: Option<TeamId> = match self.of.as_str() {
            "mine" | "all" => None,
            id => Some(id.parse()?),
        };
        Ok(Wanted {
            team,
            mine: self.of == "mine",
            action: given(&self.action).map(|text| text.parse()).transpose().map_err(|_| unknown("action"))?,
            outcome: given(&self.outcome).map(|text| text.parse()).transpose().map_err(|_| unknown("outcome"))?,
            ..Wanted::default()
        })
    }

    fn next(&self, cursor: &str) -> String {
        let query = [("of", &*self.of), ("action", &*self.action), ("outcome", &*self.outcome), ("cursor", cursor)];
        // Pairs of strings are always encoded.
        format!("/audit?{}", serde_urlencoded::to_string(query).unwrap_or_default())
    }
}

fn name_of(names: &HashMap<UserId, String>, id: UserId) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

fn actor(actor: Actor, names: &HashMap<UserId, String>) -> String {
    match actor {
        Actor::User(id) => name_of(names, id),
        Actor::Operator => "Whoever has the machine".to_owned(),
        Actor::System => "The program itself".to_owned(),
        Actor::Provider => "An identity provider".to_owned(),
        Actor::Stranger => "A stranger".to_owned(),
    }
}

fn view(Recorded { seq, event, .. }: Recorded, names: &HashMap<UserId, String>, now: Timestamp) -> EventView {
    let refused = event.outcome == Outcome::Refused;
    EventView {
        number: seq,
        at: When::new(event.at, now),
        action: event.action.as_str(),
        actor: actor(event.actor, names),
        about: event.user_id.filter(|id| event.actor.user_id() != Some(*id)).map(|id| name_of(names, id)),
        via: event.via,
        target: event.target.map(|target| format!("{} {}", target.kind, target.id)),
        refused: refused.then(|| event.reason.unwrap_or_default()),
        details: event.details,
        address: event.address,
        request_id: event.request_id,
    }
}

/// `GET /audit`
pub(crate) async fn list(Ctx(ctx): Ctx, Params(asked): Params<Asked>) -> Page {
    render(&ctx, asked).await.on_page(&ctx)
}

async fn render(ctx: &Context, asked: Asked) -> Result<Response> {
    let runs_it = ctx.principal().is_organization_admin();
    let asked = asked.settled(runs_it);
    let found = trail::list(ctx, &asked.wanted()?, asked.cursor.as_deref(), EVENTS).await?;
    let names = trail::names(ctx, &found.events).await?;
    let own = if runs_it { team::list_all(ctx, None, TEAMS).await? } else { team::list(ctx, None, TEAMS).await? };
    let run = own.teams.into_iter().filter(|seen| runs_it || seen.role == Some(Role::Admin));
    let page = AuditPage {
        title: "Audit",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("audit")).await?,
        runs_it,
        teams: run.map(|seen| Choice { id: seen.team.id.to_string(), name: seen.team.name }).collect(),
        actions: Action::ALL.iter().map(|action| action.as_str()).collect(),
        events: found.events.into_iter().map(|recorded| view(recorded, &names, ctx.now())).collect(),
        next_href: found.next_cursor.map(|cursor| asked.next(&cursor)),
        asked,
    };
    html(StatusCode::OK, &page)
}

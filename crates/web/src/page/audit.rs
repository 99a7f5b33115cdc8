//! `/audit`: who did what.

mod asked;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use retinue_app::trail::{self, Names, Wanted};
use retinue_app::{Context, team};
use retinue_model::audit::{Action, Actor, AuditEvent, Outcome, Recorded, Target};
use retinue_model::membership::Role;
use retinue_model::{Error, Result, UserId};
use serde_json::{Map, Value};

use super::rail::{Rail, View};
use super::{OnPage, Page, VERSION, html, refused};
use crate::extract::{Ctx, Params};
use crate::problem;
use crate::when::When;
use asked::Asked;

/// Events on one page.
const EVENTS: usize = 50;
/// Teams to choose from.
const TEAMS: usize = 200;
/// Of these facts the one that says to what something was done.
const DONE_TO: &str = "Done to";

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
    actions: Vec<(&'static str, String)>,
    wrong: Option<String>,
    events: Vec<EventView>,
    export_href: Option<String>,
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
    /// The same in words.
    done: String,
    /// To what, by its name.
    what: Option<String>,
    actor: String,
    /// What else they did.
    actor_href: Option<String>,
    about: Option<String>,
    /// As what, if somebody was taken in or has another role.
    role: Option<String>,
    /// In which team, if it was done to something else, and others are shown too.
    team: Option<String>,
    /// Why it was refused, if it was.
    refused: Option<String>,
    facts: Vec<Fact>,
}

struct Fact {
    name: String,
    text: String,
    /// Where there is more of that.
    href: Option<String>,
}

/// An action in words: `api_key.created` is “API key created”.
fn words(action: Action) -> String {
    in_words(&action.as_str().replace("api_key", "API key"))
}

/// A name for programs as one for people: `role_before` is “Role before”.
fn in_words(name: &str) -> String {
    let text = name.replace(['.', '_'], " ");
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn name_of(names: &Names, id: UserId) -> String {
    names.of_user(id).map_or_else(|| id.to_string(), str::to_owned)
}

fn actor(actor: Actor, names: &Names) -> String {
    match actor {
        Actor::User(id) => name_of(names, id),
        Actor::Operator => "whoever has the machine".to_owned(),
        Actor::System => "the program itself".to_owned(),
        Actor::Provider => "an identity provider".to_owned(),
        Actor::Stranger => "a stranger".to_owned(),
    }
}

/// What something is called that something was done to: as it is now, or else as it was then.
fn called(target: &Target, details: &Map<String, Value>, names: &Names) -> Option<String> {
    let now = names.of_target(target).map(str::to_owned);
    now.or_else(|| Some(details.get("name")?.as_str()?.to_owned()))
}

/// How events are looked at.
struct Around<'a> {
    asked: &'a Asked,
    /// Whether whoever looks may ask for all that was done to one thing.
    runs_it: bool,
    now: Timestamp,
}

impl EventView {
    fn of(Recorded { seq, event, .. }: Recorded, (names, around): (&Names, &Around<'_>)) -> Self {
        let Around { asked, runs_it, now } = *around;
        let target = event.target.as_ref();
        let is_team = target.is_some_and(|target| target.kind == "team");
        let is_user = target.is_some_and(|target| target.kind == "user");
        let details = event.details.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Self {
            number: seq,
            at: When::new(event.at, now),
            action: event.action.as_str(),
            done: words(event.action),
            what: target.and_then(|target| called(target, &details, names)),
            actor: actor(event.actor, names),
            actor_href: event.actor.user_id().and_then(|id| asked.of_actor(id)),
            about: event
                .user_id
                .filter(|id| event.actor.user_id() != Some(*id) && !is_user)
                .map(|id| name_of(names, id)),
            role: details.get("role").and_then(Value::as_str).map(str::to_owned),
            team: event
                .team_id
                .filter(|id| !is_team && id.to_string() != asked.of)
                .and_then(|id| names.of_team(id))
                .map(str::to_owned),
            refused: (event.outcome == Outcome::Refused).then(|| event.reason.clone().unwrap_or_default()),
            facts: facts(&event, details, target.filter(|_| runs_it).and_then(|target| asked.of_target(&target.id))),
        }
    }
}

fn facts(event: &AuditEvent, details: Map<String, Value>, mut of_target: Option<String>) -> Vec<Fact> {
    let with_id = |word: &str, id: Option<&String>| id.map_or_else(|| word.to_owned(), |id| format!("{word} {id}"));
    let facts = [
        ("When", Some(event.at.to_string())),
        (DONE_TO, event.target.as_ref().map(|target| with_id(&target.kind, Some(&target.id)))),
        ("By", event.actor.user_id().map(|id| id.to_string())),
        ("Known by", Some(with_id(&event.via, event.via_id.as_ref()))),
        ("About", event.user_id.map(|id| id.to_string())),
        ("In team", event.team_id.map(|id| id.to_string())),
        ("From", event.address.clone()),
        ("Request", event.request_id.clone()),
    ];
    let facts = facts.into_iter().filter_map(|(name, text)| {
        let href = of_target.take_if(|_| name == DONE_TO);
        Some(Fact { name: name.to_owned(), text: text?, href })
    });
    let details = details.into_iter().map(|(name, value)| (in_words(&name), plain(&value)));
    facts.chain(details.map(|(name, text)| Fact { name, text, href: None })).collect()
}

/// What changed, without the signs of JSON where there is only text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// `GET /audit`
pub(crate) async fn list(Ctx(ctx): Ctx, Params(asked): Params<Asked>) -> Page {
    let asked = asked.settled(ctx.principal().is_organization_admin());
    match find(&ctx, &asked).await {
        Ok(found) => render(&ctx, StatusCode::OK, (asked, Ok(found))).await.on_page(&ctx),
        // What was typed can be mended here; what is not for whoever asks can't.
        Err(error) if problem::status(&error) == StatusCode::BAD_REQUEST => {
            let page = render(&ctx, StatusCode::BAD_REQUEST, (asked, Err(&error))).await;
            refused(&ctx, &error, page)
        }
        Err(error) => Err(error).on_page(&ctx),
    }
}

async fn find(ctx: &Context, asked: &Asked) -> Result<(Wanted, trail::Page)> {
    let mut wanted = asked.wanted()?;
    if !asked.who.is_empty() {
        wanted.actor = Some(trail::actor(ctx, &wanted, &asked.who).await?);
    }
    let found = trail::list(ctx, &wanted, asked.cursor.as_deref(), EVENTS).await?;
    Ok((wanted, found))
}

async fn render(
    ctx: &Context,
    status: StatusCode,
    (asked, found): (Asked, std::result::Result<(Wanted, trail::Page), &Error>),
) -> Result<Response> {
    let runs_it = ctx.principal().is_organization_admin();
    let wrong = found.as_ref().err().map(|error| error.detail().to_owned());
    let (wanted, found) = found.ok().unzip();
    let (events, next) = found.map(|found| (found.events, found.next_cursor)).unwrap_or_default();
    let names = trail::names(ctx, &events).await?;
    let own = if runs_it { team::list_all(ctx, None, TEAMS).await? } else { team::list(ctx, None, TEAMS).await? };
    let run = own.teams.into_iter().filter(|seen| runs_it || seen.role == Some(Role::Admin));
    let page = AuditPage {
        title: "Audit",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("audit")).await?,
        runs_it,
        teams: run.map(|seen| Choice { id: seen.team.id.to_string(), name: seen.team.told_apart() }).collect(),
        actions: Action::ALL.iter().map(|action| (action.as_str(), words(*action))).collect(),
        wrong,
        events: {
            let around = Around { asked: &asked, runs_it, now: ctx.now() };
            events.into_iter().map(|event| EventView::of(event, (&names, &around))).collect()
        },
        export_href: wanted.as_ref().map(asked::export_href),
        next_href: next.map(|cursor| asked.next(&cursor)),
        asked,
    };
    html(status, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_said_in_words() {
        assert_eq!(words(Action::ApiKeyCreated), "API key created");
        assert_eq!(words(Action::SignedIn), "Session opened");
        assert_eq!(words(Action::ThreadsTransferred), "Threads transferred");
    }
}

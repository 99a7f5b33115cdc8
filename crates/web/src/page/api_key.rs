//! `/api-keys`: keys for one's programs.

use std::collections::HashMap;

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use retinue_app::api_key::{self, Made, NewKey};
use retinue_app::{Context, team};
use retinue_model::api_key::{ApiKey, KeyScope, KeyScopes};
use retinue_model::{ApiKeyId, Error, Name, Result, TeamId};
use serde::Deserialize;

use super::rail::{Rail, View};
use super::{OnPage, Page, VERSION, html, ready, refused};
use crate::extract::{Ctx, Param, Params, form};
use crate::field::Wrong;
use crate::problem;
use crate::when::When;

/// Keys on one page.
const KEYS: usize = 50;
/// Teams to choose from.
const TEAMS: usize = 200;
/// How long a key may count, in days; none if until it is revoked.
const LASTS: [(&str, &str); 4] = [("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "until it is revoked")];

#[derive(Template)]
#[template(path = "api_keys.html")]
struct KeysPage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    /// Whether keys count here.
    enabled: bool,
    made: Option<MadeView>,
    keys: Vec<KeyView>,
    next_href: Option<String>,
    teams: Vec<Choice>,
    scopes: Vec<ScopeChoice>,
    lasts: [(&'static str, &'static str); 4],
    typed: Typed,
}

/// A key that was made a moment ago, whose text is seen now and never again.
struct MadeView {
    name: String,
    key: String,
    curl: String,
}

struct KeyView {
    id: String,
    name: String,
    prefix: String,
    team: String,
    scopes: String,
    since: When,
    used: Option<When>,
    ends: Option<String>,
    state: &'static str,
    is_over: bool,
}

struct Choice {
    id: String,
    name: String,
}

struct ScopeChoice {
    name: &'static str,
    checked: bool,
}

/// What was typed, and what is wrong with it.
struct Typed {
    name: String,
    team: String,
    days: String,
    scopes: KeyScopes,
    wrong: Wrong,
}

impl Default for Typed {
    fn default() -> Self {
        let (name, team, days) = (String::new(), String::new(), "90".to_owned());
        Self { name, team, days, scopes: KeyScopes::for_conversing(), wrong: Wrong::default() }
    }
}

impl Typed {
    fn refused(mut fields: HashMap<String, String>, error: &Error) -> Self {
        let scopes = KeyScopes::new(checked(&fields)).unwrap_or_default();
        let mut field = |name: &str| fields.remove(name).unwrap_or_default();
        let wrong = match error.code() {
            "invalid_scope" => Wrong::beside("scopes", error),
            "invalid_id" | "not_found" | "role_too_low" => Wrong::beside("team", error),
            _ => Wrong::of(error),
        };
        Self { name: field("name"), team: field("team"), days: field("days"), scopes, wrong }
    }
}

/// The scopes whose boxes are checked: each is a field of its own.
fn checked(fields: &HashMap<String, String>) -> impl Iterator<Item = KeyScope> {
    KeyScope::ALL.iter().copied().filter(|scope| fields.contains_key(scope.as_str()))
}

/// Where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Part {
    cursor: Option<String>,
}

fn view(key: ApiKey, (teams, takes_keys): (&[Choice], bool), now: Timestamp) -> KeyView {
    let (team, state) = (key.team_id.to_string(), key.state(now, takes_keys));
    KeyView {
        state: state.as_str(),
        is_over: state.is_over(),
        id: key.id.to_string(),
        team: teams.iter().find(|known| known.id == team).map_or(team, |known| known.name.clone()),
        scopes: key.scopes.to_string(),
        since: When::new(key.created_at, now),
        used: key.last_used_at.map(|at| When::new(at, now)),
        ends: key.expires_at.map(|at| When::new(at, now).exact),
        name: key.name,
        prefix: key.prefix,
    }
}

async fn render(
    ctx: &Context,
    status: StatusCode,
    (part, made): (Part, Option<MadeView>),
    typed: Typed,
) -> Result<Response> {
    let found = api_key::list(ctx, part.cursor.as_deref(), KEYS).await?;
    let own = team::list(ctx, None, TEAMS).await?.teams.into_iter();
    let teams: Vec<_> = own.map(|seen| Choice { id: seen.team.id.to_string(), name: seen.team.told_apart() }).collect();
    let enabled = ctx.app().auth().takes_keys;
    let page = KeysPage {
        title: "API keys",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("keys")).await?,
        enabled,
        made,
        keys: found.keys.into_iter().map(|key| view(key, (&teams, enabled), ctx.now())).collect(),
        next_href: found.next_cursor.map(|cursor| format!("/api-keys?cursor={cursor}")),
        teams,
        scopes: KeyScope::ALL
            .iter()
            .map(|scope| ScopeChoice { name: scope.as_str(), checked: typed.scopes.has(*scope) })
            .collect(),
        lasts: LASTS,
        typed,
    };
    html(status, &page)
}

/// `GET /api-keys`
pub(crate) async fn list(Ctx(ctx): Ctx, Params(part): Params<Part>) -> Page {
    render(&ctx, StatusCode::OK, (part, None), Typed::default()).await.on_page(&ctx)
}

/// What somebody says of a new key.
fn new_key(fields: &HashMap<String, String>, now: Timestamp) -> Result<NewKey> {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let days: Option<i64> = match field("days") {
        "" => None,
        days => {
            let known = LASTS.iter().any(|(known, _)| *known == days);
            let refused = || Error::invalid("invalid_time", "Choose one of the times that are offered.");
            Some(days.parse().ok().filter(|_| known).ok_or_else(refused)?)
        }
    };
    let end = |days: i64| now.checked_add(SignedDuration::from_hours(24 * days)).map_err(Error::internal);
    Ok(NewKey {
        name: Name::new(field("name"))?,
        team_id: field("team").parse()?,
        scopes: KeyScopes::new(checked(fields))?,
        expires_at: days.map(end).transpose()?,
    })
}

async fn shown(ctx: &Context, made: Made) -> Result<Response> {
    let curl = ready::command(ctx, &made).await?;
    let made = MadeView { key: made.text.expose().to_owned(), name: made.key.name, curl };
    render(ctx, StatusCode::CREATED, (Part::default(), Some(made)), Typed::default()).await
}

/// `POST /api-keys`: the answer has the key, and no other ever has.
pub(crate) async fn create(Ctx(ctx): Ctx, request: Request) -> Page {
    let fields: HashMap<String, String> = form(request).await.on_page(&ctx)?;
    let done = async { api_key::create(&ctx, new_key(&fields, ctx.now())?).await };
    match done.await {
        Ok(made) => shown(&ctx, made).await.on_page(&ctx),
        Err(error) => {
            let typed = Typed::refused(fields, &error);
            let page = render(&ctx, problem::status(&error), (Part::default(), None), typed).await;
            refused(&ctx, &error, page)
        }
    }
}

/// On which page somebody revokes a key.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Whence {
    /// The team whose page it is; their own keys if none.
    team: Option<TeamId>,
}

/// `POST /api-keys/{id}/revoke`
pub(crate) async fn revoke(Ctx(ctx): Ctx, Param(id): Param<ApiKeyId>, Params(whence): Params<Whence>) -> Page {
    api_key::revoke(&ctx, id).await.on_page(&ctx)?;
    let back = whence.team.map_or_else(|| "/api-keys".to_owned(), |team| format!("/teams/{team}#keys"));
    Ok(Redirect::to(&back).into_response())
}

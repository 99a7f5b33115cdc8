//! `/teams`: which teams one belongs to, and for those who run the installation all there are.

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::Context;
use retinue_app::team::{self, NewTeam, Seen};
use retinue_model::{Name, Result, Slug};
use serde::Deserialize;

use super::rail::{Rail, View};
use super::{OnPage, Page, VERSION, html, refused};
use crate::extract::{Ctx, Params, form};
use crate::field::Wrong;

/// Teams on one page.
const TEAMS: usize = 50;

#[derive(Template)]
#[template(path = "teams.html")]
struct TeamsPage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    /// Whether the list is of all teams.
    all: bool,
    /// Whether whoever asks may see all, and make more.
    runs_it: bool,
    teams: Vec<TeamView>,
    next_href: Option<String>,
    typed: Typed,
    wrong: Wrong,
}

struct TeamView {
    href: String,
    name: String,
    slug: String,
    role: &'static str,
}

impl From<Seen> for TeamView {
    fn from(Seen { team, role }: Seen) -> Self {
        Self {
            href: format!("/teams/{}", team.id),
            name: team.name,
            slug: team.slug.into(),
            role: role.map_or("not a member", retinue_model::membership::Role::as_str),
        }
    }
}

/// Which part of which list.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    all: Option<String>,
    cursor: Option<String>,
}

/// `GET /teams`
pub(crate) async fn list(Ctx(ctx): Ctx, Params(part): Params<Part>) -> Page {
    render(&ctx, StatusCode::OK, part, <(Typed, Wrong)>::default()).await.on_page(&ctx)
}

/// What was typed of a new team.
#[derive(Debug, Default, Deserialize)]
struct Typed {
    name: String,
    /// Empty: made of the name.
    #[serde(default)]
    slug: String,
}

impl Typed {
    fn new_team(&self) -> Result<NewTeam> {
        let slug = Some(self.slug.trim()).filter(|slug| !slug.is_empty()).map(Slug::new).transpose()?;
        Ok(NewTeam { name: Name::new(&self.name)?, slug })
    }
}

async fn render(ctx: &Context, status: StatusCode, part: Part, (typed, wrong): (Typed, Wrong)) -> Result<Response> {
    let (all, cursor) = (part.all.is_some(), part.cursor.as_deref());
    let found = if all { team::list_all(ctx, cursor, TEAMS).await? } else { team::list(ctx, cursor, TEAMS).await? };
    let which = if all { "all=1&" } else { "" };
    let page = TeamsPage {
        title: "Teams",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("teams")).await?,
        all,
        runs_it: ctx.principal().is_organization_admin(),
        teams: found.teams.into_iter().map(TeamView::from).collect(),
        next_href: found.next_cursor.map(|cursor| format!("/teams?{which}cursor={cursor}")),
        typed,
        wrong,
    };
    html(status, &page)
}

/// `POST /teams`
pub(crate) async fn create(Ctx(ctx): Ctx, request: Request) -> Page {
    let typed: Typed = form(request).await.on_page(&ctx)?;
    let made = async { team::create(&ctx, typed.new_team()?).await };
    match made.await {
        Ok(made) => Ok(Redirect::to(&format!("/teams/{}", made.team.id)).into_response()),
        Err(error) => {
            let wrong = match error.code() {
                "slug_taken" if typed.slug.trim().is_empty() => Wrong::saying(
                    "name",
                    "Another team has the short name that is made of this name. Choose another name, or a short name.",
                ),
                _ => Wrong::of(&error),
            };
            let page = render(&ctx, crate::problem::status(&error), Part::default(), (typed, wrong)).await;
            refused(&ctx, &error, page)
        }
    }
}

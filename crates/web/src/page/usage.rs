//! `/usage`: what was used in a month, and what is left: one's own for everybody, a team's for those who run it, all for
//! those who run the installation.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use retinue_app::budget::{self, Seen};
use retinue_app::{Context, team, usage};
use retinue_model::budget::{Standing, Subject};
use retinue_model::membership::Role;
use retinue_model::usage::{Amount, By, Entry, Month, Of, Part, Total};
use retinue_model::{Result, TeamId};
use serde::Deserialize;

use super::rail::{Rail, View};
use super::turn::grouped;
use super::{OnPage, Page, VERSION, html};
use crate::extract::{Ctx, Params};
use crate::when::When;

/// Rows on one page.
const ROWS: usize = 100;
/// Teams to choose from.
const TEAMS: usize = 200;
/// Months to choose from.
const MONTHS: usize = 24;

#[derive(Template)]
#[template(path = "usage.html")]
struct UsagePage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    runs_it: bool,
    asked: Asked,
    month: String,
    teams: Vec<Choice>,
    months: Vec<Choice>,
    by: &'static str,
    shown: Shown,
    next_href: Option<String>,
}

struct Choice {
    id: String,
    name: String,
}

/// What is left of a budget.
pub(super) struct LeftView {
    pub(super) whose: String,
    pub(super) sentence: String,
    pub(super) gone: i64,
    pub(super) tokens: i64,
}

/// What a month's page shows.
#[derive(Default)]
struct Shown {
    left: Vec<LeftView>,
    /// Where a team's budget is, for those who see it.
    budget_href: Option<String>,
    heads: Vec<&'static str>,
    rows: Vec<RowView>,
    total: Option<Counts>,
    next_cursor: Option<String>,
}

impl Shown {
    /// Whether some of it was not counted by the model's server.
    fn is_estimated(&self) -> bool {
        self.rows.iter().any(|row| row.counts.is_estimated)
    }
}

struct RowView {
    /// Of whom, by what; the first one may lead somewhere.
    names: Vec<String>,
    href: Option<String>,
    counts: Counts,
}

struct Counts {
    runs: String,
    input: String,
    output: String,
    is_estimated: bool,
}

impl From<Amount> for Counts {
    fn from(amount: Amount) -> Self {
        Self {
            runs: count(amount.runs),
            input: count(amount.input_tokens),
            output: count(amount.output_tokens),
            is_estimated: amount.estimated_runs > 0,
        }
    }
}

/// 1204 as 1,204.
pub(super) fn count(number: i64) -> String {
    grouped(u64::try_from(number).unwrap_or_default())
}

/// Whose usage, and of which month. What is empty is one's own, and this month.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// `mine`, `all`, or a team's id.
    #[serde(default)]
    of: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    month: String,
    cursor: Option<String>,
}

impl Asked {
    fn by(&self) -> Result<By> {
        if self.by.is_empty() { Ok(By::User) } else { By::named(&self.by) }
    }

    fn month(&self, ctx: &Context) -> Result<Month> {
        if self.month.is_empty() { Ok(Month::of(ctx.now())) } else { Month::named(&self.month) }
    }

    fn next(&self, cursor: &str) -> String {
        let query = [("of", &*self.of), ("by", &*self.by), ("month", &*self.month), ("cursor", cursor)];
        // Pairs of strings are always encoded.
        format!("/usage?{}", serde_urlencoded::to_string(query).unwrap_or_default())
    }
}

/// `GET /usage`
pub(crate) async fn show(Ctx(ctx): Ctx, Params(asked): Params<Asked>) -> Page {
    render(&ctx, asked).await.on_page(&ctx)
}

async fn render(ctx: &Context, mut asked: Asked) -> Result<Response> {
    let (runs_it, month) = (ctx.principal().is_organization_admin(), asked.month(ctx)?);
    asked.month = month.to_string();
    let shown = match asked.of.as_str() {
        "" | "mine" => own(ctx, month).await?,
        "all" => all(ctx, asked.by()?, month, asked.cursor.as_deref()).await?,
        id => of_team(ctx, id.parse()?, month, asked.cursor.as_deref()).await?,
    };
    let page = UsagePage {
        title: "Usage",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("usage")).await?,
        runs_it,
        by: asked.by()?.as_str(),
        month: month.in_words(),
        teams: run_by(ctx, runs_it).await?,
        months: months(ctx, month),
        next_href: shown.next_cursor.as_deref().map(|cursor| asked.next(cursor)),
        asked,
        shown,
    };
    html(StatusCode::OK, &page)
}

/// The teams whose usage whoever asks may see.
async fn run_by(ctx: &Context, runs_it: bool) -> Result<Vec<Choice>> {
    let found = if runs_it { team::list_all(ctx, None, TEAMS).await? } else { team::list(ctx, None, TEAMS).await? };
    let run = found.teams.into_iter().filter(|seen| runs_it || seen.role == Some(Role::Admin));
    Ok(run.map(|seen| Choice { id: seen.team.id.to_string(), name: seen.team.told_apart() }).collect())
}

/// This month and those before; an older one too, if it is asked for.
fn months(ctx: &Context, asked: Month) -> Vec<Choice> {
    let newest = Month::of(ctx.now());
    let mut all: Vec<_> = std::iter::successors(Some(newest), |month| Some(month.before())).take(MONTHS).collect();
    if !all.contains(&asked) {
        all.push(asked);
    }
    all.into_iter().map(|month| Choice { id: month.to_string(), name: month.in_words() }).collect()
}

async fn own(ctx: &Context, month: Month) -> Result<Shown> {
    let own = usage::own(ctx, None, MONTHS).await?;
    let total = own.months.iter().find(|(of, _)| *of == month).map(|(_, amount)| (*amount).into());
    let rows = usage::parts(ctx, month, ROWS).await?.into_iter().map(|part| {
        let Part { agent_id, agent_name, model, amount } = part;
        let href = agent_name.is_some().then(|| format!("/agents/{agent_id}"));
        RowView { names: vec![agent(agent_name), model], href, counts: amount.into() }
    });
    let is_now = month == Month::of(ctx.now());
    Ok(Shown {
        left: own.budgets.iter().filter(|_| is_now).map(|seen| left(seen, None)).collect(),
        heads: vec!["Agent", "Model"],
        rows: rows.collect(),
        total,
        ..Shown::default()
    })
}

async fn of_team(ctx: &Context, id: TeamId, month: Month, cursor: Option<&str>) -> Result<Shown> {
    let found = usage::of_team(ctx, id, Some(month), (cursor, ROWS)).await?;
    let seen = budget::get(ctx, Subject::Team(id)).await?;
    let rows = found.entries.into_iter().map(|entry| {
        let Entry { user_name, agent_name, model, amount, .. } = entry;
        RowView { names: vec![user(user_name), agent(agent_name), model], href: None, counts: amount.into() }
    });
    let is_bounded = month == seen.month && seen.standing.tokens.is_some();
    Ok(Shown {
        left: is_bounded.then(|| left(&seen, Some("The team’s budget"))).into_iter().collect(),
        budget_href: Some(format!("/teams/{id}/budget")),
        heads: vec!["Person", "Agent", "Model"],
        rows: rows.collect(),
        next_cursor: found.next_cursor,
        total: None,
    })
}

async fn all(ctx: &Context, by: By, month: Month, cursor: Option<&str>) -> Result<Shown> {
    let found = usage::of_organization(ctx, by, Some(month), (cursor, ROWS)).await?;
    let head = match by {
        By::User => "Person",
        By::Team => "Team",
        By::Agent => "Agent",
        By::Model => "Model",
    };
    Ok(Shown {
        heads: vec![head],
        rows: found.entries.into_iter().map(total).collect(),
        next_cursor: found.next_cursor,
        ..Shown::default()
    })
}

fn total(Total { of, name, amount }: Total) -> RowView {
    let is_known = name.is_some();
    let (name, href) = match of {
        Of::User(id) => (user(name), is_known.then(|| format!("/admin/users/{id}/budget"))),
        Of::Team(id) => {
            (name.unwrap_or_else(|| "A team that is gone".to_owned()), is_known.then(|| format!("/usage?of={id}")))
        }
        Of::Agent(_) => (agent(name), None),
        Of::Model(name) => (name, None),
    };
    RowView { names: vec![name], href, counts: amount.into() }
}

fn user(name: Option<String>) -> String {
    name.unwrap_or_else(|| "Somebody who is gone".to_owned())
}

fn agent(name: Option<String>) -> String {
    name.unwrap_or_else(|| "A private agent".to_owned())
}

/// What is left of a budget, in words.
pub(super) fn left(seen: &Seen, whose: Option<&str>) -> LeftView {
    let Standing { tokens, used, reserved } = seen.standing;
    let (tokens, left) = (tokens.unwrap_or_default(), seen.standing.left().unwrap_or_default());
    let name = seen.team.as_ref().map(|team| team.name.clone());
    let held =
        if reserved > 0 { format!(", {} are held for answers under way", count(reserved)) } else { String::new() };
    let renews = When::new(seen.renews_at(), seen.renews_at()).exact;
    LeftView {
        whose: name.unwrap_or_else(|| whose.unwrap_or("Your budget").to_owned()),
        sentence: format!(
            "{} of {} tokens are left, {} are used{held}. It begins anew on {renews}.",
            count(left),
            count(tokens),
            count(used),
        ),
        gone: tokens.saturating_sub(left),
        tokens,
    }
}

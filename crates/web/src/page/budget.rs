//! `/teams/{id}/budget` and `/admin/users/{id}/budget`: how many tokens there are in a month, what is left of them, and a form
//! for those who run the installation.

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::budget::{self, Seen};
use retinue_app::{Context, people, team};
use retinue_model::budget::{Budget, Subject};
use retinue_model::{Error, Result, TeamId, UserId};
use serde::Deserialize;

use super::rail::{Rail, View};
use super::usage::{LeftView, count, left};
use super::{OnPage, Page, VERSION, html, refused};
use crate::extract::{Ctx, Param, form};
use crate::field::Wrong;
use crate::problem;

#[derive(Template)]
#[template(path = "budget.html")]
struct BudgetPage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    /// The page that this one belongs to: its name, and where it is.
    above: (&'static str, String),
    action: String,
    name: String,
    left: Option<LeftView>,
    /// What counts for all of this kind.
    default: String,
    may_set: bool,
    form: BudgetForm,
    wrong: Wrong,
}

/// What stands in the form. The number is a text until it is read.
#[derive(Clone, Debug, Deserialize)]
struct BudgetForm {
    /// `default`, `tokens` or `unlimited`.
    kind: String,
    #[serde(default)]
    tokens: String,
}

impl BudgetForm {
    fn of(seen: &Seen) -> Self {
        let (kind, tokens) = match (seen.is_own, seen.standing.tokens) {
            (false, _) => ("default", String::new()),
            (true, Some(tokens)) => ("tokens", tokens.to_string()),
            (true, None) => ("unlimited", String::new()),
        };
        Self { kind: kind.to_owned(), tokens }
    }

    /// None for what counts for all.
    fn budget(&self) -> Result<Option<Budget>> {
        match self.kind.as_str() {
            "default" => Ok(None),
            "unlimited" => Budget::new(None).map(Some),
            "tokens" => Budget::new(Some(self.number()?)).map(Some),
            _ => Err(Error::invalid("invalid_form", "The form is not whole. Open the page again.")),
        }
    }

    /// As somebody writes a number: 1000000, 1,000,000 or 1 000 000.
    fn number(&self) -> Result<i64> {
        let digits: String = self.tokens.chars().filter(|c| !matches!(c, ',' | ' ' | '\u{a0}' | '\u{202f}')).collect();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let refused = || Error::invalid("invalid_budget", "Write how many tokens, as a whole number such as 1000000.");
        digits.parse().ok().filter(|_| is_number).ok_or_else(refused)
    }
}

fn href(subject: Subject) -> String {
    match subject {
        Subject::User(id) => format!("/admin/users/{id}/budget"),
        Subject::Team(id) => format!("/teams/{id}/budget"),
    }
}

async fn name(ctx: &Context, subject: Subject) -> Result<String> {
    match subject {
        Subject::User(id) => Ok(people::get(ctx, id).await?.user.name),
        Subject::Team(id) => Ok(team::get(ctx, id).await?.team.name),
    }
}

async fn render(
    ctx: &Context,
    status: StatusCode,
    subject: Subject,
    typed: Option<(BudgetForm, Wrong)>,
) -> Result<Response> {
    let seen = budget::get(ctx, subject).await?;
    let (form, wrong) = typed.unwrap_or_else(|| (BudgetForm::of(&seen), Wrong::default()));
    let (place, above) = match subject {
        Subject::User(_) => ("admin", ("People", "/admin".to_owned())),
        Subject::Team(id) => ("teams", ("Team", format!("/teams/{id}"))),
    };
    let page = BudgetPage {
        title: "Budget",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of(place)).await?,
        above,
        action: href(subject),
        name: name(ctx, subject).await?,
        left: seen.standing.tokens.map(|_| left(&seen, Some("In this month"))),
        default: match budget::default_of(ctx, subject).tokens() {
            Some(tokens) => format!("{} tokens a month", count(tokens)),
            None => "no bound".to_owned(),
        },
        may_set: ctx.principal().is_organization_admin(),
        form,
        wrong,
    };
    html(status, &page)
}

async fn set(ctx: &Context, subject: Subject, request: Request) -> Page {
    let typed: BudgetForm = form(request).await.on_page(ctx)?;
    let done = async { budget::set(ctx, subject, typed.budget()?).await };
    match done.await {
        Ok(_) => Ok(Redirect::to(&href(subject)).into_response()),
        Err(error) => {
            let wrong = match error.code() {
                "invalid_budget" => Wrong::beside("tokens", &error),
                _ => Wrong::of_form(&error),
            };
            let page = render(ctx, problem::status(&error), subject, Some((typed, wrong))).await;
            refused(ctx, &error, page)
        }
    }
}

/// `GET /teams/{id}/budget`
pub(crate) async fn ask_of_team(Ctx(ctx): Ctx, Param(id): Param<TeamId>) -> Page {
    render(&ctx, StatusCode::OK, Subject::Team(id), None).await.on_page(&ctx)
}

/// `POST /teams/{id}/budget`
pub(crate) async fn set_of_team(Ctx(ctx): Ctx, Param(id): Param<TeamId>, request: Request) -> Page {
    set(&ctx, Subject::Team(id), request).await
}

/// `GET /admin/users/{id}/budget`
pub(crate) async fn ask_of_user(Ctx(ctx): Ctx, Param(id): Param<UserId>) -> Page {
    render(&ctx, StatusCode::OK, Subject::User(id), None).await.on_page(&ctx)
}

/// `POST /admin/users/{id}/budget`
pub(crate) async fn set_of_user(Ctx(ctx): Ctx, Param(id): Param<UserId>, request: Request) -> Page {
    set(&ctx, Subject::User(id), request).await
}

//! `/admin`: everybody, for those who run the installation.

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use retinue_app::Context;
use retinue_app::people::{self, Change, Seen, Sought};
use retinue_model::{Error, Result, UserId};
use serde::Deserialize;

use super::rail::{Rail, View};
use super::{OnPage, Page, VERSION, html, refused};
use crate::extract::{Ctx, Param, Params, form};
use crate::problem;
use crate::when::When;

/// Users on one page.
const USERS: usize = 50;

#[derive(Template)]
#[template(path = "admin.html")]
struct AdminPage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    users: Vec<UserView>,
    next_href: Option<String>,
    /// Whom whoever looks searches for.
    q: String,
    wrong: Option<String>,
    notice: Option<String>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and all combinations occur")]
struct UserView {
    href: String,
    explain_href: String,
    name: String,
    email: Option<String>,
    verified: bool,
    admin: bool,
    declared: bool,
    oneself: bool,
    since: When,
    out: Option<When>,
}

fn view(Seen { user, organization_admin, is_declared }: Seen, own: UserId, now: Timestamp) -> UserView {
    UserView {
        href: format!("/admin/users/{}", user.id),
        explain_href: format!("/admin/access?user={}", user.id),
        oneself: user.id == own,
        name: user.name,
        email: user.email,
        verified: user.email_verified,
        admin: organization_admin,
        declared: is_declared,
        since: When::new(user.created_at, now),
        out: user.disabled_at.map(|at| When::new(at, now)),
    }
}

/// Whom to show, and where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    q: String,
    cursor: Option<String>,
}

impl Part {
    fn href(&self, cursor: Option<&str>) -> String {
        let all = [("q", self.q.trim()), ("cursor", cursor.unwrap_or_default())];
        let all: Vec<_> = all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        // Pairs of strings are always encoded.
        let query = serde_urlencoded::to_string(&all).unwrap_or_default();
        if all.is_empty() { "/admin".to_owned() } else { format!("/admin?{query}") }
    }
}

/// `GET /admin`
pub(crate) async fn list(Ctx(ctx): Ctx, Params(part): Params<Part>) -> Page {
    match Sought::read(&part.q) {
        Ok(_) => render(&ctx, StatusCode::OK, (part, None), None).await.on_page(&ctx),
        Err(error) => {
            let page = render(&ctx, problem::status(&error), (part, Some(&error)), None).await;
            refused(&ctx, &error, page)
        }
    }
}

async fn render(
    ctx: &Context,
    status: StatusCode,
    (part, wrong): (Part, Option<&Error>),
    notice: Option<String>,
) -> Result<Response> {
    let sought = if wrong.is_none() { Sought::read(&part.q)? } else { None };
    let found = people::list(ctx, sought.as_ref(), part.cursor.as_deref(), USERS).await?;
    let (own, now) = (ctx.principal().user_id(), ctx.now());
    let page = AdminPage {
        title: "People",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("admin")).await?,
        users: found.users.into_iter().map(|seen| view(seen, own, now)).collect(),
        next_href: found.next_cursor.map(|cursor| part.href(Some(&cursor))),
        q: part.q,
        wrong: wrong.map(|error| error.detail().to_owned()),
        notice,
    };
    html(status, &page)
}

#[derive(Debug, Deserialize)]
struct ChangeForm {
    /// `disable`, `enable`, `grant` or `revoke`.
    act: String,
    /// Whom the page shows.
    #[serde(default)]
    q: String,
}

fn wanted(act: &str) -> Result<Change> {
    let (disabled, organization_admin) = match act {
        "disable" => (Some(true), None),
        "enable" => (Some(false), None),
        "grant" => (None, Some(true)),
        "revoke" => (None, Some(false)),
        _ => return Err(Error::invalid("invalid_form", "The form is not whole. Open the page again.")),
    };
    Ok(Change { disabled, organization_admin })
}

/// `POST /admin/users/{id}`
pub(crate) async fn change(Ctx(ctx): Ctx, Param(id): Param<UserId>, request: Request) -> Page {
    let ChangeForm { act, q } = form(request).await.on_page(&ctx)?;
    let part = Part { q, cursor: None };
    let done = async { people::change(&ctx, id, wanted(&act)?).await };
    match done.await {
        Ok(_) => Ok(Redirect::to(&part.href(None)).into_response()),
        Err(error) => {
            let notice = Some(error.detail().to_owned());
            let page = render(&ctx, problem::status(&error), (part, None), notice).await;
            refused(&ctx, &error, page)
        }
    }
}

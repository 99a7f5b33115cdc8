//! `/account`: who one is here, how one signs in, and where one is signed in.

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::{Context, identity, session, user};
use retinue_model::identity::{Identity, Origin};
use retinue_model::session::Session;
use retinue_model::{Error, IdentityId, Result, SessionId};
use serde::Deserialize;

use super::account_password::{self, LocalPart, LocalSaid};
use super::rail::{Rail, View};
use super::sign_in::{is_to_sign_in_again, sign_in_again};
use super::{OnPage, Page, VERSION, html};
use crate::extract::{Ctx, Param, form};
use crate::when::When;
use crate::{denied, problem};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    signed_in: bool,
    profile: Profile,
    notice: Option<String>,
    /// An address to which a link is on its way.
    sent_to: Option<String>,
    left_threads: i64,
    identities: Vec<IdentityView>,
    providers: Vec<ProviderView>,
    sessions: Vec<SessionView>,
    local: Option<LocalPart>,
    /// Whether the address is a way in too.
    opens_by_address: bool,
}

struct Profile {
    admin: bool,
    name: String,
    name_error: Option<String>,
    email: Option<String>,
    verified: bool,
}

struct IdentityView {
    id: String,
    label: String,
    email: Option<String>,
    issuer: String,
    subject: String,
    /// Whether another one looks the same but for the subject.
    has_twin: bool,
    origin: Option<&'static str>,
    since: When,
    used: When,
}

struct ProviderView {
    name: String,
    label: String,
}

struct SessionView {
    id: String,
    browser: String,
    address: String,
    current: bool,
    since: When,
    used: When,
}

/// What is to be said beside what is there.
#[derive(Default)]
pub(crate) struct Said {
    /// A name that was not taken, and why.
    pub(crate) name: Option<(String, String)>,
    pub(crate) notice: Option<String>,
    /// An address to which a link is on its way.
    pub(crate) sent_to: Option<String>,
    pub(crate) local: Option<LocalSaid>,
}

/// `GET /account`
pub(crate) async fn show(Ctx(ctx): Ctx) -> Page {
    render(&ctx, StatusCode::OK, Said::default()).await.on_page(&ctx)
}

pub(crate) async fn render(ctx: &Context, status: StatusCode, said: Said) -> Result<Response> {
    let (user, now) = (user::me(ctx).await?, ctx.now());
    let signed_in = session::current(ctx).is_some();
    let auth = ctx.app().auth();
    let label = |name: &str| auth.providers.iter().find(|known| known.name() == name).map(|known| known.label.clone());
    let own = identity::list(ctx).await?;
    let mut identities: Vec<_> = own.into_iter().map(|identity| view(identity, &label, now)).collect();
    mark_twins(&mut identities);
    let sessions = session::list(ctx).await?.into_iter().map(|session| SessionView {
        id: session.id.to_string(),
        browser: browser(&session),
        address: session.address.clone(),
        current: session::current(ctx) == Some(session.id),
        since: When::new(session.created_at, now),
        used: When::new(session.last_seen_at, now),
    });
    let providers =
        auth.providers.iter().map(|known| ProviderView { name: known.name().to_owned(), label: known.label.clone() });
    let (name, name_error) = match said.name {
        Some((name, error)) => (name, Some(error)),
        None => (user.name, None),
    };
    let local = account_password::part(ctx, said.local.unwrap_or_default()).await?;
    let page = AccountPage {
        title: "Your account",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("account")).await?,
        signed_in,
        profile: Profile {
            admin: ctx.principal().is_organization_admin(),
            name,
            name_error,
            email: user.email,
            verified: user.email_verified,
        },
        notice: said.notice,
        sent_to: said.sent_to,
        left_threads: user::left_by_local_user(ctx).await?,
        identities,
        providers: providers.collect(),
        sessions: sessions.collect(),
        opens_by_address: local.as_ref().is_some_and(|local| local.has_password || local.links),
        local,
    };
    html(status, &page)
}

fn view(identity: Identity, label: &impl Fn(&str) -> Option<String>, now: jiff::Timestamp) -> IdentityView {
    IdentityView {
        id: identity.id.to_string(),
        label: label(&identity.provider).unwrap_or_else(|| format!("{} (not set up any more)", identity.provider)),
        email: identity.email,
        issuer: identity.issuer,
        subject: identity.subject,
        has_twin: false,
        origin: match identity.origin {
            Origin::SignIn => None,
            Origin::Email => Some("It became yours because its verified address is yours."),
            Origin::User => Some("You added it."),
        },
        since: When::new(identity.created_at, now),
        used: When::new(identity.last_used_at, now),
    }
}

fn mark_twins(identities: &mut [IdentityView]) {
    let looks: Vec<_> = identities.iter().map(|one| (one.label.clone(), one.email.clone())).collect();
    for (index, identity) in identities.iter_mut().enumerate() {
        let is_twin = |(other, look): (usize, &_)| other != index && *look == looks[index];
        identity.has_twin = looks.iter().enumerate().any(is_twin);
    }
}

/// What people call the browser that a session is of.
fn browser(session: &Session) -> String {
    let agent = &session.user_agent;
    let first =
        |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    // Each browser names those it wants to be taken for; the most particular name comes first.
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "Unknown browser".to_owned(),
    }
}

pub(crate) fn back() -> Response {
    Redirect::to("/account").into_response()
}

pub(crate) async fn refused(ctx: &Context, error: &Error, mut said: Said) -> Page {
    problem::log(error, ctx.request_id());
    if is_to_sign_in_again(error) {
        return Ok(sign_in_again());
    }
    if said.name.is_none() && said.local.is_none() {
        said.notice = Some(error.detail().to_owned());
    }
    let mut response = render(ctx, problem::status(error), said).await.on_page(ctx)?;
    problem::add_headers(error, response.headers_mut());
    denied::mark(&mut response, denied::of(Some(ctx), error));
    Ok(response)
}

#[derive(Debug, Deserialize)]
struct NameForm {
    name: String,
}

/// `POST /account/name`
pub(crate) async fn rename(Ctx(ctx): Ctx, request: Request) -> Page {
    let NameForm { name } = form(request).await.on_page(&ctx)?;
    match user::rename(&ctx, &name).await {
        Ok(()) => Ok(back()),
        Err(error) => {
            let said = Said { name: Some((name, error.detail().to_owned())), ..Said::default() };
            refused(&ctx, &error, said).await
        }
    }
}

/// `POST /account/identities/{id}/remove`
pub(crate) async fn remove_identity(Ctx(ctx): Ctx, Param(id): Param<IdentityId>) -> Page {
    match identity::remove(&ctx, id).await {
        Ok(()) => Ok(back()),
        Err(error) => refused(&ctx, &error, Said::default()).await,
    }
}

/// `POST /account/sessions/{id}/end`
pub(crate) async fn end_session(Ctx(ctx): Ctx, Param(id): Param<SessionId>) -> Page {
    match session::end(&ctx, id).await {
        Ok(()) => Ok(back()),
        Err(error) => refused(&ctx, &error, Said::default()).await,
    }
}

/// `POST /account/sessions/end-others`
pub(crate) async fn end_other_sessions(Ctx(ctx): Ctx) -> Page {
    session::end_others(&ctx).await.on_page(&ctx)?;
    Ok(back())
}

/// `POST /account/take-over`
pub(crate) async fn take_over(Ctx(ctx): Ctx) -> Page {
    user::take_over(&ctx).await.on_page(&ctx)?;
    Ok(back())
}

//! `/sign-in` and `/signed-out`: the way in, and out again.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::local::Registration;
use retinue_app::sign_in::Underway;
use retinue_app::{Context, Visit};
use retinue_model::error::Kind;
use retinue_model::return_to::ReturnTo;
use retinue_model::{Error, Result};
use serde::Deserialize;

use super::{Fault, OnPage, Page, html};
use crate::asked::Asked;
use crate::extract::{Params, Perhaps, Visitor};
use crate::problem::{self, Failed};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    title: &'static str,
    assets: &'static str,
    why: Why,
    providers: Vec<Way>,
    local: Option<LocalForm>,
}

/// Why somebody is asked to sign in who did so already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Why {
    #[default]
    Nothing,
    /// Their session is over.
    Ended,
    /// They are to show that it is still them.
    Again,
}

/// The form for an address and a password.
#[derive(Debug, Default)]
pub(crate) struct LocalForm {
    pub(crate) return_to: String,
    pub(crate) email: String,
    pub(crate) error: Option<String>,
    pub(crate) links: bool,
    pub(crate) registers: bool,
}

/// A provider, as a button.
struct Way {
    label: String,
    href: String,
}

#[derive(Template)]
#[template(path = "sign_in_failed.html")]
struct SignInFailedPage<'a> {
    title: String,
    assets: &'static str,
    fault: Fault<'a>,
    code: &'a str,
    next: (String, &'static str),
}

/// What somebody was about to do at a provider.
pub(crate) enum Aim {
    /// To sign in, and to go there then.
    SignIn(ReturnTo),
    /// To add an identity to those by which they sign in.
    AddIdentity,
}

impl Default for Aim {
    fn default() -> Self {
        Self::SignIn(ReturnTo::default())
    }
}

impl Aim {
    pub(crate) fn of(underway: &Underway) -> Self {
        if underway.adds_identity() { Self::AddIdentity } else { Self::SignIn(underway.return_to()) }
    }

    /// What a page says above an error, and for the log.
    const fn missed(&self) -> (&'static str, &'static str) {
        match self {
            Self::SignIn(_) => ("You were not signed in", "nobody was signed in"),
            Self::AddIdentity => ("The identity was not added", "no identity was added"),
        }
    }

    /// Where to go from there, and what the button says.
    fn next(&self) -> (String, &'static str) {
        match self {
            Self::SignIn(return_to) if *return_to == ReturnTo::default() => ("/sign-in".to_owned(), "Try again"),
            Self::SignIn(return_to) => (href("/sign-in", &[("return_to", return_to.as_str())]), "Try again"),
            Self::AddIdentity => ("/account".to_owned(), "Back to your account"),
        }
    }
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage {
    title: &'static str,
    assets: &'static str,
}

#[derive(Template)]
#[template(path = "lead_on.html")]
struct LeadOnPage<'a> {
    title: &'static str,
    assets: &'static str,
    url: &'a str,
}

/// The answer to a form that leads to another server. A redirect would not do: the policy of the page with the form lets
/// forms lead nowhere else, and some browsers hold redirects to it (Content Security Policy Level 3, section 6.4.2).
pub(crate) fn lead_on(url: &str) -> Response {
    let page = LeadOnPage { title: "One moment · Retinue", assets: crate::assets::BASE, url };
    html(StatusCode::OK, &page).unwrap_or_else(|_| Redirect::to(url).into_response())
}

/// Where to, and why.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SignInQuery {
    #[serde(default)]
    return_to: String,
    ended: Option<String>,
    again: Option<String>,
}

impl SignInQuery {
    const fn why(&self) -> Why {
        match (&self.again, &self.ended) {
            (Some(_), _) => Why::Again,
            (None, Some(_)) => Why::Ended,
            (None, None) => Why::Nothing,
        }
    }
}

/// Whether somebody must show first that it is still them.
pub(crate) fn is_to_sign_in_again(error: &Error) -> bool {
    error.code() == "sign_in_again"
}

/// Leads somebody who is signed in to where they do so once more, and to their account then.
pub(crate) fn sign_in_again() -> Response {
    Redirect::to(&again_href()).into_response()
}

fn again_href() -> String {
    href("/sign-in", &[("return_to", "/account"), ("again", "1")])
}

/// A path with a query.
fn href(path: &str, query: &[(&str, &str)]) -> String {
    // Pairs of strings are always encoded.
    format!("{path}?{}", serde_urlencoded::to_string(query).unwrap_or_default())
}

/// Leads somebody to where they sign in, and to where they were.
pub(crate) fn redirect(return_to: &ReturnTo, ended: bool) -> Response {
    let mut query = vec![("return_to", return_to.as_str())];
    if ended {
        query.push(("ended", "1"));
    }
    Redirect::to(&href("/sign-in", &query)).into_response()
}

/// `GET /sign-in`
pub(crate) async fn show(Visitor(visit): Visitor, Perhaps(known): Perhaps, Params(query): Params<SignInQuery>) -> Page {
    let return_to = ReturnTo::new(&query.return_to);
    let why = query.why();
    if known.is_some() && why != Why::Again {
        return Ok(Redirect::to(return_to.as_str()).into_response());
    }
    let email = known.as_ref().and_then(Context::known_user).and_then(|user| user.email.clone());
    let form = LocalForm { return_to: return_to.to_string(), email: email.unwrap_or_default(), ..LocalForm::default() };
    render(&visit, StatusCode::OK, why, form).on_page(&visit)
}

fn render(visit: &Visit, status: StatusCode, why: Why, form: LocalForm) -> Result<Response> {
    let auth = visit.app().auth();
    let return_to = form.return_to.as_str();
    let again = (why == Why::Again).then_some(("again", "1"));
    let providers = auth.providers.iter().map(|provider| {
        let query = [("provider", provider.name()), ("return_to", return_to)];
        let query: Vec<_> = query.into_iter().chain(again).collect();
        Way { label: provider.label.clone(), href: href("/auth/login", &query) }
    });
    let page = SignInPage {
        title: "Sign in · Retinue",
        assets: crate::assets::BASE,
        why,
        providers: providers.collect(),
        local: auth.local.as_ref().map(|local| LocalForm {
            links: auth.sends_links(),
            registers: local.registration == Registration::Open && why != Why::Again,
            ..form
        }),
    };
    html(status, &page)
}

/// The form once more, with what was typed but for the password, and what was wrong with it.
pub(crate) fn again(visit: &Visit, error: &Error, form: LocalForm) -> Response {
    problem::log(error, visit.request_id());
    let form = LocalForm { error: Some(error.detail().to_owned()), ..form };
    let status = problem::status(error);
    let mut response = render(visit, status, Why::Nothing, form).unwrap_or_else(|_| status.into_response());
    problem::add_headers(error, response.headers_mut());
    response
}

/// `GET /signed-out`
pub(crate) async fn signed_out(Visitor(visit): Visitor) -> Page {
    let page = SignedOutPage { title: "Signed out · Retinue", assets: crate::assets::BASE };
    html(StatusCode::OK, &page).on_page(&visit)
}

/// Why a sign-in did not end well: for people with a way to try again.
pub(crate) fn failed(visit: &Visit, asked: &Asked, error: Error, aim: &Aim) -> Response {
    let (heading, missed) = aim.missed();
    visit.note_refused(missed, &error, None);
    // Of a provider that is not there, that was all.
    if error.kind() != Kind::Unavailable {
        problem::log(&error, visit.request_id());
    }
    if !asked.wants_page {
        return Failed::new(error, visit.request_id()).answer();
    }
    let status = problem::status(&error);
    let page = SignInFailedPage {
        title: format!("{heading} · Retinue"),
        assets: crate::assets::BASE,
        fault: Fault { status: status.as_u16(), heading, detail: error.detail(), request_id: visit.request_id() },
        code: error.code(),
        next: if is_to_sign_in_again(&error) { (again_href(), "Sign in again") } else { aim.next() },
    };
    let mut response = html(status, &page).unwrap_or_else(|_| status.into_response());
    problem::add_headers(&error, response.headers_mut());
    response
}

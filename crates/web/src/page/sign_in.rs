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

use super::{Fault, OnPage, Page, html};
use crate::asked::Asked;
use crate::errand::{Errand, Why, href};
use crate::extract::{Params, Perhaps, Visitor};
use crate::field::Wrong;
use crate::problem::{self, Failed};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    title: &'static str,
    assets: &'static str,
    errand: Errand,
    providers: Vec<Way>,
    local: Option<LocalForm>,
}

/// The form for an address and a password.
#[derive(Default)]
struct LocalForm {
    email: String,
    wrong: Option<Wrong>,
    /// Whether it is the address or the password that is wrong; which of them is not said.
    either: bool,
    links: bool,
    registers: bool,
}

impl LocalForm {
    fn is_wrong(&self, field: &str) -> bool {
        self.either || self.wrong.as_ref().is_some_and(|wrong| wrong.is(field))
    }

    /// Where whoever tries again goes on to type: the password is not kept.
    fn begins_at(&self, field: &str) -> bool {
        let field_of_error = if !self.either && self.is_wrong("email") { "email" } else { "password" };
        self.wrong.is_some() && field == field_of_error
    }
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
    /// To sign in.
    SignIn(Errand),
    /// To add an identity to those by which they sign in.
    AddIdentity,
}

impl Default for Aim {
    fn default() -> Self {
        Self::SignIn(Errand::default())
    }
}

impl Aim {
    pub(crate) fn of(underway: &Underway) -> Self {
        let why = if underway.is_anew() { Why::Again } else { Why::Nothing };
        let errand = Errand { return_to: underway.return_to(), why };
        if underway.adds_identity() { Self::AddIdentity } else { Self::SignIn(errand) }
    }

    /// What a page says above an error, and for the log.
    const fn missed(&self) -> (&'static str, &'static str) {
        match self {
            Self::SignIn(_) => ("You were not signed in", "nobody was signed in"),
            Self::AddIdentity => ("The identity was not added", "no identity was added"),
        }
    }

    /// Where to go from there, and what the button says. To try again would not help whoever may not come in.
    fn next(&self, error: &Error) -> (String, &'static str) {
        match self {
            Self::SignIn(errand) => {
                let is_shut_out = matches!(error.code(), "user_disabled" | "user_unknown");
                (errand.href("/sign-in"), if is_shut_out { "Go to sign-in" } else { "Try again" })
            }
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

/// Whether somebody must show first that it is still them.
pub(crate) fn is_to_sign_in_again(error: &Error) -> bool {
    error.code() == "sign_in_again"
}

/// Leads somebody who is signed in to where they do so once more, and to their account then.
pub(crate) fn sign_in_again() -> Response {
    redirect(&once_more())
}

/// To show once more who one is, and to go to one's account then.
fn once_more() -> Errand {
    Errand { return_to: ReturnTo::new("/account"), why: Why::Again }
}

/// Leads somebody to where they sign in, and on.
pub(crate) fn redirect(errand: &Errand) -> Response {
    Redirect::to(&errand.href("/sign-in")).into_response()
}

/// `GET /sign-in`
pub(crate) async fn show(Visitor(visit): Visitor, Perhaps(known): Perhaps, Params(errand): Params<Errand>) -> Page {
    if known.is_some() && errand.why != Why::Again {
        return Ok(Redirect::to(errand.return_to.as_str()).into_response());
    }
    let email = known.as_ref().and_then(Context::known_user).and_then(|user| user.email.clone());
    let form = LocalForm { email: email.unwrap_or_default(), ..LocalForm::default() };
    render(&visit, StatusCode::OK, errand, form).on_page(&visit)
}

fn render(visit: &Visit, status: StatusCode, errand: Errand, form: LocalForm) -> Result<Response> {
    let auth = visit.app().auth();
    let again = (errand.why == Why::Again).then_some(("again", "1"));
    let providers = auth.providers.iter().map(|provider| {
        let query = [("provider", provider.name()), ("return_to", errand.return_to.as_str())];
        Way { label: provider.label.clone(), href: href("/auth/login", query.into_iter().chain(again)) }
    });
    let page = SignInPage {
        title: "Sign in · Retinue",
        assets: crate::assets::BASE,
        providers: providers.collect(),
        local: auth.local.as_ref().map(|local| LocalForm {
            links: auth.sends_links(),
            registers: local.registration == Registration::Open && errand.why != Why::Again,
            ..form
        }),
        errand,
    };
    html(status, &page)
}

/// The form once more, with the address that was typed, and what was wrong.
pub(crate) fn again(visit: &Visit, error: &Error, (email, errand): (String, Errand)) -> Response {
    problem::log(error, visit.request_id());
    let either = error.kind() == Kind::Unauthenticated;
    let form = LocalForm { email, wrong: Some(Wrong::of(error)), either, ..LocalForm::default() };
    let status = problem::status(error);
    let mut response = render(visit, status, errand, form).unwrap_or_else(|_| status.into_response());
    problem::add_headers(error, response.headers_mut());
    response
}

/// `GET /signed-out`; whoever is signed in again goes on.
pub(crate) async fn signed_out(Visitor(visit): Visitor, Perhaps(current): Perhaps) -> Page {
    if current.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
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
        next: if is_to_sign_in_again(&error) {
            (once_more().href("/sign-in"), "Sign in again")
        } else {
            aim.next(&error)
        },
    };
    let mut response = html(status, &page).unwrap_or_else(|_| status.into_response());
    problem::add_headers(&error, response.headers_mut());
    response
}

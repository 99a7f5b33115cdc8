//! Pages: typed templates filled with what an operation gave.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod account_password;
pub(crate) mod admin;
pub(crate) mod agent;
pub(crate) mod agent_edit;
mod agent_version;
pub(crate) mod api_key;
pub(crate) mod audit;
pub(crate) mod budget;
pub(crate) mod composer;
pub(crate) mod gate_form;
pub(crate) mod home;
pub(crate) mod invitation;
pub(crate) mod link;
pub(crate) mod offboarding;
pub(crate) mod rail;
mod ready;
pub(crate) mod set_up;
pub(crate) mod sign_in;
pub(crate) mod team;
pub(crate) mod team_delete;
pub(crate) mod team_invitation;
mod team_key;
pub(crate) mod teams;
pub(crate) mod thread;
pub(crate) mod thread_delete;
pub(crate) mod turn;
pub(crate) mod usage;

use askama::Template;
use axum::Extension;
use axum::http::header::ACCEPT;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Redirect, Response};
use retinue_app::Context;
use retinue_model::Error;
use retinue_model::error::Kind;
use retinue_model::return_to::ReturnTo;

use crate::asked::Asked;
use crate::denied::{self, Denied};
use crate::problem::{self, Request};
use rail::Rail;

/// The program's version, as pages show it.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether a browser asks for something to look at.
pub(crate) fn is_wanted(request: &axum::extract::Request) -> bool {
    let is_page_path = !request.uri().path().starts_with("/api/");
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    is_page_path && accept.contains("text/html")
}

/// An error that a handler of pages answers with.
#[derive(Debug)]
pub(crate) struct PageError {
    error: Error,
    request_id: String,
    signs_in: bool,
    denied: Denied,
}

/// The result of a handler of pages.
pub(crate) type Page<T = Response> = Result<T, PageError>;

/// Says which request an error answers.
pub(crate) trait OnPage<T> {
    fn on_page(self, request: &impl Request) -> Page<T>;
}

impl<T> OnPage<T> for retinue_model::Result<T> {
    fn on_page(self, request: &impl Request) -> Page<T> {
        let signs_in = !request.app().auth().is_single_user();
        self.map_err(|error| {
            let denied = denied::of(request.known(), &error);
            PageError { error, request_id: request.id().to_owned(), signs_in, denied }
        })
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = error_page(&self.error, &self.request_id, self.signs_in);
        denied::mark(&mut response, self.denied);
        response
    }
}

/// A page once more, with what was wrong: what is there is shown as it is, or else why not even that can be.
pub(crate) fn refused(ctx: &Context, error: &Error, page: retinue_model::Result<Response>) -> Page {
    problem::log(error, ctx.request_id());
    let mut response = page.on_page(ctx)?;
    problem::add_headers(error, response.headers_mut());
    denied::mark(&mut response, denied::of(Some(ctx), error));
    Ok(response)
}

/// A filled template as an answer.
pub(crate) fn html(status: StatusCode, template: &impl Template) -> retinue_model::Result<Response> {
    template.render().map(|text| (status, Html(text)).into_response()).map_err(Error::internal)
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    title: &'a str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    fault: Fault<'a>,
}

/// Where people sign in, who looks at the page of an error is not known.
#[derive(Template)]
#[template(path = "gate_error.html")]
struct GateErrorPage<'a> {
    title: &'a str,
    assets: &'static str,
    fault: Fault<'a>,
}

struct Fault<'a> {
    status: u16,
    heading: &'a str,
    detail: &'a str,
    request_id: &'a str,
}

/// The page of an error.
pub(crate) fn error(error: &Error, asked: &Asked) -> Response {
    error_page(error, &asked.id, asked.settings.signs_in)
}

pub(crate) fn error_page(error: &Error, request_id: &str, signs_in: bool) -> Response {
    problem::log(error, request_id);
    let status = problem::status(error);
    let title = heading(status);
    let fault = Fault { status: status.as_u16(), heading: title, detail: error.detail(), request_id };
    let assets = crate::assets::BASE;
    let page = if signs_in {
        html(status, &GateErrorPage { title, assets, fault })
    } else {
        html(status, &ErrorPage { title, assets, version: VERSION, refresh: false, rail: Rail::empty(), fault })
    };
    let mut response = page.unwrap_or_else(|_| status.into_response());
    problem::add_headers(error, response.headers_mut());
    response
}

pub(crate) fn heading(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Nothing is here",
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => "Refused",
        StatusCode::UNAUTHORIZED => "Sign in first",
        StatusCode::CONFLICT => "That did not fit",
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
        StatusCode::SERVICE_UNAVAILABLE => "Not available now",
        StatusCode::INSUFFICIENT_STORAGE => "No room left",
        status if status.is_server_error() => "Something failed here",
        _ => "That was not understood",
    }
}

/// No route has this path.
pub(crate) async fn missing(Extension(asked): Extension<Asked>) -> Response {
    asked.refuse(Error::new(Kind::NotFound, "not_found", "There is nothing at this address."))
}

/// The path has routes, but not for this method. Somebody who comes back to the address of a form that was refused gets the
/// page on which it stands.
pub(crate) async fn wrong_method(method: Method, uri: Uri, Extension(asked): Extension<Asked>) -> Response {
    if method == Method::GET && asked.wants_page {
        let page = page_of_form(uri.path());
        if page != ReturnTo::default() {
            return Redirect::to(page.as_str()).into_response();
        }
    }
    asked.refuse(Error::invalid("method_not_allowed", format!("{method} is not possible here.")))
}

/// The page on which the form stands that is sent to this address; the start page where there is none of its own.
pub(crate) fn page_of_form(path: &str) -> ReturnTo {
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(noun @ ("threads" | "teams" | "agents")), Some(id), Some(_)) => ReturnTo::new(&format!("/{noun}/{id}")),
        (Some("api-keys"), ..) => ReturnTo::new("/api-keys"),
        (Some("admin"), ..) => ReturnTo::new("/admin"),
        (Some("account"), ..) => ReturnTo::new("/account"),
        _ => ReturnTo::default(),
    }
}

/// Plain text with `code` in backticks, as HTML.
pub(crate) fn with_code(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        let part = crate::code::escaped(part);
        if index % 2 == 1 {
            html.extend(["<code>", &part, "</code>"]);
        } else {
            html.push_str(&part);
        }
    }
    html
}

#[cfg(test)]
mod tests {
    #[test]
    fn advice_is_escaped_but_for_its_code() {
        assert_eq!(super::with_code("set `A=<b>` & go"), "set <code>A=&lt;b&gt;</code> &amp; go");
    }
}

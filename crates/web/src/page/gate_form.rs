//! Forms on the way in: one heading, some fields, one button.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use retinue_app::Visit;
use retinue_model::error::Kind;
use retinue_model::{Error, Result};

use super::{OnPage, Page, html};
use crate::errand::Errand;
use crate::field::Wrong;
use crate::problem;

/// A page with one form.
#[derive(Default, Template)]
#[template(path = "gate_form.html")]
pub(crate) struct GateForm {
    title: String,
    assets: &'static str,
    heading: &'static str,
    lead: String,
    action: &'static str,
    hidden: Vec<(&'static str, String)>,
    fields: Vec<Field>,
    button: &'static str,
    wrong: Wrong,
    more: Option<(String, &'static str)>,
    errand: Errand,
}

/// A page that says why there is no form on it, and where to go on.
#[derive(Template)]
#[template(path = "gate_closed.html")]
struct GateClosedPage<'a> {
    title: &'a str,
    assets: &'static str,
    heading: &'static str,
    detail: &'a str,
    on: (String, &'static str),
}

/// A field, as the pages know it.
pub(crate) struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    value: String,
    longest: u16,
    autocomplete: &'static str,
    hint: &'static str,
}

impl Field {
    /// An address, with what was typed.
    pub(crate) fn email(value: &str) -> Self {
        Self::new(("email", "E-mail address", "email"), value, (254, "username"))
    }

    /// A name, with what was typed.
    pub(crate) fn name(value: &str) -> Self {
        Self::new(("name", "Name", "text"), value, (200, "name"))
    }

    /// A password that is set; what was typed is not kept.
    pub(crate) fn new_password() -> Self {
        let field = Self::new(("password", "New password", "password"), "", (1024, "new-password"));
        Self { hint: "At least 8 characters.", ..field }
    }

    /// A short code.
    pub(crate) fn code() -> Self {
        Self::new(("code", "Code from the mail", "text"), "", (32, "one-time-code"))
    }

    fn new(
        (name, label, kind): (&'static str, &'static str, &'static str),
        value: &str,
        (longest, autocomplete): (u16, &'static str),
    ) -> Self {
        Self { name, label, kind, value: value.to_owned(), longest, autocomplete, hint: "" }
    }
}

impl GateForm {
    /// A form without fields.
    pub(crate) fn new(heading: &'static str, action: &'static str, button: &'static str) -> Self {
        let title = format!("{heading} · Retinue");
        Self { title, assets: crate::assets::BASE, heading, action, button, ..Self::default() }
    }

    /// With a sentence above it.
    pub(crate) fn lead(mut self, lead: impl Into<String>) -> Self {
        self.lead = lead.into();
        self
    }

    /// With a value that nobody sees.
    pub(crate) fn hidden(mut self, name: &'static str, value: &str) -> Self {
        self.hidden.push((name, value.to_owned()));
        self
    }

    /// With one more field.
    pub(crate) fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// With a link below it.
    pub(crate) fn more(mut self, path: &str, text: &'static str) -> Self {
        self.more = Some((self.errand.href(path), text));
        self
    }

    /// For somebody who goes on somewhere then. Comes before the link below.
    pub(crate) fn carrying(mut self, errand: &Errand) -> Self {
        self.hidden.extend(errand.pairs().map(|(name, value)| (name, value.to_owned())));
        self.errand = errand.clone();
        self
    }

    /// As it is shown first.
    pub(crate) fn show(&self, visit: &Visit) -> Page {
        html(StatusCode::OK, self).on_page(visit)
    }

    /// As it is shown first, if what it sends may be taken.
    pub(crate) fn show_if(self, visit: &Visit, may: Result<()>) -> Page {
        match may {
            Ok(()) => self.show(visit),
            Err(error) => Ok(self.refused(visit, &error)),
        }
    }

    /// Once more, with what was wrong; without the form, if nothing that could be typed would mend it.
    pub(crate) fn refused(mut self, visit: &Visit, error: &Error) -> Response {
        problem::log(error, visit.request_id());
        let status = problem::status(error);
        let page = if let Some(on) = self.way_on(error, visit) {
            html(status, &self.closed(error, on))
        } else {
            self.wrong = Wrong::of(error);
            // What belongs beside a field that this form has not got stands below it.
            if !self.fields.iter().any(|field| self.wrong.is(field.name)) {
                self.wrong = Wrong::of_form(error);
            }
            html(status, &self)
        };
        let mut response = page.unwrap_or_else(|_| status.into_response());
        problem::add_headers(error, response.headers_mut());
        response
    }

    fn closed<'a>(&'a self, error: &'a Error, on: (String, &'static str)) -> GateClosedPage<'a> {
        GateClosedPage { title: &self.title, assets: self.assets, heading: self.heading, detail: error.detail(), on }
    }

    /// Where to go on from an error that no other words in the form would mend. A link that is used up leads to where more
    /// of them are.
    fn way_on(&self, error: &Error, visit: &Visit) -> Option<(String, &'static str)> {
        let signs_in = !visit.app().auth().is_single_user();
        let start = || {
            if signs_in { (self.errand.href("/sign-in"), "Go to sign-in") } else { ("/".to_owned(), "Go to the start") }
        };
        match (error.kind(), error.code()) {
            (Kind::Forbidden, _) | (_, "set_up_spent") => Some(start()),
            (_, "token_spent" | "link_of_other_account") => Some(self.more.clone().unwrap_or_else(start)),
            _ => None,
        }
    }
}

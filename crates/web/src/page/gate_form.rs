//! Forms on the way in: one heading, some fields, one button.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use retinue_app::Visit;
use retinue_model::Error;

use super::{OnPage, Page, html};
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
    more: Option<(&'static str, &'static str)>,
}

/// A field, as the pages know it.
pub(crate) struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    value: String,
    longest: u16,
    autocomplete: &'static str,
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
        Self::new(("password", "New password", "password"), "", (1024, "new-password"))
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
        Self { name, label, kind, value: value.to_owned(), longest, autocomplete }
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
    pub(crate) const fn more(mut self, href: &'static str, text: &'static str) -> Self {
        self.more = Some((href, text));
        self
    }

    /// As it is shown first.
    pub(crate) fn show(&self, visit: &Visit) -> Page {
        html(StatusCode::OK, self).on_page(visit)
    }

    /// Once more, with what was wrong.
    pub(crate) fn refused(mut self, visit: &Visit, error: &Error) -> Response {
        problem::log(error, visit.request_id());
        self.wrong = Wrong::of(error);
        // What belongs beside a field that this form has not got stands below it.
        if !self.fields.iter().any(|field| self.wrong.is(field.name)) {
            self.wrong = Wrong::of_form(error);
        }
        let status = problem::status(error);
        let mut response = html(status, &self).unwrap_or_else(|_| status.into_response());
        problem::add_headers(error, response.headers_mut());
        response
    }
}

//! `/set-up`: the form of the first administrator, at the end of the link that the console printed.

use axum::response::Response;
use retinue_app::{Visit, set_up};
use retinue_model::Error;
use serde::Deserialize;

use super::Page;
use super::gate_form::{Field, GateForm};
use crate::extract::{Params, Visitor};

/// A link's secret.
#[derive(Default, Deserialize)]
pub(crate) struct TokenQuery {
    #[serde(default)]
    pub(crate) token: String,
}

/// What was typed, but for the password.
#[derive(Default)]
pub(crate) struct Typed {
    pub(crate) token: String,
    pub(crate) name: String,
    pub(crate) email: String,
}

fn page(typed: &Typed) -> GateForm {
    GateForm::new("Set up the first account", "/set-up", "Make this account")
        .lead("It runs this installation, and signs in with this address and password.")
        .hidden("token", &typed.token)
        .field(Field::name(&typed.name))
        .field(Field::email(&typed.email))
        .field(Field::new_password())
}

/// `GET /set-up`: uses nothing up.
pub(crate) async fn show(Visitor(visit): Visitor, Params(TokenQuery { token }): Params<TokenQuery>) -> Page {
    let may = set_up::check(&visit, &token).await;
    page(&Typed { token, ..Typed::default() }).show_if(&visit, may)
}

/// The form once more.
pub(crate) fn again(visit: &Visit, error: &Error, typed: &Typed) -> Response {
    page(typed).refused(visit, error)
}

//! `POST /auth/login`: signing in with an address and a password.

use axum::Extension;
use axum::extract::Request;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::credential::{self, Typed};
use retinue_app::session::Opened;
use retinue_app::{Context, Visit};
use retinue_model::return_to::ReturnTo;
use retinue_model::user::User;
use retinue_model::{Email, Password, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::session::Person;
use crate::api::sign_in::with_cookies;
use crate::asked::Asked;
use crate::cookie;
use crate::errand::{Carried, Errand};
use crate::extract::{Perhaps, Visitor, form_or_json};
use crate::json::Json;
use crate::page::sign_in::again;
use crate::problem::{Answer, InRequest, Problem};

/// Who signs in.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasswordLogin {
    /// The address.
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    /// The password.
    #[schema(format = Password, max_length = 1_024)]
    password: String,
    #[serde(flatten)]
    #[schema(value_type = Carried)]
    errand: Errand,
}

/// Who signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedInAs {
    pub(crate) user: Person,
}

/// Sign in with an address and a password, as JSON or as a form. Sets the cookie of a session, in place of the one before.
///
/// An address that nobody has, a wrong password and a user who may not come in are one answer.
#[utoipa::path(post, path = "/auth/login", tag = "sign-in",
    request_body(content((PasswordLogin = "application/json"), (PasswordLogin = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = SignedInAs, description = "For programs"),
        (status = 303, description = "For browsers: to `return_to`"),
        (status = 400, body = Problem, description = "`invalid_email`, `email_not_ascii`, `email_too_long`, `password_too_long`, `invalid_body`, `invalid_form`"),
        (status = 401, body = Problem, description = "`wrong_credentials`"),
        (status = 403, body = Problem, description = "`local_disabled`"),
        (status = 429, body = Problem, description = "`too_many_attempts`: after the time in `Retry-After` it may be tried again"),
        (status = 503, body = Problem, description = "`too_busy`"),
    ))]
pub(crate) async fn sign_in(
    Visitor(visit): Visitor,
    Perhaps(current): Perhaps,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Answer<Response> {
    let PasswordLogin { email, password, errand } = form_or_json(request).await.in_request(&visit)?;
    match by_password(&visit, &email, password, current).await {
        Ok((user, opened)) => Ok(signed_in(&visit, &asked, user, (&opened, &errand.return_to))),
        Err(error) if asked.wants_page && !visit.app().auth().takes_addresses() => Ok(asked.refuse(error)),
        Err(error) if asked.wants_page => Ok(again(&visit, &error, (email, errand))),
        Err(error) => Err(error).in_request(&visit),
    }
}

async fn by_password(visit: &Visit, email: &str, password: String, current: Option<Context>) -> Result<(User, Opened)> {
    let typed = Typed { email: Email::new(email)?, password: Password::new(password)? };
    credential::sign_in(visit, typed, current).await
}

/// What whoever signed in is told, with their cookie.
pub(crate) fn signed_in(
    visit: &Visit,
    asked: &Asked,
    user: User,
    (opened, return_to): (&Opened, &ReturnTo),
) -> Response {
    let response = if asked.wants_page {
        Redirect::to(return_to.as_str()).into_response()
    } else {
        Json(SignedInAs { user: user.into() }).into_response()
    };
    with_cookies(response, cookie::keep(visit.app(), opened))
}

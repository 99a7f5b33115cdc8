//! `POST /auth/register`: becoming a user by an address, where that may be.

use axum::Extension;
use axum::extract::Request;
use axum::response::Response;
use retinue_app::Visit;
use retinue_app::link::{self, Accepted};
use retinue_app::place::Place;
use retinue_app::session::Opened;
use retinue_model::one_time_token::Purpose;
use retinue_model::return_to::ReturnTo;
use retinue_model::user::User;
use retinue_model::{Email, Password, Result, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::credential::{SignedInAs, signed_in};
use crate::api::link::{MailSent, refused, sent};
use crate::asked::Asked;
use crate::errand::{Carried, Errand};
use crate::extract::{Perhaps, Visitor, form_or_json};
use crate::page::link as page;
use crate::problem::{Answer, InRequest, Problem};

/// Who wants an account: `email`, or `token`, `name` and `password` of whoever was invited.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RegisterForm {
    /// The address.
    #[serde(default)]
    #[schema(required = false, format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    /// What stands in the link of an invitation.
    #[serde(default)]
    #[schema(required = false)]
    token: String,
    /// The name.
    #[serde(default)]
    #[schema(required = false, max_length = 200)]
    name: String,
    /// The password to set.
    #[serde(default)]
    #[schema(required = false, format = Password, max_length = 1_024)]
    password: String,
    #[serde(flatten)]
    #[schema(value_type = Carried)]
    errand: Errand,
    /// Who is signed in in this browser and agrees that somebody else takes their place.
    #[serde(default)]
    #[schema(required = false, value_type = String)]
    instead_of: Option<UserId>,
}

/// Make an account. With an address only, a link comes by mail, and the answer is the same for every address; with an
/// invitation, the account is made at once.
#[utoipa::path(post, path = "/auth/register", tag = "sign-in",
    request_body(content((RegisterForm = "application/json"), (RegisterForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = MailSent, description = "Without an invitation"),
        (status = 201, body = SignedInAs, description = "With one, for programs"),
        (status = 303, description = "With one, for browsers"),
        (status = 400, body = Problem, description = "`invalid_email`, `invalid_name`, `password_too_short`, `password_too_long`, `password_common`"),
        (status = 403, body = Problem, description = "`registration_closed`, `local_disabled`, `links_disabled`"),
        (status = 409, body = Problem, description = "`token_spent`, `address_taken`, `signed_in_as_other`"),
        (status = 429, body = Problem, description = "`too_many_attempts`"),
        (status = 503, body = Problem, description = "`mail_too_busy`, `too_busy`"),
    ))]
pub(crate) async fn register(
    Visitor(visit): Visitor,
    Perhaps(current): Perhaps,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Answer<Response> {
    let RegisterForm { email, token, name, password, errand, instead_of } =
        form_or_json(request).await.in_request(&visit)?;
    if token.is_empty() {
        let done = async { link::ask_to_register(&visit, &Email::new(&email)?, &errand.return_to).await };
        return match done.await {
            Ok(()) => {
                let form = page::sent_form((&email, page::Asked::ToRegister), &errand, current.as_ref());
                Ok(sent(&visit, &asked, &form))
            }
            Err(error) => refused(&visit, &asked, error, page::register_form(&email, &errand)),
        };
    }
    let place = Place { current: current.clone(), instead_of };
    match accept(&visit, (&token, &name), password, place).await {
        Ok((user, opened)) => Ok(made(&visit, &asked, user, &opened)),
        Err(error) => {
            let seen = link::look(&visit, Purpose::Invitation, &token).await;
            refused(&visit, &asked, error, page::invited_form((&token, page::shown(&seen)), &name, current.as_ref()))
        }
    }
}

async fn accept(visit: &Visit, (token, name): (&str, &str), password: String, place: Place) -> Result<(User, Opened)> {
    let said = Accepted { name: name.to_owned(), password: Password::new(password)? };
    link::accept(visit, token, said, place).await
}

fn made(visit: &Visit, asked: &Asked, user: User, opened: &Opened) -> Response {
    let mut response = signed_in(visit, asked, user, (opened, &ReturnTo::default()));
    if !asked.wants_page {
        *response.status_mut() = axum::http::StatusCode::CREATED;
    }
    response
}

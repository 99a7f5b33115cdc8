//! `/auth/magic-link`, `/auth/password-reset`, `/auth/email-change`: links that come by mail, and what they open.

use axum::Extension;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::link::{self, Proof};
use retinue_app::place::Place;
use retinue_app::{Context, Visit, own_credential};
use retinue_model::one_time_token::Purpose;
use retinue_model::return_to::ReturnTo;
use retinue_model::{Email, Error, Password, Result, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::api::credential::{SignedInAs, signed_in};
use crate::api::sign_in::with_cookies;
use crate::asked::Asked;
use crate::cookie;
use crate::errand::{Carried, Errand};
use crate::extract::{Ctx, Perhaps, Visitor, form_or_json};
use crate::json::Json;
use crate::page::gate_form::GateForm;
use crate::page::link as page;
use crate::problem::{Answer, InRequest, Problem};

/// Whom a mail is for.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AddressForm {
    /// The address.
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    #[serde(flatten)]
    #[schema(value_type = Carried)]
    errand: Errand,
}

/// The same for every address.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MailSent {
    /// What people are told.
    detail: &'static str,
}

pub(crate) const SENT: &str = "If this address may sign in, a mail is on its way.";

/// The form once more for people, a problem for programs.
pub(crate) fn refused(visit: &Visit, asked: &Asked, error: Error, form: GateForm) -> Answer<Response> {
    if asked.wants_page { Ok(form.refused(visit, &error)) } else { Err(error).in_request(visit) }
}

pub(crate) fn sent(visit: &Visit, asked: &Asked, form: &GateForm) -> Response {
    if asked.wants_page {
        form.show(visit).into_response()
    } else {
        (StatusCode::OK, Json(MailSent { detail: SENT })).into_response()
    }
}

/// What whoever asks for a mail is told.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what is said here is in the document only")]
enum MailAsked {
    #[response(status = 200, description = "")]
    Sent(MailSent),
    #[response(status = 400, description = "`invalid_email`, `email_not_ascii`, `email_too_long`")]
    Invalid(Problem),
    #[response(status = 403, description = "`local_disabled`, `links_disabled`")]
    Disabled(Problem),
    #[response(status = 429, description = "`too_many_attempts`")]
    TooMany(Problem),
    #[response(status = 503, description = "`mail_too_busy`")]
    Busy(Problem),
}

/// A form with this address in it.
type FormFor = fn(&str, &Errand) -> GateForm;

/// Takes an address and asks for a mail to it; shown are the form for that, or the one after it.
async fn mailed(
    (visit, asked): (&Visit, &Asked),
    request: Request,
    ask: impl AsyncFnOnce(&Visit, &Email, &ReturnTo) -> Result<()>,
    (again, next): (FormFor, impl Fn(&str, &Errand) -> GateForm),
) -> Answer<Response> {
    let AddressForm { email, errand } = form_or_json(request).await.in_request(visit)?;
    let done = async { ask(visit, &Email::new(&email)?, &errand.return_to).await };
    match done.await {
        Ok(()) => Ok(sent(visit, asked, &next(&email, &errand))),
        Err(error) => refused(visit, asked, error, again(&email, &errand)),
    }
}

/// Ask for a link to sign in, with a short code, by mail. The answer is the same for every address.
#[utoipa::path(post, path = "/auth/magic-link", tag = "sign-in",
    request_body(content((AddressForm = "application/json"), (AddressForm = "application/x-www-form-urlencoded"))),
    responses(MailAsked))]
pub(crate) async fn ask(
    Visitor(visit): Visitor,
    Perhaps(current): Perhaps,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Answer<Response> {
    let sent = |email: &str, errand: &Errand| page::sent_form((email, page::Asked::ToSignIn), errand, current.as_ref());
    mailed((&visit, &asked), request, link::ask_to_sign_in, (page::ask_form, sent)).await
}

/// What a mail had in it: its token, or its code with the address.
#[derive(Deserialize, ToSchema)]
pub(crate) struct VerifyForm {
    /// What stands in the link.
    #[serde(default)]
    #[schema(required = false)]
    token: String,
    /// The address that the mail went to.
    #[serde(default)]
    #[schema(required = false)]
    email: String,
    /// The short code.
    #[serde(default)]
    #[schema(required = false, example = "7KQ2-M9XD")]
    code: String,
    #[serde(flatten)]
    #[schema(value_type = Carried)]
    errand: Errand,
    /// Why the mail was asked for, so that the page can offer another one.
    #[serde(default)]
    #[schema(ignore)]
    asked: page::Asked,
    /// Who is signed in in this browser and agrees that somebody else takes their place.
    #[serde(default)]
    #[schema(required = false, value_type = String)]
    instead_of: Option<UserId>,
}

impl VerifyForm {
    fn proof(&self) -> Result<Proof> {
        if self.token.is_empty() {
            return Ok(Proof::Code(Email::new(&self.email)?, self.code.clone()));
        }
        Ok(Proof::Token(self.token.clone()))
    }

    async fn page(&self, visit: &Visit, current: Option<&Context>) -> GateForm {
        match self.token.as_str() {
            "" => page::sent_form((&self.email, self.asked), &self.errand, current),
            token => {
                let seen = link::look(visit, Purpose::MagicLink, token).await;
                page::verify_form((token, &seen), &self.errand, current)
            }
        }
    }
}

/// Sign in with what came by mail: `token`, or `email` and `code`. It is good once. For whoever is the first to show that the
/// address is theirs, what opened the account before counts no more.
#[utoipa::path(post, path = "/auth/magic-link/verify", tag = "sign-in",
    request_body(content((VerifyForm = "application/json"), (VerifyForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = SignedInAs, description = "For programs"),
        (status = 303, description = "For browsers"),
        (status = 400, body = Problem, description = "`code_wrong`, `invalid_email`"),
        (status = 403, body = Problem, description = "`local_disabled`, `user_disabled`"),
        (status = 409, body = Problem, description = "`token_spent`, `address_taken`, `signed_in_as_other`"),
        (status = 429, body = Problem, description = "`too_many_attempts`"),
    ))]
pub(crate) async fn verify(
    Visitor(visit): Visitor,
    Perhaps(current): Perhaps,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Answer<Response> {
    let form: VerifyForm = form_or_json(request).await.in_request(&visit)?;
    let place = Place { current: current.clone(), instead_of: form.instead_of };
    let done = async { link::sign_in(&visit, form.proof()?, place).await };
    match done.await {
        Ok((user, opened)) => Ok(signed_in(&visit, &asked, user, (&opened, &form.errand.return_to))),
        Err(error) => refused(&visit, &asked, error, form.page(&visit, current.as_ref()).await),
    }
}

/// Ask for a link to set another password, by mail. The answer is the same for every address.
#[utoipa::path(post, path = "/auth/password-reset", tag = "sign-in",
    request_body(content((AddressForm = "application/json"), (AddressForm = "application/x-www-form-urlencoded"))),
    responses(MailAsked))]
pub(crate) async fn ask_to_reset(
    Visitor(visit): Visitor,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Answer<Response> {
    mailed((&visit, &asked), request, link::ask_to_reset, (page::ask_to_reset_form, page::reset_sent_form)).await
}

/// What came by mail, and another password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ResetForm {
    /// What stands in the link.
    token: String,
    /// The password to set.
    #[schema(format = Password, min_length = 8, max_length = 1_024)]
    password: String,
    #[serde(flatten)]
    #[schema(value_type = Carried)]
    errand: Errand,
    /// Who is signed in in this browser and agrees that somebody else takes their place.
    #[serde(default)]
    #[schema(required = false, value_type = String)]
    instead_of: Option<UserId>,
}

/// Set another password with what came by mail. Ends all other sessions, and signs in. For whoever is the first to show that
/// the address is theirs, what opened the account before counts no more.
#[utoipa::path(post, path = "/auth/password-reset/verify", tag = "sign-in",
    request_body(content((ResetForm = "application/json"), (ResetForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = SignedInAs, description = "For programs"),
        (status = 303, description = "For browsers"),
        (status = 400, body = Problem, description = "`password_too_short`, `password_too_long`, `password_common`"),
        (status = 403, body = Problem, description = "`local_disabled`, `user_disabled`"),
        (status = 409, body = Problem, description = "`token_spent`, `signed_in_as_other`"),
        (status = 429, body = Problem, description = "`too_many_attempts`"),
        (status = 503, body = Problem, description = "`too_busy`"),
    ))]
pub(crate) async fn reset(
    Visitor(visit): Visitor,
    Perhaps(current): Perhaps,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Answer<Response> {
    let ResetForm { token, password, errand, instead_of } = form_or_json(request).await.in_request(&visit)?;
    let place = Place { current: current.clone(), instead_of };
    let done = async { link::reset(&visit, &token, Password::new(password)?, place).await };
    match done.await {
        Ok((user, opened)) => Ok(signed_in(&visit, &asked, user, (&opened, &errand.return_to))),
        Err(error) => {
            let seen = link::look(&visit, Purpose::PasswordReset, &token).await;
            let form = page::reset_form((&token, &seen), &errand, current.as_ref());
            refused(&visit, &asked, error, form)
        }
    }
}

/// What stands in a link.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TokenForm {
    /// What stands in the link.
    token: String,
}

/// Confirm the address that one wants to sign in with from now on, signed in as whoever asked for that. The old one is told.
#[utoipa::path(post, path = "/auth/email-change/verify", tag = "sign-in",
    request_body(content((TokenForm = "application/json"), (TokenForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 204, description = "For programs"),
        (status = 303, description = "For browsers"),
        (status = 403, body = Problem, description = "`local_disabled`, `no_address`, `user_disabled`"),
        (status = 409, body = Problem, description = "`token_spent`, `link_of_other_account`, `address_taken`"),
    ))]
pub(crate) async fn change_address(
    Ctx(ctx): Ctx,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Answer<Response> {
    let TokenForm { token } = form_or_json(request).await.in_request(&ctx)?;
    match own_credential::change_address(&ctx, &token).await {
        Ok(device) => {
            let done = if asked.wants_page {
                Redirect::to("/account").into_response()
            } else {
                StatusCode::NO_CONTENT.into_response()
            };
            Ok(with_cookies(done, [cookie::keep_device(ctx.app(), &device)]))
        }
        Err(error) => {
            let seen = own_credential::look_at_change(&ctx, &token).await;
            refused(&ctx.as_visit(), &asked, error, page::change_address_form(&token, seen.ok()))
        }
    }
}

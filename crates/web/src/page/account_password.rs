//! `/account/password` and `/account/email`: one's own way in by address.

use axum::extract::Request;
use axum::http::StatusCode;
use retinue_app::{Context, own_credential};
use retinue_model::{Email, Error, Password, Result};
use serde::Deserialize;

use super::account::{Said, back, refused, render};
use super::{OnPage, Page};
use crate::extract::{Ctx, form};
use crate::field::Wrong;

/// The part of the page for whoever signs in with an address.
#[derive(Debug)]
pub(crate) struct LocalPart {
    pub(crate) address: String,
    pub(crate) has_password: bool,
    pub(crate) links: bool,
    pub(crate) email: String,
    pub(crate) password_wrong: Wrong,
    pub(crate) email_wrong: Wrong,
}

/// What is to be said in that part.
#[derive(Debug, Default)]
pub(crate) struct LocalSaid {
    password_wrong: Option<Wrong>,
    email_wrong: Option<Wrong>,
    /// An address that was typed and not taken.
    email: String,
}

/// That part, if one has an address here.
pub(crate) async fn part(ctx: &Context, said: LocalSaid) -> Result<Option<LocalPart>> {
    let credential = own_credential::get(ctx).await?;
    Ok(credential.map(|credential| LocalPart {
        address: credential.address.to_string(),
        has_password: credential.password_hash.is_some(),
        links: ctx.app().auth().sends_links(),
        email: said.email,
        password_wrong: said.password_wrong.unwrap_or_default(),
        email_wrong: said.email_wrong.unwrap_or_default(),
    }))
}

#[derive(Deserialize)]
struct PasswordForm {
    #[serde(default)]
    current_password: String,
    password: String,
}

/// `POST /account/password`
pub(crate) async fn change(Ctx(ctx): Ctx, request: Request) -> Page {
    let PasswordForm { current_password, password } = form(request).await.on_page(&ctx)?;
    let done =
        async { own_credential::change_password(&ctx, current(current_password)?, Password::new(password)?).await };
    match done.await {
        Ok(()) => Ok(back()),
        Err(error) => {
            let local = LocalSaid { password_wrong: Some(Wrong::of(&error)), ..LocalSaid::default() };
            refused(&ctx, &error, Said { local: Some(local), ..Said::default() }).await
        }
    }
}

/// One that is too long is another one than that which was set.
fn current(typed: String) -> Result<Password> {
    Password::new(typed).map_err(|error| Error::invalid("wrong_password", error.detail()))
}

#[derive(Deserialize)]
struct EmailForm {
    email: String,
    #[serde(default)]
    current_password: String,
}

/// `POST /account/email`
pub(crate) async fn change_address(Ctx(ctx): Ctx, request: Request) -> Page {
    let EmailForm { email, current_password } = form(request).await.on_page(&ctx)?;
    let done =
        async { own_credential::ask_to_change_address(&ctx, current(current_password)?, Email::new(&email)?).await };
    match done.await {
        Ok(()) => {
            let said = Said { sent_to: Some(email), ..Said::default() };
            render(&ctx, StatusCode::OK, said).await.on_page(&ctx)
        }
        Err(error) => {
            let local = LocalSaid { email_wrong: Some(Wrong::of(&error)), email, ..LocalSaid::default() };
            refused(&ctx, &error, Said { local: Some(local), ..Said::default() }).await
        }
    }
}

//! `POST /set-up`: the first administrator.

use axum::extract::Request;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::set_up::{self, First};
use retinue_app::{Context, Visit};
use retinue_model::{Email, Password, Result};
use serde::Deserialize;

use crate::api::sign_in::with_cookies;
use crate::cookie;
use crate::extract::{Perhaps, Visitor, form};
use crate::page::set_up::{Typed, again};
use crate::page::{OnPage, Page};

#[derive(Deserialize)]
struct SetUpForm {
    token: String,
    name: String,
    email: String,
    password: String,
}

/// `POST /set-up`: a form, as the link that the console printed shows it.
pub(crate) async fn finish(Visitor(visit): Visitor, Perhaps(current): Perhaps, request: Request) -> Page {
    let SetUpForm { token, name, email, password } = form(request).await.on_page(&visit)?;
    let typed = Typed { token, name, email };
    Ok(match make(&visit, &typed, password, current).await {
        Ok(response) => response,
        Err(error) => again(&visit, &error, &typed),
    })
}

async fn make(visit: &Visit, typed: &Typed, password: String, current: Option<Context>) -> Result<Response> {
    let (email, password) = (Email::new(&typed.email)?, Password::new(password)?);
    let first = First { name: typed.name.clone(), email, password };
    let opened = set_up::finish(visit, &typed.token, first, current).await?;
    Ok(with_cookies(Redirect::to("/").into_response(), cookie::keep(visit.app(), &opened)))
}

//! What is known of a request before any handler sees it.

use std::sync::Arc;

use axum::http::Extensions;
use axum::response::{IntoResponse, Response};
use retinue_model::Error;
use retinue_model::return_to::ReturnTo;

use crate::denied::Denied;
use crate::errand::{Errand, Why};
use crate::problem::Failed;
use crate::{Settings, denied, page};

/// Put into each request by [`crate::door`].
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What the log calls the request.
    pub(crate) id: Arc<str>,
    /// Whether a browser asks for something to look at.
    pub(crate) wants_page: bool,
    /// What the doors know of the configuration.
    pub(crate) settings: Arc<Settings>,
}

impl Asked {
    /// What the door put there.
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The answer to an error: a page for people, a problem document for programs.
    pub(crate) fn refuse(&self, error: Error) -> Response {
        if self.wants_page { page::error(&error, self) } else { Failed::new(error, &self.id).into_response() }
    }
}

/// An error from before the handler, with the request that it answers.
#[derive(Debug)]
pub(crate) struct Refused {
    error: Error,
    asked: Option<Asked>,
    /// Where to go after signing in, if that mends it.
    return_to: Option<ReturnTo>,
    denied: Denied,
}

impl Refused {
    pub(crate) fn new(error: Error, asked: Option<&Asked>) -> Self {
        Self { error, asked: asked.cloned(), return_to: None, denied: None }
    }

    /// With what it denies to somebody who is known.
    pub(crate) fn with_denied(mut self, denied: Denied) -> Self {
        self.denied = denied;
        self
    }

    /// Whoever must sign in first is led there and back, if they look at pages. A credential that is not accepted would not
    /// be there either.
    #[must_use]
    pub(crate) fn with_sign_in(mut self, return_to: ReturnTo) -> Self {
        self.return_to = Some(return_to).filter(|_| matches!(self.error.code(), "not_signed_in" | "session_ended"));
        self
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = match self.asked {
            Some(asked) if asked.wants_page && self.return_to.is_some() => {
                let why = if self.error.code() == "not_signed_in" { Why::Nothing } else { Why::Ended };
                page::sign_in::redirect(&Errand { return_to: self.return_to.unwrap_or_default(), why })
            }
            Some(asked) => asked.refuse(self.error),
            None => Failed::new(self.error, "").into_response(),
        };
        denied::mark(&mut response, self.denied);
        response
    }
}

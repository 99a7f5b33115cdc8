//! What is known of a request before any handler sees it.

use std::sync::Arc;

use axum::http::Extensions;
use axum::response::{IntoResponse, Response};
use retinue_model::Error;

use crate::problem::Failed;
use crate::{Settings, page};

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
        if self.wants_page { page::error(&error, &self.id) } else { Failed::new(error, &self.id).into_response() }
    }
}

/// An error from before the handler, with the request that it answers.
#[derive(Debug)]
pub(crate) struct Refused {
    error: Error,
    asked: Option<Asked>,
}

impl Refused {
    pub(crate) fn new(error: Error, asked: Option<&Asked>) -> Self {
        Self { error, asked: asked.cloned() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self.asked {
            Some(asked) => asked.refuse(self.error),
            None => Failed::new(self.error, "").into_response(),
        }
    }
}

//! What all lists have in common.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use retinue_model::{Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 200;
/// What an entry takes on the wire, so that most lists are written without making room twice.
const ENTRY_BYTES: usize = 320;

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// How many at most: 1 to 200, otherwise 20.
    #[param(minimum = 1, maximum = 200, default = 20)]
    pub(crate) limit: Option<usize>,
    /// Where the list goes on: the `next_cursor` of the answer before.
    pub(crate) cursor: Option<String>,
}

impl Range {
    pub(crate) fn limit(&self) -> Result<usize> {
        limit(self.limit)
    }
}

pub(crate) fn limit(asked: Option<usize>) -> Result<usize> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(_) => Err(Error::invalid("invalid_limit", format!("`limit` is from 1 to {MAX_LIMIT}."))),
    }
}

/// A part of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The entries.
    pub(crate) data: Vec<T>,
    /// Where the list goes on; null at its end.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A list that is whole.
    pub(crate) const fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None }
    }
}

impl<T: Serialize> IntoResponse for List<T> {
    /// What [`axum::Json`] gives, quicker for many entries: its buffer begins small and takes each piece by itself.
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(ENTRY_BYTES * (self.data.len() + 1));
        match serde_json::to_writer(&mut body, &self) {
            Ok(()) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
            // It can't be written the other way either, and that answer says so.
            Err(_) => axum::Json(self).into_response(),
        }
    }
}

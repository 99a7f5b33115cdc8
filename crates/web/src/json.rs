//! Answers in JSON.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What nearly all answers fit into, in bytes; larger blocks cost the allocator more.
const ANSWER_BYTES: usize = 1_000;

/// An answer in JSON, as axum's own: but that begins with a buffer of 128 bytes, and is written piece by piece into one that
/// is made larger again and again.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut json = Vec::with_capacity(ANSWER_BYTES);
        match serde_json::to_writer(&mut json, &self.0) {
            Ok(()) => of_text(json),
            // It can't be written the other way either, and that answer says so.
            Err(_) => axum::Json(self.0).into_response(),
        }
    }
}

/// An answer of JSON that was written already.
pub(crate) fn of_text(json: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(json));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

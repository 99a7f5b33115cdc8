//! Answers that no honest provider gives.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::Value;

const PIECE: &[u8] = &[b' '; 64 * 1024];

/// What is answered instead.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status and a JSON body.
    Json(u16, Value),
    /// A content type and a body.
    Text(&'static str, String),
    /// A redirect.
    Redirect(String),
    /// So many bytes of JSON, whose length is not told beforehand.
    Long(usize),
    /// JSON that never ends.
    Endless,
    /// A beginning, and then nothing more.
    Stalled,
    /// Nothing at all.
    Silent,
}

impl Reply {
    pub(super) async fn into_response(self) -> Response {
        let json = |body| ([("content-type", "application/json")], body).into_response();
        match self {
            Self::Json(status, body) => (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response(),
            Self::Text(media_type, body) => ([("content-type", media_type)], body).into_response(),
            Self::Redirect(target) => (StatusCode::FOUND, [("location", target)]).into_response(),
            Self::Long(bytes) => json(Body::from_stream(pieces().take(bytes / PIECE.len()))),
            Self::Endless => json(Body::from_stream(pieces())),
            Self::Stalled => json(Body::from_stream(pieces().take(1).chain(stream::pending()))),
            Self::Silent => std::future::pending().await,
        }
    }
}

fn pieces() -> impl stream::Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::repeat_with(|| Ok(Bytes::from_static(PIECE)))
}

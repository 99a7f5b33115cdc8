//! Extractors: the path, query and body of a request, with errors that say what is wrong. Who asks: see [`crate::guard`].

use std::time::Duration;

use axum::RequestPartsExt;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use bytes::BytesMut;
use futures_util::StreamExt;
use retinue_model::error::Kind;
use retinue_model::{Error, Result};
use serde::de::DeserializeOwned;

use crate::asked::{Asked, Refused};
pub(crate) use crate::guard::{AnyKey, Ctx, Keyed, Perhaps, Visitor, scope};

/// How much of a body that is too large is read all the same, in bytes.
const FORGOTTEN_BYTES: usize = 32 << 20;
/// How long a request's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How deep JSON may be nested.
const MAX_JSON_DEPTH: usize = 32;

/// One parameter of the path, or several.
#[derive(Debug)]
pub(crate) struct Param<T>(pub(crate) T);

impl<T: DeserializeOwned + Send + 'static, S: Sync> FromRequestParts<S> for Param<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Refused> {
        // An id of another kind is the id of nothing here.
        let missing = |rejection| {
            Error::new(Kind::NotFound, "not_found", "This address leads nowhere: check the id in it.")
                .because(rejection)
        };
        let path = parts.extract::<Path<T>>().await;
        path.map(|Path(value)| Self(value))
            .map_err(|rejection| Refused::new(missing(rejection), Asked::of(&parts.extensions)))
    }
}

/// The query.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Refused> {
        Query::<T>::try_from_uri(&parts.uri).map(|Query(value)| Self(value)).map_err(|rejection| {
            let reason = sentence("The query is not understood", &rejection.body_text());
            Refused::new(Error::invalid("invalid_query", reason), Asked::of(&parts.extensions))
        })
    }
}

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> std::result::Result<Self, Refused> {
        let asked = Asked::of(request.extensions()).cloned();
        let read = async {
            let typed = require_type(request.headers(), "application/json");
            let bytes = bytes(request).await?;
            typed.and_then(|()| parse_json(&bytes))
        };
        read.await.map(Self).map_err(|error| Refused::new(error, asked.as_ref()))
    }
}

/// A body that says nothing. It is read all the same: with a body left unread the connection could not be used again.
#[derive(Debug)]
pub(crate) struct Unsaid;

impl<S: Sync> FromRequest<S> for Unsaid {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> std::result::Result<Self, Refused> {
        let asked = Asked::of(request.extensions()).cloned();
        bytes(request).await.map(|_| Self).map_err(|error| Refused::new(error, asked.as_ref()))
    }
}

/// What a form sent.
pub(crate) async fn form<T: DeserializeOwned>(request: Request) -> Result<T> {
    let typed = require_type(request.headers(), "application/x-www-form-urlencoded");
    let bytes = bytes(request).await?;
    typed?;
    serde_urlencoded::from_bytes(&bytes)
        .map_err(|error| Error::invalid("invalid_form", sentence("The form is not understood", &error.to_string())))
}

/// What a form sent, or the same as JSON.
pub(crate) async fn form_or_json<T: DeserializeOwned>(request: Request) -> Result<T> {
    if require_type(request.headers(), "application/json").is_err() {
        return form(request).await;
    }
    parse_json(&bytes(request).await?)
}

async fn bytes(request: Request) -> Result<Bytes> {
    let max = Asked::of(request.extensions()).map_or(0, |asked| asked.settings.max_body_bytes);
    let read = tokio::time::timeout(BODY_TIMEOUT, read(request.into_body(), max)).await;
    read.unwrap_or_else(|_| {
        Err(Error::invalid("body_timeout", "The request's body did not come within 30 seconds. Send it again."))
    })
}

/// Reads a body. One that is too large is read on for a while and forgotten: a client that is still sending when the
/// connection closes would not see the answer.
async fn read(body: HttpBody, max: usize) -> Result<Bytes> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut length) = (BytesMut::new(), 0);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            Error::invalid("body_unreadable", "The request's body broke off. Send it again.").because(error)
        })?;
        length += chunk.len();
        if length <= max {
            bytes.extend_from_slice(&chunk);
        } else if length > max + FORGOTTEN_BYTES {
            break;
        }
    }
    if length > max { Err(body_too_large()) } else { Ok(bytes.freeze()) }
}

fn body_too_large() -> Error {
    Error::new(
        Kind::TooLarge,
        "body_too_large",
        "The request's body is over the server's limit (`server.max_body_bytes`). Send less at once.",
    )
}

fn require_type(headers: &HeaderMap, wanted: &str) -> Result<()> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = sent.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(Error::invalid("unsupported_media_type", format!("Send the body as {wanted} and say so in Content-Type.")))
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Error::invalid("invalid_utf8", format!("The body is not UTF-8: {error}.")))?;
    refuse_deep(text)?;
    // serde would take a list for an object with its members in order.
    if text.trim_start().starts_with('[') {
        return Err(Error::invalid("invalid_body", "The body must be a JSON object."));
    }
    serde_json::from_str(text).map_err(|error| {
        let code = if error.is_data() { "invalid_body" } else { "invalid_json" };
        Error::invalid(code, sentence("The body is not understood", &error.to_string()))
    })
}

/// Counts brackets outside of strings; what is no JSON at all is found by the parser.
fn refuse_deep(text: &str) -> Result<()> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_JSON_DEPTH {
            return Err(Error::invalid(
                "json_too_deep",
                format!("The JSON is nested deeper than {MAX_JSON_DEPTH} levels."),
            ));
        }
    }
    Ok(())
}

fn sentence(lead: &str, reason: &str) -> String {
    const LONGEST: usize = 300;
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    format!("{lead}: {}.", reason.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert!(refuse_deep(&format!("{{\"input\":\"{}\\\"[[\"}}", "[".repeat(100))).is_ok());
        assert_eq!(refuse_deep(&"[".repeat(10_000)).unwrap_err().code(), "json_too_deep");
        assert!(refuse_deep(&"[]".repeat(10_000)).is_ok());
    }
}

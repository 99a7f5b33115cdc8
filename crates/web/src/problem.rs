//! Errors on the wire: the one place where an error becomes an HTTP status.

use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use retinue_app::{App, Context, Visit};
use retinue_model::Error;
use retinue_model::error::Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::denied::Denied;
use crate::{bearer, denied};

/// An error as RFC 9457 describes it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: `code` tells the kind.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: String,
    /// What happened and what to do next, for people.
    detail: String,
    /// The stable name of what happened, for programs.
    #[schema(example = "not_found")]
    code: String,
    /// What the server's log calls this request.
    request_id: String,
}

/// An error with the request that it answers.
#[derive(Debug)]
pub(crate) struct Failed {
    error: Error,
    request_id: String,
    denied: Denied,
}

/// The result of a handler that answers in JSON.
pub(crate) type Answer<T> = Result<T, Failed>;

/// The HTTP status of an error.
pub(crate) fn status(error: &Error) -> StatusCode {
    match (error.kind(), error.code()) {
        (Kind::Invalid, "unsupported_media_type") => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        (Kind::Invalid, "method_not_allowed") => StatusCode::METHOD_NOT_ALLOWED,
        (Kind::Invalid, "body_timeout") => StatusCode::REQUEST_TIMEOUT,
        (Kind::Invalid, "host_not_allowed") => StatusCode::MISDIRECTED_REQUEST,
        (Kind::Invalid, _) => StatusCode::BAD_REQUEST,
        (Kind::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (Kind::NotFound, _) => StatusCode::NOT_FOUND,
        (Kind::Forbidden, _) => StatusCode::FORBIDDEN,
        (Kind::Conflict, _) => StatusCode::CONFLICT,
        (Kind::TooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
        (Kind::TooMany, _) => StatusCode::TOO_MANY_REQUESTS,
        (Kind::StorageFull, _) => StatusCode::INSUFFICIENT_STORAGE,
        (Kind::Unavailable, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Kind::Internal, _) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// When to try again, in whole seconds, for what may be tried again (RFC 9110, section 10.2.3).
fn retry_after(error: &Error) -> Option<HeaderValue> {
    const SOON: Duration = Duration::from_secs(5);
    let after = match error.kind() {
        Kind::TooMany | Kind::Unavailable => error.retry_after().unwrap_or(SOON),
        _ => return None,
    };
    // Rounded up: whoever comes at that time is not refused again.
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    Some(HeaderValue::from(seconds.max(1)))
}

/// Adds what the headers of an answer say of an error, whatever its body is.
pub(crate) fn add_headers(error: &Error, headers: &mut HeaderMap) {
    if let Some(after) = retry_after(error) {
        headers.insert(RETRY_AFTER, after);
    }
    // RFC 9110, section 15.5.2
    if let Some(challenge) = bearer::challenge(error) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    } else if error.kind() == Kind::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Cookie realm=\"retinue\""));
    }
}

/// Whether somebody can't be served because too many others are: anybody can bring that about.
fn is_rush(error: &Error) -> bool {
    matches!(error.code(), "too_busy" | "mail_too_busy" | "sign_in_busy")
}

/// Writes an error to the log, with its cause if it is ours.
pub(crate) fn log(error: &Error, request_id: &str) {
    if matches!(error.kind(), Kind::Internal | Kind::StorageFull | Kind::Unavailable) && !is_rush(error) {
        tracing::error!(request_id, code = error.code(), cause = error.cause_chain(), "{}", error.detail());
    } else {
        tracing::debug!(request_id, code = error.code(), "{}", error.detail());
    }
}

impl Failed {
    pub(crate) fn new(error: Error, request_id: &str) -> Self {
        Self { error, request_id: request_id.to_owned(), denied: None }
    }

    /// With what it denies to somebody who is known.
    pub(crate) fn with_denied(self, denied: Denied) -> Self {
        Self { denied, ..self }
    }

    /// The answer to an error that is in the log already.
    pub(crate) fn answer(self) -> Response {
        let status = status(&self.error);
        let problem = Problem {
            kind: "about:blank".to_owned(),
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            detail: self.error.detail().to_owned(),
            code: self.error.code().to_owned(),
            request_id: self.request_id,
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        add_headers(&self.error, headers);
        denied::mark(&mut response, self.denied);
        response
    }
}

/// A request of somebody, known or not.
pub(crate) trait Request {
    /// What the log calls it.
    fn id(&self) -> &str;

    /// The program that it came to.
    fn app(&self) -> &App;

    /// Who asks, if they are known.
    fn known(&self) -> Option<&Context> {
        None
    }
}

impl Request for Context {
    fn id(&self) -> &str {
        self.request_id()
    }

    fn app(&self) -> &App {
        self.app()
    }

    fn known(&self) -> Option<&Context> {
        Some(self)
    }
}

impl Request for Visit {
    fn id(&self) -> &str {
        self.request_id()
    }

    fn app(&self) -> &App {
        self.app()
    }
}

/// Says which request an error answers.
pub(crate) trait InRequest<T> {
    fn in_request(self, request: &impl Request) -> Answer<T>;
}

impl<T> InRequest<T> for retinue_model::Result<T> {
    fn in_request(self, request: &impl Request) -> Answer<T> {
        self.map_err(|error| {
            let denied = denied::of(request.known(), &error);
            Failed::new(error, request.id()).with_denied(denied)
        })
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        log(&self.error, &self.request_id);
        self.answer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page;

    fn too_many(after: Duration) -> Error {
        Error::too_many("too_many_attempts", "There were too many attempts.", after)
    }

    /// Status and `Retry-After` of a program's answer and of a person's.
    fn both(error: impl Fn() -> Error) -> [(u16, Option<String>); 2] {
        let told = |response: Response| {
            let after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
            (response.status().as_u16(), after)
        };
        [told(Failed::new(error(), "1").into_response()), told(page::error_page(&error(), "1", false))]
    }

    #[test]
    fn programs_and_people_are_told_when_to_try_again() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (900_000, "900")] {
            let answers = both(|| too_many(Duration::from_millis(millis)));
            assert_eq!(answers, [(429, Some(seconds.to_owned())), (429, Some(seconds.to_owned()))]);
        }
        let busy = both(|| Error::unavailable("too_busy", "Try again."));
        assert_eq!(busy, [(503, Some("5".to_owned())), (503, Some("5".to_owned()))]);
        assert_eq!(both(|| Error::not_found("page")), [(404, None), (404, None)]);
    }

    #[tokio::test]
    async fn a_problem_names_what_was_tried_too_often() {
        let response = Failed::new(too_many(Duration::from_secs(8)), "1").into_response();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem.status, problem.code.as_str()), (429, "too_many_attempts"));
        assert_eq!(problem.title, "Too Many Requests");
    }
}

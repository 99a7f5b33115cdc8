//! What every request passes: an id, the `Host` allow-list, the same-site checks, security headers, log and metrics; and
//! where a handler that panicked becomes an answer like others.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::Route;
use axum::routing::future::RouteFuture;
use retinue_model::Error;
use retinue_model::error::Kind;
use tower::{Layer, Service};
use tower_http::csrf::{Csrf, CsrfLayer, ProtectionError, ResponseFuture};

use crate::asked::Asked;
use crate::timings::Timings;
use crate::{Settings, page};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Only what the pages use, only from here; nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What stands in every answer, unless the answer itself says otherwise.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
        // What a person said must not stay in a cache that others can read.
        (header::CACHE_CONTROL, "no-store"),
    ];
    headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
});

/// The only layer around all routes. One that does everything, because each costs every request allocations and clones
/// of all that lie within it.
#[derive(Clone)]
pub(crate) struct Door {
    new_id: Arc<dyn Fn() -> Arc<str> + Send + Sync>,
    settings: Arc<Settings>,
}

impl Door {
    /// Gives requests ids from `new_id`.
    pub(crate) fn new(settings: Settings, new_id: impl Fn() -> Arc<str> + Send + Sync + 'static) -> Self {
        Self { new_id: Arc::new(new_id), settings: Arc::new(settings) }
    }
}

impl Layer<Route> for Door {
    type Service = Pass;

    fn layer(&self, route: Route) -> Pass {
        Pass { door: self.clone(), timings: Timings::default(), inner: CsrfLayer::new().layer(route) }
    }
}

/// A route behind the door.
#[derive(Clone)]
pub(crate) struct Pass {
    door: Door,
    timings: Timings,
    inner: Csrf<Route>,
}

impl Service<Request> for Pass {
    type Response = Response;
    type Error = Infallible;
    type Future = Passing;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request) -> Passing {
        let started = Instant::now();
        let asked = Asked {
            id: (self.door.new_id)(),
            wants_page: page::is_wanted(&request),
            settings: Arc::clone(&self.door.settings),
        };
        let note = Note {
            started,
            method: request.method().clone(),
            uri: request.uri().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            timings: self.timings.clone(),
        };
        let answer = match asked.settings.hosts.check(&request).and_then(|()| check_reader(&request)) {
            Ok(()) => {
                request.extensions_mut().insert(asked.clone());
                Answer::Coming(self.inner.call(request))
            }
            Err(error) => Answer::Refused(Some(error)),
        };
        Passing { answer, asked, note }
    }
}

#[expect(clippy::large_enum_variant, reason = "nearly all are of the large kind")]
enum Answer {
    Coming(ResponseFuture<RouteFuture<Infallible>>),
    Refused(Option<Error>),
}

/// A request on its way through the door and out again.
pub(crate) struct Passing {
    answer: Answer,
    asked: Asked,
    note: Note,
}

impl Future for Passing {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { answer, asked, note } = self.get_mut();
        let mut response = ready!(answer.poll(cx)).unwrap_or_else(|error| asked.refuse(error));
        add_headers(&mut response, &asked.id);
        note.write(&response, &asked.id);
        Poll::Ready(Ok(response))
    }
}

impl Answer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Error>> {
        let coming = match self {
            Self::Coming(coming) => coming,
            Self::Refused(error) => return Poll::Ready(Err(error.take().unwrap_or_else(refused_site))),
        };
        // What a handler holds when it panics goes with it: the future is not polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(coming).poll(cx)));
        let Ok(response) = ready!(polled.map_err(|panic| panicked(&*panic))?);
        match response.extensions().get::<ProtectionError>() {
            Some(error) => Poll::Ready(Err(refused_site().because(error.to_string()))),
            None => Poll::Ready(Ok(response)),
        }
    }
}

/// A handler panicked: our fault, and only this request's.
fn panicked(panic: &(dyn Any + Send)) -> Error {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("panic: {}", words.unwrap_or_default()))
}

/// Reading across sites: a link may lead here, but no other page may load anything from here, even unseen. Writing is
/// checked by the layer within.
fn check_reader(request: &Request) -> Result<(), Error> {
    let header = |name: HeaderName| request.headers().get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let from_elsewhere = matches!(header(FETCH_SITE), b"cross-site" | b"same-site");
    if from_elsewhere && request.method().is_safe() && header(FETCH_MODE) != b"navigate" {
        return Err(refused_site());
    }
    Ok(())
}

fn refused_site() -> Error {
    Error::new(
        Kind::Forbidden,
        "cross_site",
        "This came from another site, so it was refused. Do it on Retinue's own page.",
    )
}

fn add_headers(response: &mut Response, id: &str) {
    let own = std::mem::replace(response.headers_mut(), HEADERS.clone());
    response.headers_mut().extend(own);
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}

/// What is written down of a request when it is answered.
struct Note {
    started: Instant,
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
    timings: Timings,
}

impl Note {
    fn write(&self, response: &Response, id: &str) {
        let (elapsed, status) = (self.started.elapsed(), response.status());
        self.timings.record(self.route.as_ref().map_or("", MatchedPath::as_str), status, elapsed);
        let (method, path, status_code) = (&self.method, self.uri.path(), status.as_u16());
        // Why something is not available now is said where it is known, and no more often than need be.
        if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(%method, path, status = status_code, ?elapsed, request_id = id, "request");
        } else {
            tracing::debug!(%method, path, status = status_code, ?elapsed, request_id = id, "request");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;
    use crate::Hosts;

    async fn boom() -> &'static str {
        tokio::task::yield_now().await;
        panic!("the cause, which is private");
    }

    async fn ask(path: &str, accept: &str) -> (u16, HeaderMap, String) {
        let settings = Settings {
            hosts: Hosts::new([], false),
            trusted_proxies: crate::TrustedProxies::default(),
            signs_in: false,
            max_body_bytes: 1,
            advice: Vec::new(),
        };
        let router =
            Router::new().route("/boom", get(boom)).route("/api/boom", get(boom)).route("/", get(async || "well"));
        let router = router.layer(Door::new(settings, || "request-7".into()));
        let request = Request::builder().uri(path).header("host", "localhost").header("accept", accept);
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (head.status.as_u16(), head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_like_any_other_fault() {
        for (path, accept, media_type) in [
            ("/boom", "text/html", "text/html; charset=utf-8"),
            ("/boom", "*/*", "application/problem+json"),
            ("/api/boom", "text/html", "application/problem+json"),
        ] {
            let (status, headers, body) = ask(path, accept).await;
            assert_eq!((status, headers["content-type"].to_str().unwrap()), (500, media_type));
            assert_eq!(headers["x-request-id"], "request-7");
            assert!(body.contains("request-7") && body.contains("Something went wrong on the server"), "{body}");
            assert!(!body.contains("private"), "{body}");
            for (name, value) in &*HEADERS {
                assert_eq!(headers[name], value, "{path}");
            }
        }
        assert_eq!(ask("/", "*/*").await.2, "well");
    }
}

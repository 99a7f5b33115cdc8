//! The one HTTP client: how servers are connected to, and the two requests that are made.
//!
//! Only HTTP/1.1 is spoken: a stream that is dropped then closes its connection, and no server's limit on streams per
//! connection holds runs back. A stream that waits costs about 31 KiB, 25 of them the connection's buffers in hyper. Connections to this machine never go through a proxy. Trusted certificates are read when the
//! first https server is asked, so that a start does not wait for them, nor fail where there are none.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, redirect};
use retinue_model::run::Failure;
use retinue_model::{Error, Result};
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::failure::Asked;
use crate::listed::{self, Listed};
use crate::refusal::Refusal;
use crate::transport::Trouble;

/// The most that is read of an error's body.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The longest that an error's body, or a list of models, is waited for.
const SHORT_WAIT: Duration = Duration::from_secs(15);
/// The longest wait that can be set.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// How long a connection that is not in use is kept.
const KEEP_IDLE: Duration = Duration::from_secs(30);
/// How many connections that are not in use are kept for each server.
const MAX_IDLE: usize = 32;

/// How long a model's server is waited for; a day at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection is there, TLS included.
    pub connect: Duration,
    /// From sending the question to the first byte of the answer's body.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), first_byte: Duration::from_mins(2), idle: Duration::from_secs(90) }
    }
}

/// The HTTP client for every model's server. Cheap to clone; the clones share their connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    timeouts: Timeouts,
    /// To this machine, without TLS: built at once, because it costs microseconds.
    near: reqwest::Client,
    near_tls: OnceLock<reqwest::Client>,
    far: OnceLock<reqwest::Client>,
    far_tls: OnceLock<reqwest::Client>,
}

/// What a client is built for.
#[derive(Clone, Copy)]
struct Route {
    is_near: bool,
    is_tls: bool,
}

impl Client {
    /// # Errors
    /// `internal_error` if the HTTP client can't be built.
    pub fn new(timeouts: Timeouts) -> Result<Self> {
        let timeouts = Timeouts {
            connect: timeouts.connect.min(LONGEST_WAIT),
            first_byte: timeouts.first_byte.min(LONGEST_WAIT),
            idle: timeouts.idle.min(LONGEST_WAIT),
        };
        let near = build(Route { is_near: true, is_tls: false }, timeouts).map_err(Error::internal)?;
        let (near_tls, far, far_tls) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Self { shared: Arc::new(Shared { timeouts, near, near_tls, far, far_tls }) })
    }

    /// The models that the server at `endpoint` lists, in its order. Waits 15 seconds at most, and does not try again.
    ///
    /// # Errors
    /// Why there is no list, in words for a person.
    pub async fn list_models(&self, endpoint: &Endpoint) -> Result<Vec<Listed>, Failure> {
        let asked = Asked { endpoint, model: "" };
        let list = async {
            let request = self.http(endpoint)?.get(endpoint.url("models")).header(ACCEPT, "application/json");
            let response = self.send(request, endpoint).await.map_err(|trouble| trouble.before_answer(asked))?;
            if let Some(failure) = unusable(&response, asked) {
                return Err(failure);
            }
            let status = response.status();
            if !status.is_success() {
                let body = read_at_most(response, MAX_ERROR_BYTES).await;
                return Err(asked.refused(&Refusal::of_answer(status, &body), None));
            }
            let body = read_at_most(response, listed::MAX_BYTES).await;
            listed::read(&body).map_err(|fault| asked.faulty(&fault, crate::Limits::default()))
        };
        let wait = SHORT_WAIT.min(self.timeouts().first_byte);
        timeout(wait, list).await.unwrap_or_else(|_| Err(asked.silent(wait, false)))
    }

    /// Sends a question; gives the head of the answer, whatever its status is.
    pub(crate) async fn ask(&self, endpoint: &Endpoint, body: Vec<u8>) -> Result<Response, Unasked> {
        let request = self
            .http(endpoint)
            .map_err(Unasked::Unready)?
            .post(endpoint.url("chat/completions"))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream, application/json")
            .body(body);
        self.send(request, endpoint).await.map_err(Unasked::Transport)
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.shared.timeouts
    }

    async fn send(&self, mut request: RequestBuilder, endpoint: &Endpoint) -> Result<Response, Trouble> {
        if let Some(authorization) = endpoint.authorization() {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.map_err(|error| {
            // Without the URL, which may name what only the configuration should; the endpoint is in the words.
            let error = error.without_url();
            tracing::debug!(server = endpoint.place(), ?error, "a model server could not be asked");
            Trouble::of(&error, self.shared.timeouts.connect)
        })
    }

    fn http(&self, endpoint: &Endpoint) -> Result<&reqwest::Client, Failure> {
        let shared = &*self.shared;
        let route = Route { is_near: endpoint.is_loopback(), is_tls: endpoint.is_https() };
        let slot = match (route.is_near, route.is_tls) {
            (true, false) => return Ok(&shared.near),
            (true, true) => &shared.near_tls,
            (false, false) => &shared.far,
            (false, true) => &shared.far_tls,
        };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = build(route, shared.timeouts).map_err(|error| {
            tracing::error!(?error, "the HTTP client could not be built");
            Asked { endpoint, model: "" }.unreachable(
                "TLS can't be used, because no trusted certificates were found on this machine. Install its ca-certificates package.",
            )
        })?;
        Ok(slot.get_or_init(|| client))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeouts", &self.shared.timeouts).finish_non_exhaustive()
    }
}

/// Why a question was not answered at all.
pub(crate) enum Unasked {
    /// There is no client for such a server.
    Unready(Failure),
    /// The connection failed.
    Transport(Trouble),
}

fn build(route: Route, timeouts: Timeouts) -> reqwest::Result<reqwest::Client> {
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("retinue/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(timeouts.connect)
            .http1_only()
            .tcp_nodelay(true)
            .tcp_keepalive(KEEP_IDLE)
            .pool_idle_timeout(KEEP_IDLE)
            .pool_max_idle_per_host(MAX_IDLE);
        if route.is_near { builder.no_proxy() } else { builder }
    };
    let without_tls = || builder().tls_certs_only([]).build();
    match route {
        Route { is_tls: true, .. } => builder().build(),
        Route { is_near: true, .. } => without_tls(),
        // An http server may stand behind an https proxy; without one, it works on a machine without certificates too.
        Route { is_near: false, .. } => builder().build().or_else(|_| without_tls()),
    }
}

/// What is wrong with an answer before its body is looked at.
pub(crate) fn unusable(response: &Response, asked: Asked<'_>) -> Option<Failure> {
    let header = |name| response.headers().get(name).map(HeaderValue::as_bytes);
    if response.status().is_redirection() {
        let target = header("location").and_then(|target| std::str::from_utf8(target).ok());
        return Some(asked.redirected(target));
    }
    header("content-encoding").filter(|encoding| *encoding != b"identity").map(|_| asked.compressed())
}

/// The body of a refusal, as far as it comes.
pub(crate) async fn error_body(response: Response) -> Vec<u8> {
    timeout(SHORT_WAIT, read_at_most(response, MAX_ERROR_BYTES)).await.unwrap_or_default()
}

async fn read_at_most(mut response: Response, max: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        let room = max - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if body.len() == max {
            break;
        }
    }
    body
}

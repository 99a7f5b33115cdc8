//! What every request passes: an id, the `Host` allow-list, the same-site check, security headers, log and metrics.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use retinue_app::App;
use retinue_model::Error;
use retinue_model::error::Kind;
use tower_http::csrf::ProtectionError;

use crate::extract::RequestId;
use crate::page;
use crate::problem::Failed;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Only what the pages use, only from here; nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Which `Host` headers are answered. A page elsewhere can make a browser come here under a name of its own (DNS
/// rebinding), but not under one of these.
#[derive(Clone, Debug)]
pub struct Hosts {
    names: Arc<HashSet<String>>,
    any_address: bool,
}

impl Hosts {
    /// This machine's own names, and `names` (without port). With `any_address`, every IP address too: those can't be
    /// rebound.
    pub fn new(names: impl IntoIterator<Item = String>, any_address: bool) -> Self {
        let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let names = names.into_iter().map(|name| name.to_ascii_lowercase()).chain(own).collect();
        Self { names: Arc::new(names), any_address }
    }

    fn allow(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let is_address = || name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        self.names.contains(&name) || self.any_address && is_address()
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) app: App,
    pub(crate) hosts: Hosts,
}

/// The outermost layer.
pub(crate) async fn pass(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = door.app.new_request_id();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let wants_page = page::is_wanted(&request);

    let mut response = match check_host(&door.hosts, &request).and_then(|()| check_reader(&request)) {
        Ok(()) => next.run(request).await,
        Err(error) => refuse(error, &id, wants_page),
    };
    if let Some(error) = response.extensions().get::<ProtectionError>() {
        let error = cross_site(error);
        response = refuse(error, &id, wants_page);
    }
    add_headers(&mut response, &id);
    note(&method, &uri, route.as_ref(), response.status(), started, &id);
    response
}

fn refuse(error: Error, id: &str, wants_page: bool) -> Response {
    if wants_page { page::error(&error, id) } else { Failed::new(error, id).into_response() }
}

fn check_host(hosts: &Hosts, request: &Request) -> Result<(), Error> {
    let path = request.uri().path();
    // Probes come to the address of a container; they learn nothing here that matters.
    if path == "/healthz" || path == "/readyz" {
        return Ok(());
    }
    let mut sent = request.headers().get_all(header::HOST).iter();
    // HTTP/2 says it in the address.
    let host = sent.next().and_then(|value| value.to_str().ok()).or_else(|| request.uri().host());
    match (host, sent.next()) {
        (Some(host), None) if hosts.allow(host) => Ok(()),
        _ => Err(Error::invalid(
            "host_not_allowed",
            "This server does not answer under that name. If it should, add the name to `server.allowed_hosts` or set RETINUE_PUBLIC_URL.",
        )),
    }
}

/// Reading across sites: a link may lead here, but no other page may load anything from here, even unseen. Writing is
/// checked by the layer within.
fn check_reader(request: &Request) -> Result<(), Error> {
    let header = |name: &str| request.headers().get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let from_elsewhere = matches!(header("sec-fetch-site"), b"cross-site" | b"same-site");
    if from_elsewhere && request.method().is_safe() && header("sec-fetch-mode") != b"navigate" {
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

fn cross_site(error: &ProtectionError) -> Error {
    refused_site().because(error.to_string())
}

fn add_headers(response: &mut Response, id: &str) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), microphone=(), geolocation=()"),
    );
    // What a person said must not stay in a cache that others can read.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn note(method: &Method, uri: &Uri, route: Option<&MatchedPath>, status: StatusCode, started: Instant, id: &str) {
    let elapsed = started.elapsed();
    let route = route.map_or("", MatchedPath::as_str).to_owned();
    metrics::histogram!("retinue_http_request_seconds", "route" => route, "status" => status.as_u16().to_string())
        .record(elapsed);
    if status.is_server_error() {
        tracing::warn!(%method, path = uri.path(), status = status.as_u16(), ?elapsed, request_id = id, "request");
    } else {
        tracing::debug!(%method, path = uri.path(), status = status.as_u16(), ?elapsed, request_id = id, "request");
    }
}

#[cfg(test)]
mod tests {
    use super::Hosts;

    #[test]
    fn only_known_names_are_answered() {
        let hosts = Hosts::new(["Agents.Example.com".to_owned()], false);
        for yes in
            ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "agents.example.com", "LOCALHOST:80"]
        {
            assert!(hosts.allow(yes), "{yes}");
        }
        for no in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "192.168.1.5:8080",
            "",
            ":8080",
            "localhost:x",
            "::1",
        ] {
            assert!(!hosts.allow(no), "{no}");
        }
        let open = Hosts::new([], true);
        assert!(open.allow("192.168.1.5:8080") && open.allow("[fe80::1]:8080") && !open.allow("evil.example"));
    }
}

//! The way to one provider: no redirects, a bound on time and on bytes, and only hosts that may be asked.
//!
//! Only HTTP/1.1 is spoken; this machine is never asked through a proxy. Trusted certificates are read when the first
//! https request is made, so that a start does not wait for them.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, redirect};
use retinue_model::{Error, Result};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use url::Url;

use crate::issuer::{self, Issuer};
use crate::json::{self, Object};
use crate::reason::{Reason, quoted};
use crate::resolver::{Inside, Resolver};

/// How long a provider is waited for, and how much it may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection is there, TLS included.
    pub connect: Duration,
    /// From the beginning to the last byte of the answer.
    pub whole: Duration,
    /// The longest body, in bytes.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(10), body: 1024 * 1024 }
    }
}

/// What is asked.
pub(crate) struct Question<'a> {
    pub url: &'a Url,
    /// The form to post; without one it is a GET.
    pub form: Option<SecretString>,
    /// The whole `Authorization` header.
    pub authorization: Option<SecretString>,
}

impl<'a> Question<'a> {
    pub(crate) const fn get(url: &'a Url) -> Self {
        Self { url, form: None, authorization: None }
    }
}

/// What came back, whatever its status is.
pub(crate) struct Answer {
    pub status: u16,
    /// The provider's own time.
    pub date: Option<Timestamp>,
    media_type: String,
    body: Vec<u8>,
}

impl Answer {
    /// The JSON object in it.
    pub(crate) fn object(&self) -> Result<Object> {
        let is_json = self.media_type == "application/json"
            || (self.media_type.starts_with("application/") && self.media_type.ends_with("+json"));
        if !is_json {
            return Err(Reason::AnswerNotJson.because(format!("its type is {}", quoted(&self.media_type))));
        }
        json::object(&self.body).map_err(|error| Reason::AnswerNotJson.because(error))
    }

    /// The JSON object of a 200; the provider's fault otherwise.
    pub(crate) fn success(&self) -> Result<Object> {
        match self.status {
            200 => self.object(),
            status => Err(Reason::ProviderFailed.because(format!("it answered with status {status}"))),
        }
    }
}

/// The HTTP client of one provider.
pub(crate) struct Http {
    issuer: Issuer,
    limits: Limits,
    resolver: Resolver,
    /// To this machine, without TLS: costs nothing to build.
    near: OnceLock<Client>,
    near_tls: OnceLock<Client>,
    far: OnceLock<Client>,
}

impl Http {
    pub(crate) fn new(issuer: Issuer, limits: Limits) -> Self {
        let (near, near_tls, far) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { issuer, limits, resolver: Resolver::default(), near, near_tls, far }
    }

    /// Asks, and reads the answer to its end.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer> {
        let url = question.url;
        if !self.issuer.accepts(url) {
            return Err(Reason::MetadataEndpoint.because(format!("{} may not be asked", quoted(url.as_str()))));
        }
        let named = |error: Error| match error.cause_chain() {
            Some(cause) => Error::new(error.kind(), error.code(), error.detail()).because(format!("{url}: {cause}")),
            None => error,
        };
        let answer = timeout(self.limits.whole, Box::pin(self.exchange(question)));
        let late = |_| Reason::AnswerTooSlow.because(format!("no end within {:?}", self.limits.whole));
        answer.await.map_err(late).flatten().map_err(named)
    }

    async fn exchange(&self, question: Question<'_>) -> Result<Answer> {
        let permitted = self.resolver.permit(question.url, self.issuer.url()).await;
        permitted.map_err(|inside| Reason::AddressRefused.because(inside))?;
        let method = if question.form.is_some() { Method::POST } else { Method::GET };
        let mut request = self.client(question.url)?.request(method, question.url.clone());
        request = request.header(header::ACCEPT, "application/json");
        if let Some(form) = question.form {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.expose_secret().to_owned());
        }
        if let Some(authorization) = question.authorization {
            let value = HeaderValue::from_str(authorization.expose_secret());
            let mut value = value.map_err(|_| Reason::TokenAnswer.because("a token that can't be sent in a header"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(unsent)?;
        self.read(response).await
    }

    async fn read(&self, mut response: Response) -> Result<Answer> {
        let (status, headers) = (response.status(), response.headers());
        if status.is_redirection() {
            let target = text(headers, &header::LOCATION).unwrap_or_default();
            return Err(Reason::AnswerRedirected.because(format!("status {status} to {}", quoted(target))));
        }
        if let Some(encoding) = text(headers, &header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
            return Err(Reason::AnswerNotJson.because(format!("it is compressed, unasked: {}", quoted(encoding))));
        }
        let media_type = text(headers, &header::CONTENT_TYPE).and_then(|all| all.split(';').next());
        let media_type = media_type.unwrap_or_default().trim().to_ascii_lowercase();
        let date = text(headers, &header::DATE).and_then(|date| rfc2822::parse(date).ok());
        let date = date.map(|date| date.timestamp());
        let too_large = || Reason::AnswerTooLarge.because(format!("more than {} bytes", self.limits.body));
        if response.content_length().is_some_and(|length| length > self.limits.body as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(unsent)? {
            if body.len() + bytes.len() > self.limits.body {
                return Err(too_large());
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Answer { status: status.as_u16(), date, media_type, body })
    }

    fn client(&self, url: &Url) -> Result<&Client> {
        let (is_near, is_tls) = (issuer::is_loopback(url), url.scheme() == "https");
        let slot = match (is_near, is_tls) {
            (true, false) => &self.near,
            (true, true) => &self.near_tls,
            (false, _) => &self.far,
        };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = self.build(is_near, is_tls).map_err(|error| Reason::Unreachable.because(error))?;
        Ok(slot.get_or_init(|| client))
    }

    fn build(&self, is_near: bool, is_tls: bool) -> reqwest::Result<Client> {
        let builder = Client::builder()
            .user_agent(concat!("retinue/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(self.limits.connect)
            .http1_only()
            .dns_resolver(self.resolver.clone())
            .pool_max_idle_per_host(4);
        let builder = if is_near { builder.no_proxy() } else { builder };
        if is_tls { builder.build() } else { builder.tls_certs_only([]).build() }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("limits", &self.limits).finish_non_exhaustive()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Why nothing, or not all of it, came back. The URL stands before the cause already.
fn unsent(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = next {
        if cause.is::<Inside>() {
            return Reason::AddressRefused.because(error);
        }
        next = cause.source();
    }
    Reason::Unreachable.because(error)
}

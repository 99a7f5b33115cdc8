//! Errors of the HTTP client: which of them mean that the server can't be reached, and why.

use std::error::Error;
use std::io;
use std::time::Duration;

use retinue_model::run::Failure;

use crate::failure::Asked;

/// What went wrong below HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No connection came about; the text is the rest of a sentence, and says whether another try may help.
    Unreachable {
        /// Why.
        why: String,
        /// Whether it may be gone in a second.
        may_pass: bool,
    },
    /// What came is no HTTP.
    NotHttp,
    /// The connection broke.
    Broken,
}

impl Trouble {
    /// Understands `error`; `connect` is how long a connection was waited for.
    pub(crate) fn of(error: &reqwest::Error, connect: Duration) -> Self {
        let chain = chain(error);
        let kind = io_kind(error);
        let says = |words: &[&str]| words.iter().any(|word| chain.contains(word));
        if !error.is_connect() {
            let is_malformed = says(&["invalid http", "invalid header", "invalid content-length", "invalid chunk"])
                || matches!(kind, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData));
            return if is_malformed { Self::NotHttp } else { Self::Broken };
        }
        let (why, may_pass) = if error.is_timeout() || kind == Some(io::ErrorKind::TimedOut) {
            (
                format!(
                    "no connection within {} seconds. Check the address, and whether a firewall is in between.",
                    connect.as_secs()
                ),
                true,
            )
        } else if says(&["dns error", "failed to lookup", "name or service not known"]) {
            ("its name was not found (DNS). Check the host in the base URL.".to_owned(), true)
        } else if says(&["certificate", "unknownissuer"]) {
            ("its TLS certificate is not trusted. Check the host name, and add its certificate authority to this machine's trusted ones.".to_owned(), false)
        } else if says(&["corrupt message", "invalidcontenttype"]) {
            (
                "it does not speak TLS. Check whether the base URL should begin with http:// instead of https://."
                    .to_owned(),
                false,
            )
        } else if says(&["tls", "handshake", "fatal alert"]) {
            ("the TLS handshake failed. Check host and port in the base URL.".to_owned(), false)
        } else if says(&["tunnel", "proxy"]) {
            ("the proxy did not let the connection through. Check HTTPS_PROXY and NO_PROXY.".to_owned(), true)
        } else if kind == Some(io::ErrorKind::ConnectionRefused) {
            ("the connection was refused. Is it running, and is the port right?".to_owned(), true)
        } else if matches!(kind, Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable)) {
            ("there is no route to it. Check the network of this machine.".to_owned(), true)
        } else {
            ("the connection failed. Check the base URL and the network of this machine.".to_owned(), true)
        };
        Self::Unreachable { why, may_pass }
    }

    /// Whether another try may help.
    pub(crate) const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { may_pass, .. } => *may_pass,
            Self::NotHttp => false,
            Self::Broken => true,
        }
    }

    /// In words, when nothing of an answer has come.
    pub(crate) fn before_answer(&self, asked: Asked<'_>) -> Failure {
        match self {
            Self::Unreachable { why, .. } => asked.unreachable(why),
            Self::NotHttp => asked.not_http(),
            Self::Broken => asked.unreachable(
                "it closed the connection without an answer. Try again; if it stays, check host, port, and http or https in the base URL.",
            ),
        }
    }

    /// In words, when an answer had begun.
    pub(crate) fn within_answer(&self, asked: Asked<'_>) -> Failure {
        match self {
            Self::NotHttp => asked.not_http(),
            Self::Unreachable { .. } | Self::Broken => asked.cut_off(),
        }
    }
}

/// The texts of an error and of its causes, in lower case.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&error.to_string().to_lowercase());
        text.push('\n');
        next = error.source();
    }
    text
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    let mut kind = None;
    while let Some(error) = next {
        kind = error.downcast_ref::<io::Error>().map(io::Error::kind).or(kind);
        next = error.source();
    }
    kind
}

//! The connection to the mail server: one for each mail, so that nothing of one is left for the next.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use retinue_model::{Error, Result};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::message::Envelope;
use super::{Settings, Tls};

/// How long the server is given to say good-bye. The mail is its own by then.
const GOOD_BYE: Duration = Duration::from_secs(2);

pub(super) struct Smtp {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
}

enum Security {
    None,
    StartTls(TlsParameters),
    Implicit(TlsParameters),
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Smtp {
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let parameters = || tls(&settings.host, settings.root_certificate.as_deref());
        let security = match settings.tls {
            Tls::None if !is_loopback(&settings.host) => return Err(tls_required(&settings.host)),
            Tls::None => Security::None,
            Tls::StartTls => Security::StartTls(parameters()?),
            Tls::Implicit => Security::Implicit(parameters()?),
        };
        let credentials = settings
            .account
            .as_ref()
            .map(|account| Credentials::new(account.username.clone(), account.password.expose_secret().to_owned()));
        let (host, port) = (settings.host.clone(), settings.port);
        Ok(Self { host, port, security, credentials, hello: ClientId::default() })
    }

    /// Hands a message over, within this time.
    pub(super) async fn send(&self, envelope: &Envelope, limit: Duration) -> std::result::Result<(), Fault> {
        let handed_over = async {
            let mut connection = self.connect().await?;
            connection.send(&envelope.route, &envelope.bytes).await.map(|_| connection)
        };
        let handed_over = timeout(limit, handed_over).await.map_err(|_| Fault::Silent(limit))?;
        let mut connection = handed_over.map_err(|error| Fault::of(&error))?;
        // The mail was taken: what goes wrong now must not send it again.
        let _ = timeout(GOOD_BYE, connection.abort()).await;
        Ok(())
    }

    /// Signs in at the mail server and leaves again, within this time.
    pub(super) async fn probe(&self, limit: Duration) -> std::result::Result<(), Fault> {
        let connected = timeout(limit, self.connect()).await.map_err(|_| Fault::Silent(limit))?;
        let mut connection = connected.map_err(|error| Fault::of(&error))?;
        let _ = timeout(GOOD_BYE, connection.abort()).await;
        Ok(())
    }

    async fn connect(&self) -> std::result::Result<AsyncSmtpConnection, lettre::transport::smtp::Error> {
        let implicit = match &self.security {
            Security::Implicit(parameters) => Some(parameters.clone()),
            Security::None | Security::StartTls(_) => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, implicit, None).await?;
        if let Security::StartTls(parameters) = &self.security {
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(connection)
    }
}

/// Trusts what the system trusts, and the certificates of the file.
fn tls(host: &str, root_certificate: Option<&Path>) -> Result<TlsParameters> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = root_certificate {
        let certificate = fs::read(path).map_err(|error| unreadable(path, error))?;
        let certificate = Certificate::from_pem(&certificate).map_err(|error| unreadable(path, error))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(Error::internal)
}

fn unreadable(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::invalid(
        "invalid_mail_certificate",
        format!("The certificate file {} for the mail server can't be read: {error}.", path.display()),
    )
    .because(error)
}

fn tls_required(host: &str) -> Error {
    Error::invalid(
        "mail_tls_required",
        format!(
            "Mail is sent to {host} with TLS only, because it opens accounts. Without, the mail server must be on this machine."
        ),
    )
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Why a mail was not taken. Of what the server said only the codes: it likes to repeat addresses.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the mail server did not answer within {0:?}")]
    Silent(Duration),
    #[error("the mail server refused it for now, with {0}")]
    Later(String),
    #[error("the mail server refused it, with {0}")]
    Refused(String),
    #[error("the mail server can't be reached: {0}")]
    Unreachable(String),
    #[error("the mail server does not do what is asked of it: {0}")]
    Unfit(String),
    #[error("the mail server's answer was not understood")]
    Garbled,
}

impl Fault {
    fn of(error: &lettre::transport::smtp::Error) -> Self {
        match error.status() {
            Some(_) if error.is_permanent() => Self::Refused(codes(error)),
            Some(_) => Self::Later(codes(error)),
            None if error.is_response() => Self::Garbled,
            None if error.is_client() => Self::Unfit(chain(error)),
            None => Self::Unreachable(chain(error)),
        }
    }

    /// Whether the same may go well later.
    pub(super) const fn may_pass(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Unfit(_))
    }
}

/// The reply code and, if there is one, the enhanced status code (RFC 3463).
fn codes(error: &lettre::transport::smtp::Error) -> String {
    let code = error.status().map(|code| code.to_string()).unwrap_or_default();
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let enhanced = text.split_whitespace().next().filter(|word| {
        word.len() <= 9
            && word.matches('.').count() == 2
            && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    });
    enhanced.map_or(code.clone(), |enhanced| format!("{code} {enhanced}"))
}

/// What happened to the connection.
fn chain(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}

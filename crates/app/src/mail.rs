//! Mail to people, sent in the background.
//!
//! Nobody waits for a mail server: whoever asks for a mail has an answer at once, so that its time does not tell whether
//! one is sent. What could not be sent is logged, with its purpose and the request that asked for it, and never with what
//! stands in it or whom it is for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use retinue_model::{Error, Result};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::stopping;
use crate::mail::message::Envelope;
use crate::mail::smtp::Smtp;
use crate::{Clock, Rng};

mod letter;
mod message;
mod smtp;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;

pub use letter::Letter;
pub use message::{Mail, Sender};

/// How many mails may be on their way.
const MAX_WAITING: usize = 1_000;
/// How many connections the mail server has to bear at once.
const CONNECTIONS: usize = 4;

/// How long whoever asks waits to hear whether mail can be sent.
const PROBE: Duration = Duration::from_secs(15);

/// How the connection to the mail server is made secure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: only for a server on the same machine.
    None,
    /// By STARTTLS (RFC 3207). A server that does not offer it gets no mail.
    #[default]
    StartTls,
    /// From the first byte (RFC 8314).
    Implicit,
}

impl Tls {
    /// The port that such servers listen on.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Implicit => 465,
        }
    }
}

/// Who one is to the mail server.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// Where mail goes out.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The mail server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is made secure.
    pub tls: Tls,
    /// A PEM file with certificates that are trusted besides the system's.
    pub root_certificate: Option<PathBuf>,
    /// The account, if the server wants one.
    pub account: Option<Account>,
    /// Whom mails are from.
    pub from: Sender,
    /// What people know this installation by: the host of its public address.
    pub site: String,
}

/// How long is waited for what.
#[derive(Clone, Debug)]
struct Patience {
    /// For one attempt, from connecting to the server's last word.
    attempt: Duration,
    /// Between attempts; there is one attempt more than there are pauses.
    pauses: &'static [Duration],
}

impl Default for Patience {
    fn default() -> Self {
        const PAUSES: [Duration; 4] =
            [Duration::from_secs(2), Duration::from_secs(15), Duration::from_mins(1), Duration::from_mins(4)];
        Self { attempt: Duration::from_secs(45), pauses: &PAUSES }
    }
}

/// Sends mail. Cheap to clone.
#[derive(Clone)]
pub struct Mailer(Arc<Inner>);

struct Inner {
    smtp: Smtp,
    from: Sender,
    site: String,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    patience: Patience,
    room: Arc<Semaphore>,
    connections: Semaphore,
    tasks: TaskTracker,
    /// What is not sent now is not sent any more.
    given_up: CancellationToken,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("smtp", &self.0.smtp).finish_non_exhaustive()
    }
}

impl Mailer {
    /// A mailer that has not connected yet.
    ///
    /// # Errors
    /// `mail_tls_required`, `invalid_mail_certificate`, or `internal_error` if TLS can't be set up.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Result<Self> {
        Self::with_patience(settings, clock, rng, Patience::default())
    }

    fn with_patience(settings: Settings, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, patience: Patience) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            smtp: Smtp::new(&settings)?,
            from: settings.from,
            site: settings.site,
            clock,
            rng,
            patience,
            room: Arc::new(Semaphore::new(MAX_WAITING)),
            connections: Semaphore::new(CONNECTIONS),
            tasks: TaskTracker::new(),
            given_up: CancellationToken::new(),
        })))
    }

    /// Whether one more mail would be taken. To be asked by whatever may send one, whether it will or not.
    ///
    /// # Errors
    /// `mail_too_busy`, `shutting_down`.
    pub fn has_room(&self) -> Result<()> {
        if self.0.tasks.is_closed() {
            return Err(stopping());
        }
        if self.0.room.available_permits() == 0 {
            return Err(Error::unavailable(
                "mail_too_busy",
                "Very many mails are waiting to be sent at the moment. Try again in a few minutes.",
            ));
        }
        Ok(())
    }

    /// Sends a mail in the background, and again if that fails for now. Where there is no room it is logged and dropped:
    /// see [`Self::has_room`].
    pub fn send(&self, mail: Mail, request_id: Arc<str>) {
        let purpose = mail.letter.purpose();
        let place = Arc::clone(&self.0.room).try_acquire_owned().ok().filter(|_| !self.0.tasks.is_closed());
        let Some(place) = place else {
            tracing::error!(
                purpose,
                request_id = &*request_id,
                "a mail is not sent: too many wait, or the server is stopping"
            );
            return;
        };
        let inner = Arc::clone(&self.0);
        self.0.tasks.spawn(async move {
            inner.deliver(&mail, &request_id).await;
            drop(place);
        });
    }

    /// Sends a mail while somebody waits for it: one attempt.
    ///
    /// # Errors
    /// `mail_not_sent`, with what the mail server said.
    pub async fn send_now(&self, mail: &Mail) -> Result<()> {
        let inner = &self.0;
        let envelope = message::build(mail, (&inner.from, &inner.site), inner.clock.now(), &*inner.rng)?;
        let sent = inner.smtp.send(&envelope, inner.patience.attempt).await;
        sent.map_err(|fault| Error::unavailable("mail_not_sent", format!("The mail was not sent: {fault}.")))
    }

    /// Whether the mail server can be reached, takes TLS as it is set, and takes the account, if there is one.
    ///
    /// # Errors
    /// `mail_unusable`, with what the mail server said.
    pub async fn probe(&self) -> Result<()> {
        let probed = self.0.smtp.probe(PROBE).await;
        probed.map_err(|fault| Error::unavailable("mail_unusable", format!("No mail can be sent: {fault}.")))
    }

    /// Takes no more mails, and gives those under way so long.
    pub async fn close(&self, grace: Duration) {
        self.0.tasks.close();
        if timeout(grace, self.0.tasks.wait()).await.is_err() {
            tracing::warn!(mails = self.0.tasks.len(), "the grace period is over: giving up the mails under way");
            self.0.given_up.cancel();
            self.0.tasks.wait().await;
        }
    }
}

impl Inner {
    async fn deliver(&self, mail: &Mail, request_id: &str) {
        let purpose = mail.letter.purpose();
        let built = message::build(mail, (&self.from, &self.site), self.clock.now(), &*self.rng);
        let envelope = match built {
            Ok(envelope) => envelope,
            Err(error) => return tracing::error!(purpose, request_id, ?error, "a mail can't be written"),
        };
        tokio::select! {
            biased;
            () = self.given_up.cancelled() => tracing::error!(purpose, request_id, "a mail was not sent before the end"),
            () = self.attempts(&envelope, (purpose, request_id)) => {}
        }
    }

    async fn attempts(&self, envelope: &Envelope, (purpose, request_id): (&str, &str)) {
        let mut pauses = self.patience.pauses.iter();
        loop {
            // A semaphore that is never closed.
            let Ok(connection) = self.connections.acquire().await else { return };
            let sent = self.smtp.send(envelope, self.patience.attempt).await;
            drop(connection);
            let Err(fault) = sent else {
                return tracing::debug!(purpose, request_id, "a mail was sent");
            };
            let Some(pause) = pauses.next().filter(|_| fault.may_pass()) else {
                return tracing::error!(purpose, request_id, reason = %fault, "a mail was not sent");
            };
            tracing::warn!(purpose, request_id, reason = %fault, ?pause, "a mail was not sent yet");
            sleep(*pause).await;
        }
    }
}

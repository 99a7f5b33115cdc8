//! The part of the configuration that lets people sign in by address: `[auth.local]` and `[mail]`.

use std::num::NonZeroUsize;
use std::sync::Arc;

use retinue_app::local::{self, Registration};
use retinue_app::mail::{self, Account, Mailer, Sender, Tls};
use retinue_app::password::{self, Parameters, Passwords};
use secrecy::SecretString;
use serde::Deserialize;

use crate::auth::Mode;
use crate::config::{Config, ConfigError, Secret};
use crate::system::{SystemClock, SystemRng};

/// `[auth.local]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Local {
    pub enabled: bool,
    pub registration: RegistrationKey,
    pub password_memory_kib: u32,
    pub password_iterations: u32,
    pub password_lanes: u32,
    pub hash_threads: usize,
}

/// `auth.local.registration`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationKey {
    /// Nobody by themselves.
    Closed,
    /// Whoever has an invitation.
    Invite,
    /// Everybody.
    Open,
}

/// `[mail]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Mail {
    pub host: String,
    pub port: u16,
    pub tls: TlsKey,
    pub username: String,
    pub password: Secret,
    pub from: String,
}

/// `mail.tls`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsKey {
    /// After STARTTLS.
    Starttls,
    /// From the first byte.
    Implicit,
    /// None.
    None,
}

impl Config {
    /// Whether people sign in by address.
    #[must_use]
    pub fn takes_addresses(&self) -> bool {
        self.auth.mode == Mode::Local || self.auth.local.enabled
    }

    /// Whether links of `retinue user invite` work.
    pub(crate) fn takes_invitations(&self) -> bool {
        self.takes_addresses() && self.auth.local.registration != RegistrationKey::Closed
    }

    pub(crate) fn check_local(&self) -> Result<(), ConfigError> {
        let Local { enabled, registration, .. } = self.auth.local;
        if enabled && self.auth.is_single_user() {
            return Err(ConfigError::new(
                "auth.local.enabled",
                "is set, but auth.mode is `single_user`, in which nobody signs in. Set AUTH_MODE=local, or `oidc`, or unset it.",
            ));
        }
        self.check_mail()?;
        if !self.takes_addresses() {
            return Ok(());
        }
        if registration == RegistrationKey::Open && self.mail.host.is_empty() {
            return Err(ConfigError::new(
                "auth.local.registration",
                "is `open`, which needs mail: an address is confirmed before anybody becomes a user. Set mail.host and mail.from, or `invite`.",
            ));
        }
        let Parameters { iterations, lanes, .. } = self.parameters();
        let key = match () {
            () if !(1..=password::MAX_ITERATIONS).contains(&iterations) => "auth.local.password_iterations",
            () if !(1..=password::MAX_LANES).contains(&lanes) => "auth.local.password_lanes",
            () => "auth.local.password_memory_kib",
        };
        self.parameters().check().map_err(|error| ConfigError::new(key, error.detail()))
    }

    fn check_mail(&self) -> Result<(), ConfigError> {
        let Mail { host, port, username, password, from, .. } = &self.mail;
        if host.is_empty() {
            let set = [("username", !username.is_empty()), ("from", !from.is_empty())];
            return match set.into_iter().find(|(_, set)| *set) {
                Some((key, _)) => {
                    Err(ConfigError::new(&format!("mail.{key}"), "is set, but mail.host is not. Set that too."))
                }
                None => Ok(()),
            };
        }
        if *port == 0 {
            return Err(ConfigError::new("mail.port", "must be a port, such as 587."));
        }
        if username.is_empty() != password.expose().is_empty() {
            let key = if username.is_empty() { "mail.username" } else { "mail.password" };
            return Err(ConfigError::new(
                key,
                "is empty. The mail server wants both a name and a password, or neither.",
            ));
        }
        self.mailer("https://localhost").map(drop)
    }

    fn parameters(&self) -> Parameters {
        let Local { password_memory_kib, password_iterations, password_lanes, .. } = self.auth.local;
        Parameters { memory_kib: password_memory_kib, iterations: password_iterations, lanes: password_lanes }
    }

    /// What hashes passwords.
    pub(crate) fn passwords(&self) -> retinue_model::Result<Passwords> {
        let mut settings = password::Settings { parameters: self.parameters(), ..password::Settings::default() };
        if let Some(threads) = NonZeroUsize::new(self.auth.local.hash_threads) {
            settings.at_once = threads;
        }
        Passwords::new(settings, Arc::new(SystemRng::new()))
    }

    /// What sends mail, if some is sent.
    pub(crate) fn mailer(&self, public_url: &str) -> Result<Option<Mailer>, ConfigError> {
        let Mail { host, port, tls, username, password, from } = &self.mail;
        if host.is_empty() {
            return Ok(None);
        }
        let from = Sender::parse(from).map_err(|error| ConfigError::new("mail.from", error.detail()))?;
        let site = public_url.split_once("://").map_or(public_url, |(_, site)| site);
        let settings = mail::Settings {
            host: host.clone(),
            port: *port,
            tls: match tls {
                TlsKey::Starttls => Tls::StartTls,
                TlsKey::Implicit => Tls::Implicit,
                TlsKey::None => Tls::None,
            },
            root_certificate: None,
            account: (!username.is_empty()).then(|| Account {
                username: username.clone(),
                password: SecretString::from(password.expose().to_owned()),
            }),
            from,
            site: site.to_owned(),
        };
        let mailer = Mailer::new(settings, Arc::new(SystemClock), Arc::new(SystemRng::new()));
        mailer.map(Some).map_err(|error| ConfigError::new("mail.tls", error.detail()))
    }

    /// Signing in by address, if people do.
    pub(crate) fn local(&self, public_url: &str) -> retinue_model::Result<Option<local::Local>> {
        if !self.takes_addresses() {
            return Ok(None);
        }
        let registration = match self.auth.local.registration {
            RegistrationKey::Closed => Registration::Closed,
            RegistrationKey::Invite => Registration::Invite,
            RegistrationKey::Open => Registration::Open,
        };
        let mailer = self
            .mailer(public_url)
            .map_err(|error| retinue_model::Error::invalid("invalid_configuration", error.to_string()))?;
        Ok(Some(local::Local::new(registration, self.passwords()?, mailer)))
    }
}

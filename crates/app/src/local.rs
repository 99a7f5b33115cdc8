//! Signing in by address: with a password, or with a link that comes by mail.

use std::sync::Arc;

use retinue_model::error::Kind;
use retinue_model::{Email, Error, Result, UserId};

use crate::Visit;
use crate::hashing::WAITING_OF_A_NETWORK;
use crate::mail::{Letter, Mail, Mailer};
use crate::password::Passwords;
use crate::set_up::SetUp;
use crate::share::Shares;
use crate::throttle::{Attempt, Key, Settings, Throttle};

/// Who may become a user by an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Whoever is added by those who run the server.
    Closed,
    /// Whoever has an invitation too.
    Invite,
    /// Whoever has an address.
    Open,
}

impl Registration {
    /// Its name in the configuration and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Invite => "invite",
            Self::Open => "open",
        }
    }
}

/// Signing in by address.
#[derive(Clone, Debug)]
pub struct Local {
    /// Who may become a user.
    pub registration: Registration,
    /// Hashes and compares passwords.
    pub passwords: Passwords,
    /// Sends links; without it there are none.
    pub mail: Option<Mailer>,
    /// Who guesses.
    pub(crate) guesses: Throttle,
    /// Who asks for mails: each one counts, whether it is sent or not.
    pub(crate) requests: Throttle,
    /// What each network has of the places to hash passwords: a quarter.
    pub(crate) hashing: Arc<Shares<Key>>,
    /// The link that the console shows, while nobody can sign in.
    pub(crate) set_up: SetUp,
}

impl Local {
    /// Nobody has tried anything yet.
    #[must_use]
    pub fn new(registration: Registration, passwords: Passwords, mail: Option<Mailer>) -> Self {
        let part = (passwords.places() / 4).max(1);
        Self {
            registration,
            passwords,
            mail,
            hashing: Arc::new(Shares::new(part, WAITING_OF_A_NETWORK)),
            guesses: Throttle::new(Settings::GUESSES),
            requests: Throttle::new(Settings::MAILS),
            set_up: SetUp::default(),
        }
    }
}

impl Visit {
    /// Signing in by address.
    ///
    /// # Errors
    /// `local_disabled`
    pub fn local(&self) -> Result<&Local> {
        self.auth.local.as_ref().ok_or_else(|| {
            let said = if self.auth.is_single_user() {
                "Nobody signs in here: everybody who reaches this server is its one user."
            } else {
                "Nobody signs in with an address here. Go to the sign-in page: it shows how people do."
            };
            Error::new(Kind::Forbidden, "local_disabled", said)
        })
    }

    /// What sends links.
    ///
    /// # Errors
    /// `local_disabled`, `links_disabled`, `mail_too_busy`.
    pub(crate) fn mailer(&self) -> Result<&Mailer> {
        let mailer = self.links()?;
        mailer.has_room().map(|()| mailer)
    }

    /// The same, though it may have no room.
    ///
    /// # Errors
    /// `local_disabled`, `links_disabled`.
    pub(crate) fn links(&self) -> Result<&Mailer> {
        self.local()?.mail.as_ref().ok_or_else(|| {
            Error::new(Kind::Forbidden, "links_disabled", "This server sends no mail. Sign in with a password.")
        })
    }

    pub(crate) fn send(&self, mailer: &Mailer, to: Email, letter: Letter) {
        mailer.send(Mail { to, letter }, self.request_id().into());
    }

    /// Counts a guess at an account, if one is meant.
    ///
    /// # Errors
    /// `too_many_attempts`
    pub(crate) fn begin_guess(&self, account: Option<&Email>) -> Result<Attempt> {
        self.local()?.guesses.begin(self.now(), &self.keys_of(account))
    }

    /// Counts a mail that somebody asks for, for an address.
    ///
    /// # Errors
    /// `too_many_attempts`
    pub(crate) fn begin_request(&self, address: &Email) -> Result<Attempt> {
        self.local()?.requests.begin(self.now(), &self.keys_of(Some(address)))
    }

    /// Counts a mail that somebody who is known has sent to an address: whomever they choose, they are one.
    ///
    /// # Errors
    /// `too_many_attempts`
    pub(crate) fn begin_request_of(&self, user: UserId, address: &Email) -> Result<Attempt> {
        let mut keys = self.keys_of(Some(address));
        keys.push(Key::user(user));
        self.local()?.requests.begin(self.now(), &keys)
    }

    /// Strangers are counted by account and by network, and whoever comes from the owner's own browser by that alone.
    fn keys_of(&self, account: Option<&Email>) -> Vec<Key> {
        match account.and_then(|account| self.recognised(account)) {
            Some(devices) => devices.into(),
            None => account.map(Key::account).into_iter().chain(self.network()).collect(),
        }
    }
}

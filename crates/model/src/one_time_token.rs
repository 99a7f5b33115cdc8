//! Tokens that are good for one use, and go out by mail.

use std::fmt;

use jiff::Timestamp;

use crate::email::Email;
use crate::error::{Error, Result};
use crate::id::{OneTimeTokenId, UserId};

/// How often a short code may be tried. Then it is dead, and the link beside it still works.
pub const MAX_CODE_ATTEMPTS: i64 = 5;

/// What a token is for. A token for one purpose is none for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Signing in, or registering.
    MagicLink,
    /// Setting another password.
    PasswordReset,
    /// Showing that a new address is one's own.
    EmailChange,
    /// Coming in because somebody asked one to.
    Invitation,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::MagicLink, Self::PasswordReset, Self::EmailChange, Self::Invitation];

    /// Its stable name, in storage and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MagicLink => "magic_link",
            Self::PasswordReset => "password_reset",
            Self::EmailChange => "email_change",
            Self::Invitation => "invitation",
        }
    }

    /// The purpose of this name.
    ///
    /// # Errors
    /// `internal_error`: such a name is only ever stored by us.
    pub fn stored(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|purpose| purpose.as_str() == name);
        known.ok_or_else(|| Error::internal(format!("unknown purpose of a token: {name}")))
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is kept of a token. The token itself was only ever in the mail.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeToken {
    /// Its id.
    pub id: OneTimeTokenId,
    /// Whom it is for, if they are known yet.
    pub user_id: Option<UserId>,
    /// What it is for.
    pub purpose: Purpose,
    /// The SHA-256 hash of the token.
    pub token_hash: [u8; 32],
    /// The hash of the short code that may be typed instead, if there is one.
    pub code_hash: Option<[u8; 32]>,
    /// How often a code was tried.
    pub attempts: i64,
    /// The address that it was sent to.
    pub address: Email,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being good for anything.
    pub expires_at: Timestamp,
    /// When it was used, if it was.
    pub used_at: Option<Timestamp>,
}

impl OneTimeToken {
    /// Whether it may still be used.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && now < self.expires_at
    }

    /// Whether its code may still be tried.
    #[must_use]
    pub fn takes_code(&self, now: Timestamp) -> bool {
        self.is_open(now) && self.code_hash.is_some() && self.attempts < MAX_CODE_ATTEMPTS
    }
}

/// Without the hashes: that of a short code could be searched.
impl fmt::Debug for OneTimeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneTimeToken")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .field("address", &self.address)
            .field("attempts", &self.attempts)
            .field("expires_at", &self.expires_at)
            .field("used_at", &self.used_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn token() -> OneTimeToken {
        OneTimeToken {
            id: OneTimeTokenId::new(Uuid::from_u128(1)),
            user_id: None,
            purpose: Purpose::MagicLink,
            token_hash: [250; 32],
            code_hash: Some([251; 32]),
            attempts: 0,
            address: Email::new("lovelace@example.com").unwrap(),
            created_at: NOW,
            expires_at: Timestamp::constant(1_800_000_600, 0),
            used_at: None,
        }
    }

    #[test]
    fn is_open_until_it_is_used_or_too_old() {
        let (token, end) = (token(), Timestamp::constant(1_800_000_600, 0));
        assert!(token.is_open(NOW) && token.takes_code(NOW));
        assert!(!token.is_open(end) && !token.takes_code(end));
        assert!(!OneTimeToken { used_at: Some(NOW), ..token.clone() }.is_open(NOW));
        let tried = OneTimeToken { attempts: MAX_CODE_ATTEMPTS, ..token.clone() };
        assert!(tried.is_open(NOW) && !tried.takes_code(NOW));
        assert!(!OneTimeToken { code_hash: None, ..token }.takes_code(NOW));
    }

    #[test]
    fn each_purpose_has_its_name() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::stored(purpose.as_str()).unwrap(), purpose);
        }
        assert_eq!(Purpose::stored("magic-link").unwrap_err().code(), "internal_error");
    }

    #[test]
    fn hashes_and_addresses_are_not_shown_to_whoever_debugs() {
        let shown = format!("{:?}", token());
        assert!(!shown.contains("250") && !shown.contains("251") && !shown.contains("lovelace"), "{shown}");
    }
}

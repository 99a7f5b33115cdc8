//! A way in by address and password.

use std::fmt;

use jiff::Timestamp;

use crate::email::Email;
use crate::id::UserId;

/// What a password is kept as: a PHC string, with its algorithm and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A PHC string, as it was made or is stored. Whether it is one shows when a password is compared with it.
    #[must_use]
    pub const fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whoever has it can try passwords at leisure.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// How somebody signs in by address: with a password, with a link by mail, or with both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Whose it is.
    pub user_id: UserId,
    /// The address. What is kept of it is its key.
    pub address: Email,
    /// The password; none if they only get links.
    pub password_hash: Option<PasswordHash>,
    /// When the address or the password was changed last.
    pub updated_at: Timestamp,
}

//! An identity: who somebody is to a provider. Issuer and subject are the key; nothing else ever is.

use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::email;
use crate::error::{Error, Result};
use crate::id::{IdentityId, UserId};

/// How an identity came to belong to its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IdentityOrigin)]
pub enum Origin {
    /// The user was made for it, at its first sign-in.
    SignIn,
    /// It had the verified address of exactly one user (`link_by_email`).
    Email,
    /// The user added it while they were signed in.
    User,
}

impl Origin {
    /// Its name in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Email => "email",
            Self::User => "user",
        }
    }
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::SignIn, Self::Email, Self::User]
            .into_iter()
            .find(|origin| origin.as_str() == text)
            .ok_or_else(|| Error::internal(format!("{text:?} is no origin of an identity")))
    }
}

/// What tells one identity from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The issuer that vouches for it.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
}

/// Who somebody is to a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Identity {
    /// The id.
    pub id: IdentityId,
    /// Whose it is.
    #[serde(skip)]
    pub user_id: UserId,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The issuer that vouches for it.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// The address that came with it.
    #[schema(required)]
    pub email: Option<String>,
    /// Whether the provider says that the address is theirs.
    pub email_verified: bool,
    /// How it came to belong to its user.
    pub origin: Origin,
    /// Since when.
    #[serde(serialize_with = "crate::time::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When somebody last signed in with it.
    #[serde(serialize_with = "crate::time::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub last_used_at: Timestamp,
}

impl Identity {
    /// The address as it is compared.
    #[must_use]
    pub fn email_key(&self) -> Option<String> {
        self.email.as_deref().and_then(email::key)
    }
}

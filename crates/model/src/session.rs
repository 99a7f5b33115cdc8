//! A session: what stands behind a browser's cookie.

use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::id::{IdentityId, OrganizationId, SessionId, UserId};

/// How somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// At an identity provider.
    Oidc,
    /// With a password.
    Password,
    /// With a link or a code that came by mail, or that the console printed.
    Link,
}

impl Method {
    /// Its name in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::Password => "password",
            Self::Link => "link",
        }
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Oidc, Self::Password, Self::Link]
            .into_iter()
            .find(|method| method.as_str() == text)
            .ok_or_else(|| Error::internal(format!("{text:?} is no way to sign in")))
    }
}

/// What stands behind a browser's cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// Where its user belongs.
    pub organization_id: OrganizationId,
    /// Whose it is.
    pub user_id: UserId,
    /// Which identity they signed in with, at a provider.
    pub identity_id: Option<IdentityId>,
    /// How they signed in.
    pub method: Method,
    /// What the browser called itself.
    pub user_agent: String,
    /// Where it came from, at sign-in.
    pub address: String,
    /// When they showed last who they are, with a password, a mail or at their provider; none if their provider did not say.
    pub proved_at: Option<Timestamp>,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

//! What a logout token must pass besides its signature (OpenID Connect Back-Channel Logout 1.0, section 2.6).

use std::fmt;

use jiff::Timestamp;
use retinue_model::Result;
use serde_json::Value;

use crate::claims::{Claims, Expected};
use crate::reason::{Reason, quoted};

/// The event that makes it one (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// The longest id that is kept against replays.
const MAX_ID: usize = 255;

/// Who was signed out at the provider: a person, one session of a person, or both. At least one is there.
#[derive(Clone, PartialEq, Eq)]
pub struct LoggedOut {
    /// `sub`: without a session, all sessions of this person end.
    pub subject: Option<String>,
    /// `sid`: the one session that ends; with a subject, those of theirs too that have no name here.
    pub session: Option<String>,
    /// `jti`: whoever sees it a second time refuses it.
    pub id: String,
    /// Until when the id must be remembered; after that the token is refused because it has expired.
    pub remember_until: Timestamp,
}

impl fmt::Debug for LoggedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedOut").field("remember_until", &self.remember_until).finish_non_exhaustive()
    }
}

/// A token's kind: that of logout tokens, or none at all as older providers send it (section 2.4).
pub(crate) fn check_kind(kind: Option<&str>) -> Result<()> {
    match kind {
        None | Some("jwt" | "logout+jwt") => Ok(()),
        Some(other) => Err(Reason::TokenKind.because(format!("typ is {}", quoted(other)))),
    }
}

impl LoggedOut {
    /// Checks the claims of a logout token.
    ///
    /// # Errors
    /// The reason that fits.
    pub(crate) fn check(claims: &Claims, expected: &Expected<'_>) -> Result<Self> {
        claims.check(expected)?;
        let (subject, session) = (claims.subject()?, claims.session()?);
        if subject.is_none() && session.is_none() {
            return Err(Reason::LogoutSubject.into());
        }
        let event = claims.object().get("events").and_then(|events| events.get(EVENT));
        if !event.is_some_and(Value::is_object) {
            return Err(Reason::LogoutEvent.into());
        }
        if claims.has("nonce") {
            return Err(Reason::LogoutNonce.into());
        }
        let id = claims.required_text("jti")?;
        if id.is_empty() || id.len() > MAX_ID {
            return Err(Reason::ClaimMalformed.because("jti is empty or longer than 255 characters"));
        }
        let until = claims.required_time("exp")?.saturating_add(expected.leeway).saturating_add(1);
        Ok(Self {
            subject: subject.map(str::to_owned),
            session: session.map(str::to_owned),
            id: id.to_owned(),
            remember_until: Timestamp::from_second(until).unwrap_or(Timestamp::MAX),
        })
    }
}

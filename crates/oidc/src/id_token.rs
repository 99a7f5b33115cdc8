//! What an ID token must pass besides its signature (OpenID Connect Core 1.0, section 3.1.3.7).

use retinue_model::Result;

use crate::access_hash;
use crate::algorithm::Algorithm;
use crate::claims::{Claims, Expected};
use crate::constant_time;
use crate::reason::{Reason, quoted};

/// What this ID token is held against.
pub(crate) struct IdToken<'a> {
    /// The nonce of the sign-in; None after a refresh, which has none (section 12.2).
    pub nonce: Option<&'a str>,
    /// How long ago the person may have signed in, in seconds, if that was asked for.
    pub max_age: Option<i64>,
    /// Whether the provider is one that says when that was.
    pub says_when: bool,
    /// What came with it.
    pub access_token: &'a str,
}

/// A token's kind, from its header: an ID token has none, or says no more than that it is a JWT.
pub(crate) fn check_kind(kind: Option<&str>) -> Result<()> {
    match kind {
        None | Some("jwt") => Ok(()),
        Some(other) => Err(Reason::TokenKind.because(format!("typ is {}", quoted(other)))),
    }
}

impl IdToken<'_> {
    /// Checks the claims; gives the subject.
    ///
    /// # Errors
    /// The reason that fits.
    pub(crate) fn check(&self, claims: &Claims, expected: &Expected<'_>, algorithm: Algorithm) -> Result<String> {
        claims.check(expected)?;
        self.check_nonce(claims)?;
        self.check_age(claims, expected)?;
        if let Some(at_hash) = claims.text("at_hash")?
            && !access_hash::matches(at_hash, self.access_token, algorithm)
        {
            return Err(Reason::TokenAccessHash.into());
        }
        match claims.subject()? {
            Some(subject) => Ok(subject.to_owned()),
            None => Err(Reason::ClaimMissing.because("sub is missing")),
        }
    }

    fn check_nonce(&self, claims: &Claims) -> Result<()> {
        let Some(nonce) = self.nonce else { return Ok(()) };
        match claims.text("nonce")? {
            None => Err(Reason::TokenNonceMissing.into()),
            Some(its) if constant_time::equal(its, nonce) => Ok(()),
            Some(_) => Err(Reason::TokenNonce.into()),
        }
    }

    fn check_age(&self, claims: &Claims, expected: &Expected<'_>) -> Result<()> {
        let signed_in = claims.time("auth_time")?;
        let Some(max_age) = self.max_age else { return Ok(()) };
        // Core demands it then (section 2), but some providers never say it: what that is worth is the caller's to say. From
        // one that does, it is missing if somebody took `max_age` out of the address.
        let Some(signed_in) = signed_in else {
            return if self.says_when { Err(Reason::TokenAuthTimeMissing.into()) } else { Ok(()) };
        };
        let age = expected.now - signed_in;
        if age > max_age.saturating_add(expected.leeway) || age < -expected.leeway {
            return Err(Reason::TokenAuthTime.because(format!("{age} s ago, where {max_age} s were asked for")));
        }
        Ok(())
    }
}

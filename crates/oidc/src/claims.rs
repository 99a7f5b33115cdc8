//! What a verified token says, and the checks that every kind of token must pass (RFC 7519, section 4.1; RFC 8725).

use retinue_model::Result;
use serde_json::Value;

use crate::json::Object;
use crate::reason::{Reason, quoted};

/// The longest subject (OpenID Connect Core 1.0, section 2).
const MAX_SUBJECT: usize = 255;
/// 9999-12-31: a time after it is none.
const LAST_SECOND: i64 = 253_402_300_799;

/// The claims of a token whose signature was verified.
pub(crate) struct Claims(Object);

/// What a token is held against.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub trusted_audiences: &'a [String],
    /// How far clocks may differ, in seconds.
    pub leeway: i64,
    /// Now, in seconds.
    pub now: i64,
}

impl Claims {
    pub(crate) const fn new(claims: Object) -> Self {
        Self(claims)
    }

    pub(crate) fn into_object(self) -> Object {
        self.0
    }

    pub(crate) const fn object(&self) -> &Object {
        &self.0
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// # Errors
    /// `ClaimMalformed` if it is there and not text.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(name)),
        }
    }

    /// # Errors
    /// `ClaimMissing`, `ClaimMalformed`.
    pub(crate) fn required_text(&self, name: &'static str) -> Result<&str> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// A NumericDate in whole seconds (RFC 7519, section 2).
    ///
    /// # Errors
    /// `ClaimMalformed` if it is there and no time before the year 10000.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<i64>> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, reason = "saturates; what is out of range is refused below")]
        let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64));
        seconds.filter(|seconds| (0..=LAST_SECOND).contains(seconds)).map(Some).ok_or_else(|| malformed(name))
    }

    /// # Errors
    /// `ClaimMissing`, `ClaimMalformed`.
    pub(crate) fn required_time(&self, name: &'static str) -> Result<i64> {
        self.time(name)?.ok_or_else(|| missing(name))
    }

    /// Who it is about: 1 to 255 ASCII characters (OpenID Connect Core 1.0, section 2), and not blank.
    ///
    /// # Errors
    /// `ClaimMalformed`, `TokenSubject`.
    pub(crate) fn subject(&self) -> Result<Option<&str>> {
        let Some(subject) = self.text("sub")? else { return Ok(None) };
        let is_printable = subject.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if is_printable && subject.len() <= MAX_SUBJECT && !subject.trim().is_empty() {
            return Ok(Some(subject));
        }
        Err(Reason::TokenSubject.into())
    }

    /// The provider's session (OpenID Connect Back-Channel Logout 1.0, section 2.1).
    ///
    /// # Errors
    /// `ClaimMalformed` if it is no text of 1 to 255 characters.
    pub(crate) fn session(&self) -> Result<Option<&str>> {
        let session = self.text("sid")?;
        if session.is_some_and(|session| session.is_empty() || session.len() > MAX_SUBJECT) {
            return Err(malformed("sid"));
        }
        Ok(session)
    }

    /// Issuer, audience and times: what every kind of token must pass.
    ///
    /// # Errors
    /// The reason that fits.
    pub(crate) fn check(&self, expected: &Expected<'_>) -> Result<()> {
        let issuer = self.required_text("iss")?;
        if issuer != expected.issuer {
            return Err(Reason::TokenIssuer.because(format!("iss is {}", quoted(issuer))));
        }
        self.check_audience(expected)?;
        self.check_times(expected)
    }

    /// OpenID Connect Core 1.0, section 3.1.3.7, 3 to 5.
    fn check_audience(&self, expected: &Expected<'_>) -> Result<()> {
        let audiences: Vec<&str> = match self.0.get("aud").ok_or_else(|| missing("aud"))? {
            Value::String(audience) => vec![audience],
            Value::Array(audiences) => {
                let audiences: Option<_> = audiences.iter().map(Value::as_str).collect();
                audiences.ok_or_else(|| malformed("aud"))?
            }
            _ => return Err(malformed("aud")),
        };
        if !audiences.contains(&expected.client_id) {
            let cause = format!("aud is {}", quoted(&audiences.join(" ")));
            return Err(Reason::TokenAudience.because(cause));
        }
        let is_ours = |audience: &str| audience == expected.client_id;
        let is_trusted = |audience: &str| expected.trusted_audiences.iter().any(|trusted| trusted == audience);
        if let Some(stranger) = audiences.iter().find(|audience| !is_ours(audience) && !is_trusted(audience)) {
            return Err(Reason::TokenAudienceUntrusted.because(format!("aud has {} too", quoted(stranger))));
        }
        match self.text("azp")? {
            Some(party) if is_ours(party) => Ok(()),
            Some(party) => Err(Reason::TokenAuthorizedParty.because(format!("azp is {}", quoted(party)))),
            None if audiences.len() > 1 => Err(Reason::TokenAuthorizedPartyMissing.into()),
            None => Ok(()),
        }
    }

    /// OpenID Connect Core 1.0, section 3.1.3.7, 9 and 10; RFC 7519, section 4.1.5.
    fn check_times(&self, expected: &Expected<'_>) -> Result<()> {
        let (now, leeway) = (expected.now, expected.leeway);
        let expires = self.required_time("exp")?;
        if expires + leeway <= now {
            return Err(Reason::TokenExpired.because(format!("{} s ago", now - expires)));
        }
        let issued = self.required_time("iat")?;
        if issued - leeway > now {
            return Err(Reason::TokenIssuedInFuture.because(format!("in {} s", issued - now)));
        }
        match self.time("nbf")? {
            Some(begins) if begins - leeway > now => {
                Err(Reason::TokenNotYetValid.because(format!("in {} s", begins - now)))
            }
            _ => Ok(()),
        }
    }
}

fn missing(name: &'static str) -> retinue_model::Error {
    Reason::ClaimMissing.because(format!("{name} is missing"))
}

fn malformed(name: &'static str) -> retinue_model::Error {
    Reason::ClaimMalformed.because(format!("{name} is not of its type"))
}

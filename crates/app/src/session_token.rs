//! What a session's cookie says: a JWT (RFC 7519) signed with HS256, so that a forged or expired one costs no query.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use retinue_model::{SessionId, UserId};
use serde::{Deserialize, Serialize};

use crate::key::KeyRing;

pub(crate) mod seen;

/// Ours are half as long.
const MAX_LEN: usize = 1024;
/// A cookie may be from a node whose clock is ahead, in seconds.
const LEEWAY: i64 = 60;
const PURPOSE: &str = "session";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims<'a> {
    sub: UserId,
    sid: SessionId,
    purpose: &'a str,
    iat: i64,
    exp: i64,
}

/// Whose session a cookie is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionToken {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) expires_at: Timestamp,
}

impl SessionToken {
    /// The signed text.
    pub(crate) fn sign(&self, keys: &KeyRing, now: Timestamp) -> Option<String> {
        let header = Header { alg: "HS256", kid: keys.newest_id(), typ: "JWT" };
        let claims = Claims {
            sub: self.user,
            sid: self.session,
            purpose: PURPOSE,
            iat: now.as_second(),
            exp: self.expires_at.as_second(),
        };
        let part = |json: Result<Vec<u8>, _>| json.map(|json| URL_SAFE_NO_PAD.encode(json)).ok();
        let (header, claims) = (part(serde_json::to_vec(&header))?, part(serde_json::to_vec(&claims))?);
        let signed = format!("{header}.{claims}");
        let tag = keys.sign(signed.as_bytes())?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }
}

/// A token that one of the keys signed, whether or not this is its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signed {
    session: SessionId,
    user: UserId,
    /// Seconds since 1970.
    issued_at: i64,
    expires_at: i64,
}

impl Signed {
    /// What one of these keys signed.
    fn read(text: &str, keys: &KeyRing) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let (signed, tag) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let (header, tag) = (URL_SAFE_NO_PAD.decode(header).ok()?, URL_SAFE_NO_PAD.decode(tag).ok()?);
        let header: Header<'_> = serde_json::from_slice(&header).ok()?;
        if header.alg != "HS256" || header.typ != "JWT" || !keys.has_signed(header.kid, signed.as_bytes(), &tag) {
            return None;
        }
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let claims: Claims<'_> = serde_json::from_slice(&claims).ok()?;
        let Claims { sub: user, sid: session, purpose, iat: issued_at, exp: expires_at } = claims;
        (purpose == PURPOSE).then_some(Self { session, user, issued_at, expires_at })
    }

    /// Whose session it is of, if this is its time.
    fn at(&self, now: Timestamp) -> Option<SessionToken> {
        let now = now.as_second();
        if self.issued_at > now + LEEWAY || now >= self.expires_at {
            return None;
        }
        let expires_at = Timestamp::from_second(self.expires_at).ok()?;
        Some(SessionToken { session: self.session, user: self.user, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::seen::SeenTokens;
    use super::*;
    use crate::Rng;

    struct Constant(u8);

    impl Rng for Constant {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ring(seed: u8) -> KeyRing {
        KeyRing::generate(&Constant(seed), at(0)).unwrap()
    }

    fn token() -> SessionToken {
        let id = Uuid::from_u128(7);
        SessionToken { session: SessionId::new(id), user: UserId::new(id), expires_at: at(1_000) }
    }

    /// What a text says to whoever never saw one, and to whoever saw the right one a moment ago; that is the same.
    fn check(text: &str, keys: &KeyRing, now: Timestamp) -> Option<SessionToken> {
        let seen = SeenTokens::default();
        if let Some(right) = token().sign(keys, at(100)) {
            assert_eq!(seen.check(&right, keys, at(100)), Some(token()));
        }
        let said = SeenTokens::default().check(text, keys, now);
        assert_eq!(seen.check(text, keys, now), said, "{text}");
        assert_eq!(seen.check(text, keys, now), said, "{text}, once more");
        said
    }

    /// The token with another header or other claims, signed anew.
    fn forged(keys: &KeyRing, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let tag = keys.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    #[test]
    fn it_counts_from_its_time_to_its_end() {
        let keys = ring(1);
        let text = token().sign(&keys, at(100)).unwrap();
        assert_eq!(check(&text, &keys, at(100)), Some(token()));
        assert_eq!(check(&text, &keys, at(999)), Some(token()));
        for second in [1_000, 5_000, 30] {
            assert_eq!(check(&text, &keys, at(second)), None, "{second}");
        }
        assert_eq!(check(&text, &ring(2), at(100)), None, "of another instance");
    }

    #[test]
    fn nothing_of_it_can_be_changed_or_left_out() {
        let keys = ring(1);
        let text = token().sign(&keys, at(100)).unwrap();
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(check(&changed, &keys, at(100)), None, "changed at {index}");
            assert_eq!(check(&text[..index], &keys, at(100)), None, "cut at {index}");
        }
        assert_eq!(check(&format!("{text}A"), &keys, at(100)), None);
        assert_eq!(check(&"a.".repeat(1_000), &keys, at(100)), None);
    }

    #[test]
    fn only_session_tokens_of_one_form_are_taken() {
        let keys = ring(1);
        let kid = keys.newest_id();
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT"}}"#);
        let sub = token().user;
        let sid = token().session;
        let claims = format!(r#"{{"sub":"{sub}","sid":"{sid}","purpose":"session","iat":100,"exp":1000}}"#);
        let check = |header: &str, claims: &str| check(&forged(&keys, header, claims), &keys, at(100));
        assert_eq!(check(&header, &claims), Some(token()));
        assert_eq!(check(&header.replace("HS256", "none"), &claims), None);
        assert_eq!(check(&header.replace("JWT", "at+jwt"), &claims), None);
        assert_eq!(check(&header.replace(kid, "other"), &claims), None);
        assert_eq!(check(&header.replace('}', r#","crit":["exp"]}"#), &claims), None);
        assert_eq!(check(&header, &claims.replace("\"session\"", "\"link\"")), None);
        assert_eq!(check(&header, &claims.replace("usr_", "ses_")), None);
        assert_eq!(check(&header, &claims.replace(r#","exp":1000"#, "")), None);
    }
}

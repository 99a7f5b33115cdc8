//! An API key: what a program shows to act for whoever made it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use zeroize::Zeroize as _;

use crate::error::{Error, Result};
use crate::id::{ApiKeyId, OrganizationId, TeamId, UserId};
use crate::words::schema_of_words;

/// What every key begins with, so that secret scanners know one when they see it.
pub const PREFIX: &str = "rtn_";
/// 256 bits in base62.
const SECRET_CHARS: usize = 43;
/// 32 bits in base62.
const CHECKSUM_CHARS: usize = 6;
/// How much of a key is shown where it is listed.
const SHOWN_CHARS: usize = PREFIX.len() + 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The text of a key: `rtn_`, 43 characters that are 256 random bits, and 6 that are the CRC-32 (IEEE 802.3) of what stands
/// before them; all of it in base62 (0-9, A-Z, a-z), the highest digit first. Whatever else is no key, which can be told
/// without looking one up.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(String);

impl KeyText {
    /// A key of these random bits.
    #[must_use]
    pub fn of_bits(bits: [u8; 32]) -> Self {
        let mut text = PREFIX.to_owned();
        let mut number = bits;
        let mut digits = [0; SECRET_CHARS];
        for digit in digits.iter_mut().rev() {
            *digit = ALPHABET[usize::from(divide(&mut number))];
        }
        number.zeroize();
        text.extend(digits.map(char::from));
        text.extend(checksum(&text).map(char::from));
        Self(text)
    }

    /// What somebody shows as a key; none if it can't be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_formed = text.len() == PREFIX.len() + SECRET_CHARS + CHECKSUM_CHARS
            && text.starts_with(PREFIX)
            && text.bytes().skip(PREFIX.len()).all(|byte| byte.is_ascii_alphanumeric());
        if !is_formed {
            return None;
        }
        let (body, check) = text.split_at(PREFIX.len() + SECRET_CHARS);
        (checksum(body) == check.as_bytes()).then(|| Self(text.to_owned()))
    }

    /// The text, for the one who it is for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// As much of it as may be shown later, to tell keys apart.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.0[..SHOWN_CHARS]
    }
}

impl Drop for KeyText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(…)")
    }
}

/// Divides a number by 62, and gives what is left.
fn divide(number: &mut [u8; 32]) -> u8 {
    let mut rest = 0_u16;
    for byte in number.iter_mut() {
        let value = rest << 8 | u16::from(*byte);
        *byte = (value / 62).to_be_bytes()[1];
        rest = value % 62;
    }
    rest.to_be_bytes()[1]
}

fn checksum(body: &str) -> [u8; CHECKSUM_CHARS] {
    let mut rest = crc32(body.as_bytes());
    let mut digits = [0; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// CRC-32 as IEEE 802.3 has it (polynomial 0x04C11DB7, reflected).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident $text:literal;)*) => {
        /// What a key may be used for; its owner may do no more with it than without it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum KeyScope {
            $($(#[$doc])* $variant,)*
        }

        schema_of_words!(KeyScope as KeyScope);

        impl KeyScope {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in storage and on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

scopes! {
    /// Reading one's own conversations and runs.
    ThreadsRead "threads:read";
    /// Beginning, changing and deleting one's own conversations.
    ThreadsWrite "threads:write";
    /// Reading which agents and models there are.
    AgentsRead "agents:read";
    /// Having agents answer.
    AgentsRun "agents:run";
    /// Making, changing and deleting agents.
    AgentsWrite "agents:write";
    /// Reading teams and who belongs to them.
    TeamsRead "teams:read";
    /// Changing teams, who belongs to them, and invitations.
    TeamsWrite "teams:write";
    /// Reading the audit trail.
    AuditRead "audit:read";
}

impl FromStr for KeyScope {
    type Err = Error;

    /// # Errors
    /// `invalid_scope`
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|scope| scope.as_str()).collect();
            Error::invalid("invalid_scope", format!("A key’s scopes are of these: {}.", known.join(", ")))
        })
    }
}

/// Several scopes, each once, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyScopes(Vec<KeyScope>);

impl KeyScopes {
    /// What a key is for if nothing else is said: conversing.
    #[must_use]
    pub fn for_conversing() -> Self {
        use KeyScope::{AgentsRead, AgentsRun, ThreadsRead, ThreadsWrite};
        Self(vec![ThreadsRead, ThreadsWrite, AgentsRead, AgentsRun])
    }

    /// These.
    ///
    /// # Errors
    /// `invalid_scope` if there is none: such a key opens nothing.
    pub fn new(scopes: impl IntoIterator<Item = KeyScope>) -> Result<Self> {
        let mut scopes: Vec<_> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(Error::invalid("invalid_scope", "A key needs one scope at least, or it opens nothing."));
        }
        Ok(Self(scopes))
    }

    /// Scopes as they are stored: separated by blanks. One that this program does not know opens nothing.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        let mut scopes: Vec<_> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
        scopes.sort_unstable();
        Self(scopes)
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn has(&self, scope: KeyScope) -> bool {
        self.0.contains(&scope)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = KeyScope> {
        self.0.iter().copied()
    }
}

impl fmt::Display for KeyScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|scope| scope.as_str()).collect();
        f.write_str(&names.join(" "))
    }
}

/// What is kept of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// `key_…`
    pub id: ApiKeyId,
    /// Where its owner belongs.
    pub organization_id: OrganizationId,
    /// Who it acts for.
    pub user_id: UserId,
    /// In which team it acts.
    pub team_id: TeamId,
    /// What its owner calls it.
    pub name: String,
    /// Its beginning, to tell keys apart.
    pub prefix: String,
    /// What it may be used for.
    pub scopes: KeyScopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it counts; none if until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Since when it does not count any more.
    pub revoked_at: Option<Timestamp>,
}

/// Whether a key counts, as far as can be told from the key, and if not, why. Its owner's rights are another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It counts.
    Active,
    /// It was revoked, for good.
    Revoked,
    /// Its time is over.
    Expired,
    /// No key counts on this server, and it would.
    TurnedOff,
}

impl State {
    /// In a word or two, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::TurnedOff => "turned off",
        }
    }

    /// Whether it counts no more, whatever the server takes.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Revoked | Self::Expired)
    }
}

impl ApiKey {
    /// Whether it counts now, on a server that takes keys or does not.
    #[must_use]
    pub fn state(&self, now: Timestamp, takes_keys: bool) -> State {
        match () {
            () if self.revoked_at.is_some() => State::Revoked,
            () if self.expires_at.is_some_and(|at| at <= now) => State::Expired,
            () if !takes_keys => State::TurnedOff,
            () => State::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_key_has_one_form() {
        let key = KeyText::of_bits([0; 32]);
        assert_eq!(key.expose().len(), 53);
        assert!(key.expose().starts_with("rtn_0000000"));
        assert_eq!(key.shown(), "rtn_000000");
        assert_eq!(format!("{key:?}"), "KeyText(…)");
        let text = key.expose();
        for wrong in [
            &text[..52],
            &format!("{text}0"),
            &text.replace("rtn_", "RTN_"),
            &text.replace("rtn_0", "rtn_1"),
            &text.replace("rtn_0", "rtn_-"),
            &text.replace("rtn_00", "rtn_é"),
            "",
            "rtn_",
        ] {
            assert!(KeyText::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn all_bits_fit() {
        let key = KeyText::of_bits([255; 32]);
        assert!(KeyText::parse(key.expose()).is_some());
        assert_ne!(key.expose().as_bytes()[4], b'0', "the highest digit is used");
    }

    #[test]
    fn scopes_are_a_set() {
        let text = "agents:run threads:read";
        let scopes = KeyScopes::stored(text);
        assert_eq!(scopes.to_string(), "threads:read agents:run");
        assert!(scopes.has(KeyScope::AgentsRun) && !scopes.has(KeyScope::AuditRead));
        assert_eq!(KeyScopes::stored("threads:read everything"), KeyScopes::stored("threads:read"));
        assert_eq!(KeyScopes::new([]).unwrap_err().code(), "invalid_scope");
        assert_eq!("everything".parse::<KeyScope>().unwrap_err().code(), "invalid_scope");
    }

    #[test]
    fn a_key_says_why_it_does_not_count() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let key = |expires_at, revoked_at| ApiKey {
            id: ApiKeyId::new(uuid::Uuid::nil()),
            organization_id: OrganizationId::new(uuid::Uuid::nil()),
            user_id: UserId::new(uuid::Uuid::nil()),
            team_id: TeamId::new(uuid::Uuid::nil()),
            name: String::new(),
            prefix: String::new(),
            scopes: KeyScopes::default(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at,
            last_used_at: None,
            revoked_at,
        };
        let later = Timestamp::from_second(1_000_001).ok();
        for (key, takes_keys, state) in [
            (key(None, None), true, State::Active),
            (key(later, None), true, State::Active),
            (key(Some(now), None), true, State::Expired),
            (key(Some(now), Some(now)), true, State::Revoked),
            (key(None, None), false, State::TurnedOff),
            (key(Some(now), None), false, State::Expired),
            (key(None, Some(now)), false, State::Revoked),
        ] {
            assert_eq!(key.state(now, takes_keys), state, "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_made_is_read_and_one_other_character_is_not(bits: [u8; 32], at in 4..53_usize, by in 1..62_usize) {
            let key = KeyText::of_bits(bits);
            let read = KeyText::parse(key.expose());
            prop_assert_eq!(read.as_ref(), Some(&key));
            let mut bytes = key.expose().as_bytes().to_vec();
            let place = ALPHABET.iter().position(|c| *c == bytes[at]).unwrap();
            bytes[at] = ALPHABET[(place + by) % 62];
            prop_assert!(KeyText::parse(std::str::from_utf8(&bytes).unwrap()).is_none());
        }

        #[test]
        fn different_bits_are_different_keys(a: [u8; 32], b: [u8; 32]) {
            prop_assert_eq!(a == b, KeyText::of_bits(a) == KeyText::of_bits(b));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = KeyText::parse(&format!("rtn_{text}"));
        }
    }
}

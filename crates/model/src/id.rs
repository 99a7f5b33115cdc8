//! Typed ids: a UUID in storage, a `TypeID` (`thr_01h2xc…`) everywhere a person or a program sees it.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::error::{Error, Result};

/// A noun that has ids of its own.
pub trait Noun {
    /// What stands before the underscore of the id's text form.
    const PREFIX: &'static str;
    /// What a person calls it, for error messages.
    const NAME: &'static str;
}

/// The id of one `N`. An id of another noun does not parse as this one.
///
/// Text form: <https://github.com/jetify-com/typeid/tree/main/spec> (prefix, `_`, 26 characters of Crockford base32).
pub struct Id<N>(Uuid, PhantomData<fn() -> N>);

impl<N: Noun> Id<N> {
    /// Wraps a UUID that is known to be an `N`'s.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The UUID as it is stored.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The text form.
    #[must_use]
    pub fn text(self) -> IdText {
        IdText::new::<N>(self.0)
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;

fn encode(uuid: Uuid) -> [u8; SUFFIX_LEN] {
    let mut rest = uuid.as_u128();
    let mut text = [b'0'; SUFFIX_LEN];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    text
}

fn decode(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    // 26 characters hold 130 bits: the first one may only carry three.
    if bytes.len() != SUFFIX_LEN || !(b'0'..=b'7').contains(&bytes[0]) {
        return None;
    }
    let mut value = 0_u128;
    for byte in bytes {
        let digit = ALPHABET.iter().position(|known| known == byte)?;
        value = value << 5 | digit as u128;
    }
    Some(Uuid::from_u128(value))
}

/// Whether a text is the id of anything, whichever noun's.
pub(crate) fn is_any(text: &str) -> bool {
    let is_prefix =
        |prefix: &str| (1..=MAX_PREFIX).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_lowercase());
    text.split_once('_').is_some_and(|(prefix, suffix)| is_prefix(prefix) && decode(suffix).is_some())
}

/// The longest prefix of a noun.
const MAX_PREFIX: usize = 6;

/// The text form of an id, without allocating: ids are written more often than anything else.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; MAX_PREFIX + 1 + SUFFIX_LEN],
    length: usize,
}

impl IdText {
    fn new<N: Noun>(uuid: Uuid) -> Self {
        const { assert!(N::PREFIX.len() <= MAX_PREFIX, "make MAX_PREFIX longer") };
        let mut bytes = [b'_'; MAX_PREFIX + 1 + SUFFIX_LEN];
        let start = N::PREFIX.len() + 1;
        bytes[..start - 1].copy_from_slice(N::PREFIX.as_bytes());
        bytes[start..start + SUFFIX_LEN].copy_from_slice(&encode(uuid));
        Self { bytes, length: start + SUFFIX_LEN }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Prefix, underscore and base32 are all ASCII.
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl<N: Noun> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl<N: Noun> fmt::Debug for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<N: Noun> FromStr for Id<N> {
    type Err = Error;

    /// # Errors
    /// `invalid_id` if the text is no id, or the id of another noun.
    fn from_str(text: &str) -> Result<Self> {
        text.strip_prefix(N::PREFIX).and_then(|rest| rest.strip_prefix('_')).and_then(decode).map(Self::new).ok_or_else(
            || {
                Error::invalid(
                    "invalid_id",
                    format!("This is not an id of the kind {}. One looks like {}_01h….", N::NAME, N::PREFIX),
                )
            },
        )
    }
}

impl<N: Noun> Serialize for Id<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text().as_str())
    }
}

impl<'de, N: Noun> Deserialize<'de> for Id<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.detail()))
    }
}

// Derives would ask the same of `N`, which is only a marker.
impl<N> Clone for Id<N> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<N> Copy for Id<N> {}
impl<N> PartialEq for Id<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<N> Eq for Id<N> {}
impl<N> Hash for Id<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<N: Noun> utoipa::PartialSchema for Id<N> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some(format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", N::PREFIX)))
            .description(Some(format!("The id of a {}.", N::NAME)))
            .build()
            .into()
    }
}

impl<N: Noun> utoipa::ToSchema for Id<N> {
    fn name() -> Cow<'static, str> {
        let words = N::NAME.split([' ', '-']).map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
        Cow::Owned(words.chain(["Id".to_owned()]).collect())
    }
}

macro_rules! nouns {
    ($($(#[$doc:meta])* $marker:ident $alias:ident $prefix:literal $name:literal;)*) => {$(
        #[doc = concat!("Marks the ids of a ", $name, ".")]
        #[derive(Debug)]
        pub enum $marker {}
        impl Noun for $marker {
            const PREFIX: &'static str = $prefix;
            const NAME: &'static str = $name;
        }
        $(#[$doc])*
        pub type $alias = Id<$marker>;
    )*

        const NOUNS: &[(&str, &str)] = &[$(($prefix, $name)),*];
    };
}

/// What a text is the id of, if it is one.
#[must_use]
pub fn noun_of(text: &str) -> Option<&'static str> {
    let (prefix, _) = text.split_once('_').filter(|(_, suffix)| decode(suffix).is_some())?;
    NOUNS.iter().find(|(known, _)| *known == prefix).map(|(_, name)| *name)
}

nouns! {
    /// The id of a thread, `thr_…`.
    ThreadNoun ThreadId "thr" "thread";
    /// The id of a message, `msg_…`.
    MessageNoun MessageId "msg" "message";
    /// The id of a run, `run_…`.
    RunNoun RunId "run" "run";
    /// The id of an agent, `agt_…`.
    AgentNoun AgentId "agt" "agent";
    /// The id of an organization, `org_…`.
    OrganizationNoun OrganizationId "org" "organization";
    /// The id of a user, `usr_…`.
    UserNoun UserId "usr" "user";
    /// The id of an identity, `idn_…`.
    IdentityNoun IdentityId "idn" "identity";
    /// The id of a session, `ses_…`.
    SessionNoun SessionId "ses" "session";
    /// The id of a one-time token, `ott_…`. It opens nothing: only the token does.
    OneTimeTokenNoun OneTimeTokenId "ott" "one-time token";
    /// The id of a team, `team_…`.
    TeamNoun TeamId "team" "team";
    /// The id of an invitation, `inv_…`. It opens nothing: only the link does.
    InvitationNoun InvitationId "inv" "invitation";
    /// The id of an API key, `key_…`. It opens nothing: only the key does.
    ApiKeyNoun ApiKeyId "key" "API key";
    /// The id of an audit event, `aud_…`.
    AuditEventNoun AuditEventId "aud" "audit event";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_specification_s_own_example() {
        // From the TypeID specification: prefix_01h455vb4pex5vsknk084sn02q.
        let uuid: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(ThreadId::new(uuid).to_string(), "thr_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn it_is_known_of_what_an_id_is() {
        assert_eq!(noun_of("key_01h455vb4pex5vsknk084sn02q"), Some("API key"));
        for text in ["key_", "key_01h455vb4pex5vsknk084sn02", "rtn_01h455vb4pex5vsknk084sn02q", "members", ""] {
            assert_eq!(noun_of(text), None, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_id_of_this_noun() {
        for text in [
            "",
            "thr_",
            "thr_01h455vb4pex5vsknk084sn02",
            "thr_01h455vb4pex5vsknk084sn02qq",
            "thr_81h455vb4pex5vsknk084sn02q",
            "thr_01H455VB4PEX5VSKNK084SN02Q",
            "thr_01h455vb4pex5vsknk084sn02l",
            "run_01h455vb4pex5vsknk084sn02q",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "thr-01h455vb4pex5vsknk084sn02q",
        ] {
            assert_eq!(text.parse::<ThreadId>().unwrap_err().code(), "invalid_id", "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_uuid_survives_its_text_form(value: u128) {
            let id = RunId::new(Uuid::from_u128(value));
            prop_assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
        }

        #[test]
        fn text_order_is_uuid_order(a: u128, b: u128) {
            let (left, right) = (RunId::new(Uuid::from_u128(a)), RunId::new(Uuid::from_u128(b)));
            prop_assert_eq!(left.to_string().cmp(&right.to_string()), a.cmp(&b));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = text.parse::<ThreadId>();
        }
    }
}

//! Addresses of people.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Result};

/// The longest address, in characters (RFC 5321, section 4.5.3.1.3, without its brackets).
pub const MAX_EMAIL_CHARS: usize = 254;
/// The longest part before the `@`, in characters (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL_CHARS: usize = 64;
/// The longest label of a domain, in characters (RFC 1035, section 2.3.4).
const MAX_LABEL_CHARS: usize = 63;

/// An e-mail address, of the plain kind that mail servers give to people: `Dot-string@Domain` of RFC 5321, section 4.1.2,
/// with a dot in the domain. Quoted local parts, comments, display names and address literals are none.
///
/// Only ASCII, because letters of other alphabets that look alike could pass for another's; an international domain is
/// given as punycode.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = Email, min_length = 3, max_length = 254, example = "ada@example.com")]
pub struct Email(String);

impl Email {
    /// Spaces around it are left out; anything else must be the address.
    ///
    /// # Errors
    /// `email_not_ascii`, `email_too_long`, `invalid_email`.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim_matches(' ');
        if !text.is_ascii() {
            return Err(Error::invalid(
                "email_not_ascii",
                "An address is written in the letters a to z. Give an international domain as punycode (xn--…).",
            ));
        }
        let (local, domain) = text.rsplit_once('@').ok_or_else(invalid)?;
        if text.len() > MAX_EMAIL_CHARS || local.len() > MAX_LOCAL_CHARS {
            return Err(Error::invalid(
                "email_too_long",
                format!(
                    "An address has at most {MAX_EMAIL_CHARS} characters, and {MAX_LOCAL_CHARS} of them before the @."
                ),
            ));
        }
        if is_dot_string(local) && is_domain(domain) { Ok(Self(text.to_owned())) } else { Err(invalid()) }
    }

    /// The address as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as it is compared: in lower case. No mail server of today tells `Ada@` from `ada@`.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// What stands behind the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Enough of the address to recognise it, for logs: its first letter and its domain.
    #[must_use]
    pub fn masked(&self) -> String {
        format!("{}…@{}", self.0.get(..1).unwrap_or_default(), self.domain())
    }
}

/// An address that somebody else wrote, as it is compared: like [`Email::key`]. One with other letters than ASCII might be
/// another's look-alike, and is compared with none.
#[must_use]
pub fn key(address: &str) -> Option<String> {
    address.is_ascii().then(|| address.to_ascii_lowercase())
}

fn invalid() -> Error {
    Error::invalid("invalid_email", "This is not an e-mail address. One looks like ada@example.com.")
}

/// Words of `atext` (RFC 5322, section 3.2.3) with single dots between them.
fn is_dot_string(local: &str) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// Two labels or more, the last one no number: that would be an IP address.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_CHARS).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_name = |(_, last): (&str, &str)| last.len() >= 2 && !last.bytes().all(|byte| byte.is_ascii_digit());
    domain.split('.').all(is_label) && domain.rsplit_once('.').is_some_and(last_is_name)
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Addresses tell who somebody is: a log shows a part.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Email").field(&self.masked()).finish()
    }
}

impl TryFrom<String> for Email {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(text: &str) -> Option<&'static str> {
        Email::new(text).err().map(|error| error.code())
    }

    #[test]
    fn takes_the_addresses_that_people_have() {
        for good in [
            "ada@example.com",
            " ada@example.com  ",
            "Ada.Lovelace+notes@mail.example.co.uk",
            "o'brien@example.ie",
            "x@y.io",
            "1@2.de",
            "anna@xn--bcher-kva.example",
            "anna@example.xn--p1ai",
            "a/b=c?d@example.com",
            "_@a-b.example",
            &format!("{}@example.com", "l".repeat(64)),
            &format!("a@{}.example", "d".repeat(63)),
        ] {
            assert_eq!(Email::new(good).unwrap().as_str(), good.trim(), "{good}");
        }
    }

    #[test]
    fn refuses_what_is_no_plain_address() {
        for bad in [
            "",
            " ",
            "ada",
            "@example.com",
            "ada@",
            "ada@@example.com",
            "a@b@example.com",
            "ada@example",
            "ada@localhost",
            "ada@.example.com",
            "ada@example..com",
            "ada@example.com.",
            "ada@-example.com",
            "ada@example-.com",
            "ada@exa_mple.com",
            "ada@example.c",
            "ada@127.0.0.1",
            "ada@[127.0.0.1]",
            "ada@[IPv6:::1]",
            ".ada@example.com",
            "ada.@example.com",
            "a..da@example.com",
            "\"ada\"@example.com",
            "\"a b\"@example.com",
            "ada(comment)@example.com",
            "ada@example.com(comment)",
            "Ada <ada@example.com>",
            "<ada@example.com>",
            "mailto:ada@example.com",
            "ada@example.com,eve@example.com",
            "ada@example.com;eve@example.com",
            "ada @example.com",
            "ada@ example.com",
            "ada@example.com\n",
            "\tada@example.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada\0@example.com",
            "ada\u{7f}@example.com",
            "ada\\@example.com",
            "ada%0a@example.com\r",
            &format!("a@{}.example", "d".repeat(64)),
        ] {
            assert_eq!(code(bad), Some("invalid_email"), "{bad:?}");
        }
    }

    #[test]
    fn look_alikes_have_a_code_of_their_own() {
        for bad in [
            "аda@example.com",
            "ada@exаmple.com",
            "ada@bücher.example",
            "ada＠example.com",
            "ada@example.com\u{200b}",
            "ﬁ@example.com",
        ] {
            assert_eq!(code(bad), Some("email_not_ascii"), "{bad:?}");
        }
    }

    #[test]
    fn has_the_lengths_of_the_standard() {
        assert_eq!(code(&format!("{}@example.com", "l".repeat(65))), Some("email_too_long"));
        let long = |length: usize| {
            let mut text = format!("{}@", "l".repeat(60));
            while text.len() + 60 < length {
                text.push_str(&"d".repeat(50));
                text.push('.');
            }
            text.push_str(&"d".repeat(length - text.len() - 3));
            text.push_str(".io");
            text
        };
        assert_eq!(long(254).len(), 254);
        assert_eq!(code(&long(254)), None);
        assert_eq!(code(&long(255)), Some("email_too_long"));
        assert_eq!(code(&long(100_000)), Some("email_too_long"));
    }

    #[test]
    fn what_only_looks_like_an_address_has_no_key() {
        assert_eq!(key("Kira@Example.com").as_deref(), Some("kira@example.com"));
        for look_alike in ["\u{212a}ira@example.com", "k\u{130}ra@example.com", "kir\u{430}@example.com"] {
            assert_eq!(key(look_alike), None, "{look_alike}");
        }
    }

    #[test]
    fn is_shown_in_part_to_whoever_debugs() {
        let email = Email::new("lovelace@example.com").unwrap();
        assert_eq!(format!("{email:?}"), "Email(\"l…@example.com\")");
        assert_eq!((email.local_part(), email.domain()), ("lovelace", "example.com"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = Email::new(&text);
        }

        #[test]
        fn what_is_taken_is_safe_in_a_header(text in "[a-zA-Z@. \r\n\t\"<>,;:()\\\\\u{0}-\u{7f}é]{0,40}|[a-z\r\n<>,]{1,5}@[a-z\r\n]{1,4}\\.[a-z\r\n<>]{2,4}") {
            if let Ok(email) = Email::new(&text) {
                prop_assert!(email.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(!email.as_str().contains(['<', '>', ',', ';', ':', '"', '(', ')', '\\', '[', ']']));
                prop_assert_eq!(email.as_str().matches('@').count(), 1);
                prop_assert!(email.as_str().len() <= MAX_EMAIL_CHARS);
            }
        }

        #[test]
        fn case_variants_have_one_key(text in "[a-zA-Z0-9]{1,10}(\\.[a-zA-Z0-9+_-]{1,5})?@[a-zA-Z0-9]{1,10}\\.[a-zA-Z]{2,5}", upper: u64) {
            let turned: String = text
                .char_indices()
                .map(|(at, c)| if upper >> (at % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                .collect();
            let (one, other) = (Email::new(&text).unwrap(), Email::new(&turned).unwrap());
            prop_assert_eq!(one.key(), other.key());
            // A key is an address itself, and its own key.
            prop_assert_eq!(Email::new(&one.key()).unwrap().key(), one.key());
        }

        #[test]
        fn different_addresses_have_different_keys(one in "[a-z.]{1,6}@[a-z]{1,3}\\.io", other in "[a-z.]{1,6}@[a-z]{1,3}\\.io") {
            if let (Ok(left), Ok(right)) = (Email::new(&one), Email::new(&other)) {
                prop_assert_eq!(left.key() == right.key(), one == other);
            }
        }
    }
}

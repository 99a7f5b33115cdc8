//! Passwords, as they are typed and as they are set.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::email::Email;
use crate::error::{Error, Result};

mod common;

/// The shortest password that may be set, in characters.
pub const MIN_PASSWORD_CHARS: usize = 8;
/// The longest password, in characters.
pub const MAX_PASSWORD_CHARS: usize = 1_024;

/// A password as somebody typed it. Nothing is cut off it or left out, spaces at its ends neither.
///
/// Its characters are Unicode scalar values in the normal form C, so that the same letters typed on another system are
/// the same password (NIST SP 800-63B-4, section 3.1.1.2; RFC 8265, section 4.2.2). Not the form KC: that would take
/// letters for each other that people can tell apart.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, format = Password, max_length = 1_024)]
pub struct Password(SecretString);

impl Password {
    /// # Errors
    /// `password_too_long` if it is over 1,024 characters.
    pub fn new(typed: String) -> Result<Self> {
        let typed = Zeroizing::new(typed);
        // Looked at first, so that nothing endless is normalised.
        if typed.chars().nth(MAX_PASSWORD_CHARS).is_some() {
            return Err(too_long());
        }
        // Room for the worst case: a growing text would leave copies of itself behind.
        let mut normal = Zeroizing::new(String::with_capacity(typed.len().saturating_mul(3)));
        normal.extend(typed.nfc());
        if normal.chars().nth(MAX_PASSWORD_CHARS).is_some() {
            return Err(too_long());
        }
        Ok(Self(SecretString::from(normal.as_str())))
    }

    /// What is hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

fn too_long() -> Error {
    Error::invalid("password_too_long", format!("A password has at most {MAX_PASSWORD_CHARS} characters."))
}

impl TryFrom<String> for Password {
    type Error = Error;

    fn try_from(typed: String) -> Result<Self> {
        Self::new(typed)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A password that may be set: 8 to 1,024 characters, none of the most common ones, and not what everybody would try
/// first for this person. Nothing else is asked of it (NIST SP 800-63B-4, section 3.1.1.2).
#[derive(Clone, Debug)]
pub struct NewPassword(Password);

impl NewPassword {
    /// Checks a password that is to be set for whoever has this address.
    ///
    /// # Errors
    /// `password_too_short`, `password_common`.
    pub fn new(password: Password, email: Option<&Email>) -> Result<Self> {
        let text = password.expose();
        if text.chars().nth(MIN_PASSWORD_CHARS - 1).is_none() {
            return Err(Error::invalid(
                "password_too_short",
                format!(
                    "A password has at least {MIN_PASSWORD_CHARS} characters. Several words in a row are a good one."
                ),
            ));
        }
        let lower = Zeroizing::new(text.to_lowercase());
        if is_one_character(&lower) || is_obvious(&lower, email) || common::is_common(&lower) {
            return Err(Error::invalid(
                "password_common",
                "This password is among the first that others would try. Choose one that is yours alone.",
            ));
        }
        Ok(Self(password))
    }

    /// The password.
    #[must_use]
    pub const fn password(&self) -> &Password {
        &self.0
    }
}

/// One character over and over, of which a row of spaces is one.
fn is_one_character(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| characters.all(|c| c == first))
}

/// The product's name or the person's address, also with the digits and signs around it that people think of.
fn is_obvious(lower: &str, email: Option<&Email>) -> bool {
    let core = |text: &str| Zeroizing::new(text.trim_matches(|c: char| !c.is_alphabetic()).to_owned());
    let core_of_it = core(lower);
    // One or two letters say nothing about whose they are.
    let has_core = core_of_it.chars().nth(2).is_some();
    let is = |known: &str| lower == known || (has_core && *core_of_it == *core(known));
    let is_of = |email: &Email| {
        let key = email.key();
        let (local, domain) = key.split_once('@').unwrap_or_default();
        is(&key) || is(local) || is(domain) || lower == format!("{local}{domain}")
    };
    is("retinue") || email.is_some_and(is_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    fn code(text: &str) -> Option<&'static str> {
        let email = Email::new("Ada.Lovelace@Example.com").unwrap();
        NewPassword::new(password(text), Some(&email)).err().map(|error| error.code())
    }

    #[test]
    fn is_taken_as_it_is_typed() {
        assert_eq!(password("  two spaces ").expose(), "  two spaces ");
        assert_eq!(password("").expose(), "");
        assert_eq!(password("Straße\n\0").expose(), "Straße\n\0");
    }

    #[test]
    fn is_the_same_on_systems_that_compose_letters_and_on_others() {
        assert_eq!(password("Zoe\u{308}").expose(), password("Zoë").expose());
        assert_eq!(password("\u{1112}\u{1161}\u{11ab}").expose(), "한");
        // Not what only looks alike or means the same.
        assert_ne!(password("x²").expose(), password("x2").expose());
        assert_ne!(password("ﬁ").expose(), password("fi").expose());
    }

    #[test]
    fn is_counted_in_characters() {
        assert!(Password::new("字".repeat(1_024)).is_ok());
        assert_eq!(Password::new("x".repeat(1_025)).unwrap_err().code(), "password_too_long");
        // One letter that the normal form takes apart.
        assert_eq!(Password::new("\u{958}".repeat(1_024)).unwrap_err().code(), "password_too_long");
        assert_eq!(code("字字字字字字字字字"), Some("password_common"));
        assert_eq!(code("一二三四五六七"), Some("password_too_short"));
        assert_eq!(code("一二三四五六七八"), None);
        // Seven letters, four of them typed as two characters.
        assert_eq!(code("e\u{301}e\u{301}e\u{301}e\u{301}xyz"), Some("password_too_short"));
    }

    #[test]
    fn is_not_shown_to_whoever_debugs() {
        let new = NewPassword::new(password("correct horse battery"), None).unwrap();
        assert_eq!(format!("{new:?}"), "NewPassword(Password(…))");
        assert!(!format!("{:?}", Password::new("s3cret".repeat(500)).unwrap_err()).contains("s3cret"));
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for common in [
            "password",
            "PassWord",
            "PASSWORD1",
            "12345678",
            "1234567890",
            "qwertyuiop",
            "iloveyou",
            "!qaz2wsx",
            "aaaaaaaaaa",
            "        ",
            "retinue1",
            "Retinue!",
            "Retinue2026!",
            "ada.lovelace@example.com",
            "ADA.LOVELACE@EXAMPLE.COM",
            "ada.lovelace",
            "Ada.Lovelace1",
            "example.com",
            "ada.lovelaceexample.com",
        ] {
            assert_eq!(code(common), Some("password_common"), "{common}");
        }
    }

    #[test]
    fn nothing_else_is_asked() {
        for fine in
            ["correct horse battery staple", "lower only", "98127364", "Retinue is for horses", "ada likes engines"]
        {
            assert_eq!(code(fine), None, "{fine}");
        }
        assert!(NewPassword::new(password("ada.lovelace@example.com"), None).is_ok());
        for local in ["12345", "x"] {
            let email = Email::new(&format!("{local}@example.com")).unwrap();
            assert!(NewPassword::new(password("981x27364"), Some(&email)).is_ok());
            assert!(NewPassword::new(password("98127364"), Some(&email)).is_ok());
        }
    }

    #[test]
    fn comes_out_of_json() {
        let typed: Password = serde_json::from_str(r#""pass phrase ""#).unwrap();
        assert_eq!(typed.expose(), "pass phrase ");
        let long = format!("\"{}\"", "x".repeat(1_025));
        assert!(serde_json::from_str::<Password>(&long).unwrap_err().to_string().starts_with("password_too_long"));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text: String) {
            let once = password(&text);
            let twice = password(once.expose());
            prop_assert_eq!(twice.expose(), once.expose());
        }

        #[test]
        fn no_password_makes_it_panic(text in ".{0,1100}", email in "[a-z]{0,9}@a\\.io") {
            if let Ok(password) = Password::new(text) {
                let _ = NewPassword::new(password, Email::new(&email).ok().as_ref());
            }
        }
    }
}

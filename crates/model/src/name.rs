//! What people call somebody.

use crate::error::{Error, Result};
use crate::visible::{is_blank, is_unseen, is_visible};

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// A person's name: one line of 1 to 200 characters, with something to see in it and nothing unseen around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// A name that somebody typed.
    ///
    /// # Errors
    /// `invalid_name` if there is nothing to see in it, if it is over 200 characters, or if it holds characters that break
    /// the line or turn the direction of the text around them.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim_matches(is_blank);
        let is_long = text.chars().count() > MAX_NAME_CHARS;
        if is_long || text.chars().any(is_unseen) || !text.chars().any(is_visible) {
            let said = format!("A name is one line of 1 to {MAX_NAME_CHARS} characters that can be seen.");
            return Err(Error::invalid("invalid_name", said));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name in what another program says, if there is one: on one line, and cut off where it is too long.
    #[must_use]
    pub fn found_in(text: &str) -> Option<Self> {
        let words: Vec<_> =
            text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
        let line: String = words.join(" ").chars().filter(|c| !is_unseen(*c)).collect();
        let short: String = line.trim_matches(is_blank).chars().take(MAX_NAME_CHARS).collect();
        Self::new(&short).ok()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Option<String> {
        Name::new(text).ok().map(String::from)
    }

    #[test]
    fn a_name_has_something_to_see() {
        let long = "x".repeat(201);
        let unseen = ["", " ", "\u{200b}", "\u{feff}\u{200d}", "\u{3164}", "\u{2800}\u{2800}", "\u{e0041}", "\u{301}"];
        for bad in unseen.into_iter().chain(["a\nb", "a\0b", "a\u{202e}b", "\u{2067}a\u{2069}b", &long]) {
            assert_eq!(Name::new(bad).unwrap_err().code(), "invalid_name", "{bad:?}");
        }
        assert_eq!(name(&"字".repeat(200)), Some("字".repeat(200)));
    }

    #[test]
    fn what_is_unseen_around_a_name_is_taken_off() {
        for (typed, kept) in [
            ("  Ada\u{a0}", "Ada"),
            ("\u{200b}Ada\u{3164}\u{feff}", "Ada"),
            ("\u{200f}\u{202b}علی\u{202c}", "علی"),
            // Within a name it may be needed: between the parts of a Persian name, and of a sign of several.
            ("علی\u{200c}رضا", "علی\u{200c}رضا"),
            ("👩\u{200d}🚀", "👩\u{200d}🚀"),
            // And so may what changes the character before it.
            ("❤\u{fe0f} ", "❤\u{fe0f}"),
            ("Zoe\u{308}", "Zoe\u{308}"),
            (
                "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
                "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            ),
        ] {
            assert_eq!(name(typed).as_deref(), Some(kept));
        }
    }

    #[test]
    fn what_others_say_is_made_a_name() {
        let found = |text: &str| Name::found_in(text).map(String::from);
        assert_eq!(found(" Ada\r\n\tLovelace\u{0}").as_deref(), Some("Ada Lovelace"));
        assert_eq!(found("\u{202e}Ada\u{202c} \u{200b}").as_deref(), Some("Ada"));
        assert_eq!(found(&"字".repeat(300)), Some("字".repeat(200)));
        for nothing in ["", "\n", "\u{200b}\u{feff}", "\u{3164} \u{3164}"] {
            assert_eq!(found(nothing), None, "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_can_be_typed_too(text: String) {
            if let Some(found) = Name::found_in(&text).map(String::from) {
                prop_assert_eq!(name(&found), Some(found));
            }
        }
    }
}

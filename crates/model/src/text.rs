//! Text from outside, checked once when it comes in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Kind, Result};
use crate::visible::{is_unseen, is_visible};

/// The longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 200;
/// The longest message of a person, in characters.
pub const MAX_INPUT_CHARS: usize = 100_000;
/// The most words that a search may have.
pub const MAX_SEARCH_WORDS: usize = 10;
/// The longest search, in characters.
pub const MAX_SEARCH_CHARS: usize = 200;

/// A thread's title: one line, 1 to 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 200, example = "Plan for the spring")]
pub struct Title(String);

impl Title {
    /// # Errors
    /// `invalid_title` if there is nothing to see in it, if it is over 200 characters or holds control characters.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        if !text.chars().any(is_visible) {
            return Err(Error::invalid("invalid_title", "A title needs at least one character that can be seen."));
        }
        if text.chars().count() > MAX_TITLE_CHARS {
            return Err(Error::invalid("invalid_title", format!("A title has at most {MAX_TITLE_CHARS} characters.")));
        }
        if text.chars().any(is_unseen) {
            return Err(Error::invalid("invalid_title", "A title is one line without control characters."));
        }
        Ok(Self(text.to_owned()))
    }

    /// A title made of the first words of what a person wrote.
    #[must_use]
    pub fn of_input(input: &Input) -> Self {
        const LENGTH: usize = 60;
        let line: String = input
            .as_str()
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or_default()
            .chars()
            .filter(|c| !is_unseen(*c))
            .collect();
        let line = line.trim_start_matches(['#', '>', '*', '-', '`', ' ']);
        if !line.chars().take(LENGTH).any(is_visible) {
            return Self("Untitled".to_owned());
        }
        if line.chars().count() <= LENGTH {
            return Self(line.to_owned());
        }
        let cut: String = line.chars().take(LENGTH).collect();
        let words = match cut.rfind(' ') {
            Some(end) if end > LENGTH / 2 => &cut[..end],
            _ => &cut,
        };
        Self(format!("{}…", words.trim_end()))
    }

    /// The title.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a person says: 1 to 100,000 characters, not blank, without NUL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 100_000, example = "What is the capital of Australia?")]
pub struct Input(String);

impl Input {
    /// # Errors
    /// `invalid_input` if it is blank or holds a NUL character, `input_too_long` if it is over 100,000 characters.
    pub fn new(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(Error::invalid("invalid_input", "Write something first."));
        }
        if text.contains('\0') {
            return Err(Error::invalid("invalid_input", "The message holds a NUL character (U+0000). Remove it."));
        }
        let length = text.chars().count();
        if length > MAX_INPUT_CHARS {
            return Err(Error::new(
                Kind::TooLarge,
                "input_too_long",
                format!(
                    "The message has {length} characters; at most {MAX_INPUT_CHARS} are taken. Shorten it or send it in parts."
                ),
            ));
        }
        // Forms send CRLF; one form is kept so that the same text is the same everywhere.
        Ok(Self(text.replace("\r\n", "\n")))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a person searches for: its words, ready to be put into either engine's query language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search(Vec<String>);

impl Search {
    /// # Errors
    /// `invalid_search` if it is over 200 characters or 10 words, or has no letter and no digit.
    pub fn new(text: &str) -> Result<Self> {
        if text.chars().count() > MAX_SEARCH_CHARS {
            return Err(Error::invalid(
                "invalid_search",
                format!("A search has at most {MAX_SEARCH_CHARS} characters."),
            ));
        }
        let mut words: Vec<String> =
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        // A word that stands twice finds no less and no more.
        let mut seen = std::collections::HashSet::new();
        words.retain(|word| seen.insert(word.to_lowercase()));
        if words.len() > MAX_SEARCH_WORDS {
            return Err(Error::invalid("invalid_search", format!("A search has at most {MAX_SEARCH_WORDS} words.")));
        }
        if words.is_empty() {
            return Err(Error::invalid("invalid_search", "Search for a word: at least one letter or digit."));
        }
        Ok(Self(words))
    }

    /// The words; each is letters and digits only.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

macro_rules! string_conversions {
    ($($type:ident)*) => {$(
        impl TryFrom<String> for $type {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                Self::new(&text)
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.0
            }
        }
    )*};
}
string_conversions! { Title Input }

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_title_is_one_visible_line() {
        assert_eq!(Title::new("  Plan ").unwrap().as_str(), "Plan");
        for bad in ["", "  \n", "\u{200b}", "a\nb", "a\0b", "a\u{202e}b", &"x".repeat(201)] {
            assert_eq!(Title::new(bad).unwrap_err().code(), "invalid_title", "{bad:?}");
        }
    }

    #[test]
    fn a_title_is_made_of_the_first_line_that_says_something() {
        let of = |text: &str| Title::of_input(&Input::new(text).unwrap()).as_str().to_owned();
        assert_eq!(of("\n\n## Shopping list\nmilk"), "Shopping list");
        assert_eq!(of("###"), "Untitled");
        assert_eq!(of("\u{200b}\u{2060}"), "Untitled");
        assert_eq!(of(&"word ".repeat(40)), format!("{}…", "word ".repeat(12).trim_end()));
        assert_eq!(of(&"字".repeat(80)), format!("{}…", "字".repeat(60)));
    }

    #[test]
    fn input_refuses_blank_nul_and_endless() {
        assert_eq!(Input::new(" \n\t").unwrap_err().code(), "invalid_input");
        assert_eq!(Input::new("a\0").unwrap_err().code(), "invalid_input");
        assert_eq!(Input::new(&"é".repeat(MAX_INPUT_CHARS + 1)).unwrap_err().code(), "input_too_long");
        assert_eq!(Input::new("a\r\nb").unwrap().as_str(), "a\nb");
    }

    proptest! {
        #[test]
        fn every_input_gives_a_title_that_is_valid(text in "\\PC{0,200}") {
            if let Ok(input) = Input::new(&text) {
                let title = Title::of_input(&input);
                prop_assert!(Title::new(title.as_str()).is_ok(), "{:?}", title);
            }
        }

        #[test]
        fn search_words_never_hold_syntax(text: String) {
            if let Ok(search) = Search::new(&text) {
                prop_assert!(search.words().iter().all(|word| word.chars().all(char::is_alphanumeric)));
            }
        }
    }
}

//! Names for addresses, rules and programs.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Error, Result};

/// The longest slug, in characters.
pub const MAX_SLUG_CHARS: usize = 64;

/// A name for addresses, rules and programs: 1 to 64 lower-case letters (a to z), digits and hyphens. Nothing else, so that
/// no two look alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length = 64)]
pub struct Slug(String);

impl Slug {
    /// A slug that somebody typed.
    ///
    /// # Errors
    /// `invalid_slug` if it is something else, or begins or ends with a hyphen.
    pub fn new(text: &str) -> Result<Self> {
        let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_edged = text.starts_with('-') || text.ends_with('-');
        if text.is_empty() || text.len() > MAX_SLUG_CHARS || is_edged || !text.bytes().all(is_known) {
            return Err(Error::invalid(
                "invalid_slug",
                format!("A short name has 1 to {MAX_SLUG_CHARS} lower-case letters (a to z), digits and hyphens."),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// A slug made of a name: what can be kept of it, or else `or`.
    #[must_use]
    pub fn of_name(name: &str, or: &str) -> Self {
        let mut text = String::new();
        for c in name.chars().map(|c| c.to_ascii_lowercase()) {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                text.push(c);
            } else if !text.is_empty() && !text.ends_with('-') {
                text.push('-');
            }
            if text.len() == MAX_SLUG_CHARS {
                break;
            }
        }
        let text = text.trim_end_matches('-');
        Self::new(text).unwrap_or_else(|_| Self(or.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_looks_like_another_is_taken() {
        for bad in ["", "Ops", "оps", "ops ", "-ops", "ops-", "o_ps", "ops\u{200b}", "ｏps", &"x".repeat(65)] {
            assert_eq!(Slug::new(bad).unwrap_err().code(), "invalid_slug", "{bad:?}");
        }
        assert_eq!(Slug::new("code-review-2").unwrap().as_str(), "code-review-2");
    }

    #[test]
    fn a_name_gives_what_can_be_kept_of_it() {
        for (name, slug) in
            [("Code review", "code-review"), ("  R&D / Ops ", "r-d-ops"), ("Команда", "team"), ("A", "a")]
        {
            assert_eq!(Slug::of_name(name, "team").as_str(), slug);
        }
    }

    proptest! {
        #[test]
        fn what_is_made_of_a_name_can_be_typed(name: String) {
            prop_assert!(Slug::new(Slug::of_name(&name, "x").as_str()).is_ok());
        }
    }
}

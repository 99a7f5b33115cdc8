//! Secrets that we make: tokens for links, and short codes that people type. Only their hashes are kept.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Rng;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Whether both are the same, in a time that does not depend on what they are.
#[must_use]
pub fn equal(one: &Hash, other: &Hash) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

/// 256 bits of randomness, as text 43 characters of base64url.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// A new token.
    #[must_use]
    pub fn new(rng: &dyn Rng) -> Self {
        let mut bytes = [0; 32];
        rng.fill(&mut bytes);
        Self(bytes)
    }

    /// What somebody presents as a token; none if it can't be one. There is one text for each token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        // Room for exactly one: whatever is longer is refused before it is decoded.
        let length = (text.len() == 43).then(|| URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()).flatten()?;
        (length == 32).then_some(Self(bytes))
    }

    /// The text, for the one who it is for.
    #[must_use]
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is kept of it. So many random bits need no salt and no slow hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        hash
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Douglas Crockford's 32 characters: no I, L, O, which look like digits, and no U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const CODE_CHARS: usize = 8;

/// 40 bits of randomness to be typed, as `7KQ2-M9XD`. Good for a few attempts in a few minutes, and for nothing else.
#[derive(Clone)]
pub struct ShortCode([u8; CODE_CHARS]);

impl ShortCode {
    /// A new code.
    #[must_use]
    pub fn new(rng: &dyn Rng) -> Self {
        let mut bytes = [0; CODE_CHARS];
        rng.fill(&mut bytes);
        // 256 is a multiple of 32: each character is as likely as the others.
        Self(bytes.map(|byte| ALPHABET[usize::from(byte % 32)]))
    }

    /// What somebody typed as a code; none if it can't be one. Case, spaces and hyphens don't matter, and what looks like
    /// a digit is taken for it.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        // As much as anybody types, with room for signs between.
        if typed.len() > 4 * CODE_CHARS {
            return None;
        }
        let characters = typed.bytes().filter(|byte| !matches!(byte, b' ' | b'-'));
        let code: Option<Vec<u8>> = characters
            .map(|byte| match byte.to_ascii_uppercase() {
                b'O' => Some(b'0'),
                b'I' | b'L' => Some(b'1'),
                byte => ALPHABET.contains(&byte).then_some(byte),
            })
            .collect();
        code?.try_into().ok().map(Self)
    }

    /// The text, for the one who it is for.
    #[must_use]
    pub fn expose(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let (left, right) = text.split_at(CODE_CHARS / 2);
        format!("{left}-{right}")
    }

    /// What is kept of it: an HMAC under a key of the installation's, because a plain hash of so few bits could be
    /// searched by whoever sees the table. Bound to the token that it stands for.
    #[must_use]
    pub fn hash(&self, key: &[u8], token: &Hash) -> Hash {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        context.update(b"short code\0");
        context.update(token);
        context.update(&self.0);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }
}

impl fmt::Debug for ShortCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShortCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::{CountingRng, Fixed};
    use proptest::prelude::*;

    #[test]
    fn a_token_is_43_characters_for_a_link() {
        let rng = CountingRng::default();
        let (one, other) = (Token::new(&rng), Token::new(&rng));
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one.expose(), other.expose());
        assert!(one.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        assert!(equal(&Token::parse(&one.expose()).unwrap().hash(), &one.hash()));
        assert!(!equal(&one.hash(), &other.hash()));
    }

    #[test]
    fn a_token_is_kept_as_its_sha_256() {
        // SHA-256 of 32 zero bytes, from `head -c 32 /dev/zero | sha256sum`.
        let hash = Token::new(&Fixed(0)).hash();
        assert_eq!(hash[..8], [0x66, 0x68, 0x7a, 0xad, 0xf8, 0x62, 0xbd, 0x77]);
    }

    #[test]
    fn what_can_be_no_token_is_refused() {
        let good = Token::new(&CountingRng::default()).expose();
        for bad in [
            String::new(),
            good[1..].to_owned(),
            format!("{good}A"),
            format!("{good}="),
            format!(" {}", &good[1..]),
            format!("+{}", &good[1..]),
            format!("/{}", &good[1..]),
            format!("é{}", &good[2..]),
            // The last character has two bits that say nothing: they must be zero, or a token would have four texts.
            format!("{}B", "A".repeat(42)),
            "A".repeat(100_000),
        ] {
            assert!(Token::parse(&bad).is_none(), "{bad:.50}");
        }
        assert!(Token::parse(&"A".repeat(43)).is_some());
    }

    #[test]
    fn a_code_is_typed_as_people_type() {
        let code = ShortCode::new(&Fixed(0));
        assert_eq!(code.expose(), "0000-0000");
        assert_eq!(ShortCode::new(&Fixed(255)).expose(), "ZZZZ-ZZZZ");
        let hash = |text: &str| ShortCode::parse(text).map(|code| code.hash(b"key", &[0; 32]));
        for same in ["1017-abcd", "1017ABCD", " l0I7 abcd ", "iO17-AbCd", "1-0-1-7-A-B-C-D"] {
            assert_eq!(hash(same), hash("1017-ABCD"), "{same}");
            assert!(hash(same).is_some());
        }
        for bad in [
            "",
            "1017-ABC",
            "1017-ABCDE",
            "1017-ABCU",
            "1017-ABC!",
            "1017-ABCé",
            &"A".repeat(1_000),
            &" ".repeat(1_000),
        ] {
            assert!(hash(bad).is_none(), "{bad:.50}");
        }
    }

    #[test]
    fn a_code_s_hash_is_good_for_one_token_and_one_installation() {
        let code = ShortCode::new(&Fixed(7));
        let hash = code.hash(b"ours", &[1; 32]);
        assert_ne!(hash, code.hash(b"theirs", &[1; 32]));
        assert_ne!(hash, code.hash(b"ours", &[2; 32]));
        assert_ne!(hash, ShortCode::new(&Fixed(8)).hash(b"ours", &[1; 32]));
        assert_eq!(hash, code.clone().hash(b"ours", &[1; 32]));
    }

    #[test]
    fn neither_is_shown_to_whoever_debugs() {
        assert_eq!(format!("{:?} {:?}", Token::new(&Fixed(0)), ShortCode::new(&Fixed(0))), "Token(…) ShortCode(…)");
    }

    proptest! {
        #[test]
        fn a_token_has_one_text(text in "[A-Za-z0-9_-]{43}|.{0,50}") {
            if let Some(token) = Token::parse(&text) {
                prop_assert_eq!(token.expose(), text);
            }
        }

        #[test]
        fn a_code_that_is_taken_reads_as_itself(text in "[0-9A-Za-z -]{0,20}") {
            if let Some(code) = ShortCode::parse(&text) {
                prop_assert_eq!(ShortCode::parse(&code.expose()).unwrap().0, code.0);
            }
        }
    }
}

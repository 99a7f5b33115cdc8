//! How many tokens a text is at most, without the model's tokenizer.
//!
//! The rule, by kinds of characters: a word of up to six Latin letters is about one token, a longer one a token for every
//! three letters less a half; a capital after a small letter begins a new word. Letters that make a string of more than 20
//! letters and digits are a token each (base64, hashes), and so is every digit and every ASCII sign. A space before a word
//! costs next to nothing, repeated spaces and rules (`-----`) a quarter each. An accented Latin letter is 1¼ tokens, a
//! Cyrillic one ⅔, a Greek one 1, kana and Hangul 1¼, Han and whatever else is in the basic plane 1½, beyond it (emoji) 3.
//!
//! Measured on prose, documentation, sources and tables, estimate ÷ count, with OpenAI's vocabularies o200k (2024) and cl100k
//! (2023): English 1.3 to 1.4, German 1.4 and 1.1, French and Spanish 1.6 and 1.4, Russian 2.0 and 1.5, Chinese 1.7 and 1.1,
//! Japanese and Korean 1.8 and 1.3, Rust, Python and C 1.4 to 1.6, JSON 1.6, emoji 1.4 and 1.1, hex 1.8, base64 1.1. No whole
//! text came out below 1.0; of windows of 400 characters the lowest was 0.85 (Polish, Greek; cl100k). Small old vocabularies
//! split more: with the one of 2020 (p50k) German is 0.8, Chinese and Korean 0.7. What is too long all the same, the model's
//! server refuses, and the run then asks again with less.

/// Units of an estimate: twelfths of a token, so that the sums stay whole numbers.
const TOKEN: u64 = 12;
/// A string of letters and digits that is longer is no word.
const LONGEST_WORD: u32 = 20;

/// More text than a token stands for on average in any answer, in bytes; and what a single long token may have besides.
const MOST_BYTES: usize = 16;
const LONGEST_TOKEN: usize = 256;

/// More bytes than so many tokens have.
pub(crate) fn most_bytes(tokens: u32) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(MOST_BYTES).saturating_add(LONGEST_TOKEN)
}

/// An estimate that errs on the high side; see the module's text for how far.
#[must_use]
pub fn estimate(text: &str) -> u64 {
    let mut units = 0;
    let mut letters = 0;
    let mut solid = 0;
    let mut before = ' ';
    for c in text.chars() {
        solid = if c.is_ascii_alphanumeric() { solid + 1 } else { 0 };
        let in_word = c.is_ascii_alphabetic() && solid <= LONGEST_WORD;
        if !in_word || (c.is_ascii_uppercase() && before.is_ascii_lowercase()) {
            units += word(letters);
            letters = 0;
        }
        if in_word {
            letters += 1;
        } else {
            units += single(c, before);
        }
        before = c;
    }
    (units + word(letters)).div_ceil(TOKEN)
}

const fn word(letters: u64) -> u64 {
    match letters {
        0 => 0,
        1..=4 => TOKEN,
        5..=6 => 3 * letters,
        _ => 4 * letters - TOKEN / 2,
    }
}

/// The units of a character outside words.
const fn single(c: char, before: char) -> u64 {
    match c {
        ' ' | '\t' | '\n' | '\r' | '-' | '=' | '*' | '#' | '_' | '.' if c == before => 3,
        ' ' => 1,
        '\0'..='\u{7f}' | '\u{370}'..='\u{3ff}' => TOKEN,
        '\u{80}'..='\u{24f}' | '\u{3040}'..='\u{30ff}' | '\u{ac00}'..='\u{d7af}' => 15,
        '\u{400}'..='\u{52f}' => 8,
        '\u{10000}'.. => 37,
        _ => 18,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_counts_are_not_underestimated() {
        // The second number is the greater of what o200k and cl100k count.
        for (text, tokens) in [
            ("", 0),
            ("Hello, world!", 4),
            ("The quick brown fox jumps over the lazy dog.", 10),
            ("Donaudampfschifffahrtsgesellschaft", 13),
            ("人工智能正在改变我们的生活方式。", 14),
            ("fn main() { println!(\"hi\"); }", 9),
            ("🦀🦀🦀", 9),
        ] {
            let estimate = estimate(text);
            assert!(estimate >= tokens, "{text}: {estimate} < {tokens}");
            assert!(estimate <= 2 * tokens + 2, "{text}: {estimate} is far from {tokens}");
        }
    }

    proptest! {
        #[test]
        fn an_estimate_is_bounded_by_the_length(text: String) {
            prop_assert!(estimate(&text) <= 4 * text.chars().count() as u64);
        }
    }
}

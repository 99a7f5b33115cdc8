//! The part of a long text around a word that was searched for.

use retinue_model::text::Search;

/// Characters before the word.
const BEFORE: usize = 40;
/// Characters in all.
const LENGTH: usize = 160;

/// One line of at most about 160 characters around the first of the words that occurs.
pub(crate) fn around(text: &str, search: &Search) -> String {
    let folded: Vec<char> = text.chars().map(fold).collect();
    let at = search.words().iter().filter_map(|word| find(&folded, word)).min().unwrap_or(0);
    let start = word_start(&folded, at.saturating_sub(BEFORE), at);
    let piece: String = text.chars().skip(start).take(LENGTH).collect();
    let line = piece.split_whitespace().collect::<Vec<_>>().join(" ");
    let more_before = if start > 0 { "…" } else { "" };
    let more_after = if start + LENGTH < folded.len() { "…" } else { "" };
    format!("{more_before}{line}{more_after}")
}

fn find(text: &[char], word: &str) -> Option<usize> {
    let word: Vec<char> = word.chars().map(fold).collect();
    text.windows(word.len()).position(|window| window == word)
}

/// One character for one character, so that positions stay.
fn fold(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

fn word_start(text: &[char], from: usize, to: usize) -> usize {
    if from == 0 {
        return 0;
    }
    text[from..to].iter().position(|c| c.is_whitespace()).map_or(from, |space| from + space + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_words_around() {
        let text = format!("{} the Needle in {}", "hay ".repeat(100), "more hay ".repeat(100));
        let excerpt = around(&text, &Search::new("needle").unwrap());
        assert!(excerpt.contains("the Needle in"), "{excerpt}");
        assert!(excerpt.starts_with('…') && excerpt.ends_with('…'));
        assert!(excerpt.chars().count() <= LENGTH + 2);
        assert_eq!(around("İstanbul needle", &Search::new("needle").unwrap()), "İstanbul needle");
        assert_eq!(around("only the title has it", &Search::new("zebra").unwrap()), "only the title has it");
    }
}

//! What of a text can be seen (Unicode Standard Annex #44, section 5.7.1).

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Letters and symbols by category that nothing is drawn for: the fillers of Hangul, and a Braille cell without dots.
const BLANK: [char; 5] = ['\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];

/// Whether there is something to see by itself: a letter, a digit, a mark of punctuation or a symbol.
pub(crate) fn is_visible(c: char) -> bool {
    use GeneralCategoryGroup::{Letter, Number, Punctuation, Symbol};
    matches!(c.general_category_group(), Letter | Number | Punctuation | Symbol) && !BLANK.contains(&c)
}

/// Whether a character at the edge of a text changes nothing that is seen. What combines with the character before it, as an
/// accent does, changes that one, and so do the tags that flags are made of.
pub(crate) fn is_blank(c: char) -> bool {
    let combines = c.general_category_group() == GeneralCategoryGroup::Mark || matches!(c, '\u{e0020}'..='\u{e007f}');
    !is_visible(c) && !combines
}

/// Control characters, those that break the line, and those that turn the direction of the text around them: nothing of them
/// is to be seen, and a terminal does what they say.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_is_drawn_for_is_not_visible() {
        let unseen = "\0\t\n \u{a0}\u{ad}\u{34f}\u{115f}\u{1160}\u{17b4}\u{180e}\u{200b}\u{200d}\u{200f}\u{2028}\u{202e}\u{2060}\u{2800}\u{3000}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{e000}\u{e0041}\u{e0100}";
        for c in unseen.chars() {
            assert!(!is_visible(c), "{c:?}");
        }
        for c in "aÀ字ß٣مก1!_+€👩½".chars() {
            assert!(is_visible(c), "{c:?}");
        }
    }
}

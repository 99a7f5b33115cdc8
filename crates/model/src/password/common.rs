//! The passwords that most people have.

use std::cmp::Ordering;

/// Comments, an empty line, and then one password a line, in the order of their bytes.
const FILE: &str = include_str!("common.txt");

/// Whether a password in lower case is one of them.
pub(super) fn is_common(lower: &str) -> bool {
    let mut rest = FILE.split_once("\n\n").map_or("", |(_, list)| list);
    // Halves the text itself: nothing is allocated for the list, and nothing is read of it before somebody asks.
    while !rest.is_empty() {
        let middle = rest.floor_char_boundary(rest.len() / 2);
        let start = rest[..middle].rfind('\n').map_or(0, |end| end + 1);
        let end = rest[start..].find('\n').map_or(rest.len(), |length| start + length);
        match lower.as_bytes().cmp(&rest.as_bytes()[start..end]) {
            Ordering::Equal => return true,
            Ordering::Less => rest = &rest[..start],
            Ordering::Greater => rest = rest.get(end + 1..).unwrap_or_default(),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<&'static str> {
        FILE.split_once("\n\n").unwrap().1.lines().collect()
    }

    #[test]
    fn the_list_is_sorted_and_holds_only_what_could_be_set() {
        let list = list();
        assert!(list.len() > 10_000);
        assert!(list.is_sorted_by(|one, next| one < next));
        assert!(list.iter().all(|word| word.chars().count() >= 8 && *word == word.to_lowercase()));
    }

    #[test]
    fn each_is_found_and_nothing_else() {
        for word in list() {
            assert!(is_common(word), "{word}");
            assert!(!is_common(&format!("{word}\n")), "{word}");
        }
        for word in ["", "\n", "zzzzzzzzzzzz", "!", "password\npassword1", "correct horse"] {
            assert!(!is_common(word), "{word:?}");
        }
    }
}

//! The HTML of answers that were shown, kept because making it takes milliseconds, most of them for code.
//!
//! It is found by the whole text and by nothing else: whoever has the text could make the same HTML.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::markdown;

/// The most that is kept, texts and HTML together, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// What an entry takes besides its text and HTML, about.
const ENTRY_BYTES: usize = 128;

static ANSWERS: LazyLock<Mutex<Kept>> = LazyLock::new(|| Mutex::new(Kept::new(MAX_BYTES)));

/// The HTML of a text, if it is there already.
pub(crate) fn known(text: &str) -> Option<Arc<str>> {
    ANSWERS.lock().unwrap_or_else(PoisonError::into_inner).get(text)
}

/// The HTML of a text, which may take long to make.
pub(crate) fn html(text: String) -> Arc<str> {
    known(&text).unwrap_or_else(|| {
        let html: Arc<str> = markdown::to_html(&text).into();
        ANSWERS.lock().unwrap_or_else(PoisonError::into_inner).put(text, Arc::clone(&html));
        html
    })
}

/// Two generations: what was used since the younger one began, and what was used in the one before it.
struct Kept {
    young: HashMap<String, Arc<str>>,
    old: HashMap<String, Arc<str>>,
    /// What the young take, in bytes.
    bytes: usize,
    /// What each generation may take, in bytes.
    max: usize,
}

impl Kept {
    fn new(max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), bytes: 0, max: max / 2 }
    }

    fn get(&mut self, text: &str) -> Option<Arc<str>> {
        if let Some(html) = self.young.get(text) {
            return Some(Arc::clone(html));
        }
        let (text, html) = self.old.remove_entry(text)?;
        self.put(text, Arc::clone(&html));
        Some(html)
    }

    fn put(&mut self, text: String, html: Arc<str>) {
        let bytes = text.len() + html.len() + ENTRY_BYTES;
        if bytes > self.max || self.young.contains_key(&text) {
            return;
        }
        if self.bytes + bytes > self.max {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(text, html);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kept: &Kept) -> usize {
        kept.young.iter().chain(&kept.old).map(|(text, html)| text.len() + html.len() + ENTRY_BYTES).sum()
    }

    #[test]
    fn what_is_used_stays_and_nothing_grows_over_the_bound() {
        let mut kept = Kept::new(4_000);
        let html: Arc<str> = "h".repeat(40).into();
        for number in 0..1_000 {
            kept.put(format!("{number:010}"), Arc::clone(&html));
            assert!(kept.get("0000000000").is_some(), "after {number}");
            assert!(bytes(&kept) <= 4_000 && kept.bytes <= 2_000, "{} after {number}", bytes(&kept));
        }
        assert!(kept.get("0000000500").is_none() && kept.get("0000000999").is_some());
        kept.put("too long".repeat(300), html);
        assert!(kept.get(&"too long".repeat(300)).is_none());
    }

    #[test]
    fn a_text_is_made_once_and_only_the_whole_text_finds_it() {
        let text = "The *secret* is 42, as the tests of this file know.";
        let first = html(text.to_owned());
        assert!(first.contains("<em>secret</em>"));
        assert!(Arc::ptr_eq(&first, &html(text.to_owned())), "it was made twice");
        assert_eq!(known(&text[..text.len() - 1]), None);
        assert_eq!(known(&format!("{text} ")), None);
    }
}

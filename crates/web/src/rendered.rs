//! The HTML of an answer that is still being written: blocks that are settled, and the open one that may still change.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::markdown;

/// How long a small piece waits for more of a short block.
const SETTLE: Duration = Duration::from_millis(100);

/// The length from which a block is worth another thread, in bytes.
const HEAVY: usize = 4 * 1024;

/// What to change on a page that shows the answer. Sanitised HTML.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Rendered {
    /// Whether everything that was shown must go first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reset: bool,
    /// To be added to the settled part.
    settled: String,
    /// Replaces the open part.
    open: String,
}

/// Renders a growing text. A block is rendered anew when it has grown by a part of its length, or has waited the longer the longer it is.
#[derive(Debug, Default)]
pub(crate) struct Renderer {
    text: String,
    /// Everything before this was sent as settled.
    settled: usize,
    /// How long the text was when it was last rendered.
    rendered: usize,
    has_begun: bool,
}

impl Renderer {
    pub(crate) fn push(&mut self, delta: &str) {
        self.text.push_str(delta);
    }

    /// Whether there is text that [`Renderer::take`] has not given out yet.
    pub(crate) const fn has_unsent(&self) -> bool {
        self.rendered < self.text.len()
    }

    /// Whether rendering the open block takes so long that it is better done elsewhere.
    pub(crate) const fn is_heavy(&self) -> bool {
        self.text.len() - self.settled > HEAVY
    }

    /// How long a small piece may wait for more of its block: longer for a long block, which is rendered as a whole.
    pub(crate) fn patience(&self) -> Duration {
        SETTLE + Duration::from_micros(4 * (self.text.len() - self.settled) as u64)
    }

    /// What changed since the last time; with `all`, even if it is little.
    pub(crate) fn take(&mut self, all: bool) -> Option<Rendered> {
        let unsent = self.text.len() - self.rendered;
        // A long block is rendered anew less often: each time it has grown by a part of its length.
        let worth_it = unsent * 32 >= self.rendered - self.settled;
        if unsent == 0 || !(all || worth_it) {
            return None;
        }
        let tail = &self.text[self.settled..];
        let (settled, open) = tail.split_at(markdown::settled(tail));
        let piece =
            Rendered { reset: !self.has_begun, settled: markdown::to_html(settled), open: markdown::to_html(open) };
        self.settled += settled.len();
        self.rendered = self.text.len();
        self.has_begun = true;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a page shows after these pieces.
    fn shown(pieces: &[Rendered]) -> String {
        let (mut settled, mut open) = (String::new(), String::new());
        for piece in pieces {
            if piece.reset {
                settled.clear();
            }
            settled.push_str(&piece.settled);
            open.clone_from(&piece.open);
        }
        settled + &open
    }

    fn stream(text: &str, size: usize) -> String {
        let mut renderer = Renderer::default();
        let characters: Vec<char> = text.chars().collect();
        let mut pieces = Vec::new();
        for delta in characters.chunks(size) {
            renderer.push(&delta.iter().collect::<String>());
            pieces.extend(renderer.take(false));
        }
        pieces.extend(renderer.take(true));
        shown(&pieces)
    }

    #[test]
    fn a_streamed_page_looks_like_a_reloaded_one() {
        let text = "# Title\n\nSome *words*.\n\n- one\n- two\n\n  more\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```rust\nfn main() {}\n\n// more\n```\n\n> quote\n\nLast\n====\n\n1. a\n2. b\n";
        for size in [1, 3, 7, 1_000] {
            assert_eq!(stream(text, size), markdown::to_html(text), "pieces of {size}");
        }
    }

    #[test]
    fn a_long_block_is_not_rendered_for_every_token() {
        let mut renderer = Renderer::default();
        renderer.push(&"x".repeat(100_000));
        renderer.take(true);
        renderer.push("y");
        assert_eq!(renderer.take(false), None);
        assert!(renderer.has_unsent());
        assert!(renderer.take(true).is_some());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[a-c#>*_`~|\\-\\[\\]() \n\t1.é<&]{0,80}", size in 1_usize..9) {
            stream(&text, size);
        }
    }
}

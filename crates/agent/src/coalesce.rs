//! Many small pieces of text to few deltas.
//!
//! The first text goes out at once. After that a delta goes out when 50 ms have passed since the one before, or as soon as
//! 256 bytes wait. A model that is slower than that is passed on token by token, without delay.

use std::time::Duration;

use tokio::time::Instant;

/// The longest time that text waits.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);
/// As soon as this much waits, it goes out.
const ENOUGH_BYTES: usize = 256;
/// The longest delta.
const MAX_BYTES: usize = 16 * 1024;

/// Text that waits to go out.
#[derive(Default)]
pub(crate) struct Coalescer {
    waiting: String,
    last: Option<Instant>,
    total: usize,
}

impl Coalescer {
    /// Adds `text`; NUL characters, which no storage takes, become U+FFFD.
    pub(crate) fn push(&mut self, text: &str) {
        self.total += text.len();
        if text.as_bytes().contains(&0) {
            self.waiting.extend(text.chars().map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }));
        } else {
            self.waiting.push_str(text);
        }
    }

    /// How many bytes of text were ever added.
    pub(crate) const fn total(&self) -> usize {
        self.total
    }

    /// When the waiting text goes out; none if none waits.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self.last {
            _ if self.waiting.is_empty() => None,
            Some(last) if self.waiting.len() < ENOUGH_BYTES => Some(last + INTERVAL),
            _ => Some(now),
        }
    }

    /// The next delta, if it is time for one.
    pub(crate) fn take(&mut self, now: Instant) -> Option<String> {
        self.due(now).filter(|due| *due <= now)?;
        self.last = Some(now);
        self.take_rest()
    }

    /// The next delta, whether or not it is time, because nothing more will come.
    pub(crate) fn take_rest(&mut self) -> Option<String> {
        if self.waiting.is_empty() {
            return None;
        }
        if self.waiting.len() > MAX_BYTES {
            let rest = self.waiting.split_off(self.waiting.floor_char_boundary(MAX_BYTES));
            return Some(std::mem::replace(&mut self.waiting, rest));
        }
        // A copy of exactly the size that is needed; the buffer stays for the next one.
        let delta = self.waiting.as_str().to_owned();
        self.waiting.clear();
        self.waiting.shrink_to(2 * ENOUGH_BYTES);
        Some(delta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_text_goes_out_at_once_and_the_next_waits() {
        let mut coalescer = Coalescer::default();
        let start = Instant::now();
        assert_eq!(coalescer.take(start), None);
        coalescer.push("a");
        assert_eq!(coalescer.take(start).as_deref(), Some("a"));
        coalescer.push("b");
        assert_eq!(coalescer.due(start), Some(start + INTERVAL));
        assert_eq!(coalescer.take(start + INTERVAL / 2), None);
        coalescer.push("c");
        assert_eq!(coalescer.take(start + INTERVAL).as_deref(), Some("bc"));
    }

    #[test]
    fn text_after_a_pause_does_not_wait() {
        let mut coalescer = Coalescer::default();
        let start = Instant::now();
        coalescer.push("a");
        coalescer.take(start);
        coalescer.push("b");
        assert_eq!(coalescer.take(start + 3 * INTERVAL).as_deref(), Some("b"));
    }

    #[test]
    fn nul_is_replaced() {
        let mut coalescer = Coalescer::default();
        coalescer.push("a\0b");
        assert_eq!(coalescer.take_rest().as_deref(), Some("a\u{fffd}b"));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_late_or_too_long(pieces in proptest::collection::vec((0u64..80, "[aé🦀]{0,200}", 1usize..80), 1..20)) {
            let mut coalescer = Coalescer::default();
            let mut now = Instant::now();
            let (mut said, mut heard) = (String::new(), String::new());
            let mut waiting_since = None;
            for (pause, text, times) in pieces {
                let arrives = now + Duration::from_millis(pause);
                // Between two pieces the run wakes when text is due, as its loop does.
                while let Some(due) = coalescer.due(now).filter(|due| *due <= arrives) {
                    now = now.max(due);
                    let delta = coalescer.take(now).unwrap();
                    prop_assert!(!delta.is_empty() && delta.len() <= MAX_BYTES);
                    prop_assert!(waiting_since.is_none_or(|since| now - since <= INTERVAL));
                    waiting_since = None;
                    heard.push_str(&delta);
                }
                now = arrives;
                let text = text.repeat(times);
                coalescer.push(&text);
                said.push_str(&text);
                waiting_since = waiting_since.or((!text.is_empty()).then_some(now));
                prop_assert!(coalescer.waiting.len() < ENOUGH_BYTES || coalescer.due(now) == Some(now));
            }
            while let Some(delta) = coalescer.take_rest() {
                prop_assert!(delta.len() <= MAX_BYTES);
                heard.push_str(&delta);
            }
            prop_assert_eq!(coalescer.total(), said.len());
            prop_assert_eq!(heard, said);
        }
    }
}

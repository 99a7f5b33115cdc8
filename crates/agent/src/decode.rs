//! Bytes to server-sent events, with a bound. Nothing here knows what an event says.
//!
//! Follows the WHATWG HTML standard, section 9.2.6, but for two things: a lone carriage return does not end a line, and an
//! event that the end of the stream cuts short is still given out, because servers leave the last blank line out.

use std::io::{BufRead, Read};

/// The longest line, and the longest event.
const MAX_BYTES: usize = 1024 * 1024;
/// What is kept allocated between two events.
const KEPT_BYTES: usize = 8 * 1024;

/// A line or an event is longer than 1 MiB.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overlong;

/// Takes bytes as they come, split anywhere, and gives the data of whole events.
#[derive(Default)]
pub(crate) struct Decoder {
    line: Vec<u8>,
    data: Vec<u8>,
    begun: bool,
}

impl Decoder {
    /// Calls `on_event` with the data of each event that `bytes` completes.
    pub(crate) fn feed<E: From<Overlong>>(
        &mut self,
        mut bytes: &[u8],
        mut on_event: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let room = MAX_BYTES - self.line.len();
            // Reading from a slice can't fail; the standard library's search for the line end is the fast one.
            let _ = (&mut bytes).take(room as u64).read_until(b'\n', &mut self.line);
            if self.line.last() == Some(&b'\n') {
                self.end_line(&mut on_event)?;
            } else if self.line.len() == MAX_BYTES {
                return Err(Overlong.into());
            }
        }
        Ok(())
    }

    /// The stream has ended: what is left is an event.
    pub(crate) fn end<E: From<Overlong>>(&mut self, mut on_event: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.end_line(&mut on_event)?;
        self.end_event(&mut on_event)
    }

    fn end_line<E: From<Overlong>>(&mut self, on_event: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if !self.begun {
            self.begun = true;
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        let is_blank = line.is_empty();
        if let Some(data) = line.strip_prefix(b"data:") {
            let data = data.strip_prefix(b" ").unwrap_or(data);
            if self.data.len() + data.len() >= MAX_BYTES {
                return Err(Overlong.into());
            }
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(data);
        }
        clear(&mut self.line);
        if is_blank { self.end_event(on_event) } else { Ok(()) }
    }

    fn end_event<E>(&mut self, on_event: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.data.is_empty() {
            return Ok(());
        }
        let outcome = on_event(&self.data);
        clear(&mut self.data);
        outcome
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.line.capacity() + self.data.capacity()
    }
}

/// Empties `buffer`, and gives back what one long event made it grow to.
fn clear(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT_BYTES);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECORDED: &str = "\u{feff}: hello\r\nevent: message\r\nid: 1\r\ndata: {\"a\":\"grüße 🦀\"}\r\n\r\n\
        data:no space\n\n\n\ndata: two\ndata: lines\n\nretry: 5\n\n:keep-alive\n\ndata: [DONE]";

    fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        let mut keep = |data: &[u8]| {
            events.push(String::from_utf8(data.to_vec()).unwrap());
            Ok::<_, Overlong>(())
        };
        for piece in pieces {
            decoder.feed(piece, &mut keep).unwrap();
        }
        decoder.end(&mut keep).unwrap();
        events
    }

    #[test]
    fn a_stream_is_read_as_the_standard_says() {
        let read = events([RECORDED.as_bytes()]);
        assert_eq!(read, ["{\"a\":\"grüße 🦀\"}", "no space", "two\nlines", "[DONE]"]);
    }

    #[test]
    fn every_split_in_two_gives_the_same_events() {
        let whole = events([RECORDED.as_bytes()]);
        for at in 0..=RECORDED.len() {
            let (head, tail) = RECORDED.as_bytes().split_at(at);
            assert_eq!(events([head, tail]), whole, "split at {at}");
        }
        assert_eq!(events(RECORDED.as_bytes().chunks(1)), whole);
    }

    proptest! {
        #[test]
        fn any_split_in_many_gives_the_same_events(cuts in proptest::collection::vec(0..RECORDED.len(), 0..20)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&RECORDED.as_bytes()[from..cut]);
                from = cut;
            }
            pieces.push(&RECORDED.as_bytes()[from..]);
            prop_assert_eq!(events(pieces), events([RECORDED.as_bytes()]));
        }
    }

    #[test]
    fn a_line_without_end_is_refused_in_bounded_memory() {
        let frame = vec![b'x'; 64 * 1024];
        let mut decoder = Decoder::default();
        let mut fed = 0;
        let outcome = loop {
            fed += frame.len();
            if let Err(overlong) = decoder.feed(&frame, |_| Ok::<_, Overlong>(())) {
                break overlong;
            }
            assert!(fed < 1 << 30);
        };
        assert_eq!(outcome, Overlong);
        assert!(fed <= MAX_BYTES + frame.len());
        assert!(decoder.held() <= MAX_BYTES + KEPT_BYTES);
    }

    #[test]
    fn an_event_of_many_lines_is_bounded_too() {
        let line = [b"data: ".as_slice(), &[b'x'; 1000], b"\n"].concat();
        let mut decoder = Decoder::default();
        let refused = (0..2000).position(|_| decoder.feed(&line, |_| Ok::<_, Overlong>(())).is_err());
        assert!(refused.is_some_and(|lines| lines < 1100));
    }

    #[test]
    fn memory_is_given_back_after_a_long_event() {
        let mut decoder = Decoder::default();
        let event = [b"data: ".as_slice(), &vec![b'x'; 500_000], b"\n\n"].concat();
        decoder.feed(&event, |_| Ok::<_, Overlong>(())).unwrap();
        assert!(decoder.held() <= 2 * KEPT_BYTES);
    }
}

//! The bytes of an event stream to the tokens in it, each checked against the one before.
//!
//! Reads what Retinue and the model's server send, in pieces of any size, and keeps only what is not whole yet.

use crate::stamp;

/// What a piece of a stream brought.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) tokens: u64,
    /// Microseconds from sending to now, of the oldest and the newest of these tokens.
    pub(crate) lag: Option<(u64, u64)>,
}

/// Where in HTTP's chunked coding the next byte stands.
enum Chunked {
    Size(usize),
    Data(usize),
    /// The line's end after data.
    Gap,
}

/// One stream.
pub(crate) struct Tokens {
    chunked: Chunked,
    line: Vec<u8>,
    /// The number of the next token.
    pub(crate) next: u64,
    number: u64,
    stamp: u64,
    in_stamp: bool,
    last_id: u64,
    /// The last event has come.
    pub(crate) ended: bool,
    /// The first thing that was wrong.
    pub(crate) wrong: Option<String>,
}

impl Tokens {
    pub(crate) const fn new() -> Self {
        Self {
            chunked: Chunked::Size(0),
            line: Vec::new(),
            next: 0,
            number: 0,
            stamp: 0,
            in_stamp: false,
            last_id: 0,
            ended: false,
            wrong: None,
        }
    }

    /// Reads the next bytes of the body.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Heard {
        let mut heard = Heard::default();
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.chunked {
                Chunked::Size(size) => {
                    self.chunked = match (char::from(byte).to_digit(16), byte) {
                        (Some(digit), _) => Chunked::Size(size * 16 + digit as usize),
                        (None, b'\n') if size == 0 => return heard,
                        (None, b'\n') => Chunked::Data(size),
                        _ => Chunked::Size(size),
                    };
                    bytes = rest;
                }
                Chunked::Gap => {
                    if byte == b'\n' {
                        self.chunked = Chunked::Size(0);
                    }
                    bytes = rest;
                }
                Chunked::Data(left) => {
                    let (data, rest) = bytes.split_at(left.min(bytes.len()));
                    self.data(data, &mut heard);
                    bytes = rest;
                    self.chunked = if data.len() == left { Chunked::Gap } else { Chunked::Data(left - data.len()) };
                }
            }
        }
        heard
    }

    fn data(&mut self, mut data: &[u8], heard: &mut Heard) {
        while let Some(end) = data.iter().position(|byte| *byte == b'\n') {
            if self.line.is_empty() {
                self.line(&data[..end], heard);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&data[..end]);
                self.line(&line, heard);
            }
            data = &data[end + 1..];
        }
        self.line.extend_from_slice(data);
    }

    fn line(&mut self, line: &[u8], heard: &mut Heard) {
        if let Some(id) = line.strip_prefix(b"id: ") {
            let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok()).unwrap_or(0);
            if id != self.last_id + 1 {
                self.fault(&format!("event {id} follows event {}", self.last_id));
            }
            self.last_id = id;
        } else if let Some(name) = line.strip_prefix(b"event: run.") {
            self.ended |= name != b"started";
            if self.ended && name != b"completed" {
                self.fault(&format!("the run ended as {}", String::from_utf8_lossy(name)));
            }
        } else if let Some(text) = text_of(line) {
            self.text(text, heard);
        } else if line == b"data: [DONE]" {
            self.ended = true;
        }
    }

    /// Tokens are a number, a colon, a time and a space.
    fn text(&mut self, text: &[u8], heard: &mut Heard) {
        let now = stamp::micros();
        for byte in text {
            match byte {
                b'0'..=b'9' => {
                    let field = if self.in_stamp { &mut self.stamp } else { &mut self.number };
                    *field = *field * 10 + u64::from(byte - b'0');
                }
                b':' => self.in_stamp = true,
                _ => self.token(now, heard),
            }
        }
    }

    fn token(&mut self, now: u64, heard: &mut Heard) {
        if self.number != self.next {
            self.fault(&format!("token {} came in place of {}", self.number, self.next));
        }
        let lag = now.saturating_sub(self.stamp);
        heard.lag = Some((heard.lag.map_or(lag, |(oldest, _)| oldest), lag));
        heard.tokens += 1;
        self.next = self.number + 1;
        (self.number, self.stamp, self.in_stamp) = (0, 0, false);
    }

    fn fault(&mut self, what: &str) {
        self.wrong.get_or_insert_with(|| what.to_owned());
    }
}

/// The text of a `message.delta`, or of a chunk of the model's server.
fn text_of(line: &[u8]) -> Option<&[u8]> {
    let data = line.strip_prefix(b"data: {\"")?;
    let text = data.strip_prefix(b"text\":\"").or_else(|| {
        let key = b"\"content\":\"";
        // A message that is complete says everything once more.
        if !data.starts_with(b"id\":") {
            return None;
        }
        data.windows(key.len()).position(|window| window == key).map(|at| &data[at + key.len()..])
    })?;
    text.split(|byte| *byte == b'"').next()
}

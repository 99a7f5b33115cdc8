//! The bytes of a good answer to its text: streamed events, or one JSON document from servers that don't stream.

use retinue_model::run::Usage;

use crate::coalesce::Coalescer;
use crate::decode::{Decoder, Overlong};
use crate::refusal::Refusal;
use crate::wire::{Choice, Chunk};

/// What a document may be longer than the longest text: keys, token counts, escapes.
const DOCUMENT_OVERHEAD: usize = 1024 * 1024;

/// Why an answer can't be read on.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A line, an event or a document is far longer than a piece of an answer.
    Overlong,
    /// A page for browsers.
    WebPage,
    /// Not the JSON of chat completions.
    NotJson,
    /// The stream ended before the answer did.
    CutOff,
    /// The server reports an error in place of more text.
    Refused(Refusal),
    /// The model refused, or a filter stopped it.
    Filtered,
    /// The model reached the length it was given.
    OutOfTokens,
    /// The text is longer than a run may write.
    TooMuchText,
}

impl From<Overlong> for Fault {
    fn from(_: Overlong) -> Self {
        Self::Overlong
    }
}

#[derive(Default)]
enum Form {
    /// Nothing but white space has come.
    #[default]
    Unknown,
    Events(Decoder),
    Document(Vec<u8>),
}

#[derive(Clone, Copy)]
enum Ending {
    Stopped,
    Filtered,
    OutOfTokens,
}

impl Ending {
    fn of(finish_reason: &str) -> Option<Self> {
        match finish_reason {
            "" => None,
            "content_filter" => Some(Self::Filtered),
            "length" | "max_tokens" => Some(Self::OutOfTokens),
            _ => Some(Self::Stopped),
        }
    }
}

/// Reads one answer.
pub(crate) struct Reader {
    form: Form,
    state: State,
}

struct State {
    max_bytes: usize,
    /// Whether these are what the limit in tokens comes to.
    are_tokens: bool,
    ending: Option<Ending>,
    usage: Option<Usage>,
    done: bool,
}

impl Reader {
    /// A reader that takes at most `max_bytes` of text; `are_tokens` says whether that is because of a limit in tokens.
    pub(crate) fn new(max_bytes: usize, are_tokens: bool) -> Self {
        Self { form: Form::default(), state: State { max_bytes, are_tokens, ending: None, usage: None, done: false } }
    }

    /// Reads the next bytes; their text goes to `text`.
    ///
    /// What is wrong after the model has said that its text is whole does not matter any more.
    pub(crate) fn read(&mut self, bytes: &[u8], text: &mut Coalescer) -> Result<(), Fault> {
        self.read_form(bytes, text).or_else(|fault| self.forgive(fault))
    }

    fn forgive(&mut self, fault: Fault) -> Result<(), Fault> {
        if !self.is_ending() {
            return Err(fault);
        }
        self.state.done = true;
        Ok(())
    }

    fn read_form(&mut self, bytes: &[u8], text: &mut Coalescer) -> Result<(), Fault> {
        if matches!(self.form, Form::Unknown) {
            self.form = match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
                None => return Ok(()),
                Some(b'<') => return Err(Fault::WebPage),
                Some(b'{' | b'[') => Form::Document(Vec::new()),
                Some(_) => Form::Events(Decoder::default()),
            };
        }
        match &mut self.form {
            Form::Unknown => Ok(()),
            Form::Events(decoder) => decoder.feed(bytes, |event| self.state.take_event(event, text)),
            Form::Document(whole) if whole.len() + bytes.len() > self.state.max_bytes + DOCUMENT_OVERHEAD => {
                Err(Fault::Overlong)
            }
            Form::Document(whole) => {
                whole.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The bytes have ended: what waited for more is read.
    pub(crate) fn end(&mut self, text: &mut Coalescer) -> Result<(), Fault> {
        match std::mem::take(&mut self.form) {
            Form::Unknown => Ok(()),
            Form::Events(mut decoder) => {
                let outcome = decoder.end(|event| self.state.take_event(event, text));
                // Half an event is no wrong one.
                let outcome =
                    outcome.map_err(|fault| if matches!(fault, Fault::NotJson) { Fault::CutOff } else { fault });
                outcome.or_else(|fault| self.forgive(fault))
            }
            Form::Document(whole) => {
                self.state.take_json(&whole, text)?;
                // A document that was read is whole, whatever it gives as the reason for its end.
                self.state.done = true;
                Ok(())
            }
        }
    }

    /// Whether the server has said that nothing more comes.
    pub(crate) const fn is_done(&self) -> bool {
        self.state.done
    }

    /// Whether the model has said that its text is whole, so that at most token counts are to come.
    pub(crate) const fn is_ending(&self) -> bool {
        self.state.done || self.state.ending.is_some()
    }

    /// What the model has counted, if it said so.
    pub(crate) const fn usage(&self) -> Option<Usage> {
        self.state.usage
    }

    /// How the answer ended, when nothing more comes.
    pub(crate) const fn outcome(&self) -> Result<Option<Usage>, Fault> {
        match self.state.ending {
            Some(Ending::Filtered) => Err(Fault::Filtered),
            Some(Ending::OutOfTokens) => Err(Fault::OutOfTokens),
            Some(Ending::Stopped) => Ok(self.state.usage),
            None if self.state.done => Ok(self.state.usage),
            None => Err(Fault::CutOff),
        }
    }
}

impl State {
    fn take_event(&mut self, event: &[u8], text: &mut Coalescer) -> Result<(), Fault> {
        if self.done {
            return Ok(());
        }
        if event.trim_ascii() == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        self.take_json(event, text)
    }

    fn take_json(&mut self, json: &[u8], text: &mut Coalescer) -> Result<(), Fault> {
        let Ok(json) = std::str::from_utf8(json) else { return Err(Fault::NotJson) };
        let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(json) else {
            // An error in a form of its own must not be lost behind the form that was expected.
            return Err(Refusal::in_place_of_text(json).map_or(Fault::NotJson, Fault::Refused));
        };
        if chunk.error.is_some() || chunk.object.0 == "error" {
            return Err(Fault::Refused(Refusal::of_json(json)));
        }
        if let Some(usage) = chunk.usage() {
            self.usage = Some(usage);
        }
        chunk.choices.0.map_or(Ok(()), |choice| self.take_choice(&choice, text))
    }

    fn take_choice(&mut self, choice: &Choice<'_>, text: &mut Coalescer) -> Result<(), Fault> {
        let piece = choice.text();
        let room = self.max_bytes.saturating_sub(text.total());
        if piece.len() > room {
            text.push(&piece[..piece.floor_char_boundary(room)]);
            return Err(if self.are_tokens { Fault::OutOfTokens } else { Fault::TooMuchText });
        }
        text.push(piece);
        if let Some(ending) = Ending::of(&choice.finish_reason.0) {
            self.ending = Some(ending);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECORDED: &str = concat!(
        ": OPENROUTER PROCESSING\r\n\r\n",
        "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\r\n\r\n",
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"Grüße, \"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"🦀\\n\\u0000\\ud83e\\udd80\"},\"finish_reason\":\"\"}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n",
        "data: [DONE]\n\n",
    );

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, Result<Option<Usage>, Fault>) {
        let (mut reader, mut text) = (Reader::new(1000, false), Coalescer::default());
        let mut outcome = Ok(());
        for piece in pieces {
            outcome = outcome.and_then(|()| reader.read(piece, &mut text));
        }
        let outcome = outcome.and_then(|()| reader.end(&mut text)).and_then(|()| reader.outcome());
        (text.take_rest().unwrap_or_default(), outcome)
    }

    #[test]
    fn every_split_of_a_recorded_stream_gives_the_same_text() {
        let expected = "Grüße, 🦀\n\u{fffd}🦀";
        for at in 0..=RECORDED.len() {
            let (head, tail) = RECORDED.as_bytes().split_at(at);
            let (text, outcome) = read([head, tail]);
            assert_eq!(text, expected, "split at {at}");
            assert_eq!(outcome.unwrap(), Some(Usage { input_tokens: 7, output_tokens: 3 }));
        }
        assert_eq!(read(RECORDED.as_bytes().chunks(1)).0, expected);
    }

    #[test]
    fn a_stream_that_is_cut_keeps_its_text() {
        for at in 0..RECORDED.len() {
            let (text, outcome) = read([&RECORDED.as_bytes()[..at]]);
            assert!("Grüße, 🦀\n\u{fffd}🦀".starts_with(&text));
            // The end is known from the finish reason on; before that, a cut is a fault.
            let known = RECORDED[..RECORDED.floor_char_boundary(at)].contains("\"stop\"}]}");
            assert_eq!(outcome.is_ok(), known, "cut at {at}");
        }
    }

    #[test]
    fn an_answer_that_was_not_streamed_is_read_too() {
        let (text, outcome) = read([
            b" \n{\"object\":\"chat.completion\",\"choices\":[{\"message\":{\"role\":\"assist".as_slice(),
            b"ant\",\"content\":\"Hi\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
        ]);
        assert_eq!(text, "Hi");
        assert_eq!(outcome.unwrap(), Some(Usage { input_tokens: 1, output_tokens: 2 }));
    }

    #[test]
    fn faults_are_told_apart() {
        let fault = |body: &str| read([body.as_bytes()]).1.unwrap_err();
        assert!(matches!(fault("\n<!doctype html>"), Fault::WebPage));
        assert!(matches!(fault("data: {\"choi\n\n"), Fault::NotJson));
        assert!(matches!(fault("data: hello\n\n"), Fault::NotJson));
        assert!(matches!(fault("{\"choices\":["), Fault::NotJson));
        assert!(matches!(fault(""), Fault::CutOff));
        assert!(matches!(fault("Hello"), Fault::CutOff));
        assert!(matches!(fault("{\"error\":\"no\"}"), Fault::Refused(_)));
        assert!(matches!(fault("[{\"error\":{\"message\":\"no\"}}]"), Fault::Refused(_)));
        assert!(matches!(fault("data: {\"error\":{\"message\":\"no\"},\"choices\":[]}\n\n"), Fault::Refused(_)));
        assert!(matches!(fault("data: {\"object\":\"error\",\"message\":\"no\"}\n\n"), Fault::Refused(_)));
        let finish = |reason: &str| fault(&format!("data: {{\"choices\":[{{\"finish_reason\":\"{reason}\"}}]}}\n\n"));
        assert!(matches!(finish("length"), Fault::OutOfTokens));
        assert!(matches!(finish("content_filter"), Fault::Filtered));
        assert!(matches!(fault(&"x".repeat(2_000_000)), Fault::Overlong));
        assert!(matches!(fault(&format!("{{{}", " ".repeat(2_000_000))), Fault::Overlong));
    }

    #[test]
    fn text_beyond_the_limit_is_cut_between_characters() {
        let event = "data: {\"choices\":[{\"delta\":{\"content\":\"abc🦀\"}}]}\n\n";
        for are_tokens in [false, true] {
            let (mut reader, mut text) = (Reader::new(5, are_tokens), Coalescer::default());
            let fault = reader.read(event.as_bytes(), &mut text).unwrap_err();
            assert_eq!(matches!(fault, Fault::OutOfTokens), are_tokens);
            assert_eq!(matches!(fault, Fault::TooMuchText), !are_tokens);
            assert_eq!(text.take_rest().as_deref(), Some("abc"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
            let (head, tail) = body.split_at(cut.min(body.len()));
            let _ = read([head, tail]);
        }

        #[test]
        fn no_json_makes_it_panic(json in "[\\[\\]{}:,\"a-z0-9\\\\ ]{0,60}") {
            let _ = read([format!("data: {json}\n\n").as_bytes()]);
            let _ = read([format!("data: {{\"choices\":{json}}}\n\n").as_bytes()]);
        }
    }
}

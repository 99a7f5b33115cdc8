//! The built-in model that is none: it says so, repeats what was said, and tells how to get a real one.

use std::time::Duration;

use retinue_model::message::Role;
use tokio::time::sleep;

use crate::request::Spoken;

const PAUSE: Duration = Duration::from_millis(15);
/// The most pauses that one answer makes, so that a long one takes seconds too.
const MAX_PAUSES: usize = 200;

/// An answer that is being spoken.
pub(crate) struct Echo {
    text: String,
    said: usize,
    words_per_pause: usize,
}

impl Echo {
    /// The answer to the last message of the person.
    pub(crate) fn new(conversation: &[Spoken], advice: &str) -> Self {
        let heard = conversation.iter().rfind(|message| message.role == Role::User);
        let heard = heard.map_or("", |message| message.text.trim_end());
        let mut text = String::from(
            "This is the built-in echo model: no language model is connected. It repeats what you said:\n\n",
        );
        for line in heard.lines() {
            text.push_str("> ");
            text.push_str(line);
            text.push('\n');
        }
        if !advice.trim().is_empty() {
            text.push('\n');
            text.push_str(advice.trim());
        }
        let words = text.split_inclusive(char::is_whitespace).count();
        Self { text, said: 0, words_per_pause: words.div_ceil(MAX_PAUSES).max(1) }
    }

    /// The next words, after a pause; none when everything is said.
    pub(crate) async fn next(&mut self) -> Option<&str> {
        let rest = self.text.get(self.said..)?;
        let piece: usize = rest.split_inclusive(char::is_whitespace).take(self.words_per_pause).map(str::len).sum();
        if piece == 0 {
            return None;
        }
        if self.said > 0 {
            sleep(PAUSE).await;
        }
        let from = self.said;
        self.said += piece;
        self.text.get(from..self.said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    async fn answer(heard: &str) -> (String, Duration) {
        let start = Instant::now();
        let mut echo = Echo::new(&[Spoken { role: Role::User, text: heard.to_owned() }], "Set `OPENAI_BASE_URL`.");
        let mut text = String::new();
        while let Some(piece) = echo.next().await {
            text.push_str(piece);
        }
        (text, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn it_says_what_it_is_quotes_and_advises() {
        let (text, took) = answer("Hello\n\n# there").await;
        assert!(text.starts_with("This is the built-in echo model"));
        assert!(text.ends_with("> Hello\n> \n> # there\n\nSet `OPENAI_BASE_URL`."), "{text}");
        assert!(took > 10 * PAUSE && took < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_message_does_not_take_long() {
        let (text, took) = answer(&"word ".repeat(20_000)).await;
        assert!(text.len() > 99_000);
        assert!(took < Duration::from_secs(5));
    }
}

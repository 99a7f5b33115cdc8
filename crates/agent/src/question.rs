//! The body of a request: which messages are sent, and with which options.

use std::borrow::Cow;

use retinue_model::message::Role;

use crate::request::{Request, Spoken};
use crate::trim;
use crate::wire::{Question, Said, StreamOptions};

/// How often a conversation that turned out too long is halved.
const MAX_HALVINGS: u32 = 2;

/// What is asked, and in which of the forms that servers differ in.
pub(crate) struct Draft {
    model: String,
    instructions: String,
    conversation: Vec<Spoken>,
    start: usize,
    halvings: u32,
    max_output_tokens: Option<u32>,
    wants_usage: bool,
    has_old_limit: bool,
}

impl Draft {
    /// What fits of `request`, which gives away its texts.
    pub(crate) fn new(mut request: Request) -> Self {
        let start = trim::start(&request.instructions, &request.conversation, request.room());
        Self {
            // What is left out now is never needed again.
            conversation: request.conversation.split_off(start),
            model: request.upstream_model,
            instructions: request.instructions,
            start: 0,
            halvings: 0,
            max_output_tokens: request.max_output_tokens,
            wants_usage: true,
            has_old_limit: true,
        }
    }

    /// Leaves out half of the older turns; false if that was done often enough, or nothing is left to leave out.
    pub(crate) fn shorten(&mut self) -> bool {
        let Some(start) = trim::halved(&self.conversation, self.start).filter(|_| self.halvings < MAX_HALVINGS) else {
            return false;
        };
        self.start = start;
        self.halvings += 1;
        true
    }

    /// Leaves `stream_options` out; false if they are out already.
    pub(crate) fn drop_stream_options(&mut self) -> bool {
        std::mem::replace(&mut self.wants_usage, false)
    }

    /// Names the answer's limit `max_completion_tokens`; false if it has that name already, or there is none.
    pub(crate) fn rename_limit(&mut self) -> bool {
        self.max_output_tokens.is_some() && std::mem::replace(&mut self.has_old_limit, false)
    }

    /// The request's body.
    pub(crate) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let limit = self.max_output_tokens;
        serde_json::to_vec(&Question {
            model: &self.model,
            messages: &self.messages(),
            stream: true,
            stream_options: self.wants_usage.then_some(StreamOptions { include_usage: true }),
            max_tokens: limit.filter(|_| self.has_old_limit),
            max_completion_tokens: limit.filter(|_| !self.has_old_limit),
        })
    }

    /// The instructions and the conversation. Blank messages are left out and those of one role in a row become one, because
    /// some chat templates refuse either; both are what runs without an answer leave behind.
    fn messages(&self) -> Vec<Said<'_>> {
        let mut messages: Vec<Said<'_>> = Vec::new();
        if !self.instructions.trim().is_empty() {
            messages.push(Said { role: "system", content: Cow::Borrowed(&self.instructions) });
        }
        let said = self.conversation.get(self.start..).unwrap_or_default();
        for (index, message) in said.iter().enumerate() {
            let is_last = index + 1 == said.len();
            if message.text.trim().is_empty() && !is_last {
                continue;
            }
            match messages.last_mut() {
                Some(before) if before.role == message.role.as_str() => {
                    let both = before.content.to_mut();
                    both.push_str("\n\n");
                    both.push_str(&message.text);
                }
                // What the model said before everything that is left has lost its question.
                None | Some(Said { role: "system", .. }) if message.role == Role::Assistant => {}
                _ => messages.push(Said { role: message.role.as_str(), content: Cow::Borrowed(&message.text) }),
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Backend, Limits};
    use serde_json::{Value, json};

    fn draft(instructions: &str, said: &[(Role, &str)]) -> Draft {
        Draft::new(Request {
            backend: Backend::Echo { advice: String::new() },
            upstream_model: "m".to_owned(),
            instructions: instructions.to_owned(),
            conversation: said.iter().map(|(role, text)| Spoken { role: *role, text: (*text).to_owned() }).collect(),
            context_tokens: 8192,
            max_output_tokens: Some(100),
            limits: Limits::default(),
            jitter: 0,
        })
    }

    fn json_of(draft: &Draft) -> Value {
        serde_json::from_slice(&draft.to_json().unwrap()).unwrap()
    }

    #[test]
    fn a_question_is_what_servers_expect() {
        let mut draft = draft("Be brief.", &[(Role::User, "a"), (Role::Assistant, "b"), (Role::User, "c")]);
        let messages = json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ]);
        assert_eq!(
            json_of(&draft),
            json!({"model": "m", "messages": messages, "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 100})
        );
        assert!(draft.drop_stream_options() && draft.rename_limit());
        assert!(!draft.drop_stream_options() && !draft.rename_limit());
        assert_eq!(
            json_of(&draft),
            json!({"model": "m", "messages": messages, "stream": true, "max_completion_tokens": 100})
        );
    }

    #[test]
    fn roles_alternate_even_after_runs_that_failed() {
        use Role::{Assistant, User};
        let said = [(User, "a"), (User, "b"), (Assistant, " "), (User, "c"), (Assistant, "d"), (User, "e")];
        let messages = json_of(&draft(" \n", &said))["messages"].clone();
        assert_eq!(
            messages,
            json!([
                {"role": "user", "content": "a\n\nb\n\nc"},
                {"role": "assistant", "content": "d"},
                {"role": "user", "content": "e"},
            ])
        );
    }

    #[test]
    fn it_is_shortened_twice_at_most() {
        let turn = [(Role::User, "a"), (Role::Assistant, "b")];
        let mut said = turn.repeat(10);
        said.push((Role::User, "c"));
        let mut draft = draft("", &said);
        assert!(draft.shorten());
        assert_eq!(json_of(&draft)["messages"].as_array().map(Vec::len), Some(11));
        assert!(draft.shorten());
        assert!(!draft.shorten());
    }
}

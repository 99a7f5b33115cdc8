//! The JSON of chat completions: what is sent, and as much of what comes back as is read.
//!
//! Incoming types borrow from the bytes they are read from, because one of them is made for every token. Fields that are
//! not listed pass unread.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use retinue_model::run::Usage;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use serde_json::value::RawValue;

/// The body of `POST /chat/completions`.
#[derive(Serialize)]
pub(crate) struct Question<'a> {
    pub(crate) model: &'a str,
    pub(crate) messages: &'a [Said<'a>],
    pub(crate) stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_completion_tokens: Option<u32>,
}

/// What else is wanted from a stream.
#[derive(Serialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: bool,
}

/// A message that is sent.
#[derive(Serialize)]
pub(crate) struct Said<'a> {
    pub(crate) role: &'static str,
    pub(crate) content: Cow<'a, str>,
}

/// One event of a stream, or a whole answer that was not streamed.
#[derive(DeriveDeserialize)]
pub(crate) struct Chunk<'a> {
    #[serde(default, borrow)]
    pub(crate) choices: First<Choice<'a>>,
    /// Read on its own, so that an odd count does not cost the text.
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) object: Text<'a>,
}

impl Chunk<'_> {
    /// What the model has counted so far, if it says so in this chunk.
    pub(crate) fn usage(&self) -> Option<Usage> {
        serde_json::from_str::<Counted>(self.usage?.get()).ok()?.usage()
    }
}

/// One of the answers; only one is ever asked for.
#[derive(DeriveDeserialize)]
pub(crate) struct Choice<'a> {
    #[serde(default, borrow)]
    delta: Option<Piece<'a>>,
    #[serde(default, borrow)]
    message: Option<Piece<'a>>,
    #[serde(default, borrow)]
    pub(crate) finish_reason: Text<'a>,
}

impl Choice<'_> {
    /// The next piece of the answer; of a refusal, if there is no answer.
    pub(crate) fn text(&self) -> &str {
        let Some(piece) = self.delta.as_ref().or(self.message.as_ref()) else { return "" };
        if piece.content.0.is_empty() { &piece.refusal.0 } else { &piece.content.0 }
    }
}

#[derive(DeriveDeserialize)]
struct Piece<'a> {
    #[serde(default, borrow)]
    content: Text<'a>,
    #[serde(default, borrow)]
    refusal: Text<'a>,
}

/// Token counts.
#[derive(Clone, Copy, DeriveDeserialize)]
struct Counted {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

impl Counted {
    fn usage(self) -> Option<Usage> {
        if self.prompt_tokens.is_none() && self.completion_tokens.is_none() {
            return None;
        }
        Some(Usage {
            input_tokens: self.prompt_tokens.unwrap_or_default(),
            output_tokens: self.completion_tokens.unwrap_or_default(),
        })
    }
}

/// The first element of an array or nothing; the rest is skipped without being kept.
pub(crate) struct First<T>(pub(crate) Option<T>);

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = First<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array or null")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(First(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                let first = elements.next_element()?;
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_any(Elements(PhantomData))
    }
}

/// A string, borrowed if nothing in it is escaped. Null and whatever else is no text are empty; of an array of typed parts,
/// which some servers send for models that think, it is the text parts.
#[derive(Default)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Content;
        impl<'de> Visitor<'de> for Content {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
                let mut whole = String::new();
                while let Some(part) = parts.next_element::<Part<'de>>()? {
                    if part.kind.0 == "text" {
                        whole.push_str(&part.text.0);
                    }
                }
                Ok(Text(Cow::Owned(whole)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Text::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Text::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Text::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Content)
    }
}

#[derive(DeriveDeserialize)]
struct Part<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Text<'a>,
    #[serde(default, borrow)]
    text: Text<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(json: &str) -> String {
        let chunk: Chunk<'_> = serde_json::from_str(json).unwrap();
        chunk.choices.0.map(|choice| choice.text().to_owned()).unwrap_or_default()
    }

    #[test]
    fn text_is_found_in_every_form_that_servers_send() {
        for json in [
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"logprobs":null},{"delta":{"content":"no"}}]}"#,
            r#"{"choices":[{"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":{"content":null,"refusal":"Hi"}}]}"#,
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"no"}]},{"type":"text","text":"Hi"}]}}]}"#,
        ] {
            assert_eq!(text_of(json), "Hi", "{json}");
        }
    }

    #[test]
    fn what_is_no_text_is_nothing() {
        for json in [
            "{}",
            r#"{"choices":null,"usage":null,"error":null}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
            r#"{"choices":[{"delta":null}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
            r#"{"choices":[{"delta":{"content":null,"reasoning_content":"hm","reasoning":"hm"}}]}"#,
            r#"{"choices":[{"delta":{"content":{"a":[1]}}}]}"#,
            r#"{"choices":[{"delta":{"content":7}}]}"#,
        ] {
            assert_eq!(text_of(json), "", "{json}");
        }
    }

    #[test]
    fn odd_counts_are_no_counts() {
        let usage = |json: &str| serde_json::from_str::<Chunk<'_>>(&format!("{{\"usage\":{json}}}")).unwrap().usage();
        assert_eq!(usage(r#"{"prompt_tokens":3}"#), Some(Usage { input_tokens: 3, output_tokens: 0 }));
        for odd in ["null", "{}", "7", r#"{"prompt_tokens":-1}"#, r#"{"prompt_tokens":"many"}"#] {
            assert_eq!(usage(odd), None, "{odd}");
        }
    }

    #[test]
    fn plain_text_is_borrowed() {
        let chunk: Chunk<'_> = serde_json::from_str(r#"{"choices":[{"delta":{"content":"Grüße"}}]}"#).unwrap();
        assert!(matches!(chunk.choices.0.unwrap().delta.unwrap().content.0, Cow::Borrowed("Grüße")));
    }
}

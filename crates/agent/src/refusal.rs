//! What a model's server says when it refuses: found in the many forms that servers put it in, and understood as far as the
//! run can do something about it. Words for people are made elsewhere.

use reqwest::StatusCode;
use serde_json::Value;

/// An error as the server put it.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    /// The HTTP status; of an error inside a stream, the code it gives, if that is one.
    pub(crate) status: Option<StatusCode>,
    /// For people; not from a person, and not to be trusted.
    pub(crate) message: String,
    /// Code and type, in lower case.
    words: String,
    /// Whether it is a page for browsers.
    pub(crate) is_web_page: bool,
}

/// What a refusal means to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The conversation does not fit.
    ContextTooLong,
    /// It does not take `stream_options`.
    NoStreamOptions,
    /// It wants `max_completion_tokens` instead of `max_tokens`.
    NoMaxTokens,
    /// Nothing is left to spend.
    OutOfQuota,
    /// Too many requests.
    Busy,
    /// The key is missing or wrong.
    Unauthorized,
    /// It does not have the model.
    UnknownModel,
    /// A filter refused the conversation.
    Filtered,
    /// The server is broken at the moment.
    Broken,
    /// Anything else.
    Other,
}

/// What servers write when a conversation is too long, in lower case: OpenAI, Groq, vLLM, `SGLang`, llama.cpp, LM Studio, Ollama,
/// TGI, Anthropic, Bedrock, Gemini, xAI, Cohere.
const TOO_LONG: [&str; 21] = [
    "context_length_exceeded",
    "exceed_context_size",
    "string_above_max_length",
    "maximum context length",
    "context length exceeded",
    "exceeds the context length",
    "exceeds context length",
    "longer than the model's context length",
    "longer than the maximum model length",
    "available context size",
    "context size has been exceeded",
    "context the overflows",
    "context overflow",
    "context length of only",
    "exceeds the context window",
    "exceed context limit",
    "prompt is too long",
    "input is too long",
    "exceeds the maximum number of tokens",
    "maximum prompt length",
    "too many tokens",
];

impl Refusal {
    /// Reads the body of an answer with `status`.
    pub(crate) fn of_answer(status: StatusCode, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        let refusal = match serde_json::from_str(text) {
            Ok(value) => Self::of_value(&value),
            Err(_) if text.starts_with('<') => Self { is_web_page: true, ..Self::default() },
            Err(_) => Self { message: text.to_owned(), ..Self::default() },
        };
        Self { status: Some(status), ..refusal }
    }

    /// Reads an error that stands where text should.
    pub(crate) fn of_json(json: &str) -> Self {
        serde_json::from_str(json).map(|value| Self::of_value(&value)).unwrap_or_default()
    }

    /// The error in `json`, if it is one.
    pub(crate) fn in_place_of_text(json: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(json).ok()?;
        error_in(&value).map(|_| Self::of_value(&value))
    }

    fn of_value(value: &Value) -> Self {
        let error = error_in(value).unwrap_or(value);
        let field = |name: &str| match error.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let message = match error {
            Value::String(text) => text.clone(),
            _ => ["message", "detail", "msg"].map(field).into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
        };
        let status = field("code").parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.filter(|status| status.is_client_error() || status.is_server_error());
        Self {
            status,
            message,
            words: format!("{} {}", field("code"), field("type")).to_lowercase(),
            is_web_page: false,
        }
    }

    /// What it means to the run.
    pub(crate) fn meaning(&self) -> Meaning {
        let message = self.message.to_lowercase();
        let says = |text: &str| self.words.contains(text) || message.contains(text);
        let status = self.status.map_or(0, |status| status.as_u16());
        let is_about_request = matches!(status, 0 | 400 | 413 | 422 | 500);
        match status {
            _ if is_about_request && TOO_LONG.into_iter().any(says) => Meaning::ContextTooLong,
            _ if is_about_request && says("reduce the length of the messages") => Meaning::ContextTooLong,
            _ if says("insufficient_quota") => Meaning::OutOfQuota,
            _ if says("model_not_found") => Meaning::UnknownModel,
            429 => Meaning::Busy,
            401 | 403 => Meaning::Unauthorized,
            413 => Meaning::ContextTooLong,
            404 => Meaning::UnknownModel,
            400 | 422 | 500 if says("stream_options") || says("include_usage") => Meaning::NoStreamOptions,
            400 | 422 if says("max_completion_tokens") => Meaning::NoMaxTokens,
            400 if message.contains("model") && (says("does not exist") || says("not found")) => Meaning::UnknownModel,
            _ if says("content_filter") || says("content management policy") => Meaning::Filtered,
            402 => Meaning::OutOfQuota,
            408 | 500.. => Meaning::Broken,
            0 if ["rate_limit", "too_many_requests"].into_iter().any(says) => Meaning::Busy,
            0 if ["invalid_api_key", "authentication_error"].into_iter().any(says) => Meaning::Unauthorized,
            0 if ["server_error", "internal_error", "overloaded", "unavailable"].into_iter().any(says) => {
                Meaning::Broken
            }
            _ => Meaning::Other,
        }
    }
}

/// The part of `value` that is an error: what stands under `error`, or the whole, also as the first element of an array.
fn error_in(value: &Value) -> Option<&Value> {
    match value {
        Value::Array(values) => values.first().and_then(error_in),
        Value::Object(fields) => match fields.get("error") {
            Some(Value::Null) | None => (fields.get("object")? == "error").then_some(value),
            // The message of an Anthropic-like error stands deeper than that of others.
            Some(error) => Some(error.get("error").filter(|inner| inner.is_object()).unwrap_or(error)),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(status: u16, body: &str) -> Meaning {
        Refusal::of_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes()).meaning()
    }

    #[test]
    fn the_message_is_found_wherever_it_stands() {
        for body in [
            r#"{"error":{"message":"no","type":"t","code":400}}"#,
            r#"{"error":"no"}"#,
            r#"{"object":"error","message":"no","code":400}"#,
            r#"{"detail":"no"}"#,
            r#"[{"error":{"message":"no"}}]"#,
            r#"{"type":"error","error":{"type":"t","message":"no"}}"#,
            "  no\n",
        ] {
            assert_eq!(Refusal::of_answer(StatusCode::BAD_REQUEST, body.as_bytes()).message, "no", "{body}");
        }
        assert!(Refusal::of_answer(StatusCode::NOT_FOUND, b"\n<html>").is_web_page);
    }

    #[test]
    fn a_context_that_is_too_long_is_recognised_in_the_words_of_each_server() {
        for (status, body) in [
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
            ),
            (
                400,
                r#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","param":null,"code":400}"#,
            ),
            (
                400,
                r#"{"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 tokens","code":400}}"#,
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"request (1407 tokens) exceeds the available context size (256 tokens), try increasing it","type":"exceed_context_size_error","n_ctx":256}}"#,
            ),
            (
                500,
                r#"{"error":{"code":500,"message":"the request exceeds the available context size. try increasing the context size or enable context shift","type":"server_error"}}"#,
            ),
            (
                400,
                r#"{"error":"Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens"}"#,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 208310 tokens > 200000 maximum"}}"#,
            ),
            (
                400,
                r#"{"error":{"message":"Please reduce the length of the messages or completion.","type":"invalid_request_error"}}"#,
            ),
            (
                400,
                r#"[{"error":{"code":400,"message":"The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)."}}]"#,
            ),
            (413, r#"{"error":{"message":"Request too large for model","code":"rate_limit_exceeded"}}"#),
        ] {
            assert_eq!(meaning(status, body), Meaning::ContextTooLong, "{body}");
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        for (status, body, expected) in [
            (401, r#"{"error":{"code":"invalid_api_key"}}"#, Meaning::Unauthorized),
            (403, "<html>", Meaning::Unauthorized),
            (403, r#"{"error":{"code":"model_not_found"}}"#, Meaning::UnknownModel),
            (404, r#"{"error":"model 'x' not found"}"#, Meaning::UnknownModel),
            (400, r#"{"error":{"message":"The model `x` does not exist."}}"#, Meaning::UnknownModel),
            (429, r#"{"error":{"code":"rate_limit_exceeded"}}"#, Meaning::Busy),
            (429, r#"{"error":{"type":"insufficient_quota"}}"#, Meaning::OutOfQuota),
            (402, "", Meaning::OutOfQuota),
            (
                400,
                r#"{"error":{"message":"Unrecognized request argument supplied: stream_options"}}"#,
                Meaning::NoStreamOptions,
            ),
            (
                422,
                r#"{"detail":[{"type":"extra_forbidden","loc":["body","stream_options","include_usage"]}]}"#,
                Meaning::NoStreamOptions,
            ),
            (
                400,
                r#"{"error":{"message":"Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}}"#,
                Meaning::NoMaxTokens,
            ),
            (400, r#"{"error":{"code":"content_filter","message":"…content management policy…"}}"#, Meaning::Filtered),
            (503, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#, Meaning::Broken),
            (529, "", Meaning::Broken),
            (400, "what?", Meaning::Other),
            (418, "", Meaning::Other),
        ] {
            assert_eq!(meaning(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn an_error_inside_a_stream_has_the_status_it_names() {
        let meaning = |json: &str| Refusal::of_json(json).meaning();
        assert_eq!(meaning(r#"{"error":{"code":502,"message":"Provider returned error"}}"#), Meaning::Broken);
        assert_eq!(meaning(r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#), Meaning::Broken);
        assert_eq!(meaning(r#"{"error":{"code":"429"}}"#), Meaning::Busy);
        assert_eq!(meaning(r#"{"error":{"code":7,"message":"odd"}}"#), Meaning::Other);
    }
}

//! Words for the person whose run failed: what happened and what to do next. What a server said is quoted short, without
//! control characters and without the API key.

use std::time::Duration;

use retinue_model::run::Failure;

use crate::answer::Fault;
use crate::endpoint::Endpoint;
use crate::refusal::{Meaning, Refusal};
use crate::request::Limits;

/// The most that is quoted of what a server said, in characters.
const MAX_QUOTE: usize = 300;

/// Whom a failure is about: the server and the model that were asked.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// Empty when no certain model was asked.
    pub(crate) model: &'a str,
}

impl Asked<'_> {
    /// The server refused. `wait` is how long it asks to be left alone.
    pub(crate) fn refused(self, refusal: &Refusal, wait: Option<Duration>) -> Failure {
        let place = self.endpoint.place();
        let status = refusal.status.map(|status| format!(" ({})", status.as_u16())).unwrap_or_default();
        let model = self.model;
        if refusal.is_web_page && refusal.status.is_some_and(|status| matches!(status.as_u16(), 400 | 404..=407 | 410))
        {
            return self.web_page();
        }
        let (code, words) = match refusal.meaning() {
            Meaning::ContextTooLong => (
                "model_context_too_long",
                format!(
                    "The conversation is too long for the model {model}{status}. Start a new conversation, shorten the message, or choose a model with a larger context."
                ),
            ),
            Meaning::Busy => {
                let when = wait.map_or("in a moment".to_owned(), |wait| format!("in {}", spelled(wait)));
                (
                    "model_rate_limited",
                    format!("The model server at {place} gets too many requests{status}. Try again {when}."),
                )
            }
            Meaning::OutOfQuota => (
                "model_rate_limited",
                format!(
                    "The account at the model server {place} has no credit left{status}. Add credit or raise its limit there; trying again does not help."
                ),
            ),
            Meaning::Unauthorized if self.endpoint.has_key() => (
                "model_unauthorized",
                format!(
                    "The model server at {place} refused the API key{status}. Check the key that is configured for this model, and what it is allowed to use."
                ),
            ),
            Meaning::Unauthorized => (
                "model_unauthorized",
                format!(
                    "The model server at {place} wants an API key, and none is configured{status}. Set OPENAI_API_KEY, or api_key_env of this model."
                ),
            ),
            Meaning::UnknownModel if model.is_empty() => (
                "model_protocol",
                format!(
                    "The model server at {place} lists no models{status}. Check the base URL: it usually ends in /v1."
                ),
            ),
            Meaning::UnknownModel => (
                "model_unknown",
                format!(
                    "The model server at {place} does not know the model {model}{status}. Check the model's name, and the base URL: it usually ends in /v1."
                ),
            ),
            Meaning::Filtered => return self.filtered(refusal),
            Meaning::Broken => (
                "model_error",
                format!(
                    "The model server at {place} has a problem{status}. Try again in a moment; if it stays, look at that server."
                ),
            ),
            Meaning::NoStreamOptions | Meaning::NoMaxTokens | Meaning::Other => (
                "model_error",
                format!("The model server at {place} refused the request{status}. Check the model's configuration."),
            ),
        };
        Failure::new(code, words + &self.quote(&refusal.message))
    }

    /// The answer could not be read on.
    pub(crate) fn faulty(self, fault: &Fault, limits: Limits) -> Failure {
        let place = self.endpoint.place();
        match fault {
            Fault::WebPage => self.web_page(),
            Fault::Refused(refusal) => self.refused(refusal, None),
            Fault::Filtered => self.filtered(&Refusal::default()),
            Fault::Overlong => protocol(format!(
                "The model server at {place} sent a line of over 1 MiB, which is no answer of a model. Check the base URL; it usually ends in /v1."
            )),
            Fault::NotJson => protocol(format!(
                "The model server at {place} sent something that is not OpenAI's chat format. Check the base URL; it usually ends in /v1."
            )),
            Fault::CutOff => self.cut_off(),
            Fault::OutOfTokens => out_of_tokens(),
            Fault::TooMuchText => too_much_text(limits),
        }
    }

    /// The connection ended before the answer.
    pub(crate) fn cut_off(self) -> Failure {
        protocol(format!(
            "The answer was cut off: the model server at {} ended the connection before it was whole. Try again.",
            self.endpoint.place()
        ))
    }

    /// What came was not readable as HTTP.
    pub(crate) fn not_http(self) -> Failure {
        protocol(format!(
            "{} did not answer in proper HTTP. Check the base URL: host, port, and http or https.",
            self.endpoint.place()
        ))
    }

    /// The answer is compressed, which was not asked for.
    pub(crate) fn compressed(self) -> Failure {
        protocol(format!(
            "The model server at {} sent a compressed answer, which was not asked for. Switch compression off there, or in the proxy before it.",
            self.endpoint.place()
        ))
    }

    /// The answer sends us elsewhere.
    pub(crate) fn redirected(self, target: Option<&str>) -> Failure {
        let target = target.and_then(|target| self.endpoint.url("").join(target).ok());
        let target = target.map_or("another address".to_owned(), |mut url| {
            url.set_query(None);
            let _ = url.set_username("");
            let _ = url.set_password(None);
            self.clean(url.as_str())
        });
        protocol(format!(
            "The model server at {} redirects to {target}, which is not followed, so that the API key goes nowhere else. Set the base URL to where the API really is.",
            self.endpoint.place()
        ))
    }

    /// No connection; `why` is the rest of a sentence about it.
    pub(crate) fn unreachable(self, why: &str) -> Failure {
        Failure::new(
            "model_unreachable",
            format!("The model server at {} can't be reached: {why}", self.endpoint.place()),
        )
    }

    /// Nothing came for too long.
    pub(crate) fn silent(self, waited: Duration, has_begun: bool) -> Failure {
        let place = self.endpoint.place();
        let waited = spelled(waited);
        Failure::new(
            "model_timeout",
            if has_begun {
                format!(
                    "The model server at {place} stopped answering: nothing came for {waited}. Try again; if it stays, look at that server."
                )
            } else {
                format!(
                    "The model server at {place} did not begin to answer within {waited}. It may be overloaded or still loading the model: try again in a moment."
                )
            },
        )
    }

    fn web_page(self) -> Failure {
        protocol(format!(
            "{} answered with a web page, not with a model's answer. Check the base URL; it usually ends in /v1.",
            self.endpoint.place()
        ))
    }

    fn filtered(self, refusal: &Refusal) -> Failure {
        let quote = self.quote(&refusal.message);
        Failure::new(
            "model_refused",
            format!(
                "A content filter of the model server at {} stopped the answer. Put the question differently.{quote}",
                self.endpoint.place()
            ),
        )
    }

    /// ` It said: “…”`, or nothing.
    fn quote(self, message: &str) -> String {
        let text = self.clean(message);
        if text.is_empty() { text } else { format!(" It said: “{text}”") }
    }

    fn clean(self, text: &str) -> String {
        let visible: String = text.chars().map(|c| if is_unseen(c) { ' ' } else { c }).collect();
        let mut text = self.endpoint.redact(visible.split_whitespace().collect::<Vec<_>>().join(" "));
        if let Some((end, _)) = text.char_indices().nth(MAX_QUOTE) {
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// The answer has as many tokens as it may have.
pub(crate) fn out_of_tokens() -> Failure {
    Failure::new(
        "output_too_long",
        "The answer reached the model's output limit and stops here. Ask it to go on, or raise the limit of the model or the agent.",
    )
}

/// The text grew too long.
pub(crate) fn too_much_text(limits: Limits) -> Failure {
    Failure::new(
        "output_too_long",
        format!(
            "The answer grew longer than {} KiB and was stopped. Ask for a shorter one, or for one part at a time.",
            limits.max_output_bytes / 1024
        ),
    )
}

/// The run took too long.
pub(crate) fn run_too_long(limits: Limits) -> Failure {
    Failure::new(
        "run_too_long",
        format!(
            "The answer took longer than {} and was stopped. Ask for less at a time, or try again.",
            spelled(limits.max_duration)
        ),
    )
}

fn protocol(words: String) -> Failure {
    Failure::new("model_protocol", words)
}

/// Control characters, and those that turn the direction of the text around them.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A time span in words, rounded up.
fn spelled(span: Duration) -> String {
    let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3600), "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::StatusCode;
    use secrecy::SecretString;

    fn endpoint() -> Endpoint {
        Endpoint::new("http://127.0.0.1:8000/v1", Some(SecretString::from("sk-secret"))).unwrap()
    }

    fn refused(status: u16, message: &str) -> Failure {
        let body = serde_json::json!({"error": {"message": message}}).to_string();
        let refusal = Refusal::of_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        Asked { endpoint: &endpoint(), model: "m" }.refused(&refusal, None)
    }

    #[test]
    fn a_quote_is_short_visible_and_without_the_key() {
        let failure = refused(400, &format!("bad\u{1b}[31m \u{202e}key\n sk-secret {}", "x".repeat(1000)));
        assert_eq!(failure.code, "model_error");
        assert!(failure.message.contains("“bad [31m key [API key] xxx"), "{}", failure.message);
        assert!(failure.message.chars().count() < 450);
        assert!(failure.message.ends_with("…”"));
    }

    #[test]
    fn a_page_is_told_from_a_missing_model() {
        let endpoint = endpoint();
        let asked = Asked { endpoint: &endpoint, model: "m" };
        let page = |status| Refusal::of_answer(StatusCode::from_u16(status).unwrap(), b"<html>nginx</html>");
        assert_eq!(asked.refused(&page(404), None).code, "model_protocol");
        assert_eq!(asked.refused(&page(401), None).code, "model_unauthorized");
        assert_eq!(asked.refused(&page(502), None).code, "model_error");
        assert_eq!(refused(404, "no such model").code, "model_unknown");
    }

    #[test]
    fn a_redirect_names_its_target_without_secrets() {
        let endpoint = endpoint();
        let asked = Asked { endpoint: &endpoint, model: "m" };
        let message = asked.redirected(Some("https://me:hunter2@h/login?next=1")).message;
        assert!(message.contains("redirects to https://h/login,"), "{message}");
        assert!(asked.redirected(Some("/login")).message.contains("http://127.0.0.1:8000/login"));
        assert!(asked.redirected(None).message.contains("another address"));
    }

    #[test]
    fn spans_are_spelled() {
        let spelled = |millis| spelled(Duration::from_millis(millis));
        assert_eq!(spelled(1000), "1 second");
        assert_eq!(spelled(1001), "2 seconds");
        assert_eq!(spelled(121_000), "3 minutes");
        assert_eq!(spelled(86_400_000), "24 hours");
        assert_eq!(super::spelled(Duration::MAX), "5124095576030432 hours");
    }

    proptest! {
        #[test]
        fn the_key_is_never_quoted(before: String, after: String, status in 400u16..600) {
            let message = refused(status, &format!("{before}sk-secret{after}")).message;
            prop_assert!(!message.contains("sk-secret"), "{}", message);
        }
    }
}

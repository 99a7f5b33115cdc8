//! What is logged of those who were not let in. Anybody can be refused as often as they like: so that nobody fills the log,
//! or hides others in it, each reason has only some lines in a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use retinue_model::Error;

use crate::Visit;

/// How many lines one reason has in a span.
const LINES: u32 = 10;
const SPAN: SignedDuration = SignedDuration::from_mins(1);

/// How often each reason was logged of late. There are as many as there are codes of errors.
#[derive(Debug, Default)]
pub(crate) struct Refused(Mutex<HashMap<&'static str, Span>>);

#[derive(Debug)]
struct Span {
    began: Timestamp,
    lines: u32,
    left_out: u64,
}

impl Refused {
    /// Whether there is a line for this one; if so, how many before it had none.
    fn admit(&self, code: &'static str, now: Timestamp) -> Option<u64> {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let span = spans.entry(code).or_insert(Span { began: now, lines: 0, left_out: 0 });
        // Also if the clock was set back.
        if now.duration_since(span.began).abs() >= SPAN {
            (span.began, span.lines) = (now, 0);
        }
        if span.lines == LINES {
            span.left_out += 1;
            return None;
        }
        span.lines += 1;
        Some(std::mem::take(&mut span.left_out))
    }
}

impl Visit {
    /// Logs what was refused, and why; `account` is as much of the address that was tried as a log may have. Over the bound
    /// it is for those only who look for everything.
    pub fn note_refused(&self, what: &'static str, error: &Error, account: Option<&str>) {
        let (code, cause, address) = (error.code(), error.cause_chain(), self.caller().address.as_str());
        let request_id = self.request_id();
        if let Some(left_out) = self.refused.admit(code, self.now()) {
            tracing::info!(code, cause, account, address, request_id, left_out, "{what}");
        } else {
            tracing::debug!(code, cause, account, address, request_id, "{what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_some_lines_in_a_minute_and_says_how_many_had_none() {
        let refused = Refused::default();
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        for _ in 0..LINES {
            assert_eq!(refused.admit("wrong_credentials", at(0)), Some(0));
        }
        for second in 0..30_i64 {
            assert_eq!(refused.admit("wrong_credentials", at(second)), None);
        }
        assert_eq!(refused.admit("sign_in_unknown", at(30)), Some(0), "another reason is not hidden");
        assert_eq!(refused.admit("wrong_credentials", at(60)), Some(30));
        assert_eq!(refused.admit("wrong_credentials", at(60)), Some(0));
        assert_eq!(refused.admit("sign_in_unknown", at(-3_600)), Some(0), "the clock was set back");
    }
}

//! The one error type. What the client may read stands apart from the cause, which only the log sees.

use std::fmt;
use std::time::Duration;

/// A result of Retinue's own.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What kind of refusal or fault this is; the door decides what that looks like on its wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong and will stay wrong.
    Invalid,
    /// Nobody is known to ask, or the credential that was shown does not count.
    Unauthenticated,
    /// It does not exist, or not for whoever asks.
    NotFound,
    /// It may be known that it exists, but this is not allowed.
    Forbidden,
    /// It clashes with what is the case now.
    Conflict,
    /// It is over a bound.
    TooLarge,
    /// It was tried too often; later it may be tried again.
    TooMany,
    /// There is no room left to keep it.
    StorageFull,
    /// It would work at another time.
    Unavailable,
    /// Our fault.
    Internal,
}

/// Why something was not done.
#[derive(thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Error {
    kind: Kind,
    code: &'static str,
    detail: String,
    retry_after: Option<Duration>,
    #[source]
    cause: Option<Cause>,
}

impl Error {
    /// An error of `kind`; `code` is stable and for programs, `detail` is for people and says what to do next.
    pub fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, code, detail: detail.into(), retry_after: None, cause: None }
    }

    /// The request is wrong.
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, code, detail)
    }

    /// There is no such thing for whoever asks.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Kind::NotFound, "not_found", format!("There is no such {what}. It may have been deleted."))
    }

    /// The request clashes with the present state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, code, detail)
    }

    /// A fault of ours, with its cause for the log.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::new(Kind::Internal, "internal_error", "Something went wrong on the server. Try again; if it stays, give the request id to whoever runs this server.").because(cause)
    }

    /// It would work at another time.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, code, detail)
    }

    /// It was tried too often, and may be tried again `after` this time.
    pub fn too_many(code: &'static str, detail: impl Into<String>, after: Duration) -> Self {
        Self { retry_after: Some(after), ..Self::new(Kind::TooMany, code, detail) }
    }

    /// Adds what only the log may see.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What kind of refusal this is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people; never contains an internal cause.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// When it may be tried again, if that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The private cause with all its own causes, for the log.
    #[must_use]
    pub fn cause_chain(&self) -> Option<String> {
        let mut text = self.cause.as_ref()?.to_string();
        let mut next = self.cause.as_ref()?.source();
        while let Some(error) = next {
            // Many drivers repeat their cause in their own text.
            let more = error.to_string();
            if !text.contains(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            next = error.source();
        }
        Some(text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match self.cause_chain() {
            Some(cause) => write!(f, " (cause: {cause})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_text_does_not_show_the_cause() {
        let error = Error::internal(std::io::Error::other("password=hunter2"));
        assert!(!error.to_string().contains("hunter2"));
        assert!(!error.detail().contains("hunter2"));
        assert_eq!(error.cause_chain().unwrap(), "password=hunter2");
    }

    #[test]
    fn what_was_tried_too_often_says_when_to_try_again() {
        let error = Error::too_many("too_many_attempts", "Wait.", Duration::from_secs(8)).because("eight failures");
        assert_eq!((error.kind(), error.retry_after()), (Kind::TooMany, Some(Duration::from_secs(8))));
        assert_eq!(Error::unavailable("too_busy", "Wait.").retry_after(), None);
    }
}

//! Asking providers about sessions: not too many questions at once, and none for a while to a provider that did not answer,
//! so that nobody waits for what others have waited for in vain.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use retinue_model::{Error, Result};
use retinue_oidc::Reason;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Questions that are under way at once; more wait.
const MOST_AT_ONCE: usize = 32;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a provider that did not answer is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// The questions of this process.
#[derive(Debug)]
pub(crate) struct Inquiries {
    places: Semaphore,
    patience: Duration,
    /// Since when a provider, by name, does not answer.
    silent: Mutex<HashMap<String, Timestamp>>,
}

impl Default for Inquiries {
    fn default() -> Self {
        Self { places: Semaphore::new(MOST_AT_ONCE), patience: PATIENCE, silent: Mutex::default() }
    }
}

impl Inquiries {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, to be held until the provider has answered.
    ///
    /// # Errors
    /// `oidc_provider_unreachable` if it did not answer others a moment ago, `refresh_busy` if there is no place for too long.
    pub(crate) async fn begin(&self, provider: &str, now: Timestamp) -> Result<SemaphorePermit<'_>> {
        let busy = || Error::unavailable("refresh_busy", "Too many sessions are being checked at the moment.");
        let place = timeout(self.patience, self.places.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())?;
        let since = self.lock().get(provider).copied();
        // A clock that was set back must not keep anybody from asking for ever.
        if since.is_some_and(|since| now.duration_since(since).unsigned_abs() < LEFT_ALONE) {
            return Err(Error::from(Reason::Unreachable).because("it did not answer a moment ago"));
        }
        Ok(place)
    }

    /// Remembers whether a provider answered at all.
    pub(crate) fn note<T>(&self, provider: &str, now: Timestamp, answer: &Result<T>) {
        let silence = [Reason::Unreachable, Reason::AnswerTooSlow].map(Reason::code);
        if answer.as_ref().is_err_and(|error| silence.contains(&error.code())) {
            self.lock().insert(provider.to_owned(), now);
        } else {
            self.lock().remove(provider);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    async fn code(inquiries: &Inquiries, provider: &str, now: i64) -> &'static str {
        inquiries.begin(provider, second(now)).await.err().map_or("", |error| error.code())
    }

    #[tokio::test]
    async fn a_provider_that_did_not_answer_is_left_alone_for_a_while() {
        let inquiries = Inquiries::default();
        for reason in [Reason::Unreachable, Reason::AnswerTooSlow] {
            inquiries.note::<()>("sso", second(100), &Err(reason.into()));
            for (now, refused) in [(100, true), (129, true), (130, false), (71, true), (70, false)] {
                assert_eq!(!code(&inquiries, "sso", now).await.is_empty(), refused, "{now}");
            }
            assert_eq!(code(&inquiries, "other", 100).await, "");
        }
        inquiries.note::<()>("sso", second(100), &Err(Reason::RefreshRevoked.into()));
        assert_eq!(code(&inquiries, "sso", 100).await, "", "it says no, but says something");
    }

    #[tokio::test]
    async fn who_finds_no_place_is_not_asked_about() {
        let inquiries =
            Inquiries { places: Semaphore::new(1), patience: Duration::from_millis(1), ..Inquiries::default() };
        let held = inquiries.begin("sso", second(0)).await.unwrap();
        assert_eq!(code(&inquiries, "sso", 0).await, "refresh_busy");
        drop(held);
        assert_eq!(code(&inquiries, "sso", 0).await, "");
    }
}

//! Something that a provider publishes, kept and renewed: one request at a time, and never more often than is decent.

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use retinue_model::{Error, Result};
use tokio::sync::Mutex;

use crate::reason::copy;

/// After a failure nobody asks again for a second, then two, four… up to this.
const LONGEST_BACK_OFF: u64 = 60;
/// What was looked for in vain is not looked for anew within this time, whoever asks.
const COOL_DOWN: Duration = Duration::from_secs(10);
/// How long what is known is used while it can't be renewed.
const USABLE: Duration = Duration::from_hours(24);

/// A request for a thing, made only if it is needed; boxed, so that whoever might need it stays small.
pub(crate) type Fetch<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A thing, as it was last published.
pub(crate) struct Known<T> {
    fresh: Duration,
    state: RwLock<State<T>>,
    flight: Mutex<()>,
}

struct State<T> {
    kept: Option<Kept<T>>,
    tried_at: Option<Timestamp>,
    /// When something that was missing was looked for.
    looked_at: Option<Timestamp>,
    attempts: u64,
    failures: u32,
    trouble: Option<Error>,
}

struct Kept<T> {
    value: Arc<T>,
    at: Timestamp,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), at: self.at }
    }
}

impl<T> Known<T> {
    /// Nothing is known yet; what is older than `fresh` is renewed by whoever needs it.
    pub(crate) fn new(fresh: Duration) -> Self {
        let state = State { kept: None, tried_at: None, looked_at: None, attempts: 0, failures: 0, trouble: None };
        Self { fresh, state: RwLock::new(state), flight: Mutex::new(()) }
    }

    /// What is known. It is fetched if it is not known, or too old; while it can't be, what is older is used for a day.
    pub(crate) async fn get<'a>(&self, now: Timestamp, fetch: impl FnOnce() -> Fetch<'a, T>) -> Result<Arc<T>> {
        let attempts = self.attempts();
        if let Some(kept) = self.usable(now) {
            if age(kept.at, now) < self.fresh || self.refusal(now).is_some() {
                return Ok(kept.value);
            }
            // Whoever comes second goes on with what is known.
            let Ok(_flight) = self.flight.try_lock() else { return Ok(kept.value) };
            return match self.usable(now) {
                Some(newer) if !Arc::ptr_eq(&newer.value, &kept.value) => Ok(newer.value),
                _ => Ok(self.fetch(now, fetch()).await.unwrap_or(kept.value)),
            };
        }
        let _flight = self.flight.lock().await;
        if let Some(kept) = self.usable(now) {
            return Ok(kept.value);
        }
        match self.failed_since(attempts).or_else(|| self.refusal(now)) {
            Some(error) => Err(error),
            None => self.fetch(now, fetch()).await,
        }
    }

    /// Something newer than `seen`, which lacked what was looked for; None if there is nothing newer.
    ///
    /// # Errors
    /// It can't be told at the moment, because it can't be fetched.
    pub(crate) async fn newer<'a>(
        &self,
        seen: &Arc<T>,
        now: Timestamp,
        fetch: impl FnOnce() -> Fetch<'a, T>,
    ) -> Result<Option<Arc<T>>> {
        let attempts = self.attempts();
        let _flight = self.flight.lock().await;
        if let Some(kept) = self.kept().filter(|kept| !Arc::ptr_eq(&kept.value, seen)) {
            return Ok(Some(kept.value));
        }
        if let Some(error) = self.failed_since(attempts).or_else(|| self.refusal(now)) {
            return Err(error);
        }
        // Only what was looked for in vain counts: whatever was fetched by its age may lack what was published since.
        if self.read(|state| state.looked_at).is_some_and(|at| age(at, now) < COOL_DOWN) {
            return match self.read(|state| state.trouble.as_ref().map(copy)) {
                Some(error) => Err(error),
                None => Ok(None),
            };
        }
        self.write(|state| state.looked_at = Some(now));
        self.fetch(now, fetch()).await.map(Some)
    }

    /// Why the attempt failed that was under way while somebody waited: they don't wait for another one.
    fn failed_since(&self, attempts: u64) -> Option<Error> {
        self.read(|state| state.trouble.as_ref().filter(|_| state.attempts != attempts).map(copy))
    }

    fn attempts(&self) -> u64 {
        self.read(|state| state.attempts)
    }

    /// Why nobody should ask just now: the last attempt failed a short while ago.
    fn refusal(&self, now: Timestamp) -> Option<Error> {
        self.read(|state| {
            let wait = 1_u64.checked_shl(state.failures.saturating_sub(1)).unwrap_or(u64::MAX).min(LONGEST_BACK_OFF);
            let is_early = age(state.tried_at?, now) < Duration::from_secs(wait);
            state.trouble.as_ref().filter(|_| is_early).map(copy)
        })
    }

    /// To be called by whoever holds the flight.
    async fn fetch(&self, now: Timestamp, fetch: Fetch<'_, T>) -> Result<Arc<T>> {
        let fetched = fetch.await;
        self.write(|state| {
            state.tried_at = Some(now);
            state.attempts += 1;
            match fetched {
                Ok(value) => {
                    let value = Arc::new(value);
                    state.kept = Some(Kept { value: Arc::clone(&value), at: now });
                    (state.failures, state.trouble) = (0, None);
                    Ok(value)
                }
                Err(error) => {
                    state.failures = state.failures.saturating_add(1);
                    tracing::warn!(
                        code = error.code(),
                        cause = error.cause_chain(),
                        "an identity provider did not answer as it should"
                    );
                    state.trouble = Some(copy(&error));
                    Err(error)
                }
            }
        })
    }

    fn usable(&self, now: Timestamp) -> Option<Kept<T>> {
        self.kept().filter(|kept| age(kept.at, now) < USABLE)
    }

    fn kept(&self) -> Option<Kept<T>> {
        self.read(|state| state.kept.clone())
    }

    fn read<R>(&self, read: impl FnOnce(&State<T>) -> R) -> R {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<R>(&self, write: impl FnOnce(&mut State<T>) -> R) -> R {
        write(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The time between both, whichever is later: a clock that was set back must not keep anything for ever.
fn age(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).unsigned_abs()
}

//! Asking providers about sessions: of each not too many questions at once, and none for a while to one that did not answer,
//! so that nobody waits for what others have waited for in vain. Then one asks for all, and the others are refused until it
//! has an answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use retinue_model::{Error, Result};
use retinue_oidc::{Reason, Refreshed};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::share::Shares;

/// Questions to one provider that are under way at once; more wait.
const MOST_AT_ONCE: usize = 32;
/// To one provider, how many wait.
const WAITING: usize = 1_000;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a provider that did not answer is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// The questions of this process.
#[derive(Debug)]
pub(crate) struct Inquiries {
    /// Those of each provider, by name.
    places: Shares<String>,
    patience: Duration,
    /// The providers, by name, that do not answer.
    silent: Mutex<HashMap<String, Silence>>,
}

/// A provider does not answer.
#[derive(Clone, Copy, Debug)]
struct Silence {
    since: Timestamp,
    /// Whether somebody is finding out if it does again.
    probed: bool,
}

impl Default for Inquiries {
    fn default() -> Self {
        Self { places: Shares::new(MOST_AT_ONCE, WAITING), patience: PATIENCE, silent: Mutex::default() }
    }
}

/// A question that may be asked. To be held until its answer was noted.
#[must_use]
#[derive(Debug)]
pub(crate) struct Inquiry<'a> {
    inquiries: &'a Inquiries,
    provider: &'a str,
    is_probe: bool,
    _place: Option<OwnedSemaphorePermit>,
}

fn busy() -> Error {
    Error::unavailable("refresh_busy", "Too many sessions are being checked at the moment.")
}

impl Inquiries {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Silence>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, to be held until the provider has answered.
    ///
    /// # Errors
    /// `oidc_provider_unreachable` if it did not answer others a moment ago, `refresh_busy` if there is no place for too long.
    pub(crate) async fn begin<'a>(&'a self, provider: &'a str, now: Timestamp) -> Result<Inquiry<'a>> {
        if self.admit(provider, now)? {
            // Alone, it needs no place: those who asked before may still have them all.
            return Ok(Inquiry { inquiries: self, provider, is_probe: true, _place: None });
        }
        let place = timeout(self.patience, self.places.take(provider.to_owned())).await.ok().flatten();
        let place = place.ok_or_else(busy)?;
        // It may have become silent meanwhile.
        let is_probe = self.admit(provider, now)?;
        Ok(Inquiry { inquiries: self, provider, is_probe, _place: Some(place) })
    }

    /// Whether a question that may be asked now is the one for all.
    fn admit(&self, provider: &str, now: Timestamp) -> Result<bool> {
        let mut silent = self.lock();
        let Some(silence) = silent.get_mut(provider) else { return Ok(false) };
        // A clock that was set back must not keep anybody from asking for ever.
        let is_left_alone = now.duration_since(silence.since).unsigned_abs() < LEFT_ALONE;
        if is_left_alone || silence.probed {
            return Err(Error::from(Reason::Unreachable).because("it did not answer a moment ago"));
        }
        silence.probed = true;
        Ok(true)
    }
}

impl Inquiry<'_> {
    /// Notes whether the provider answered at all, to this question and to those that follow from it.
    pub(crate) fn note(self, now: Timestamp, answer: &Result<Refreshed>) {
        let error = answer.as_ref().map_or_else(Some, |refreshed| refreshed.person.as_ref().err());
        if error.is_some_and(is_silence) {
            self.inquiries.lock().insert(self.provider.to_owned(), Silence { since: now, probed: false });
        } else {
            self.inquiries.lock().remove(self.provider);
        }
    }
}

/// Whoever asks after a silence and goes without an answer leaves it to the next one.
impl Drop for Inquiry<'_> {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(silence) = self.inquiries.lock().get_mut(self.provider)
        {
            silence.probed = false;
        }
    }
}

fn is_silence(error: &Error) -> bool {
    [Reason::Unreachable, Reason::AnswerTooSlow].map(Reason::code).contains(&error.code())
}

#[cfg(test)]
mod tests;

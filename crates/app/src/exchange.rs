//! Taking codes to providers: that of each sign-in once, and not too many at once.
//!
//! What a browser kept of a sign-in could be shown again and again, and each time a provider would be asked. It takes a code
//! once only, so what is forgotten here, as at a restart, opens nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use retinue_model::{Error, Result};
use retinue_oidc::Reason;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Codes that are taken to providers at once; more wait.
const MOST_AT_ONCE: usize = 64;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// States that are remembered; the oldest are forgotten.
const MOST_REMEMBERED: usize = 10_000;

/// The exchanges of this process.
#[derive(Debug)]
pub(crate) struct Exchanges {
    places: Semaphore,
    patience: Duration,
    spent: Mutex<Spent>,
}

/// States whose sign-ins were ended, well or not.
#[derive(Debug, Default)]
struct Spent {
    states: HashSet<Arc<str>>,
    /// The oldest in front.
    order: VecDeque<Arc<str>>,
}

impl Default for Exchanges {
    fn default() -> Self {
        Self { places: Semaphore::new(MOST_AT_ONCE), patience: PATIENCE, spent: Mutex::default() }
    }
}

impl Exchanges {
    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, to be held until the code of the sign-in with this state was taken to the provider.
    ///
    /// # Errors
    /// `oidc_code_refused` if that sign-in had one already, `sign_in_busy` if there is none for too long.
    pub(crate) async fn begin(&self, state: &str) -> Result<SemaphorePermit<'_>> {
        if !self.lock().spend(state) {
            return Err(Error::from(Reason::CodeRefused).because("its state was shown before"));
        }
        if let Ok(Ok(place)) = timeout(self.patience, self.places.acquire()).await {
            return Ok(place);
        }
        self.lock().give_back(state);
        Err(Error::unavailable("sign_in_busy", "Too many people sign in at the moment. Try again in a few seconds."))
    }
}

impl Spent {
    /// Whether it was not spent yet.
    fn spend(&mut self, state: &str) -> bool {
        let state: Arc<str> = state.into();
        if !self.states.insert(Arc::clone(&state)) {
            return false;
        }
        self.order.push_back(state);
        if self.order.len() > MOST_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.states.remove(&oldest);
        }
        true
    }

    fn give_back(&mut self, state: &str) {
        self.states.remove(state);
        self.order.retain(|kept| **kept != *state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn code(exchanges: &Exchanges, state: &str) -> &'static str {
        exchanges.begin(state).await.err().map_or("", |error| error.code())
    }

    #[tokio::test]
    async fn each_state_counts_once() {
        let exchanges = Exchanges::default();
        assert_eq!(code(&exchanges, "a").await, "");
        assert_eq!(code(&exchanges, "a").await, "oidc_code_refused");
        assert_eq!(code(&exchanges, "b").await, "");
        for number in 0..MOST_REMEMBERED {
            assert_eq!(code(&exchanges, &number.to_string()).await, "");
        }
        assert_eq!(exchanges.lock().states.len(), MOST_REMEMBERED);
        assert_eq!(exchanges.lock().order.len(), MOST_REMEMBERED);
        assert_eq!(code(&exchanges, "a").await, "", "it is forgotten");
    }

    #[tokio::test]
    async fn who_finds_no_place_is_refused_and_may_come_again() {
        let places = Semaphore::new(1);
        let exchanges = Exchanges { places, patience: Duration::from_millis(1), spent: Mutex::default() };
        let first = exchanges.begin("a").await.unwrap();
        assert_eq!(code(&exchanges, "b").await, "sign_in_busy");
        assert_eq!(code(&exchanges, "a").await, "oidc_code_refused", "that needs no place");
        drop(first);
        assert_eq!(code(&exchanges, "b").await, "");
    }
}

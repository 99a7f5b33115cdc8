//! Taking codes to providers: that of each sign-in once, and not too many at once, in all and from one network.
//!
//! What a browser kept of a sign-in could be shown again and again, and each time a provider would be asked. It takes a code
//! once only, so what is forgotten here, as at a restart, opens nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use retinue_model::{Error, Result};
use retinue_oidc::Reason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::share::Shares;
use crate::throttle::Key;

/// Codes that are taken to providers at once; more wait.
const MOST_AT_ONCE: usize = 64;
/// Of these, from one network: whoever brings codes that nobody gave out keeps no others from coming in. An office is one.
const MOST_OF_A_NETWORK: usize = 16;
/// From one network, those who wait: as many as come in within that time if each takes three seconds.
const WAITING_OF_A_NETWORK: usize = 64;
/// How long they wait: a provider may take a few seconds for each.
const PATIENCE: Duration = Duration::from_secs(15);
/// States that are remembered; the oldest are forgotten.
const MOST_REMEMBERED: usize = 10_000;

/// The exchanges of this process.
#[derive(Debug)]
pub(crate) struct Exchanges {
    places: Semaphore,
    of_networks: Shares<Key>,
    patience: Duration,
    spent: Mutex<Spent>,
}

/// The right to take a code to a provider, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_network: Option<OwnedSemaphorePermit>,
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
        Self {
            places: Semaphore::new(MOST_AT_ONCE),
            of_networks: Shares::new(MOST_OF_A_NETWORK, WAITING_OF_A_NETWORK),
            patience: PATIENCE,
            spent: Mutex::default(),
        }
    }
}

impl Exchanges {
    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, to be held until the code of the sign-in with this state was taken to the provider; `network` is where the
    /// browser is, if that can be told.
    ///
    /// # Errors
    /// `oidc_code_refused` if that sign-in had one already, `sign_in_busy` if there is none for too long: then it may come
    /// again.
    pub(crate) async fn begin(&self, state: &str, network: Option<Key>) -> Result<Place<'_>> {
        if !self.lock().spend(state) {
            return Err(Error::from(Reason::CodeRefused).because("its state was shown before"));
        }
        if let Ok(Some(place)) = timeout(self.patience, self.place(network)).await {
            return Ok(place);
        }
        self.lock().give_back(state);
        Err(Error::unavailable("sign_in_busy", "Too many people sign in at the moment. Try again in a few seconds."))
    }

    /// Whoever waits for a place of their network takes up none of the others.
    async fn place(&self, network: Option<Key>) -> Option<Place<'_>> {
        let of_network = match network {
            Some(network) => Some(self.of_networks.take(network).await?),
            None => None,
        };
        let of_all = self.places.acquire().await.ok()?;
        Some(Place { _of_all: of_all, _of_network: of_network })
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
    use futures_util::future::join_all;

    use super::*;

    async fn code(exchanges: &Exchanges, state: &str) -> &'static str {
        exchanges.begin(state, None).await.err().map_or("", |error| error.code())
    }

    fn impatient(places: usize) -> Exchanges {
        Exchanges { places: Semaphore::new(places), patience: Duration::from_millis(1), ..Exchanges::default() }
    }

    fn network(address: &str) -> Key {
        Key::network(address.parse().unwrap())
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
        let exchanges = impatient(1);
        let first = exchanges.begin("a", None).await.unwrap();
        assert_eq!(code(&exchanges, "b").await, "sign_in_busy");
        assert_eq!(code(&exchanges, "a").await, "oidc_code_refused", "that needs no place");
        drop(first);
        assert_eq!(code(&exchanges, "b").await, "");
    }

    #[tokio::test]
    async fn one_network_leaves_places_to_others() {
        let exchanges = impatient(MOST_AT_ONCE);
        let mut held = Vec::new();
        for number in 0..MOST_OF_A_NETWORK {
            let network = network(&format!("2001:db8::{number:x}"));
            held.push(exchanges.begin(&number.to_string(), Some(network)).await.unwrap());
        }
        let refused = exchanges.begin("one more", Some(network("2001:db8::ffff"))).await.unwrap_err();
        assert_eq!(refused.code(), "sign_in_busy");
        let other = exchanges.begin("elsewhere", Some(network("2001:db8:0:1::1"))).await.unwrap();
        held.pop();
        drop(exchanges.begin("one more", Some(network("2001:db8::ffff"))).await.unwrap());
        drop((held, other));
    }

    /// Behind one address, at a provider that takes three seconds for each.
    #[tokio::test(start_paused = true)]
    async fn an_office_signs_in_at_a_slow_provider() {
        let (exchanges, office) = (Exchanges::default(), network("192.0.2.1"));
        let sign_ins = (0..80).map(async |number: u32| {
            let place = exchanges.begin(&number.to_string(), Some(office)).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            place.is_ok()
        });
        assert!(join_all(sign_ins).await.into_iter().all(|came_in| came_in));
    }
}

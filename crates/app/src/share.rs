//! Places for what goes on at once, so many for each: what one network, or one provider, takes up is not others'.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of each of whom somebody is here.
#[derive(Debug)]
pub(crate) struct Shares<K> {
    most: usize,
    waiting: usize,
    places: Mutex<HashMap<K, Arc<Semaphore>>>,
}

impl<K: Eq + Hash> Shares<K> {
    /// So many places for each, and so many more who may wait for one.
    pub(crate) fn new(most: usize, waiting: usize) -> Self {
        Self { most, waiting, places: Mutex::default() }
    }

    /// A place, once there is one; first come, first served. None if too many wait already.
    pub(crate) async fn take(&self, whose: K) -> Option<OwnedSemaphorePermit> {
        self.of(whose)?.acquire_owned().await.ok()
    }

    fn of(&self, whose: K) -> Option<Arc<Semaphore>> {
        let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // Besides this map, whoever has a place or waits for one holds on to them.
        all.retain(|_, places| Arc::strong_count(places) > 1);
        let places = all.entry(whose).or_insert_with(|| Arc::new(Semaphore::new(self.most)));
        (Arc::strong_count(places) <= self.most + self.waiting).then(|| Arc::clone(places))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn each_has_places_of_its_own_and_a_bound_on_those_who_wait() {
        let shares = Shares::new(2, 1);
        let held = [shares.take("one").await.unwrap(), shares.take("one").await.unwrap()];
        let mut waits = Box::pin(shares.take("one"));
        assert!(poll!(&mut waits).is_pending());
        assert!(matches!(poll!(Box::pin(shares.take("one"))), Poll::Ready(None)), "no more may wait");
        let other = shares.take("other").await.unwrap();
        drop(held);
        assert!(waits.await.is_some());
        assert!(shares.take("one").await.is_some());
        drop(other);
        drop(shares.take("third").await);
        assert_eq!(shares.places.lock().unwrap().len(), 1, "those who are gone are forgotten");
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_leaves_room() {
        let shares = Shares::new(1, 1);
        let held = shares.take("one").await.unwrap();
        let mut waits = Box::pin(shares.take("one"));
        assert!(poll!(&mut waits).is_pending());
        drop(waits);
        let mut waits = Box::pin(shares.take("one"));
        assert!(poll!(&mut waits).is_pending());
        drop(held);
        assert!(waits.await.is_some());
    }
}

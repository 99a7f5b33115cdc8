//! Who got in from where lately. Of such an account a password that is mistyped counts for the account alone: an office
//! behind one address is not locked by those who work there. Kept in memory, as hashes of both together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};

use super::{Key, Of};

/// How long somebody is familiar.
const LASTS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Who got in from where, and when last. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Familiar {
    capacity: usize,
    seen: Arc<Mutex<HashMap<[u8; 16], Timestamp>>>,
}

impl Familiar {
    /// Nobody is, and no more than these will be.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), seen: Arc::default() }
    }

    /// Notes that somebody got in.
    pub(super) fn note(&self, keys: &[Key], now: Timestamp) {
        let Some(pair) = pair(keys) else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= self.capacity && !seen.contains_key(&pair) {
            make_room(&mut seen, self.capacity, now);
        }
        seen.insert(pair, now);
    }

    /// Whether somebody got in with this account from there lately.
    pub(super) fn knows(&self, keys: &[Key], now: Timestamp) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        pair(keys).and_then(|pair| seen.get(&pair)).is_some_and(|at| is_lately(*at, now))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn is_lately(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at) < LASTS
}

/// Forgets those of long ago, and if that is not enough the oldest tenth.
fn make_room(seen: &mut HashMap<[u8; 16], Timestamp>, capacity: usize, now: Timestamp) {
    seen.retain(|_, at| is_lately(*at, now));
    if seen.len() < capacity {
        return;
    }
    let excess = capacity.div_ceil(10).min(seen.len());
    let mut oldest: Vec<_> = seen.iter().map(|(pair, at)| (*at, *pair)).collect();
    oldest.select_nth_unstable(excess - 1);
    for (_, pair) in &oldest[..excess] {
        seen.remove(pair);
    }
}

/// One account and one network, together.
fn pair(keys: &[Key]) -> Option<[u8; 16]> {
    let hash = |of| keys.iter().find(|key| key.of == of).map(|key| key.hash);
    let both = [hash(Of::Account)?, hash(Of::Network)?].concat();
    digest(&SHA256, &both).as_ref()[..16].try_into().ok()
}

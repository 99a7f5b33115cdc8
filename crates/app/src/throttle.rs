//! Slowing down whoever guesses: after some free failures each further one doubles the time until the next attempt.
//!
//! An attempt is counted when it begins, as if it had failed, and taken back when it succeeds: of a hundred guesses that
//! come at once only the free ones are looked at. What is refused is not counted, or somebody could be kept out for ever.
//! All is kept in memory, and of keys only hashes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use retinue_model::{Email, Error, Result};

#[cfg(test)]
mod tests;

/// What failures are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    of: Of,
    hash: [u8; 16],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Of {
    Account,
    Network,
}

impl Key {
    /// An account, whether there is one or not, from wherever it is tried.
    #[must_use]
    pub fn account(address: &Email) -> Self {
        Self::new(Of::Account, address.key().as_bytes())
    }

    /// Where a request comes from, whichever account it tries. Of IPv6 it is the /64: whoever has one address has all of
    /// them.
    #[must_use]
    pub fn network(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::new(Of::Network, &address.octets()),
            IpAddr::V6(address) => Self::new(Of::Network, &address.octets()[..8]),
        }
    }

    fn new(of: Of, bytes: &[u8]) -> Self {
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest(&SHA256, bytes).as_ref()[..16]);
        Self { of, hash }
    }
}

/// How much is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Failures of one account before there is a delay.
    pub free_per_account: u32,
    /// Failures of one network address before there is a delay. Many people may share one.
    pub free_per_network: u32,
    /// The longest delay; the first is a second.
    pub longest: Duration,
    /// How long it takes until one failure is forgotten; no shorter than the longest delay.
    pub forgotten_after: Duration,
    /// How many keys are kept at most.
    pub capacity: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let longest = Duration::from_mins(15);
        Self { free_per_account: 5, free_per_network: 30, longest, forgotten_after: longest, capacity: 50_000 }
    }
}

impl Settings {
    fn free(&self, key: Key) -> u32 {
        match key.of {
            Of::Account => self.free_per_account,
            Of::Network => self.free_per_network,
        }
    }

    /// How long after the last of so many failures nothing may be tried.
    fn delay(&self, key: Key, failures: u32) -> Duration {
        let doubled = failures.checked_sub(self.free(key)).map(|more| 1_u64.checked_shl(more).unwrap_or(u64::MAX));
        doubled.map_or(Duration::ZERO, |seconds| Duration::from_secs(seconds).min(self.longest))
    }

    /// More failures than these change nothing, and would only take longer to be forgotten.
    fn most(&self, key: Key) -> u32 {
        self.free(key).saturating_add(self.longest.as_secs().max(1).ilog2() + 1)
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    last: Timestamp,
}

impl Entry {
    /// How many failures are not forgotten yet.
    fn failures(&self, settings: &Settings, now: Timestamp) -> u32 {
        let micros = settings.forgotten_after.as_micros().max(1);
        let forgotten = elapsed(self.last, now).as_micros() / micros;
        self.failures.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }

    /// How long nothing may be tried.
    fn wait(&self, settings: &Settings, key: Key, now: Timestamp) -> Duration {
        let delay = settings.delay(key, self.failures(settings, now));
        delay.saturating_sub(elapsed(self.last, now))
    }
}

/// Zero if the clock was set back.
fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// Who failed how often. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Throttle {
    settings: Settings,
    entries: Arc<Mutex<HashMap<Key, Entry>>>,
}

impl Throttle {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, entries: Arc::default() }
    }

    /// Begins an attempt, which counts as a failure of each of the keys until it says something else.
    ///
    /// # Errors
    /// `too_many_attempts`, with the time to wait, if one of them has failed too often. Then nothing is counted.
    pub fn begin(&self, now: Timestamp, keys: &[Key]) -> Result<Attempt> {
        let mut entries = self.lock();
        let wait = |key: &Key| entries.get(key).map(|entry| entry.wait(&self.settings, *key, now));
        let longest = keys.iter().filter_map(wait).max().unwrap_or_default();
        if !longest.is_zero() {
            return Err(too_many(longest));
        }
        let mut before = Vec::with_capacity(keys.len());
        for key in keys {
            self.make_room(&mut entries, *key, now);
            let entry = entries.entry(*key).or_insert(Entry { failures: 0, last: now });
            before.push((*key, entry.last));
            let failures = entry.failures(&self.settings, now).saturating_add(1).min(self.settings.most(*key));
            *entry = Entry { failures, last: now };
        }
        Ok(Attempt { throttle: self.clone(), began: now, before })
    }

    /// Forgets, before a new key is added to a full map, what is forgotten anyway; and if that is not enough, those that
    /// keep nobody waiting, the oldest first, and then those whose wait ends first. A tenth at once, so that a flood of
    /// keys pays for looking through all of them once in a while and not each time.
    fn make_room(&self, entries: &mut HashMap<Key, Entry>, key: Key, now: Timestamp) {
        let capacity = self.settings.capacity.max(1);
        if entries.len() < capacity || entries.contains_key(&key) {
            return;
        }
        entries.retain(|_, entry| entry.failures(&self.settings, now) > 0);
        let excess = (entries.len() + capacity.div_ceil(10)).saturating_sub(capacity).min(entries.len());
        let rank = |(key, entry): (&Key, &Entry)| {
            let wait = entry.wait(&self.settings, *key, now);
            ((wait, entry.last), *key)
        };
        let mut ranked: Vec<_> = entries.iter().map(rank).collect();
        if excess > 0 {
            ranked.select_nth_unstable_by_key(excess - 1, |(rank, _)| *rank);
        }
        for (_, key) in &ranked[..excess] {
            entries.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many(wait: Duration) -> Error {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let time = match seconds {
        1 => "a second".to_owned(),
        2..120 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    };
    Error::too_many("too_many_attempts", format!("There were too many attempts. Try again in {time}."), wait)
}

/// An attempt that was counted. Dropped, it has failed: nobody gets a free guess by hanging up.
#[must_use]
#[derive(Debug)]
pub struct Attempt {
    throttle: Throttle,
    began: Timestamp,
    before: Vec<(Key, Timestamp)>,
}

impl Attempt {
    /// It was the right one. The account's failures are forgotten. A network address's are not, or whoever has an account
    /// could clear the way for guessing at others'.
    pub fn succeeded(self) {
        let mut entries = self.throttle.lock();
        for (key, last) in &self.before {
            match key.of {
                Of::Account => drop(entries.remove(key)),
                Of::Network => self.take_back(&mut entries, *key, *last),
            }
        }
    }

    /// It was neither right nor wrong: something else failed, and the attempt does not count.
    pub fn withdraw(self) {
        let mut entries = self.throttle.lock();
        for (key, last) in &self.before {
            self.take_back(&mut entries, *key, *last);
        }
    }

    fn take_back(&self, entries: &mut HashMap<Key, Entry>, key: Key, last: Timestamp) {
        let Some(entry) = entries.get_mut(&key) else { return };
        entry.failures = entry.failures.saturating_sub(1);
        if entry.last == self.began {
            entry.last = last;
        }
        if entry.failures == 0 {
            entries.remove(&key);
        }
    }
}

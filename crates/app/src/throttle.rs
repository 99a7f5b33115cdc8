//! Slowing down whoever guesses: after some free failures each further one doubles the time until the next attempt.
//!
//! Attempts that are under way count too: of an account as if they had failed, so that of a hundred guesses that come at
//! once only the free ones are looked at; of a network, behind which a whole office may sign in at the same minute, as one
//! in all, up to a bound. What is refused is not counted, or somebody could be kept out for ever. All is kept in memory,
//! and of keys only hashes.
//!
//! What a stranger's attempt is counted by must not depend on whether there is such an account, or the count would tell.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use retinue_model::{Email, Error, Result, UserId};

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
    Device,
    Devices,
    Network,
}

impl Key {
    /// An account, whether there is one or not, from wherever strangers try it.
    #[must_use]
    pub fn account(address: &Email) -> Self {
        Self::new(Of::Account, address.key().as_bytes())
    }

    /// An account, tried in one browser in which its owner has signed in; and in all of them together, for whoever had a
    /// password for a while may have signed in with it in very many.
    pub(crate) fn devices(id: &str, address: &Email) -> [Self; 2] {
        let key = address.key();
        [Self::new(Of::Device, format!("{id} {key}").as_bytes()), Self::new(Of::Devices, key.as_bytes())]
    }

    /// Somebody who is signed in, and shows that it is still them.
    #[must_use]
    pub fn user(user: UserId) -> Self {
        Self::new(Of::Account, user.uuid().as_bytes())
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

/// How much is borne of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Failures before there is a delay.
    pub free: u32,
    /// Attempts under way that count as one failure in all; each one above counts by itself.
    pub at_once: u32,
    /// The longest delay; the first is a second.
    pub longest: Duration,
    /// How long it takes until one failure is forgotten; no shorter than the longest delay.
    pub forgotten_after: Duration,
}

/// How much is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of one account, by all strangers together.
    pub account: Limit,
    /// Of one account, in one browser in which its owner has signed in.
    pub device: Limit,
    /// Of one account, in all such browsers together.
    pub devices: Limit,
    /// Of one network address. Many people may share one.
    pub network: Limit,
    /// How many keys are kept at most.
    pub capacity: usize,
}

impl Settings {
    const OF_ONE: Limit =
        Limit { free: 5, at_once: 1, longest: Duration::from_mins(15), forgotten_after: Duration::from_mins(15) };

    /// For guesses at passwords, codes and links.
    pub const GUESSES: Self = Self {
        account: Self::OF_ONE,
        device: Self::OF_ONE,
        devices: Limit { free: 20, at_once: 20, ..Self::OF_ONE },
        network: Limit {
            free: 30,
            at_once: 100,
            longest: Duration::from_mins(5),
            forgotten_after: Duration::from_mins(5),
        },
        capacity: 50_000,
    };

    /// For mails that people ask for, each of which counts as a failure.
    pub const MAILS: Self = Self {
        account: Limit { free: 4, ..Self::OF_ONE },
        device: Limit { free: 4, ..Self::OF_ONE },
        devices: Limit { free: 16, ..Self::OF_ONE },
        network: Limit {
            free: 100,
            at_once: 1,
            longest: Duration::from_mins(1),
            forgotten_after: Duration::from_mins(1),
        },
        ..Self::GUESSES
    };

    fn limit(&self, key: Key) -> &Limit {
        match key.of {
            Of::Account => &self.account,
            Of::Device => &self.device,
            Of::Devices => &self.devices,
            Of::Network => &self.network,
        }
    }
}

impl Limit {
    /// How long after the last of so many failures nothing may be tried.
    fn delay(&self, failures: u32) -> Duration {
        let doubled = failures.checked_sub(self.free).map(|more| 1_u64.checked_shl(more).unwrap_or(u64::MAX));
        doubled.map_or(Duration::ZERO, |seconds| Duration::from_secs(seconds).min(self.longest))
    }

    /// More failures than these are not remembered: those of a flood take their time to be forgotten, but not for ever.
    fn most(&self) -> u32 {
        let longest_from = self.free.saturating_add(self.longest.as_secs().max(1).ilog2() + 1);
        longest_from.max(self.free.saturating_mul(10))
    }

    /// For how many failures attempts under way count.
    fn counted(&self, under_way: u32) -> u32 {
        under_way.min(1).saturating_add(under_way.saturating_sub(self.at_once.max(1)))
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    failed: Timestamp,
    under_way: u32,
    began: Timestamp,
}

impl Entry {
    fn new(now: Timestamp) -> Self {
        Self { failures: 0, failed: now, under_way: 0, began: now }
    }

    /// How many failures are not forgotten yet.
    fn failures(&self, limit: &Limit, now: Timestamp) -> u32 {
        let micros = limit.forgotten_after.as_micros().max(1);
        let forgotten = elapsed(self.failed, now).as_micros() / micros;
        self.failures.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }

    /// When the last of those that count began.
    fn last(&self) -> Timestamp {
        if self.under_way == 0 { self.failed } else { self.failed.max(self.began) }
    }

    /// How long nothing may be tried.
    fn wait(&self, limit: &Limit, now: Timestamp) -> Duration {
        let counted = self.failures(limit, now).saturating_add(limit.counted(self.under_way));
        limit.delay(counted).saturating_sub(elapsed(self.last(), now))
    }

    /// A clock that was set back makes nobody wait until it is again as late as it was.
    fn not_after(&mut self, now: Timestamp) {
        (self.failed, self.began) = (self.failed.min(now), self.began.min(now));
    }

    fn fail(&mut self, limit: &Limit, at: Timestamp) {
        let at = at.max(self.failed);
        *self = Self { failures: self.failures(limit, at).saturating_add(1).min(limit.most()), failed: at, ..*self };
    }

    fn is_forgotten(&self, limit: &Limit, now: Timestamp) -> bool {
        self.under_way == 0 && self.failures(limit, now) == 0
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

    /// Begins an attempt, which has failed for each of the keys unless it says something else.
    ///
    /// # Errors
    /// `too_many_attempts`, with the time to wait, if one of them has failed too often. Then nothing is counted.
    pub fn begin(&self, now: Timestamp, keys: &[Key]) -> Result<Attempt> {
        let mut entries = self.lock();
        let wait = |key: &Key| {
            let entry = entries.get_mut(key)?;
            entry.not_after(now);
            Some(entry.wait(self.settings.limit(*key), now))
        };
        let longest = keys.iter().filter_map(wait).max().unwrap_or_default();
        if !longest.is_zero() {
            return Err(too_many(longest));
        }
        for key in keys {
            let entry = self.entry(&mut entries, *key, now);
            *entry = Entry { under_way: entry.under_way.saturating_add(1), began: now, ..*entry };
        }
        Ok(Attempt { throttle: self.clone(), keys: keys.to_vec(), began: now, end: End::Failed })
    }

    fn end(&self, attempt: &Attempt) {
        let mut entries = self.lock();
        for key in &attempt.keys {
            let limit = self.settings.limit(*key);
            let entry = self.entry(&mut entries, *key, attempt.began);
            entry.under_way = entry.under_way.saturating_sub(1);
            match attempt.end {
                End::Failed => entry.fail(limit, attempt.began),
                End::Succeeded if matches!(key.of, Of::Account | Of::Device) => entry.failures = 0,
                End::Succeeded | End::Withdrawn => {}
            }
            if entry.is_forgotten(limit, attempt.began) {
                entries.remove(key);
            }
        }
    }

    fn entry<'a>(&self, entries: &'a mut HashMap<Key, Entry>, key: Key, now: Timestamp) -> &'a mut Entry {
        self.make_room(entries, key, now);
        entries.entry(key).or_insert_with(|| Entry::new(now))
    }

    /// Forgets, before a new key is added to a full map, what is forgotten anyway; and if that is not enough, those that
    /// keep nobody waiting, the oldest first, and then those whose wait ends first. A tenth at once, so that a flood of
    /// keys pays for looking through all of them once in a while and not each time.
    fn make_room(&self, entries: &mut HashMap<Key, Entry>, key: Key, now: Timestamp) {
        let capacity = self.settings.capacity.max(1);
        if entries.len() < capacity || entries.contains_key(&key) {
            return;
        }
        entries.retain(|key, entry| !entry.is_forgotten(self.settings.limit(*key), now));
        let excess = (entries.len() + capacity.div_ceil(10)).saturating_sub(capacity).min(entries.len());
        let rank = |(key, entry): (&Key, &Entry)| {
            let wait = entry.wait(self.settings.limit(*key), now);
            ((wait, entry.last()), *key)
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

#[derive(Clone, Copy, Debug)]
enum End {
    Failed,
    Succeeded,
    Withdrawn,
}

/// An attempt that is under way. Dropped, it has failed: nobody gets a free guess by hanging up.
#[must_use]
#[derive(Debug)]
pub struct Attempt {
    throttle: Throttle,
    keys: Vec<Key>,
    began: Timestamp,
    end: End,
}

impl Attempt {
    /// It was the right one. The account's failures are forgotten, or those of its browser. Those of all its browsers together
    /// are not, nor a network's, or whoever has an account could clear the way for guessing at others'.
    pub fn succeeded(mut self) {
        self.end = End::Succeeded;
    }

    /// It was neither right nor wrong: something else failed, and the attempt does not count.
    pub fn withdraw(mut self) {
        self.end = End::Withdrawn;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.throttle.end(self);
    }
}

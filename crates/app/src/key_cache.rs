//! API keys that were seen a moment ago, so that a request need not ask the database whose key it shows.
//!
//! They count under the same conditions as sessions do: see [`crate::session_cache`].

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use retinue_model::api_key::ApiKey;
use retinue_model::membership::Role;
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{Principal, TeamId, UserId};
use tokio_util::sync::CancellationToken;

/// Keys that are kept, at most, but for those that something holds on to.
const MAX: usize = 50_000;
/// For how long an entry counts.
const MAX_AGE: SignedDuration = SignedDuration::from_secs(60);
/// Users of whom something ended that are remembered, so that whoever read too early knows.
const RECENT: usize = 1_024;

/// What is kept of a key to find it by.
pub(crate) type KeyHash = [u8; 32];

/// A key with whose it is, as of a moment ago.
pub(crate) struct KnownKey {
    pub(crate) hash: KeyHash,
    pub(crate) key: ApiKey,
    pub(crate) user: User,
    pub(crate) principal: Principal,
    /// To which teams its owner belongs. To show, not to decide by.
    pub(crate) teams: Vec<(Team, Role)>,
    /// When it was last written down that it is used, in seconds since 1970.
    pub(crate) noted_at: AtomicI64,
    read_at: Timestamp,
    /// The same for each time that the key was read.
    ended: Arc<CancellationToken>,
}

impl fmt::Debug for KnownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownKey").field("id", &self.key.id).finish_non_exhaustive()
    }
}

impl KnownKey {
    /// What was read at this time.
    pub(crate) fn new(
        hash: KeyHash,
        (key, user): (ApiKey, User),
        (principal, teams): (Principal, Vec<(Team, Role)>),
        read_at: Timestamp,
    ) -> Self {
        let noted_at = AtomicI64::new(key.last_used_at.map_or(0, Timestamp::as_second));
        Self { hash, key, user, principal, teams, noted_at, read_at, ended: Arc::default() }
    }

    fn is_old(&self, now: Timestamp) -> bool {
        // A clock that was set back is not believed either.
        now.duration_since(self.read_at).abs() >= MAX_AGE
    }

    /// Whether its time is over.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.key.expires_at.is_some_and(|at| at <= now)
    }

    /// Resolves when it does not count any more.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    fn is_held(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || Arc::strong_count(&self.ended) > 1
    }
}

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    keys: HashMap<KeyHash, Arc<KnownKey>>,
    /// Counts of whom something ended: whoever read before may have read too early.
    epoch: u64,
    recent: VecDeque<UserId>,
}

impl KeyCache {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key that was read not long ago. Whether that counts depends on whether it is heard what ends.
    pub(crate) fn get(&self, hash: &KeyHash, now: Timestamp) -> Option<Arc<KnownKey>> {
        self.lock().keys.get(hash).filter(|known| !known.is_old(now)).cloned()
    }

    /// To be taken before a key is read, and given back with it.
    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Keeps what was read, unless something of its owner may have ended meanwhile: then it must be read again.
    pub(crate) fn put(&self, mut known: KnownKey, epoch: u64) -> Option<Arc<KnownKey>> {
        let mut inner = self.lock();
        let since = usize::try_from(inner.epoch - epoch).unwrap_or(usize::MAX);
        if since > inner.recent.len() || inner.recent.iter().rev().take(since).any(|user| *user == known.key.user_id) {
            return None;
        }
        if let Some(before) = inner.keys.get(&known.hash) {
            // Who holds on to the one before must hear of the end of this one.
            known.ended = Arc::clone(&before.ended);
            known.noted_at.fetch_max(before.noted_at.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        let known = Arc::new(known);
        inner.keys.insert(known.hash, Arc::clone(&known));
        inner.shrink();
        Some(known)
    }

    /// A key does not count any more.
    pub(crate) fn end(&self, hash: &KeyHash) {
        if let Some(known) = self.lock().keys.remove(hash) {
            known.ended.cancel();
        }
    }

    /// All that is known.
    pub(crate) fn all(&self) -> Vec<Arc<KnownKey>> {
        self.lock().keys.values().cloned().collect()
    }

    /// All that is known of a user, to be looked at again.
    pub(crate) fn of_user(&self, user: UserId) -> Vec<Arc<KnownKey>> {
        let mut inner = self.lock();
        inner.epoch += 1;
        inner.recent.push_back(user);
        if inner.recent.len() > RECENT {
            inner.recent.pop_front();
        }
        inner.keys.values().filter(|known| known.key.user_id == user).cloned().collect()
    }

    /// Those that act in a team.
    pub(crate) fn of_team(&self, team: TeamId) -> Vec<Arc<KnownKey>> {
        self.lock().keys.values().filter(|known| known.key.team_id == team).cloned().collect()
    }

    /// Those whose time is over, or that something holds on to and that were read long ago.
    pub(crate) fn to_look_at(&self, now: Timestamp) -> Vec<Arc<KnownKey>> {
        let inner = self.lock();
        let due = |known: &&Arc<KnownKey>| known.is_over(now) || known.is_old(now) && known.is_held();
        inner.keys.values().filter(due).cloned().collect()
    }
}

impl Inner {
    /// Drops what is old, and that nothing holds on to.
    fn shrink(&mut self) {
        if self.keys.len() > MAX {
            let mut times: Vec<_> = self.keys.values().map(|known| known.read_at).collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            self.keys.retain(|_, known| known.read_at > middle || known.is_held());
        }
    }
}

//! Sessions that were seen a moment ago, so that a request need not ask the database who makes it.
//!
//! An entry counts only while this process hears what ended elsewhere, and for a minute: see [`crate::session_watch`]. What
//! holds on to an entry, as a stream does, hears of its end by [`KnownSession::ended`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use retinue_model::membership::Role;
use retinue_model::session::Session;
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{Principal, SessionId, UserId};
use retinue_store::session::Found;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Sessions that are kept, at most, but for those that something holds on to.
const MAX: usize = 50_000;
/// For how long nothing heard means nothing ended.
const TRUST: Duration = Duration::from_millis(800);
/// For how long an entry counts: an end that was not heard, because it was written late, is seen within that.
const MAX_AGE: SignedDuration = SignedDuration::from_secs(60);
/// Ends that are remembered, so that whoever read too early knows whether it was theirs.
const RECENT: usize = 1_024;

/// A session with whose it is, as of a moment ago.
#[derive(Debug)]
pub(crate) struct KnownSession {
    pub(crate) session: Session,
    pub(crate) user: User,
    pub(crate) principal: Principal,
    /// To which teams they belong, and as what; the first ones. To show, not to decide by.
    pub(crate) teams: Vec<(Team, Role)>,
    /// When the provider is to be asked about it.
    pub(crate) refresh_at: Option<Timestamp>,
    /// When it was last used, and when that was last written down, in seconds since 1970.
    pub(crate) used_at: AtomicI64,
    pub(crate) noted_at: AtomicI64,
    /// When the row was read.
    read_at: Timestamp,
    /// The same for each time that the session was read.
    ended: Arc<CancellationToken>,
}

impl KnownSession {
    /// What was read at this time.
    pub(crate) fn new(found: Found, (principal, teams): (Principal, Vec<(Team, Role)>), read_at: Timestamp) -> Self {
        let Found { session, user, refresh_at, .. } = found;
        let seen = session.last_seen_at.as_second();
        let (used_at, noted_at, ended) = (AtomicI64::new(seen), AtomicI64::new(seen), Arc::default());
        Self { session, user, principal, teams, refresh_at, used_at, noted_at, read_at, ended }
    }

    /// Whether it is too long ago that it was read.
    pub(crate) fn is_old(&self, now: Timestamp) -> bool {
        // A clock that was set back is not believed either.
        let age = now.duration_since(self.read_at);
        age >= MAX_AGE || age <= -MAX_AGE
    }

    /// Resolves when it is over.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Whether anything but these `known` ones holds on to the session, be it as it was read before: a stream keeps what
    /// it began with.
    pub(crate) fn is_held(self: &Arc<Self>, known: usize) -> bool {
        Arc::strong_count(self) > known || Arc::strong_count(&self.ended) > 1
    }
}

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct SessionCache {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<SessionId, Arc<KnownSession>>,
    /// Counts what ended: whoever read a session before may have read too early.
    epoch: u64,
    /// The last ends, the newest at the back: what `epoch` counted last.
    recent: VecDeque<End>,
    /// What this process told others, and has looked at itself; since it was last asked for.
    looked: HashSet<Uuid>,
    /// When it was last heard what ended.
    heard_at: Option<Instant>,
}

/// What ended.
#[derive(Clone, Copy, Debug)]
enum End {
    Session(SessionId),
    /// Something of a user.
    Of(UserId),
}

impl End {
    fn concerns(self, session: &Session) -> bool {
        match self {
            Self::Session(id) => id == session.id,
            Self::Of(user) => user == session.user_id,
        }
    }
}

impl SessionCache {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session that is known for certain.
    pub(crate) fn get(&self, id: SessionId, now: Timestamp) -> Option<Arc<KnownSession>> {
        let inner = self.lock();
        inner.sessions.get(&id).filter(|known| inner.is_heard() && !known.is_old(now)).cloned()
    }

    /// Whether it was heard a moment ago what ended elsewhere.
    pub(crate) fn is_heard(&self) -> bool {
        self.lock().is_heard()
    }

    /// To be taken before a session is read, and given back with it.
    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Keeps what was read, unless it may have ended meanwhile: then it must be read again.
    pub(crate) fn put(&self, mut known: KnownSession, epoch: u64) -> Option<Arc<KnownSession>> {
        let mut inner = self.lock();
        if inner.ended_since(epoch, &known.session) {
            return None;
        }
        if let Some(before) = inner.sessions.get(&known.session.id) {
            // Who holds on to the one before must hear of the end of this one.
            known.ended = Arc::clone(&before.ended);
            known.used_at.fetch_max(before.used_at.load(Ordering::Relaxed), Ordering::Relaxed);
            known.noted_at.fetch_max(before.noted_at.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        let known = Arc::new(known);
        inner.sessions.insert(known.session.id, Arc::clone(&known));
        inner.shrink();
        Some(known)
    }

    /// A session is over from now on.
    pub(crate) fn end(&self, id: SessionId) {
        self.lock().note(End::Session(id));
        self.forget(id);
    }

    /// A session is over since some time: whoever reads it now knows. Whoever comes with many such holds up nobody else.
    pub(crate) fn forget(&self, id: SessionId) {
        if let Some(known) = self.lock().sessions.remove(&id) {
            known.ended.cancel();
        }
    }

    /// All that is known of a user, to be looked at again.
    pub(crate) fn of_user(&self, user: UserId) -> Vec<Arc<KnownSession>> {
        let mut inner = self.lock();
        inner.note(End::Of(user));
        inner.sessions.values().filter(|known| known.session.user_id == user).cloned().collect()
    }

    /// All that is known.
    pub(crate) fn all(&self) -> Vec<Arc<KnownSession>> {
        self.lock().sessions.values().cloned().collect()
    }

    /// What this process told others under this id was looked at.
    pub(crate) fn looked(&self, told: Uuid) {
        self.lock().looked.insert(told);
    }

    /// What was looked at since this was last asked.
    pub(crate) fn take_looked(&self) -> HashSet<Uuid> {
        std::mem::take(&mut self.lock().looked)
    }

    /// It was heard what ended until `asked_at`.
    pub(crate) fn heard(&self, asked_at: Instant) {
        self.lock().heard_at = Some(asked_at);
    }
}

impl Inner {
    fn is_heard(&self) -> bool {
        self.heard_at.is_some_and(|at| at.elapsed() < TRUST)
    }

    fn note(&mut self, end: End) {
        self.epoch += 1;
        self.recent.push_back(end);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// Whether the session may have ended since then.
    fn ended_since(&self, epoch: u64, session: &Session) -> bool {
        let since = usize::try_from(self.epoch - epoch).unwrap_or(usize::MAX);
        since > self.recent.len() || self.recent.iter().rev().take(since).any(|end| end.concerns(session))
    }

    /// Drops the half that was not used for the longest time, and that nothing holds on to.
    fn shrink(&mut self) {
        if self.sessions.len() <= MAX {
            return;
        }
        let used_at = |known: &Arc<KnownSession>| known.used_at.load(Ordering::Relaxed);
        let mut times: Vec<i64> = self.sessions.values().map(used_at).collect();
        times.sort_unstable();
        let middle = times[times.len() / 2];
        self.sessions.retain(|_, known| used_at(known) > middle || known.is_held(1));
    }
}

#[cfg(test)]
mod tests {
    use retinue_model::principal::DEFAULT_ORGANIZATION;
    use retinue_model::session::Method;
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn known(id: u128) -> KnownSession {
        let (user_id, now) = (UserId::new(Uuid::from_u128(id % 2)), NOW);
        let session = Session {
            id: SessionId::new(Uuid::from_u128(id)),
            organization_id: DEFAULT_ORGANIZATION,
            user_id,
            identity_id: None,
            method: Method::Oidc,
            user_agent: String::new(),
            address: String::new(),
            proved_at: None,
            created_at: now,
            last_seen_at: now,
            expires_at: now,
        };
        let user = User {
            id: user_id,
            organization_id: DEFAULT_ORGANIZATION,
            name: String::new(),
            email: None,
            email_verified: false,
            organization_admin: false,
            disabled_at: None,
            created_at: now,
        };
        let principal = Principal::of_session(&session, None, false);
        KnownSession::new(Found { session, user, refresh_at: None, identity: None }, (principal, Vec::new()), now)
    }

    fn id(id: u128) -> SessionId {
        SessionId::new(Uuid::from_u128(id))
    }

    #[tokio::test]
    async fn nothing_counts_that_is_not_heard_of() {
        let cache = SessionCache::default();
        cache.put(known(1), cache.epoch()).unwrap();
        assert!(cache.get(id(1), NOW).is_none(), "nobody has listened yet");
        cache.heard(Instant::now());
        assert!(cache.get(id(1), NOW).is_some());
        cache.heard(Instant::now().checked_sub(TRUST).unwrap());
        assert!(cache.get(id(1), NOW).is_none(), "nothing was heard for too long");
        cache.heard(Instant::now());
        assert!(cache.get(id(1), NOW).is_some());
    }

    #[tokio::test]
    async fn what_was_read_before_something_ended_is_not_kept() {
        let cache = SessionCache::default();
        let epoch = cache.epoch();
        cache.end(id(1));
        assert!(cache.put(known(1), epoch).is_none());
        let epoch = cache.epoch();
        cache.forget(id(2));
        assert!(cache.put(known(1), epoch).is_some(), "what was over long ago holds up nobody");
        let epoch = cache.epoch();
        assert_eq!(cache.of_user(UserId::new(Uuid::from_u128(1))).len(), 1);
        assert!(cache.put(known(3), epoch).is_none(), "of a user something ended");
        assert!(cache.put(known(4), epoch).is_some(), "of another user");
        for other in 0..=RECENT as u128 {
            cache.end(id(10_000 + other));
        }
        assert!(cache.put(known(6), epoch).is_none(), "more ended than is remembered");
    }

    #[tokio::test]
    async fn an_entry_counts_for_a_minute() {
        let cache = SessionCache::default();
        cache.put(known(1), cache.epoch()).unwrap();
        cache.heard(Instant::now());
        for (second, counts) in [(0, true), (59, true), (60, false), (-59, true), (-60, false)] {
            let now = Timestamp::from_second(second).unwrap();
            assert_eq!(cache.get(id(1), now).is_some(), counts, "{second}");
        }
    }

    #[tokio::test]
    async fn whoever_holds_on_hears_of_the_end_of_what_was_read_again() {
        let cache = SessionCache::default();
        let held = cache.put(known(1), cache.epoch()).unwrap();
        let again = cache.put(known(1), cache.epoch()).unwrap();
        assert!(!Arc::ptr_eq(&held, &again));
        cache.end(id(1));
        assert!(held.has_ended() && again.has_ended());
        held.ended().await;
    }

    #[tokio::test]
    async fn it_is_bounded_but_for_what_is_held() {
        let cache = SessionCache::default();
        let held = cache.put(known(0), cache.epoch()).unwrap();
        // Read again since then: what is held is not what is kept.
        drop(cache.put(known(0), cache.epoch()));
        for number in 1..=MAX as u128 {
            let fresh = known(number);
            fresh.used_at.store(i64::try_from(number).unwrap(), Ordering::Relaxed);
            drop(cache.put(fresh, cache.epoch()));
        }
        assert!(cache.all().len() <= MAX / 2 + 2, "{}", cache.all().len());
        cache.end(id(0));
        assert!(held.has_ended(), "it was dropped, and nobody could end it any more");
    }
}

//! Sessions that were seen a moment ago, so that a request need not ask the database who makes it.
//!
//! An entry counts only while this process hears what ended elsewhere: see [`crate::session::keep_watch`]. What holds on to
//! an entry, as a stream does, hears of its end by [`KnownSession::ended`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use retinue_model::session::Session;
use retinue_model::user::User;
use retinue_model::{Principal, SessionId, UserId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Sessions that are kept, at most, but for those that something holds on to.
const MAX: usize = 50_000;
/// For how long nothing heard means nothing ended.
const TRUST: Duration = Duration::from_millis(800);

/// A session with whose it is, as of a moment ago.
#[derive(Debug)]
pub(crate) struct KnownSession {
    pub(crate) session: Session,
    pub(crate) user: User,
    pub(crate) principal: Principal,
    /// When the provider is to be asked about it.
    pub(crate) refresh_at: Option<Timestamp>,
    /// When it was last used, and when that was last written down, in seconds since 1970.
    pub(crate) used_at: AtomicI64,
    pub(crate) noted_at: AtomicI64,
    ended: CancellationToken,
}

impl KnownSession {
    pub(crate) fn new(session: Session, user: User, principal: Principal, refresh_at: Option<Timestamp>) -> Self {
        let seen = session.last_seen_at.as_second();
        let (used_at, noted_at, ended) = (AtomicI64::new(seen), AtomicI64::new(seen), CancellationToken::new());
        Self { session, user, principal, refresh_at, used_at, noted_at, ended }
    }

    /// Resolves when it is over.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
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
    /// When it was last heard what ended.
    heard_at: Option<Instant>,
}

impl SessionCache {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session that is known for certain.
    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<KnownSession>> {
        let inner = self.lock();
        let is_current = inner.heard_at.is_some_and(|at| at.elapsed() < TRUST);
        inner.sessions.get(&id).filter(|_| is_current).cloned()
    }

    /// To be taken before a session is read, and given back with it.
    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Keeps what was read, unless something ended meanwhile: then it must be read again.
    pub(crate) fn put(&self, mut known: KnownSession, epoch: u64) -> Option<Arc<KnownSession>> {
        let mut inner = self.lock();
        if inner.epoch != epoch {
            return None;
        }
        if let Some(before) = inner.sessions.get(&known.session.id) {
            // Who holds on to the one before must hear of the end of this one.
            known.ended = before.ended.clone();
            known.used_at.fetch_max(before.used_at.load(Ordering::Relaxed), Ordering::Relaxed);
            known.noted_at.fetch_max(before.noted_at.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        let known = Arc::new(known);
        inner.sessions.insert(known.session.id, Arc::clone(&known));
        inner.shrink();
        Some(known)
    }

    /// A session is over.
    pub(crate) fn end(&self, id: SessionId) {
        let mut inner = self.lock();
        inner.epoch += 1;
        if let Some(known) = inner.sessions.remove(&id) {
            known.ended.cancel();
        }
    }

    /// All that is known of a user, to be looked at again.
    pub(crate) fn of_user(&self, user: UserId) -> Vec<Arc<KnownSession>> {
        let mut inner = self.lock();
        inner.epoch += 1;
        inner.sessions.values().filter(|known| known.session.user_id == user).cloned().collect()
    }

    /// All that is known.
    pub(crate) fn all(&self) -> Vec<Arc<KnownSession>> {
        self.lock().sessions.values().cloned().collect()
    }

    /// It was heard what ended until `asked_at`.
    pub(crate) fn heard(&self, asked_at: Instant) {
        self.lock().heard_at = Some(asked_at);
    }
}

impl Inner {
    /// Drops the half that was not used for the longest time, and that nothing holds on to.
    fn shrink(&mut self) {
        if self.sessions.len() <= MAX {
            return;
        }
        let used_at = |known: &Arc<KnownSession>| known.used_at.load(Ordering::Relaxed);
        let mut times: Vec<i64> = self.sessions.values().map(used_at).collect();
        times.sort_unstable();
        let middle = times[times.len() / 2];
        self.sessions.retain(|_, known| used_at(known) > middle || Arc::strong_count(known) > 1);
    }
}

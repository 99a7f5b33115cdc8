//! Runs under way in this process: their newest events, before and shortly after they are committed.
//!
//! A run's tail holds every event that may not be in the table yet, and a few more. Whoever follows a run takes from the
//! tail what it reaches and everything older from the table; so a slow reader costs nobody anything, and nobody ever
//! misses an event.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retinue_model::event::Event;
use retinue_model::run::Run;
use retinue_model::{ApiKeyId, RunId, ThreadId, UserId};
use retinue_store::Scope;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::App;

/// Committed events that stay at hand for readers who are almost up to date.
const KEEP: usize = 16;

/// One run under way.
#[derive(Debug)]
pub(crate) struct LiveRun {
    thread: ThreadId,
    scope: Scope,
    key: Option<ApiKeyId>,
    tail: Mutex<VecDeque<Event>>,
    progress: watch::Sender<Progress>,
    /// A person wants it to stop.
    pub(crate) cancel: CancellationToken,
}

/// What changes while a run is under way.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    latest: i64,
    ended: bool,
}

/// What the tail has for a reader.
#[derive(Debug)]
pub(crate) enum Tail {
    /// The next events.
    Events(Vec<Event>),
    /// The reader has all there are.
    UpToDate,
    /// The reader's next event is older than the tail, which begins with this number: it is in the table, if there is
    /// one.
    Behind(i64),
}

impl LiveRun {
    fn new(run: &Run, scope: Scope) -> Self {
        Self {
            thread: run.thread_id,
            scope,
            key: run.api_key_id,
            tail: Mutex::default(),
            progress: watch::Sender::default(),
            cancel: CancellationToken::new(),
        }
    }

    /// The key that it was begun with, if it was one.
    pub(crate) const fn key(&self) -> Option<ApiKeyId> {
        self.key
    }

    /// Shows an event to readers. `committed` is the number of the newest event that is in the table for certain.
    pub(crate) fn push(&self, event: Event, committed: i64) {
        let latest = event.seq;
        let mut tail = self.tail();
        tail.push_back(event);
        while tail.len() > KEEP && tail.front().is_some_and(|oldest| oldest.seq <= committed) {
            tail.pop_front();
        }
        drop(tail);
        self.progress.send_modify(|progress| progress.latest = latest);
    }

    /// No event will come after those that were pushed.
    pub(crate) fn end(&self) {
        self.progress.send_modify(|progress| progress.ended = true);
    }

    /// Events after number `after`.
    pub(crate) fn after(&self, after: i64) -> Tail {
        let tail = self.tail();
        match (tail.front(), tail.back()) {
            (Some(oldest), Some(newest)) if newest.seq > after => {
                if oldest.seq <= after + 1 {
                    Tail::Events(tail.iter().filter(|event| event.seq > after).cloned().collect())
                } else {
                    Tail::Behind(oldest.seq)
                }
            }
            _ => Tail::UpToDate,
        }
    }

    fn tail(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches a run; wakes when there is more or it has ended.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) run: Arc<LiveRun>,
    progress: watch::Receiver<Progress>,
}

impl Watcher {
    /// Waits until the run has ended.
    pub(crate) async fn ended(&mut self) {
        // The sender goes with the run, so that an error is an end, too.
        drop(self.progress.wait_for(|progress| progress.ended).await);
    }

    /// Waits until there is an event after number `after`. False if there will be none.
    pub(crate) async fn wait(&mut self, after: i64) -> bool {
        let progress = self.progress.wait_for(|progress| progress.latest > after || progress.ended).await;
        progress.is_ok_and(|progress| progress.latest > after)
    }
}

/// A run's place among those under way, which it leaves when this is dropped, by a panic too.
#[derive(Debug)]
pub(crate) struct Underway {
    app: App,
    id: RunId,
    pub(crate) live: Arc<LiveRun>,
}

impl Underway {
    /// None if someone is at work on this run already.
    pub(crate) fn enter(app: &App, run: &Run, scope: Scope) -> Option<Self> {
        let live = app.live.insert(run, scope)?;
        metrics::gauge!("retinue_runs_active").increment(1.0);
        Some(Self { app: app.clone(), id: run.id, live })
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.app.live.remove(self.id);
        self.live.end();
        metrics::gauge!("retinue_runs_active").decrement(1.0);
    }
}

/// All runs under way in this process.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    runs: Mutex<HashMap<RunId, Arc<LiveRun>>>,
}

impl Registry {
    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, Arc<LiveRun>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None if the run is there already.
    fn insert(&self, run: &Run, scope: Scope) -> Option<Arc<LiveRun>> {
        match self.runs().entry(run.id) {
            Entry::Occupied(_) => None,
            Entry::Vacant(place) => Some(Arc::clone(place.insert(Arc::new(LiveRun::new(run, scope))))),
        }
    }

    pub(crate) fn get(&self, scope: Scope, id: RunId) -> Option<Arc<LiveRun>> {
        self.runs().get(&id).filter(|run| run.scope.is_of_owner_of(&scope)).cloned()
    }

    fn remove(&self, id: RunId) {
        self.runs().remove(&id);
    }

    /// The runs that a thread has under way: one at most, or one more that is about to find that out.
    pub(crate) fn of_thread(&self, scope: Scope, thread: ThreadId) -> Vec<Arc<LiveRun>> {
        self.runs().values().filter(|run| run.scope.is_of_owner_of(&scope) && run.thread == thread).cloned().collect()
    }

    /// The threads of one owner with a run under way.
    pub(crate) fn threads(&self, scope: Scope) -> HashSet<ThreadId> {
        self.runs().values().filter(|run| run.scope.is_of_owner_of(&scope)).map(|run| run.thread).collect()
    }

    /// The runs of one user.
    pub(crate) fn of_user(&self, user: UserId) -> Vec<Arc<LiveRun>> {
        self.runs().values().filter(|run| run.scope.is_of(user)).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.runs().len()
    }

    pub(crate) fn watch(&self, scope: Scope, id: RunId) -> Option<Watcher> {
        self.get(scope, id).map(|run| Watcher { progress: run.progress.subscribe(), run })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use retinue_model::api_key::{ApiKey, KeyScopes};
    use retinue_model::event::{Data, Name};
    use retinue_model::principal::{DEFAULT_ORGANIZATION, LOCAL_USER, Principal};
    use retinue_model::run::Status;
    use retinue_model::session::{Method, Session};
    use retinue_model::team::DEFAULT_TEAM;
    use retinue_model::{AgentId, MessageId, SessionId};
    use uuid::Uuid;

    const MINE: Scope = Scope::of(Principal::local_user());

    /// Somebody else's.
    fn theirs() -> Scope {
        let session = Session {
            id: SessionId::new(Uuid::nil()),
            organization_id: DEFAULT_ORGANIZATION,
            user_id: UserId::new(Uuid::from_u128(7)),
            identity_id: None,
            method: Method::Oidc,
            user_agent: String::new(),
            address: String::new(),
            proved_at: None,
            created_at: Timestamp::UNIX_EPOCH,
            last_seen_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH,
        };
        Scope::of(&Principal::of_session(&session, None, true))
    }

    /// What somebody reaches with an API key of one of their teams.
    fn by_key(owner: UserId) -> Scope {
        let key = ApiKey {
            id: ApiKeyId::new(Uuid::nil()),
            organization_id: DEFAULT_ORGANIZATION,
            user_id: owner,
            team_id: DEFAULT_TEAM,
            name: String::new(),
            prefix: String::new(),
            scopes: KeyScopes::for_conversing(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        Scope::of(&Principal::of_key(&key, false))
    }

    fn run() -> Run {
        Run {
            id: RunId::new(Uuid::nil()),
            thread_id: ThreadId::new(Uuid::nil()),
            input_message_id: MessageId::new(Uuid::nil()),
            agent_id: AgentId::new(Uuid::nil()),
            agent_version: Some(1),
            api_key_id: None,
            model: String::new(),
            status: Status::Running,
            error: None,
            usage: None,
            created_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            finished_at: None,
        }
    }

    fn event(seq: i64) -> Event {
        let run = RunId::new(Uuid::nil());
        Event::new(run, seq, Name::MessageDelta, &Data::Delta { text: "x" }, Timestamp::UNIX_EPOCH).unwrap()
    }

    fn numbers(tail: Tail) -> Vec<i64> {
        match tail {
            Tail::Events(events) => events.iter().map(|event| event.seq).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_committed_never_leaves_the_tail() {
        let run = LiveRun::new(&run(), MINE);
        (1..=100).for_each(|seq| run.push(event(seq), 0));
        assert_eq!(numbers(run.after(0)), (1..=100).collect::<Vec<_>>());
        (101..=110).for_each(|seq| run.push(event(seq), 90));
        assert!(matches!(run.after(0), Tail::Behind(_)));
        assert_eq!(numbers(run.after(90)), (91..=110).collect::<Vec<_>>());
        assert!(matches!(run.after(110), Tail::UpToDate));
    }

    #[tokio::test]
    async fn a_watcher_hears_of_events_and_of_the_end() {
        let registry = Registry::default();
        let id = run().id;
        let run = registry.insert(&run(), MINE).unwrap();
        assert!(registry.insert(&super::tests::run(), MINE).is_none());
        let mut watcher = registry.watch(MINE, id).unwrap();
        run.push(event(1), 0);
        assert!(watcher.wait(0).await);
        run.end();
        assert!(watcher.wait(0).await);
        assert!(!watcher.wait(1).await);
    }

    #[test]
    fn a_run_is_there_for_its_owner_and_for_nobody_else() {
        let registry = Registry::default();
        let Run { id, thread_id: thread, .. } = run();
        registry.insert(&run(), MINE).unwrap();
        let found = |scope| {
            let (run, watcher) = (registry.get(scope, id).is_some(), registry.watch(scope, id).is_some());
            (run, watcher, registry.of_thread(scope, thread).len(), registry.threads(scope).len())
        };
        assert_eq!(found(MINE), (true, true, 1, 1));
        assert_eq!(found(by_key(LOCAL_USER)), (true, true, 1, 1), "theirs, whatever they came in with");
        assert_eq!(found(by_key(UserId::new(Uuid::from_u128(7)))), (false, false, 0, 0));
        assert_eq!(found(theirs()), (false, false, 0, 0));
    }
}

//! What an operation needs besides its arguments: the parts of the running program, the time, randomness, and who asks.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use retinue_agent::{Client, Limits};
use retinue_model::api_key::KeyScopes;
use retinue_model::id::{Id, Noun};
use retinue_model::membership::Role;
use retinue_model::offboarding::Policy;
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{Error, Principal, TeamId};
use retinue_store::{Batch, Scope, Store, Tenant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use crate::ambient::new_uuid;
pub use crate::ambient::{Clock, Rng};
use crate::auth::Auth;
use crate::budget::Defaults;
use crate::exchange::Exchanges;
use crate::flight::Flights;
use crate::inquiry::Inquiries;
use crate::key::{KeyRing, Keys};
use crate::key_cache::{KeyCache, KnownKey};
use crate::known::Known;
use crate::live::Registry;
use crate::provider::Catalog;
use crate::refused::Refused;
use crate::session_cache::{KnownSession, SessionCache};
use crate::visit::{Caller, Visit};

/// How long a write may take before the server is called unready.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// Bounds on the work, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many runs may be under way at once; more wait in the queue.
    pub max_concurrent_runs: usize,
    /// Bounds on each run.
    pub run: Limits,
    /// Budgets of those who have none of their own.
    pub budgets: Defaults,
    /// What becomes of what is somebody's who leaves.
    pub offboarding: Policy,
    /// How long the audit trail is kept; without end if none.
    pub audit_lasts: Option<SignedDuration>,
    /// How long a stop waits for runs under way before it interrupts them.
    pub shutdown_grace: Duration,
}

/// What the program is put together from.
pub struct Parts {
    /// The database, migrated.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The way to models.
    pub client: Client,
    /// Agents and models.
    pub catalog: Catalog,
    /// Bounds.
    pub settings: Settings,
    /// How people are let in.
    pub auth: Auth,
    /// The instance's keys.
    pub keys: KeyRing,
}

/// The running program. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What [`App`] shares.
pub struct Inner {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) client: Client,
    pub(crate) catalog: Catalog,
    pub(crate) settings: Settings,
    pub(crate) auth: Auth,
    keys: RwLock<Arc<Keys>>,
    pub(crate) sessions: SessionCache,
    pub(crate) api_keys: KeyCache,
    pub(crate) flights: Flights,
    pub(crate) exchanges: Exchanges,
    pub(crate) inquiries: Inquiries,
    pub(crate) refused: Refused,
    pub(crate) live: Registry,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
    /// No new work is taken.
    pub(crate) stopping: CancellationToken,
    /// What is under way must end now.
    pub(crate) interrupt: CancellationToken,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("store", &self.store).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// Puts the program together. It does nothing yet: see [`crate::run::recover`].
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            store: parts.store,
            clock: parts.clock,
            rng: parts.rng,
            client: parts.client,
            catalog: parts.catalog,
            live: Registry::default(),
            places: Arc::new(Semaphore::new(parts.settings.max_concurrent_runs.min(Semaphore::MAX_PERMITS))),
            settings: parts.settings,
            auth: parts.auth,
            keys: RwLock::new(Arc::new(Keys::new(parts.keys))),
            sessions: SessionCache::default(),
            api_keys: KeyCache::default(),
            flights: Flights::default(),
            exchanges: Exchanges::default(),
            inquiries: Inquiries::default(),
            refused: Refused::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            interrupt: CancellationToken::new(),
        }))
    }

    /// The context of the program's own user, who is the only one where nobody signs in.
    #[must_use]
    pub fn local_context(&self, request_id: Arc<str>) -> Context {
        Context { app: self.clone(), request_id, caller: Caller::default(), known: Known::Nothing }
    }

    /// How people are let in.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Takes other keys of the instance from now on.
    pub fn set_keys(&self, keys: KeyRing) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys::new(keys));
    }

    /// Whether the database answers, has the schema that this program works with, and gets to what is to be written.
    ///
    /// # Errors
    /// Why requests would fail now.
    pub async fn check(&self) -> retinue_model::Result<()> {
        if self.stopping.is_cancelled() {
            return Err(stopping());
        }
        retinue_store::migrate::check(&self.store).await?;
        // It writes nothing, but takes its turn.
        let written = tokio::time::timeout(WRITE_PATIENCE, self.store.write(Batch::default())).await;
        written.unwrap_or_else(|_| {
            Err(Error::unavailable("database_stalled", "The database answers, but nothing can be written to it."))
        })
    }

    /// Resolves when no new work is taken any more.
    pub async fn stopped(&self) {
        self.stopping.cancelled().await;
    }

    /// Leaves the data as whoever copies it would want it. Call it when nothing is under way any more.
    ///
    /// # Errors
    /// What the database says; nothing is lost then.
    pub async fn settle(&self) -> retinue_model::Result<()> {
        self.store.settle().await
    }

    /// How many statements the database was asked to run until now.
    #[must_use]
    pub fn statements_run(&self) -> u64 {
        self.store.statements_run()
    }

    /// Stops: new runs are refused, runs under way may finish within the grace period, the rest become `interrupted`.
    pub async fn shut_down(&self) {
        self.stopping.cancel();
        let mails = async {
            if let Some(mailer) = self.auth.local.as_ref().and_then(|local| local.mail.as_ref()) {
                mailer.close(self.settings.shutdown_grace).await;
            }
        };
        tokio::join!(self.end_tasks(), mails);
    }

    async fn end_tasks(&self) {
        self.tasks.close();
        if tokio::time::timeout(self.settings.shutdown_grace, self.tasks.wait()).await.is_err() {
            tracing::info!(runs = self.live.len(), "the grace period is over: interrupting the runs under way");
            self.interrupt.cancel();
            if tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await.is_err() {
                tracing::warn!("some runs could not write their end; they become interrupted at the next start");
            }
        }
    }
}

pub(crate) fn stopping() -> Error {
    Error::unavailable("shutting_down", "The server is stopping. Try again in a few seconds.")
}

/// One request's view of the program.
#[derive(Clone, Debug)]
pub struct Context {
    app: App,
    request_id: Arc<str>,
    caller: Caller,
    /// What it came with.
    known: Known,
}

impl Context {
    /// A request that came with a session.
    pub(crate) fn of_session(visit: Visit, known: Arc<KnownSession>) -> Self {
        let Visit { app, request_id, caller } = visit;
        Self { app, request_id, caller, known: Known::Session(known) }
    }

    /// A request that came with an API key.
    pub(crate) fn of_key(visit: Visit, known: Arc<KnownKey>) -> Self {
        let Visit { app, request_id, caller } = visit;
        Self { app, request_id, caller, known: Known::Key(known) }
    }

    /// What the key may be used for that this came with; none if it came with something else.
    #[must_use]
    pub fn key_scopes(&self) -> Option<&KeyScopes> {
        self.known.key().map(|key| &key.scopes)
    }

    /// The team that the key acts in that this came with.
    pub(crate) fn key_team(&self) -> Option<TeamId> {
        self.known.key().map(|key| key.team_id)
    }

    /// The request's id, which the client also gets.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The same request, with what anybody may do.
    #[must_use]
    pub fn as_visit(&self) -> Visit {
        Visit::new(self.app.clone(), Arc::clone(&self.request_id), self.caller.clone())
    }

    /// Where it comes from.
    pub(crate) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Who asks.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        self.known.principal()
    }

    /// What they own.
    pub(crate) fn scope(&self) -> Scope {
        Self::scope_of(self.principal())
    }

    /// What somebody owns as whom a request acts.
    pub(crate) const fn scope_of(principal: &Principal) -> Scope {
        Scope::of(principal)
    }

    /// The teams of who asks, as of a moment ago; nothing where nobody signs in.
    pub(crate) fn known_teams(&self) -> Option<&[(Team, Role)]> {
        self.known.person().map(|(_, teams)| teams)
    }

    /// Who asks, as of a moment ago; nothing where nobody signs in.
    #[must_use]
    pub fn known_user(&self) -> Option<&User> {
        self.known.person().map(|(user, _)| user)
    }

    /// What is known of what this came with.
    pub(crate) const fn known(&self) -> &Known {
        &self.known
    }

    /// Resolves when the session that this came with is over: what goes on for long must end then.
    pub async fn ended(&self) {
        self.known.ended().await;
    }

    /// The program.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// The time, as precise as it is stored.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.app.now()
    }

    /// Runs work to its end even when the client hangs up: a transaction and what follows from it belong together.
    pub(crate) async fn detached<T, F, W>(&self, work: F) -> retinue_model::Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> W,
        W: Future<Output = retinue_model::Result<T>> + Send + 'static,
    {
        self.app.detached(work(self.clone())).await
    }

    /// A new id, later than all before it but for those of the same millisecond.
    pub(crate) fn new_id<N: Noun>(&self) -> Id<N> {
        self.app.new_id()
    }
}

impl Deref for Context {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.app
    }
}

impl Inner {
    /// The time, as precise as it is stored.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Runs work to its end even when the client hangs up.
    pub(crate) async fn detached<T, W>(&self, work: W) -> retinue_model::Result<T>
    where
        T: Send + 'static,
        W: Future<Output = retinue_model::Result<T>> + Send + 'static,
    {
        if self.stopping.is_cancelled() {
            return Err(stopping());
        }
        self.tasks.spawn(work).await.map_err(Error::internal)?
    }

    /// A `UUIDv7` (RFC 9562, section 5.7).
    pub(crate) fn new_uuid(&self) -> uuid::Uuid {
        new_uuid(&*self.rng, &*self.clock)
    }

    /// A new id.
    pub(crate) fn new_id<N: Noun>(&self) -> Id<N> {
        Id::new(self.new_uuid())
    }

    /// The instance's keys.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whoever may sign in here.
    #[expect(clippy::unused_self, reason = "an installation has one organization, which will be looked up one day")]
    pub(crate) const fn tenant(&self) -> Tenant {
        Tenant::default_organization()
    }
}

//! The lock of the one server of a database: an advisory one, in a session of its own.
//!
//! The lock is gone with its session. It is then taken again, and nothing is read or written meanwhile, because another
//! process may have it. If one has it, or had it, this process is at its end: the other one took its runs for interrupted.

use std::sync::Arc;
use std::time::Duration;

use retinue_model::{Error, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use super::target::{Settings, Target};
use crate::fault::{self, Mapped};
use crate::lock;

/// The advisory lock ("retinue" in ASCII).
const SERVER_LOCK: i64 = 0x72_6574_696e_7565;
/// How long a killed predecessor's session may take to be noticed.
const TRIES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two attempts to take the lock again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the cluster never gives to two sessions.
const NAME: &str = "SELECT 'retinue ' || pid || '/' || extract(epoch FROM backend_start) \
    FROM pg_stat_activity WHERE pid = pg_backend_pid()";
const TAKE: &str = "SELECT pg_try_advisory_lock($1)";
/// Ends the session that holds the lock if it is one of ours, which the server may believe in for longer than we do.
const END_OURS: &str = "SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid::bigint = $1::bigint >> 32 \
    AND l.objid::bigint = $1::bigint & 4294967295 AND a.datname = current_database() AND a.application_name = $2";
/// Who took the lock last. Written by whoever takes it, so it needs no lock of its own.
const CREATE_HOLDER: &str = "CREATE TABLE IF NOT EXISTS server_lock (holder text NOT NULL)";
const HOLDER: &str = "SELECT holder FROM server_lock";

/// Whether this process may read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may, for the nth time.
    Held(u64),
    /// Not now: the lock is about to be taken again.
    Away,
    /// Never again: another process took over.
    Lost,
}

impl Standing {
    pub(crate) const fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }
}

/// The lock, and the task that keeps it.
#[derive(Debug)]
pub(crate) struct ServerLock {
    standing: watch::Receiver<Standing>,
    place: String,
    keeper: JoinHandle<()>,
}

impl ServerLock {
    /// Takes the lock. A session that does not answer within `limit` counts as lost.
    pub(crate) async fn take(target: Arc<Target>, limit: Duration) -> Result<Self> {
        let settings = Settings::new(limit);
        let session = Session::begin(&target, &settings, limit).await?;
        let name = session.ask_name(limit).await?;
        in_time(limit, session.call(&name)).await?;
        let place = format!("the database at {}", target.describe());
        take_within(TRIES, limit, &session).await?.then_some(()).ok_or_else(|| lock::in_use(&place))?;
        in_time(limit, session.sign(&name)).await?;
        let (sender, standing) = watch::channel(Standing::Held(1));
        let keeper = Keeper { target, settings, limit, name, standing: sender };
        Ok(Self { standing, place, keeper: tokio::spawn(keeper.keep(session)) })
    }

    /// The standing of whoever only looks.
    pub(crate) fn none(target: &Target) -> Self {
        let (sender, standing) = watch::channel(Standing::Held(1));
        let keeper = tokio::spawn(async move { sender.closed().await });
        Self { standing, place: target.describe(), keeper }
    }

    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Resolves when another process has taken over.
    pub(crate) async fn lost(&self) -> Error {
        if self.standing().wait_for(|standing| *standing == Standing::Lost).await.is_err() {
            // The keeper ends without a word only when this process does.
            std::future::pending::<()>().await;
        }
        lock::taken_over(&self.place)
    }
}

impl Drop for ServerLock {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// A session for the lock. Ends when it is dropped, even if the server does not answer.
struct Session {
    client: Client,
    wire: JoinHandle<Result<()>>,
}

impl Session {
    async fn begin(target: &Target, settings: &Settings, limit: Duration) -> Result<Self> {
        let (client, wire) = target.reach(settings, limit).await?;
        Ok(Self { client, wire: tokio::spawn(async move { wire.await.mapped() }) })
    }

    async fn ask_name(&self, limit: Duration) -> Result<String> {
        let row = in_time(limit, async { self.client.query_one(NAME, &[]).await.mapped() }).await?;
        row.try_get(0).mapped()
    }

    /// Lets the server know the session by the name that all of this process have.
    async fn call(&self, name: &str) -> Result<()> {
        self.client.execute("SELECT set_config('application_name', $1, false)", &[&name]).await.mapped().map(drop)
    }

    async fn try_take(&self) -> Result<bool> {
        self.client.query_one(TAKE, &[&SERVER_LOCK]).await.mapped()?.try_get(0).mapped()
    }

    /// Writes down who has the lock now.
    async fn sign(&self, name: &str) -> Result<()> {
        self.client.batch_execute(CREATE_HOLDER).await.mapped()?;
        let sign = "WITH earlier AS (DELETE FROM server_lock) INSERT INTO server_lock (holder) VALUES ($1)";
        self.client.execute(sign, &[&name]).await.mapped().map(drop)
    }

    /// Whether nobody else had the lock since it was signed so.
    async fn is_signed(&self, name: &str) -> Result<bool> {
        let rows = self.client.query(HOLDER, &[]).await.mapped()?;
        Ok(rows.len() == 1 && rows[0].try_get::<_, &str>(0).mapped()? == name)
    }

    /// Resolves when the session is over, or does not answer in time; tells why.
    async fn falter(&mut self, limit: Duration) -> Error {
        loop {
            tokio::select! {
                ended = &mut self.wire => return ended.map_err(Error::internal).flatten().err().unwrap_or_else(fault::silent),
                () = sleep(limit / 2) => {}
            }
            if let Err(error) = in_time(limit, async { self.client.batch_execute("").await.mapped() }).await {
                return error;
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.wire.abort();
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(fault::silent()))
}

/// False if somebody has the lock and keeps it.
async fn take_within(tries: u32, limit: Duration, session: &Session) -> Result<bool> {
    for _ in 0..tries {
        if in_time(limit, session.try_take()).await? {
            return Ok(true);
        }
        sleep(PAUSE).await;
    }
    Ok(false)
}

/// Keeps the lock for as long as that can be done.
struct Keeper {
    target: Arc<Target>,
    settings: Settings,
    limit: Duration,
    name: String,
    standing: watch::Sender<Standing>,
}

impl Keeper {
    async fn keep(self, mut session: Session) {
        for term in 2.. {
            let error = session.falter(self.limit).await;
            self.standing.send_replace(Standing::Away);
            tracing::warn!(?error, "the session that holds the database's server lock is lost; beginning another");
            // Ends it, in case that it only was slow.
            drop(session);
            let Some(taken) = self.take_again().await else {
                tracing::error!("another Retinue took over the database: stopping");
                self.standing.send_replace(Standing::Lost);
                return;
            };
            session = taken;
            self.standing.send_replace(Standing::Held(term));
            tracing::info!("the database's server lock was taken again, and nobody else had it meanwhile");
        }
    }

    /// Nothing if somebody else has the lock, or had it.
    async fn take_again(&self) -> Option<Session> {
        let mut pause = PAUSE;
        loop {
            match self.try_take_again().await {
                Ok(taken) => return taken,
                Err(error) => tracing::warn!(?error, "the database's server lock could not be taken again yet"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_take_again(&self) -> Result<Option<Session>> {
        let session = Session::begin(&self.target, &self.settings, self.limit).await?;
        in_time(self.limit, session.call(&self.name)).await?;
        let is_ours = in_time(self.limit, self.take_from_ourselves(&session)).await?
            && in_time(self.limit, session.is_signed(&self.name)).await?;
        Ok(is_ours.then_some(session))
    }

    /// Takes the lock, from an earlier session of ours too. False if another process has it.
    async fn take_from_ourselves(&self, session: &Session) -> Result<bool> {
        loop {
            if session.try_take().await? {
                return Ok(true);
            }
            let ended = session.client.query(END_OURS, &[&SERVER_LOCK, &self.name]).await.mapped()?;
            if ended.is_empty() {
                // Between the two it may have been given back.
                return session.try_take().await;
            }
            sleep(PAUSE / 10).await;
        }
    }
}

//! Pools of sessions that last no longer than the server lock under which they began.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client as Pooled, Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use retinue_model::{Error, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};

use super::server_lock::Standing;
use super::target::{Settings, Target};

/// Where the sessions of a pool come from.
pub(crate) struct Source {
    pub(crate) target: Arc<Target>,
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) settings: Settings,
}

impl Source {
    /// At most `size` sessions. Whoever wants one waits for it no longer than about `limit`.
    pub(crate) fn pool(self, size: usize, limit: Duration) -> Result<Pool> {
        let config = self.target.config().clone();
        // A session that the server ended is noticed when it is used; callers see one 503 at most.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        Pool::builder(Manager::from_connect(config, self, recycling))
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts { wait: Some(limit), create: Some(limit), recycle: Some(limit) })
            .build()
            .map_err(Error::internal)
    }
}

type Begun = Result<(Client, JoinHandle<()>), tokio_postgres::Error>;

impl Connect for Source {
    fn connect(&self, _: &Config) -> std::pin::Pin<Box<dyn Future<Output = Begun> + Send + '_>> {
        let mut standing = self.standing.clone();
        Box::pin(async move {
            let Ok(term) = standing.wait_for(Standing::is_held).await.map(|term| *term) else {
                // Nobody will hold the lock again: whoever asks waits for as long as he would for PostgreSQL.
                return std::future::pending().await;
            };
            let (client, wire) = self.target.connect(&self.settings).await?;
            let wire = tokio::spawn(async move {
                tokio::select! {
                    ended = wire => if let Err(error) = ended {
                        tracing::debug!(%error, "a database session ended");
                    },
                    // Whoever still waits for an answer is told that there is none.
                    _ = standing.wait_for(|now| *now != term) => {}
                }
            });
            Ok((client, wire))
        })
    }
}

/// A session that is asked something. It goes back to the pool when it is given back; otherwise, if whoever waits for the
/// answer leaves too, it is closed, because the next caller would wait for that answer first.
pub(crate) struct Asked(Option<Pooled>);

impl Asked {
    pub(crate) const fn new(session: Pooled) -> Self {
        Self(Some(session))
    }

    pub(crate) fn session(&self) -> Result<&Pooled> {
        self.0.as_ref().ok_or_else(|| Error::internal("the session was given back"))
    }

    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            drop(Pooled::take(session));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn no_session_begins_once_the_lock_is_lost_for_good() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let limit = Duration::from_millis(50);
        for last in [Standing::Lost, Standing::Away] {
            let (sender, standing) = watch::channel(last);
            // The keeper's work is over.
            drop(sender);
            let target = Target::parse(&format!("postgres://u@{}/d", server.local_addr().unwrap())).unwrap();
            let source = Source { target: Arc::new(target), standing, settings: Settings::new(limit) };
            assert!(source.pool(1, limit).unwrap().get().await.is_err());
            assert!(server.accept().is_err(), "nobody came");
        }
    }
}

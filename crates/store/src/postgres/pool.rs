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
            let term = standing.wait_for(Standing::is_held).await.map_or(Standing::Lost, |term| *term);
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

/// Ends a session instead of giving it to the next caller. Its transaction, if one is open, is rolled back.
pub(crate) fn discard(session: Pooled) {
    drop(Pooled::take(session));
}

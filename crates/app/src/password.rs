//! Hashing passwords, and comparing them with what is kept, on a few threads of their own.
//!
//! A hash takes tens of milliseconds and megabytes on purpose. So only some are made at once, others wait, and over a
//! bound they are refused: a burst of sign-ins holds up nobody who is signed in.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;

use retinue_model::credential::PasswordHash;
use retinue_model::{Error, NewPassword, Password, Result};

use crate::Rng;
use crate::password::hash::{Salt, Stored};
use crate::password::pool::Pool;

mod hash;
mod pool;
#[cfg(test)]
mod tests;

pub(crate) use pool::too_busy;

pub use hash::{MAX_ITERATIONS, MAX_LANES, MAX_MEMORY_KIB, MAX_WORK_KIB, Parameters};

/// How passwords are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What a hash costs.
    pub parameters: Parameters,
    /// How many are made at once, each on a thread of its own.
    pub at_once: NonZeroUsize,
    /// How many more may wait.
    pub waiting: usize,
}

impl Default for Settings {
    /// On half of the cores.
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        let at_once = NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN);
        Self { parameters: Parameters::default(), at_once, waiting: 128 }
    }
}

/// What a comparison says.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is another password, or there is none.
    Wrong,
    /// It is the password.
    Right,
    /// It is the password, but what is kept of it was made in another way than today's: hash it anew and keep that.
    Outdated,
}

impl Verdict {
    /// Whether it is the password.
    #[must_use]
    pub const fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::Outdated)
    }
}

/// Hashes and compares passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    parameters: Parameters,
    rng: Arc<dyn Rng>,
    done: Arc<AtomicU64>,
    pool: Arc<Pool>,
    places: usize,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

impl Passwords {
    /// Starts the threads.
    ///
    /// # Errors
    /// `invalid_password_settings`, or `internal_error` if the system gives no threads.
    pub fn new(settings: Settings, rng: Arc<dyn Rng>) -> Result<Self> {
        settings.parameters.check()?;
        let pool = Pool::start(settings.at_once, settings.waiting).map_err(Error::internal)?;
        let places = settings.at_once.get().saturating_add(settings.waiting);
        Ok(Self { parameters: settings.parameters, rng, done: Arc::default(), pool: Arc::new(pool), places })
    }

    /// For how many there is room: those whose passwords are at work, and those who wait.
    pub(crate) const fn places(&self) -> usize {
        self.places
    }

    /// How many hashes were made until now, to be kept or to be compared with: what an answer has cost.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// What is to be kept of a password that somebody sets.
    ///
    /// # Errors
    /// `too_busy`.
    pub async fn hash(&self, new: &NewPassword) -> Result<PasswordHash> {
        self.hash_again(new.password()).await
    }

    /// What is to be kept of a password that was right but [`Verdict::Outdated`]. It is not asked whether it could be
    /// set today.
    ///
    /// # Errors
    /// `too_busy`.
    pub async fn hash_again(&self, password: &Password) -> Result<PasswordHash> {
        let (parameters, salt, password) = (self.parameters, self.salt(), password.clone());
        let done = Arc::clone(&self.done);
        let make = move || {
            done.fetch_add(1, Ordering::Relaxed);
            hash::hash(parameters, &password, &salt)
        };
        self.pool.run(make).await?
    }

    /// Compares what somebody typed with what is kept. With nothing kept, because nobody has the address or they have no
    /// password, it takes as long as with a hash of today's parameters, so that the time does not tell. A hash that was
    /// imported takes a time of its own until it was upgraded.
    ///
    /// # Errors
    /// `too_busy`.
    pub async fn verify(&self, password: &Password, kept: Option<&PasswordHash>) -> Result<Verdict> {
        let stored = kept.and_then(|kept| match Stored::parse(kept) {
            Ok(stored) => Some(stored),
            Err(unusable) => {
                tracing::warn!(reason = %unusable, "the hash of a password can't be used: nobody gets in with it");
                None
            }
        });
        let (parameters, salt, password) = (self.parameters, self.salt(), password.clone());
        let done = Arc::clone(&self.done);
        let compare = move || {
            done.fetch_add(1, Ordering::Relaxed);
            let Some(stored) = stored else {
                // The same work, and what comes out of it is thrown away.
                return hash::hash(parameters, &password, &salt).map(|_| Verdict::Wrong);
            };
            Ok(match (stored.is_hash_of(&password), stored.is_current(parameters)) {
                (false, _) => Verdict::Wrong,
                (true, true) => Verdict::Right,
                (true, false) => Verdict::Outdated,
            })
        };
        self.pool.run(compare).await?
    }

    fn salt(&self) -> Salt {
        let mut salt = Salt::default();
        self.rng.fill(&mut salt);
        salt
    }
}

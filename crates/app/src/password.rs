//! Hashing passwords, and comparing them with what is kept, on a few threads of their own.
//!
//! A hash takes tens of milliseconds and megabytes on purpose. So only some are made at once, others wait, and over a
//! bound they are refused: a burst of sign-ins holds up nobody who is signed in.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::available_parallelism;

use retinue_model::credential::PasswordHash;
use retinue_model::{Error, NewPassword, Password, Result};

use crate::Rng;
use crate::password::hash::{Salt, Stored};
use crate::password::pool::Pool;
use crate::password::work::{Done, Work};

mod hash;
pub mod kept;
mod pool;
#[cfg(test)]
mod tests;
mod work;

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

/// In how many ways besides today's passwords may be kept so that a wrong guess costs the same, whoever is meant. Each makes
/// every wrong guess dearer.
const EARLIER_WAYS: usize = 2;

/// Hashes and compares passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    parameters: Parameters,
    rng: Arc<dyn Rng>,
    /// In which other ways some are kept still.
    earlier: Arc<RwLock<Vec<Work>>>,
    done: Done,
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
        let (earlier, done) = (Arc::default(), Done::default());
        Ok(Self { parameters: settings.parameters, rng, earlier, done, pool: Arc::new(pool), places })
    }

    /// For how many there is room: those whose passwords are at work, and those who wait.
    pub(crate) const fn places(&self) -> usize {
        self.places
    }

    /// How many hashes were made until now, to be kept, to be compared with, or for nothing: what an answer has cost.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.work_done().values().sum()
    }

    /// The same for each way to make one, as PHC strings begin.
    #[must_use]
    pub fn work_done(&self) -> BTreeMap<String, u64> {
        self.done.by_way()
    }

    /// Takes examples of how passwords are kept, the most frequent way first. A wrong guess costs a hash in each of them
    /// from now on, whoever is meant, but for more than two ways besides today's.
    pub fn learn(&self, kept: impl IntoIterator<Item = PasswordHash>) {
        let mut earlier = Vec::new();
        for stored in kept.into_iter().filter_map(|kept| Stored::parse(&kept).ok()) {
            self.note(&mut earlier, stored.work());
        }
        *self.earlier.write().unwrap_or_else(PoisonError::into_inner) = earlier;
    }

    /// Whether that is new, and there is room for it.
    fn note(&self, earlier: &mut Vec<Work>, work: Work) -> bool {
        let is_known = work == Work::today(self.parameters) || earlier.contains(&work);
        let is_new = !is_known && earlier.len() < EARLIER_WAYS;
        if is_new {
            earlier.push(work);
        }
        is_new
    }

    /// All that a wrong guess costs.
    fn price(&self, stored: Option<&Stored>) -> Vec<Work> {
        let mut earlier = self.earlier.read().unwrap_or_else(PoisonError::into_inner).clone();
        // What another process has written a moment ago is not known yet.
        if stored.is_some_and(|stored| self.note(&mut earlier, stored.work())) {
            self.earlier.write().unwrap_or_else(PoisonError::into_inner).clone_from(&earlier);
        }
        std::iter::once(Work::today(self.parameters)).chain(earlier).collect()
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
        let done = self.done.clone();
        let make = move || {
            done.add(Work::today(parameters));
            hash::hash(parameters, &password, &salt)
        };
        self.pool.run(make).await?
    }

    /// Compares what somebody typed with what is kept. If it is wrong, that has cost a hash in each way in which passwords
    /// are kept here, so that the time tells neither how this one is, nor whether there is one: see [`Self::learn`].
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
        let (parameters, price, password) = (self.parameters, self.price(stored.as_ref()), password.clone());
        let done = self.done.clone();
        let compare = move || {
            if let Some(stored) = &stored {
                done.add(stored.work());
                if stored.is_hash_of(&password) {
                    return Ok(if stored.is_current(parameters) { Verdict::Right } else { Verdict::Outdated });
                }
            }
            let paid = stored.map(|stored| stored.work());
            for work in price.into_iter().filter(|work| Some(*work) != paid) {
                done.add(work);
                work.spend(&password)?;
            }
            Ok(Verdict::Wrong)
        };
        self.pool.run(compare).await?
    }

    fn salt(&self) -> Salt {
        let mut salt = Salt::default();
        self.rng.fill(&mut salt);
        salt
    }
}

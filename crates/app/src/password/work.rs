//! What comparing with a hash costs, so that the same can be done where there is none to compare with.

use std::collections::BTreeMap;
use std::fmt;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Version};
use aws_lc_rs::pbkdf2;
use retinue_model::{Error, Password, Result};

use super::hash::{Parameters, Salt};

/// One way to make a hash. It takes the same time for each password and each salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    Argon2(Algorithm, Parameters),
    /// How many iterations, for how many outputs of SHA-256: each is made apart.
    Pbkdf2(NonZeroU32, usize),
}

/// As a PHC string begins.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argon2(algorithm, Parameters { memory_kib, iterations, lanes }) => {
                write!(f, "{}$m={memory_kib},t={iterations},p={lanes}", algorithm.as_str())
            }
            Self::Pbkdf2(iterations, outputs) => write!(f, "pbkdf2-sha256$i={iterations},l={}", outputs * OUTPUT_BYTES),
        }
    }
}

/// Bytes of one output of SHA-256.
pub(super) const OUTPUT_BYTES: usize = 32;

impl Work {
    /// As passwords are hashed today.
    pub(super) const fn today(parameters: Parameters) -> Self {
        Self::Argon2(Algorithm::Argon2id, parameters)
    }

    /// Does it for nothing.
    pub(super) fn spend(self, password: &Password) -> Result<()> {
        let (password, salt) = (password.expose().as_bytes(), Salt::default());
        match self {
            Self::Argon2(algorithm, parameters) => {
                let mut output = [0; OUTPUT_BYTES];
                let argon2 = Argon2::new(algorithm, Version::V0x13, parameters.to_params()?);
                argon2.hash_password_into(password, &salt, &mut output).map_err(Error::internal)?;
                black_box(output);
            }
            Self::Pbkdf2(iterations, outputs) => {
                let mut output = vec![0; outputs * OUTPUT_BYTES];
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password, &mut output);
                black_box(output);
            }
        }
        Ok(())
    }
}

/// How often each was done. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Done(Arc<Mutex<BTreeMap<Work, u64>>>);

impl Done {
    pub(super) fn add(&self, work: Work) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(work).or_default() += 1;
    }

    pub(super) fn by_way(&self) -> BTreeMap<String, u64> {
        let done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        done.iter().map(|(work, times)| (work.to_string(), *times)).collect()
    }
}

//! The real clock and the real randomness: the only place that touches the ambient ones.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use retinue_app::{Clock, Rng};

/// The machine's clock.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that is passed in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A cryptographic generator, seeded by the operating system.
#[derive(Debug)]
pub(crate) struct SystemRng(Mutex<StdRng>);

impl SystemRng {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(StdRng::from_os_rng()))
    }
}

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

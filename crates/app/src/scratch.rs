//! Randomness and time for this crate's own tests.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use crate::{Clock, Rng};

/// Gives other bytes each time.
#[derive(Debug, Default)]
pub(crate) struct CountingRng(AtomicU64);

impl Rng for CountingRng {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let mixed = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        bytes.iter_mut().zip(mixed.iter().cycle()).for_each(|(byte, mixed)| *byte = *mixed);
    }
}

/// Gives one byte over and over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed(pub(crate) u8);

impl Rng for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// A clock that stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing(pub(crate) Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

//! Randomness that is the same every time.

use std::sync::atomic::{AtomicU64, Ordering};

use retinue_app::Rng;

/// Gives 1, 2, 3… spread over the bytes that are asked for.
#[derive(Debug, Default)]
pub struct CountingRng(AtomicU64);

impl CountingRng {
    /// Gives what comes after so many.
    #[must_use]
    pub const fn beginning_at(count: u64) -> Self {
        Self(AtomicU64::new(count))
    }

    /// Gives what no other one of this process gives.
    #[must_use]
    pub fn apart() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(AtomicU64::new(NEXT.fetch_add(1, Ordering::Relaxed) << 32))
    }
}

impl Rng for CountingRng {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        // An odd multiplier keeps different counts different and makes them look unlike each other.
        let mixed = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        bytes.iter_mut().zip(mixed.iter().cycle()).for_each(|(byte, mixed)| *byte = *mixed);
    }
}

//! What surrounds a program, and is lent to it: the time, and randomness.

use std::sync::Arc;

use jiff::Timestamp;

use crate::context::Inner;

/// Tells the time. Wall-clock time, to the microsecond; what is stored and shown.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Gives randomness that is fit for secrets.
pub trait Rng: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// A `UUIDv7` (RFC 9562, section 5.7).
pub(crate) fn new_uuid(rng: &dyn Rng, clock: &dyn Clock) -> uuid::Uuid {
    let mut random = [0; 10];
    rng.fill(&mut random);
    let millis = u64::try_from(clock.now().as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

impl Inner {
    /// A new id of a request: 16 hex digits.
    #[must_use]
    pub fn new_request_id(&self) -> Arc<str> {
        let bytes = self.random_u64().to_be_bytes();
        let half = |index: usize| if index.is_multiple_of(2) { bytes[index / 2] >> 4 } else { bytes[index / 2] & 15 };
        let digits: [u8; 16] = std::array::from_fn(|index| b"0123456789abcdef"[usize::from(half(index))]);
        // Digits are ASCII.
        std::str::from_utf8(&digits).unwrap_or_default().into()
    }

    pub(crate) fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.rng.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

//! What surrounds a program, and is lent to it: the time, and randomness.

use jiff::Timestamp;

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

//! The time that a model's server and a follower of its words agree on: the machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// The present microsecond. What two processes take from it may be compared.
#[expect(clippy::disallowed_methods, reason = "two processes are to agree on it; no product code runs here")]
pub(crate) fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or_default()
}

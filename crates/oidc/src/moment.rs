//! When something is done, and with which randomness.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

/// The time and the randomness of one call; both are the caller's.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// Now.
    pub now: Timestamp,
    /// Fills bytes with randomness that is fit for secrets.
    pub random: &'a (dyn Fn(&mut [u8]) + Sync),
}

impl Moment<'_> {
    /// 256 random bits as 43 characters that need no escaping anywhere.
    pub(crate) fn token(&self) -> String {
        let mut bytes = [0; 32];
        (self.random)(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.now.as_second()
    }
}

impl fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment").field("now", &self.now).finish_non_exhaustive()
    }
}

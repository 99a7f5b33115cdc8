//! What may stand in the log of who did what.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// A subject, as it may stand in a log: the first 12 hex digits of its SHA-256.
pub(crate) fn subject(subject: &str) -> String {
    Sha256::digest(subject.as_bytes()).iter().take(6).fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! Comparing secrets.

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// Whether both are the same, in a time that depends on their lengths only.
pub(crate) fn equal(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

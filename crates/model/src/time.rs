//! How times are written: RFC 3339 in UTC, as jiff writes them, for a part of the cost: lists are full of times.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Serializer;

/// Enough for the longest, which has a sign, six digits of the year, and nine of the second's fraction.
const LENGTH: usize = 40;

/// The text of a time.
#[derive(Clone, Copy, Debug)]
pub struct TimeText {
    bytes: [u8; LENGTH],
    length: usize,
}

impl TimeText {
    /// Writes a time.
    #[must_use]
    pub fn new(time: Timestamp) -> Self {
        let civil = Offset::UTC.to_datetime(time);
        let mut bytes = [0; LENGTH];
        if civil.year() < 0 {
            let text = time.to_string();
            let length = text.len().min(LENGTH);
            bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
            return Self { bytes, length };
        }
        bytes[..30].copy_from_slice(b"0000-00-00T00:00:00.000000000Z");
        put(&mut bytes[0..4], civil.year().unsigned_abs().into());
        put(&mut bytes[5..7], civil.month().unsigned_abs().into());
        put(&mut bytes[8..10], civil.day().unsigned_abs().into());
        put(&mut bytes[11..13], civil.hour().unsigned_abs().into());
        put(&mut bytes[14..16], civil.minute().unsigned_abs().into());
        put(&mut bytes[17..19], civil.second().unsigned_abs().into());
        put(&mut bytes[20..29], civil.subsec_nanosecond().unsigned_abs());
        // Without zeros at the end of the fraction, and without its point if nothing is left.
        let zeros = bytes[20..29].iter().rev().take_while(|digit| **digit == b'0').count();
        let end = if zeros == 9 { 19 } else { 29 - zeros };
        bytes[end] = b'Z';
        Self { bytes, length: end + 1 }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Digits and signs are ASCII.
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(TimeText::new(*time).as_str())
}

fn put(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Written(#[serde(serialize_with = "serialize")] Timestamp);

    fn assert_as_jiff(time: Timestamp) {
        assert_eq!(serde_json::to_string(&Written(time)).unwrap(), serde_json::to_string(&time).unwrap());
    }

    #[test]
    fn the_ends_of_time_and_whole_seconds_are_written_as_jiff_does() {
        for time in [
            "2026-11-22T00:11:41Z",
            "2026-11-22T00:11:41.5Z",
            "-000001-02-03T04:05:06.789Z",
            "0000-01-01T00:00:00.1Z",
            "1969-12-31T23:59:59.999999999Z",
        ] {
            assert_as_jiff(time.parse().unwrap());
        }
        assert_as_jiff(Timestamp::MIN);
        assert_as_jiff(Timestamp::MAX);
    }

    proptest! {
        #[test]
        fn every_time_is_written_as_jiff_does(second in -60_000_000_000_i64..253_402_200_000, nanosecond in 0..1_000_000_000, cut in 0_u32..10) {
            let part = 10_i32.pow(cut.min(9));
            assert_as_jiff(Timestamp::new(second, nanosecond / part * part).unwrap());
        }
    }
}

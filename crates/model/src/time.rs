//! How times are written: RFC 3339 in UTC.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde::{Serialize as _, Serializer};

/// Writes what jiff writes, for a part of the cost: lists are full of times.
pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let civil = Offset::UTC.to_datetime(*time);
    if civil.year() < 0 {
        return time.serialize(serializer);
    }
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    put(&mut text[0..4], civil.year().unsigned_abs().into());
    put(&mut text[5..7], civil.month().unsigned_abs().into());
    put(&mut text[8..10], civil.day().unsigned_abs().into());
    put(&mut text[11..13], civil.hour().unsigned_abs().into());
    put(&mut text[14..16], civil.minute().unsigned_abs().into());
    put(&mut text[17..19], civil.second().unsigned_abs().into());
    put(&mut text[20..29], civil.subsec_nanosecond().unsigned_abs());
    // Without zeros at the end of the fraction, and without its point if nothing is left.
    let mut end = 29;
    while matches!(text[end - 1], b'0') && end > 20 {
        end -= 1;
    }
    if end == 20 {
        end = 19;
    }
    text[end] = b'Z';
    // Digits and signs are ASCII.
    serializer.serialize_str(std::str::from_utf8(&text[..=end]).unwrap_or_default())
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
        for time in ["2026-11-22T00:11:41Z", "0000-01-01T00:00:00.1Z", "1969-12-31T23:59:59.999999999Z"] {
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

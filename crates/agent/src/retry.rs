//! When to ask again: how long to wait, and how long a server asked us to wait. Decides nothing about which failures are
//! worth it.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// A server that wants a longer pause is not waited for.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The pause before retry number `retry` (from 0): anything up to 0.5 s · 2ⁿ ("full jitter"), after what the server asked for.
pub(crate) fn pause(retry: u32, asked: Option<Duration>, jitter: u64) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << retry.min(6)).min(LONGEST_WAIT);
    let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    asked.unwrap_or_default().saturating_add(Duration::from_millis(mixed(jitter, retry) % (millis + 1)))
}

/// Vigna's splitmix64 at position `n` of the sequence that begins with `seed`.
fn mixed(seed: u64, n: u32) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(n) + 1));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How long the server asks to wait: `retry-after-ms`, or `Retry-After` (RFC 9110, section 10.2.3) in seconds or as a date,
/// which is measured from the answer's own `Date`.
pub(crate) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let after = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = after.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = |text: &str| DateTimeParser::new().parse_timestamp(text).ok();
    let wait = date(after)?.duration_since(date(text(DATE.as_str())?)?);
    Some(Duration::try_from(wait).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn asked(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        asked_wait(&headers)
    }

    #[test]
    fn every_form_of_retry_after_is_understood() {
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(asked(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(asked(&[("retry-after", "7"), ("retry-after-ms", "20")]), Some(Duration::from_millis(20)));
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked(&[date, ("retry-after", "Sun, 06 Nov 1994 08:49:49 GMT")]), Some(Duration::from_secs(12)));
        assert_eq!(asked(&[date, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(Duration::ZERO));
        for nonsense in ["soon", "-1", "NaN", "inf", "1e300", "Sun, 06 Nov 1994 08:49:49 GMT"] {
            assert_eq!(asked(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn a_pause_is_jittered_within_its_bound(retry: u32, jitter: u64, seconds in 0u64..30) {
            let bound = FIRST_WAIT.saturating_mul(1 << retry.min(6)).min(LONGEST_WAIT);
            prop_assert!(pause(retry, None, jitter) <= bound);
            let asked = Duration::from_secs(seconds);
            prop_assert!(pause(retry, Some(asked), jitter) >= asked);
            prop_assert!(pause(retry, Some(asked), jitter) <= asked + bound);
        }
    }

    #[test]
    fn an_absurd_wish_is_no_overflow() {
        let asked = asked(&[("retry-after", "18446744073709549568")]);
        assert_eq!(pause(2, asked, 1), asked.unwrap().saturating_add(pause(2, None, 1)));
    }

    #[test]
    fn different_seeds_pause_differently() {
        let pauses: std::collections::BTreeSet<_> = (0..100).map(|seed| pause(2, None, seed)).collect();
        assert!(pauses.len() > 90);
    }
}

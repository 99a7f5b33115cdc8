//! Waiting for what nobody announces.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until something is found. Fails the test if that takes longer than `patience`.
pub async fn until<T>(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// How many measurements in a row keep a promise, and how many there are at most.
const IN_A_ROW: usize = 5;
const MOST: usize = 20;

/// Measures something that must not take longer than was promised, until it did not several times in a row. Whatever else the
/// machine does may make some late; what is late by itself is late most of the time.
pub async fn keeps(promise: Duration, what: &str, mut measure: impl AsyncFnMut() -> Duration) {
    let (mut measured, mut kept) = (Vec::new(), 0);
    while kept < IN_A_ROW {
        assert!(measured.len() < MOST, "{what}, promised within {promise:?}: {measured:?}");
        let took = measure().await;
        kept = if took <= promise { kept + 1 } else { 0 };
        measured.push(took);
    }
}

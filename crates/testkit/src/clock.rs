//! A clock that the test owns.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use retinue_app::Clock;

/// Starts at 2026-11-21 12:00 UTC and goes on by a millisecond each time it is looked at.
#[derive(Debug)]
pub struct FakeClock(Mutex<Timestamp>);

impl Default for FakeClock {
    fn default() -> Self {
        Self(Mutex::new("2026-11-21T12:00:00Z".parse().unwrap()))
    }
}

impl FakeClock {
    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap();
        *now += duration;
    }

    /// Sets the time back, as a machine does whose clock was wrong.
    pub fn set_back(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap();
        *now -= duration;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let mut now = self.0.lock().unwrap();
        *now += Duration::from_millis(1);
        *now
    }
}

//! A clock that the test owns.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use retinue_app::Clock;

/// Starts at 2026-11-21 12:00 UTC and goes on by a millisecond each time it is looked at.
#[derive(Debug)]
pub struct FakeClock {
    now: Mutex<Timestamp>,
    breaks: AtomicBool,
}

impl Default for FakeClock {
    fn default() -> Self {
        Self { now: Mutex::new("2026-11-21T12:00:00Z".parse().unwrap()), breaks: AtomicBool::new(false) }
    }
}

impl FakeClock {
    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.now.lock().unwrap();
        *now += duration;
    }

    /// Makes whoever looks at it next panic, as a defect of the program would.
    pub fn break_once(&self) {
        self.breaks.store(true, Ordering::SeqCst);
    }

    /// Sets the time back, as a machine does whose clock was wrong.
    pub fn set_back(&self, duration: Duration) {
        let mut now = self.now.lock().unwrap();
        *now -= duration;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        assert!(!self.breaks.swap(false, Ordering::SeqCst), "the clock breaks, as the test wants");
        let mut now = self.now.lock().unwrap();
        *now += Duration::from_millis(1);
        *now
    }
}

//! A clock that the test owns.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use retinue_app::Clock;

/// Starts at 2026-11-21 12:00 UTC and goes on by a millisecond each time it is looked at.
#[derive(Debug)]
pub struct FakeClock {
    now: Mutex<Timestamp>,
    /// When it began to run with the machine's clock, if it does.
    runs_since: Option<Instant>,
    breaks: AtomicBool,
}

impl Default for FakeClock {
    fn default() -> Self {
        let now = Mutex::new("2026-11-21T12:00:00Z".parse().unwrap());
        Self { now, runs_since: None, breaks: AtomicBool::new(false) }
    }
}

impl FakeClock {
    /// Tells the machine's time, for what has to do with programs that know no other.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "those programs look at the machine's clock")]
    pub fn running() -> Self {
        let now = Mutex::new(Timestamp::now());
        Self { now, runs_since: Some(Instant::now()), breaks: AtomicBool::new(false) }
    }

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
        if let Some(since) = self.runs_since {
            return *now + since.elapsed();
        }
        *now += Duration::from_millis(1);
        *now
    }
}

//! The crate against servers that behave, and servers that don't: raw sockets, so that every byte is the test's.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::print_stderr, reason = "measurements are read on the terminal, and by the parent process")]

mod answers;
mod bounds;
mod cancel;
mod environment;
mod failures;
mod fake;
mod retries;

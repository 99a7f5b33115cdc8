//! The crate against servers that behave, and servers that don't: raw sockets, so that every byte is the test's.

mod answers;
mod bounds;
mod cancel;
mod failures;
mod fake;
mod load;
mod retries;

//! The product through its doors.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod bad_input;
mod event;
mod message;
mod page;
mod run;
mod thread;

//! The wire to a model and the loop of a run: asking, retrying, trimming what was said to what fits, and coalescing the
//! answer into steps.
//!
//! Knows nothing of storage, users or this server's own doors. One run is one [`run()`]: a stream that is dropped to stop
//! the work.

mod answer;
mod ask;
mod client;
mod coalesce;
mod decode;
mod echo;
mod endpoint;
mod failure;
mod listed;
mod question;
mod refusal;
mod request;
mod retry;
mod run;
mod tokens;
mod transport;
mod trim;
mod wire;

pub use client::{Client, Timeouts};
pub use endpoint::Endpoint;
pub use listed::Listed;
pub use request::{Backend, Limits, Request, Room, Spoken, Step};
pub use run::run;
pub use tokens::estimate;
pub use trim::asked_tokens;

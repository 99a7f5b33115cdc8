//! What Retinue does: operations on the nouns, each with the context of whoever asks.
//!
//! No HTTP, no SQL. One file per noun; [`context`] says who asks and lends clock, randomness and database.

pub mod agent;
pub mod context;
pub mod cursor;
pub mod event;
pub mod message;
pub mod provider;
pub mod run;
pub mod thread;
pub mod turn;

mod excerpt;
mod live;
mod prompt;
mod recorder;
mod work;

pub use context::{App, Clock, Context, Parts, Rng, Settings};

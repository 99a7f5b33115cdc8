//! What Retinue does: operations on the nouns, each with the context of whoever asks.
//!
//! No HTTP, no SQL. One file per noun; [`context`] says who asks and lends clock, randomness and database.

pub mod admin;
pub mod administration;
pub mod agent;
pub mod api_key;
pub mod auth;
pub mod context;
pub mod credential;
pub mod cursor;
pub mod device;
pub mod event;
pub mod identity;
pub mod key;
pub mod link;
pub mod local;
pub mod mail;
mod mail_proof;
pub mod membership;
pub mod message;
pub mod notice;
pub mod own_credential;
pub mod password;
pub mod people;
pub mod place;
pub mod policy;
pub mod provider;
pub mod run;
pub mod secret;
pub mod session;
pub mod set_up;
pub mod sign_in;
pub mod sign_out;
pub mod team;
pub mod thread;
pub mod throttle;
pub mod trail;
pub mod turn;
pub mod user;

mod access;
mod ambient;
mod arrival;
mod audit;
mod excerpt;
mod exchange;
pub mod explain;
mod first_mail;
mod flight;
mod hashing;
mod inquiry;
mod key_cache;
mod known;
mod live;
mod newcomer;
mod prompt;
mod proof;
mod recorder;
mod refresh;
mod refused;
pub mod registration;
#[cfg(test)]
mod scratch;
mod session_cache;
mod session_token;
pub mod session_watch;
mod share;
mod visit;
mod voucher;
mod work;

pub use auth::Auth;
pub use context::{App, Clock, Context, Parts, Rng, Settings};
pub use visit::{Caller, Visit};

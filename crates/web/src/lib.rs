//! The doors: JSON under `/api`, pages, events, assets. Turns requests into operations of `retinue-app` and their results
//! into answers; decides nothing itself.

mod api;
mod asked;
mod assets;
mod code;
mod door;
mod extract;
mod hosts;
mod kept;
mod markdown;
mod openapi;
mod page;
mod problem;
mod rendered;
mod routes;
mod sse;
mod timings;
mod when;

pub use hosts::Hosts;
pub use openapi::document as openapi;
pub use routes::router;

/// What the doors need to know of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which `Host` headers are answered.
    pub hosts: Hosts,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// What a person may set next, as plain text with `code` in backticks; shown on the pages.
    pub advice: Vec<String>,
}

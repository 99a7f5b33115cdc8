//! The doors: JSON under `/api`, pages, events, assets. Turns requests into operations of `retinue-app` and their results
//! into answers; decides nothing itself.

mod api;
mod asked;
mod assets;
mod bearer;
mod code;
mod cookie;
mod denied;
mod door;
mod errand;
mod extract;
mod field;
mod guard;
mod hosts;
mod json;
mod json_lines;
mod kept;
mod markdown;
mod openapi;
mod page;
mod problem;
mod proxy;
mod rendered;
mod routes;
mod sse;
mod timings;
mod when;

pub use api::audit::line as audit_line;
pub use hosts::Hosts;
pub use openapi::document as openapi;
pub use proxy::TrustedProxies;
pub use routes::{metrics_router, router};

/// What the doors need to know of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which `Host` headers are answered.
    pub hosts: Hosts,
    /// Whose word is taken for where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// Whether people sign in here.
    pub signs_in: bool,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// What a person may set next, as plain text with `code` in backticks; shown on the pages.
    pub advice: Vec<String>,
}

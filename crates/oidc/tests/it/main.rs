//! The relying party against a provider on this machine: one that does everything right, and one that does everything
//! else. Each refusal is told from the others by its code.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod callback;
mod canaille;
mod client_authentication;
mod diagnose;
mod discovery;
mod id_token;
mod key_set;
mod logout;
mod oidc_provider;
mod outage;
mod real;
mod refresh;
mod required_claims;
mod rotation;
mod sign_in;
mod stage;
mod user_info;
mod visitor;

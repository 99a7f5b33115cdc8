//! An OpenID Connect relying party: sign-in by authorization code with PKCE, refreshing, signing out, and the one verifier
//! of tokens that an identity provider signed.
//!
//! Knows nothing of sessions, cookies, users or the store: a [`Provider`] is asked, and what it gives was checked. Time and
//! randomness come in with each call, as a [`Moment`]. Every refusal has its own [`Reason`], whose code is the error's.

mod access_hash;
mod algorithm;
mod assertion;
mod authorization;
mod authorization_parameters;
mod callback;
mod claims;
mod client_authentication;
mod config;
mod constant_time;
mod diagnose;
mod end_session;
mod exchange;
mod http;
mod id_token;
mod issuer;
mod json;
mod key;
mod key_set;
mod known;
mod logout_token;
mod metadata;
mod moment;
mod person;
mod prompt;
mod provider;
mod reach;
mod reason;
mod refresh;
mod required_claims;
mod resolver;
mod sign_in;
mod token;
mod token_answer;
mod user_info;
mod vendor;

pub use assertion::{AssertionAudience, AssertionKey};
pub use authorization::{Begun, Options, Pending};
pub use callback::Callback;
pub use client_authentication::ClientAuthentication;
pub use config::{ClaimNames, Config, MAX_LEEWAY, UserInfo};
pub use diagnose::{Finding, Level};
pub use end_session::EndSession;
pub use http::Limits;
pub use issuer::Issuer;
pub use logout_token::LoggedOut;
pub use moment::Moment;
pub use person::Person;
pub use prompt::Prompt;
pub use provider::Provider;
pub use reason::Reason;
pub use refresh::Refreshed;
pub use sign_in::SignIn;
pub use token::claimed_issuer;
pub use token_answer::Tokens;

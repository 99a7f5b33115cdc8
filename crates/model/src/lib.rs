//! The nouns of Retinue: typed ids, values that were checked when they were made, and the one error type.
//!
//! Nothing here is async, knows SQL or HTTP, or reads a clock.

pub mod agent;
pub mod api_key;
pub mod audit;
pub mod budget;
pub mod credential;
pub mod email;
pub mod error;
pub mod event;
pub mod id;
pub mod identity;
pub mod invitation;
pub mod membership;
pub mod message;
pub mod name;
pub mod offboarding;
pub mod one_time_token;
pub mod password;
pub mod principal;
pub mod provider;
pub mod return_to;
pub mod run;
pub mod session;
pub mod slug;
pub mod team;
pub mod text;
pub mod thread;
pub mod time;
pub mod usage;
pub mod user;
pub mod visible;
mod words;

pub use email::Email;
pub use error::{Error, Result};
pub use id::{
    AgentId, ApiKeyId, AuditEventId, IdentityId, InvitationId, MessageId, OneTimeTokenId, OrganizationId, RunId,
    SessionId, TeamId, ThreadId, UserId,
};
pub use name::Name;
pub use password::{NewPassword, Password};
pub use principal::Principal;
pub use slug::Slug;

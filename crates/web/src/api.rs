//! JSON doors.

pub(crate) mod agent;
pub(crate) mod credential;
pub(crate) mod event;
pub(crate) mod health;
pub(crate) mod identity;
pub(crate) mod link;
pub(crate) mod list;
pub(crate) mod message;
pub(crate) mod provider;
pub(crate) mod register;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod set_up;
pub(crate) mod sign_in;
pub(crate) mod thread;

//! Who may make an account by themselves: everybody, whoever was invited, or nobody.

use retinue_model::error::Kind;
use retinue_model::{Error, Result};

use crate::local::Registration;
use crate::{Visit, link};

fn closed(why: &str) -> Error {
    Error::new(Kind::Forbidden, "registration_closed", format!("{why} Ask whoever runs this server."))
}

/// Whether anybody may register here.
///
/// # Errors
/// `local_disabled`, `registration_closed`, `links_disabled`.
pub fn may_register(visit: &Visit) -> Result<()> {
    match visit.local()?.registration {
        Registration::Open => link::may_ask(visit),
        Registration::Invite => Err(closed("Only whoever was invited may make an account here.")),
        Registration::Closed => Err(closed("Nobody makes an account here by themselves.")),
    }
}

/// Whether invitations count here.
///
/// # Errors
/// `local_disabled`, `registration_closed`.
pub fn may_accept(visit: &Visit) -> Result<()> {
    match visit.local()?.registration {
        Registration::Open | Registration::Invite => Ok(()),
        Registration::Closed => Err(closed("Invitations do not count here at the moment.")),
    }
}

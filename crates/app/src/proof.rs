//! Whether somebody showed lately who they are: before they change how they sign in. Whoever finds a browser open must not
//! keep what they find.

use jiff::SignedDuration;
use retinue_model::error::Kind;
use retinue_model::{Error, Result};

use crate::Context;

/// For how long it counts that somebody showed who they are.
pub(crate) const RECENT: SignedDuration = SignedDuration::from_mins(15);

/// Lets go on whoever showed lately who they are.
///
/// # Errors
/// `sign_in_again`
pub(crate) fn require(ctx: &Context) -> Result<()> {
    let age = ctx.proved_at().map(|at| ctx.now().duration_since(at));
    // A time to come is no proof: a clock was set back.
    if age.is_some_and(|age| age.abs() <= RECENT) { Ok(()) } else { Err(not_lately()) }
}

fn not_lately() -> Error {
    Error::new(
        Kind::Forbidden,
        "sign_in_again",
        "This changes how you sign in. Sign in again to show that it is you, and do it within 15 minutes.",
    )
}

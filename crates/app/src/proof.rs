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
    const WHAT_TO_DO: &str =
        "This changes how you sign in. Sign in again to show that it is you, and do it within 15 minutes.";
    if is_recent(ctx) { Ok(()) } else { Err(sign_in_again(WHAT_TO_DO)) }
}

/// The same once more, at the end of what somebody began when it was recent: whoever sits there now may be another one.
///
/// # Errors
/// `sign_in_again`
pub(crate) fn require_still(ctx: &Context) -> Result<()> {
    const WHAT_TO_DO: &str = "It took longer than 15 minutes since you showed that it is you, so nothing was changed. Sign in again, then do it once more, to its end.";
    if is_recent(ctx) { Ok(()) } else { Err(sign_in_again(WHAT_TO_DO)) }
}

fn is_recent(ctx: &Context) -> bool {
    let age = ctx.known().proved_at().map(|at| ctx.now().duration_since(at));
    // A time to come is no proof: a clock was set back.
    age.is_some_and(|age| age.abs() <= RECENT)
}

fn sign_in_again(what_to_do: &'static str) -> Error {
    Error::new(Kind::Forbidden, "sign_in_again", what_to_do)
}

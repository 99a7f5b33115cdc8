//! The place that somebody has in a browser: whoever signs in by a link takes it, and another one must have agreed to that.

use retinue_model::{Error, Result, UserId};

use crate::{Context, session};

/// Who a browser is signed in as.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Who that is, if anybody.
    pub current: Option<Context>,
    /// Who agreed that somebody else takes it: the one who was shown on the page with the button.
    pub instead_of: Option<UserId>,
}

impl Place {
    /// Links come from elsewhere: whoever is signed in and opens one must not go on as somebody else without knowing.
    ///
    /// # Errors
    /// `signed_in_as_other` if it is somebody else's, who has not agreed. Somebody new is none.
    pub(crate) fn admit(&self, user: Option<UserId>) -> Result<()> {
        let Some(known) = self.current.as_ref().and_then(Context::known_user) else { return Ok(()) };
        if user == Some(known.id) || self.instead_of == Some(known.id) {
            return Ok(());
        }
        Err(Error::conflict(
            "signed_in_as_other",
            format!(
                "You are signed in here as {}, and this is for somebody else. Go on only if you want to be signed out.",
                known.name
            ),
        ))
    }

    /// Whoever had it is signed out.
    pub(crate) async fn take(&self) {
        session::replace(self.current.as_ref()).await;
    }
}

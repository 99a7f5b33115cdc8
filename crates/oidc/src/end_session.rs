//! Signing out at the provider too (OpenID Connect RP-Initiated Logout 1.0).

use jiff::Timestamp;
use retinue_model::Result;
use secrecy::{ExposeSecret, SecretString};

use crate::provider::Provider;

/// What is said at sign-out.
#[derive(Clone, Debug, Default)]
pub struct EndSession {
    /// The ID token of the sign-in, so that the provider need not ask who it is.
    pub id_token: Option<SecretString>,
    /// Where the provider sends the person afterwards; it must be registered there.
    pub return_to: Option<String>,
}

impl Provider {
    /// Where to send the person to sign out at the provider; None if it has no such place.
    ///
    /// # Errors
    /// The provider can't be used, and nothing is known of it.
    pub async fn end_session_url(&self, now: Timestamp, end: EndSession) -> Result<Option<String>> {
        let metadata = self.metadata(now).await?;
        let Some(mut url) = metadata.end_session_endpoint.clone() else { return Ok(None) };
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", &self.config().client_id);
            if let Some(id_token) = &end.id_token {
                query.append_pair("id_token_hint", id_token.expose_secret());
            }
            if let Some(return_to) = &end.return_to {
                query.append_pair("post_logout_redirect_uri", return_to);
            }
        }
        Ok(Some(url.into()))
    }
}

//! New tokens for somebody who is signed in (RFC 6749, section 6; OpenID Connect Core 1.0, section 12).

use std::fmt;

use retinue_model::Result;
use secrecy::{ExposeSecret, SecretString};

use crate::client_authentication::TokenForm;
use crate::id_token::IdToken;
use crate::moment::Moment;
use crate::person::{Description, Person};
use crate::provider::Provider;
use crate::reason::Reason;
use crate::required_claims;
use crate::token_answer::{TokenError, Tokens};

/// What a refresh gave.
pub struct Refreshed {
    /// New tokens. A refresh token among them replaces the old one, which may not count any more.
    pub tokens: Tokens,
    /// What a new ID token says about the person; None if there was none. UserInfo is not asked again, so less may be known
    /// than at the sign-in.
    pub person: Option<Person>,
}

impl fmt::Debug for Refreshed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refreshed").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

impl Provider {
    /// Takes a refresh token to the provider. The caller sees to it that each is taken once only: providers take one that
    /// comes twice for stolen.
    ///
    /// # Errors
    /// `RefreshRevoked` if the provider ended it: the session must end too. Of kind `Unavailable` if it can't be told at
    /// the moment: the session goes on, and it is tried later; so too after `ClientRefused` and `ProviderRefused`, which
    /// the operator must mend. `TokenSubjectChanged`, `ClaimRefused` if the person lost what is required of them, or the
    /// reason why a new ID token was refused: the session must end.
    pub async fn refresh(&self, moment: Moment<'_>, refresh_token: &SecretString, subject: &str) -> Result<Refreshed> {
        let form = TokenForm::new("refresh_token").with("refresh_token", refresh_token.expose_secret());
        let tokens = self.tokens(form, moment, refused).await?;
        let Some(id_token) = &tokens.id_token else { return Ok(Refreshed { tokens, person: None }) };
        let check = IdToken { nonce: None, max_age: None, access_token: tokens.access_token.expose_secret() };
        let (its, claims) = self.id_token(id_token.expose_secret(), &check, moment.now).await?;
        if its != subject {
            return Err(Reason::TokenSubjectChanged.into());
        }
        required_claims::readmit(&self.config().required_claims, claims.object())?;
        let person = Some(Description::of(claims.object(), &self.config().claims).into_person(its));
        Ok(Refreshed { tokens, person })
    }
}

/// Why a refresh token was not taken. Some providers say `interaction_required` and its like for what the person must mend
/// by signing in again.
fn refused(error: &TokenError) -> Reason {
    match error.error.as_str() {
        _ if error.is_about_client() => Reason::ClientRefused,
        "invalid_grant" | "interaction_required" | "login_required" | "consent_required" => Reason::RefreshRevoked,
        _ => Reason::ProviderRefused,
    }
}

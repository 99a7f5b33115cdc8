//! New tokens for somebody who is signed in (RFC 6749, section 6; OpenID Connect Core 1.0, section 12).

use std::fmt;

use jiff::Timestamp;
use retinue_model::Result;
use secrecy::{ExposeSecret, SecretString};

use crate::client_authentication::TokenForm;
use crate::id_token::IdToken;
use crate::json::Object;
use crate::moment::Moment;
use crate::person::{Description, Person};
use crate::provider::Provider;
use crate::reason::Reason;
use crate::required_claims;
use crate::token_answer::{TokenError, Tokens};

/// What a refresh gave.
pub struct Refreshed {
    /// New tokens. A refresh token among them replaces the old one, whatever came of the rest: that is spent. An ID token
    /// is among them if it was believed.
    pub tokens: Tokens,
    /// What is said about the person now, or why they may not stay or can't be told to. Name and address are there if
    /// something is said of them, the address only together with whether it is verified.
    pub person: Result<Person>,
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
    /// A new ID token may lack claims, and there need not be one (OpenID Connect Core 1.0, section 12.2): for a required
    /// claim that it lacks UserInfo is asked, and for groups that are wanted.
    ///
    /// # Errors
    /// `RefreshRevoked` if the provider ended it, and `ProviderRefused` if it refuses in words of its own. Of kind
    /// `Unavailable` if it can't be told at the moment. `ClientRefused` is the operator's to mend.
    ///
    /// Of the person: `TokenSubjectChanged`, `ClaimRefused` if they lost what is required of them, or the reason why the
    /// new ID token was refused. Of kind `Unavailable`, or `TokenKeyUnknown`, if that can't be told at the moment.
    pub async fn refresh(&self, moment: Moment<'_>, refresh_token: &SecretString, subject: &str) -> Result<Refreshed> {
        let form = TokenForm::new("refresh_token").with("refresh_token", refresh_token.expose_secret());
        let mut tokens = self.tokens(form, moment, refused).await?;
        let person = self.still(&tokens, subject, moment.now).await;
        tokens.id_token = tokens.id_token.filter(|_| person.is_ok());
        Ok(Refreshed { tokens, person })
    }

    /// Whether somebody may stay, by what is said about them now.
    async fn still(&self, tokens: &Tokens, subject: &str, now: Timestamp) -> Result<Person> {
        let config = self.config();
        let claims = self.new_claims(tokens, subject, now).await?;
        let more = if required_claims::lacks_one(&claims, &config.required_claims) {
            self.user_info(&tokens.access_token, (subject, &claims), now).await?
        } else {
            let description = Description::of(&claims, &config.claims);
            self.missing_groups(tokens, (subject, &claims, &description), now).await?
        };
        required_claims::admit(&config.required_claims, &claims, &more)?;
        let mut description = Description::of(&claims, &config.claims);
        description.complete(Description::of(&more, &config.claims));
        Ok(description.without_doubt().into_person(subject.to_owned()))
    }

    async fn new_claims(&self, tokens: &Tokens, subject: &str, now: Timestamp) -> Result<Object> {
        let Some(id_token) = &tokens.id_token else { return Ok(Object::new()) };
        let check =
            IdToken { nonce: None, max_age: None, says_when: false, access_token: tokens.access_token.expose_secret() };
        let (its, claims) = self.id_token(id_token.expose_secret(), &check, now).await?;
        if its != subject {
            return Err(Reason::TokenSubjectChanged.into());
        }
        Ok(claims.into_object())
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

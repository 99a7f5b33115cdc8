//! Somebody has come back from the provider: the end of a sign-in (OpenID Connect Core 1.0, section 3.1.3).

use std::fmt;

use jiff::Timestamp;
use retinue_model::Result;
use secrecy::{ExposeSecret, SecretString};

use crate::authorization::Pending;
use crate::callback::{self, Callback, Outcome};
use crate::client_authentication::TokenForm;
use crate::config::Config;
use crate::constant_time;
use crate::id_token::IdToken;
use crate::json::Object;
use crate::metadata::Metadata;
use crate::moment::Moment;
use crate::person::{Description, Person};
use crate::provider::Provider;
use crate::reason::{Reason, quoted};
use crate::required_claims;
use crate::token_answer::{TokenError, Tokens};

/// How long a sign-in may take, in seconds: people look for their second factor.
const MAX_AGE: i64 = 60 * 60;

/// Somebody who has signed in; everything in it was checked.
pub struct SignIn {
    /// The issuer: together with the subject it is who somebody is.
    pub issuer: String,
    /// Who it is.
    pub person: Person,
    /// The provider's session (`sid`), by which back-channel logout may end it.
    pub session: Option<String>,
    /// When the person signed in there, in seconds since 1970. If it was asked for and is None, this provider says it to
    /// nobody, as far as is known: it neither announces the claim nor has sent it since the program started.
    pub authenticated_at: Option<i64>,
    /// What the provider gave out.
    pub tokens: Tokens,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("issuer", &self.issuer).field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

/// Holds a callback against the sign-in it claims to belong to; gives the code.
///
/// # Errors
/// The reason that fits.
pub(crate) fn code(
    callback: Callback,
    pending: &Pending,
    config: &Config,
    metadata: &Metadata,
    now: i64,
) -> Result<SecretString> {
    let is_elsewhere = callback.came_to.as_ref().is_some_and(|provider| *provider != config.name);
    if pending.provider != config.name || is_elsewhere {
        return Err(Reason::CallbackProvider.into());
    }
    if !constant_time::equal(&callback.state, &pending.state) {
        return Err(Reason::CallbackState.into());
    }
    let age = now.saturating_sub(pending.began_at);
    if age > MAX_AGE || age < -config.leeway_seconds() {
        return Err(Reason::CallbackExpired.because(format!("it was begun {age} s ago")));
    }
    // RFC 9207, section 2.4: also of errors, and before anything else is believed.
    match &callback.issuer {
        Some(issuer) if issuer != config.issuer.as_str() => {
            return Err(Reason::CallbackIssuer.because(format!("iss is {}", quoted(issuer))));
        }
        None if metadata.names_issuer => return Err(Reason::CallbackIssuerMissing.into()),
        _ => {}
    }
    match callback.outcome {
        Outcome::Code(code) => Ok(code),
        Outcome::Refused { error, description } => Err(callback::refusal(&error, &description)),
    }
}

impl Provider {
    /// Ends a sign-in: holds the callback against what was kept, takes the code to the token endpoint, checks the ID token,
    /// asks UserInfo if that is configured and of use, and sees that the person has what is required of them.
    ///
    /// # Errors
    /// The [`Reason`] that fits; nothing is done twice, so a sign-in that failed begins anew.
    pub async fn finish(&self, moment: Moment<'_>, callback: Callback, pending: Pending) -> Result<SignIn> {
        let config = self.config();
        let metadata = self.metadata(moment.now).await?;
        let code = code(callback, &pending, config, &metadata, moment.seconds())?;
        let form = TokenForm::new("authorization_code")
            .with("code", code.expose_secret())
            .with("redirect_uri", &config.redirect_uri)
            .with("code_verifier", pending.verifier.expose_secret());
        let mut tokens = self.tokens(form, moment, refused).await?;
        let id_token = tokens.id_token.take().ok_or_else(|| Reason::TokenAnswer.because("id_token is missing"))?;
        let check = IdToken {
            nonce: Some(pending.nonce.expose_secret()),
            max_age: pending.max_age,
            says_when: metadata.announces_auth_time || self.has_said_when(),
            access_token: tokens.access_token.expose_secret(),
        };
        let (subject, claims) = self.id_token(id_token.expose_secret(), &check, moment.now).await?;
        let session = claims.session()?.map(str::to_owned);
        let authenticated_at = claims.time("auth_time")?;
        let claims = claims.into_object();
        let more = self.what_is_missing(&tokens, (&subject, &claims), moment.now).await?;
        required_claims::admit(&config.required_claims, &claims, &more)?;
        let mut description = Description::of(&claims, &config.claims);
        description.complete(Description::of(&more, &config.claims));
        tokens.id_token = Some(id_token);
        let (issuer, person) = (config.issuer.to_string(), description.into_person(subject));
        Ok(SignIn { issuer, person, session, authenticated_at, tokens })
    }

    /// What UserInfo adds to an ID token; nothing if that has all that is of use.
    async fn what_is_missing(
        &self,
        tokens: &Tokens,
        (subject, claims): (&str, &Object),
        now: Timestamp,
    ) -> Result<Object> {
        let config = self.config();
        let description = Description::of(claims, &config.claims);
        let lacks_something =
            description.lacks_something() || required_claims::lacks_one(claims, &config.required_claims);
        if lacks_something {
            return self.user_info(&tokens.access_token, (subject, claims), now).await;
        }
        self.missing_groups(tokens, (subject, claims, &description), now).await
    }

    /// What UserInfo says, if only groups are missing that are wanted. That they can't be told keeps nobody out.
    pub(crate) async fn missing_groups(
        &self,
        tokens: &Tokens,
        (subject, claims, description): (&str, &Object, &Description),
        now: Timestamp,
    ) -> Result<Object> {
        if !description.lacks_groups() {
            return Ok(Object::new());
        }
        match self.user_info(&tokens.access_token, (subject, claims), now).await {
            // Whose answer that is is another question than whether there is one.
            Err(error) if error.code() == Reason::UserInfoSubject.code() => Err(error),
            Err(error) => {
                tracing::warn!(
                    provider = self.config().name,
                    code = error.code(),
                    ?error,
                    "can_fail(groups): UserInfo does not say in which groups somebody is"
                );
                Ok(Object::new())
            }
            told => told,
        }
    }
}

/// Why a code was not taken (RFC 6749, section 5.2).
fn refused(error: &TokenError) -> Reason {
    match error.error.as_str() {
        _ if error.is_about_client() => Reason::ClientRefused,
        "invalid_grant" => Reason::CodeRefused,
        _ => Reason::ProviderRefused,
    }
}

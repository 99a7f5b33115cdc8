//! Asking the token endpoint.

use retinue_model::Result;
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

use crate::client_authentication::{ClientAuthentication, TokenForm};
use crate::http::Question;
use crate::json::Object;
use crate::moment::Moment;
use crate::provider::Provider;
use crate::reason::Reason;
use crate::token_answer::{self, TokenError, Tokens};

/// Parameters that must not come back in the words of a refusal.
const SECRETS: [&str; 5] = ["code", "code_verifier", "refresh_token", "client_secret", "client_assertion"];

impl Provider {
    /// Posts a form, and reads the tokens; `refused` says what an error of the provider's means here.
    pub(crate) async fn tokens(
        &self,
        form: TokenForm,
        moment: Moment<'_>,
        refused: fn(&TokenError) -> Reason,
    ) -> Result<Tokens> {
        match self.token_answer(form, moment).await? {
            Ok(body) => token_answer::tokens(&body),
            Err(error) => Err(refused(&error).because(error.cause())),
        }
    }

    pub(crate) async fn token_answer(&self, form: TokenForm, moment: Moment<'_>) -> Result<Result<Object, TokenError>> {
        let metadata = self.metadata(moment.now).await?;
        let request = form.authenticated(self.config(), &metadata, moment)?;
        let (url, form) = (&metadata.token_endpoint, request.form.clone());
        let question = Question { url, form: Some(request.form), authorization: request.authorization };
        let answer = token_answer::read(&self.http().ask(question).await?)?;
        Ok(answer.map_err(|mut error| {
            error.description = redacted(error.description, &form, &self.config().authentication);
            error
        }))
    }
}

/// What the provider says, without what it repeats of our secrets.
fn redacted(mut text: String, form: &SecretString, authentication: &ClientAuthentication) -> String {
    for (name, value) in form_urlencoded::parse(form.expose_secret().as_bytes()) {
        if SECRETS.contains(&name.as_ref()) && !value.is_empty() {
            text = text.replace(value.as_ref(), "…");
        }
    }
    match authentication {
        ClientAuthentication::SecretBasic(secret) => text.replace(secret.expose_secret(), "…"),
        _ => text,
    }
}

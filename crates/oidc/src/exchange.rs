//! Asking the token endpoint.

use retinue_model::Result;

use crate::client_authentication::TokenForm;
use crate::http::Question;
use crate::moment::Moment;
use crate::provider::Provider;
use crate::reason::Reason;
use crate::token_answer::{self, TokenError, Tokens};

impl Provider {
    /// Posts a form, and reads the tokens; `refused` says what an error of the provider's means here.
    pub(crate) async fn tokens(
        &self,
        form: TokenForm,
        moment: Moment<'_>,
        refused: fn(&TokenError) -> Reason,
    ) -> Result<Tokens> {
        match self.token_answer(form, moment).await? {
            Ok(body) => token_answer::tokens(&body, moment.now),
            Err(error) => Err(refused(&error).because(error.cause())),
        }
    }

    pub(crate) async fn token_answer(
        &self,
        form: TokenForm,
        moment: Moment<'_>,
    ) -> Result<Result<crate::json::Object, TokenError>> {
        let metadata = self.metadata(moment.now).await?;
        let request = form.authenticated(self.config(), &metadata, moment)?;
        let url = &metadata.token_endpoint;
        let question = Question { url, form: Some(request.form), authorization: request.authorization };
        token_answer::read(&self.http().ask(question).await?)
    }
}

//! What a token endpoint answers (RFC 6749, sections 5.1 and 5.2).

use std::fmt;

use retinue_model::Result;
use secrecy::SecretString;
use serde_json::Value;

use crate::http::Answer;
use crate::json::Object;
use crate::reason::{Reason, quoted};

/// The longest token that is kept.
const MAX_TOKEN: usize = 64 * 1024;

/// What a provider gave out.
#[derive(Clone)]
pub struct Tokens {
    /// For the provider's own APIs.
    pub access_token: SecretString,
    /// For new ones. After a refresh: None if the old one still counts.
    pub refresh_token: Option<SecretString>,
    /// As it was signed; the hint at sign-out. After a refresh: None if there is no new one.
    pub id_token: Option<SecretString>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("has_refresh_token", &self.refresh_token.is_some()).finish_non_exhaustive()
    }
}

/// An error that the token endpoint names (RFC 6749, section 5.2).
pub(crate) struct TokenError {
    pub status: u16,
    pub error: String,
    pub description: String,
}

impl TokenError {
    /// Whether it is about us, and not about what we asked for.
    pub(crate) fn is_about_client(&self) -> bool {
        matches!(self.error.as_str(), "invalid_client" | "unauthorized_client" | "unsupported_grant_type")
            || (self.status == 401 && self.error.is_empty())
    }

    /// For the log.
    pub(crate) fn cause(&self) -> String {
        format!("status {}, {}: {}", self.status, quoted(&self.error), quoted(&self.description))
    }
}

/// What was granted, or what the provider has against it.
///
/// # Errors
/// It has a fault of its own, or does not speak the protocol.
pub(crate) fn read(answer: &Answer) -> Result<Result<Object, TokenError>> {
    match answer.status {
        200 => answer.object().map(Ok),
        status @ (400..=407 | 409..=428 | 430..=499) => {
            let body = answer.object().unwrap_or_default();
            let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let refused = TokenError { status, error: text("error"), description: text("error_description") };
            if refused.error.is_empty() && status != 401 {
                // Not in the protocol's words: something in between has answered.
                return Err(Reason::ProviderFailed.because(refused.cause()));
            }
            Ok(Err(refused))
        }
        status => Err(Reason::ProviderFailed.because(format!("the token endpoint answered with status {status}"))),
    }
}

/// The tokens in a granted answer.
///
/// # Errors
/// `TokenAnswer`, `TokenType`.
pub(crate) fn tokens(body: &Object) -> Result<Tokens> {
    let wrong = |what: &str| Reason::TokenAnswer.because(what.to_owned());
    let text = |name: &'static str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_token(text) => Ok(Some(text.as_str())),
        Some(_) => Err(wrong(name)),
    };
    let kind = text("token_type")?.ok_or_else(|| wrong("token_type is missing"))?;
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(Reason::TokenType.because(format!("token_type is {}", quoted(kind))));
    }
    let access_token = text("access_token")?.ok_or_else(|| wrong("access_token is missing"))?;
    let owned = |text: Option<&str>| text.map(|text| SecretString::from(text.to_owned()));
    Ok(Tokens {
        access_token: access_token.to_owned().into(),
        refresh_token: owned(text("refresh_token")?),
        id_token: owned(text("id_token")?),
    })
}

/// Visible characters and blanks (RFC 6749, appendix A.12), so that it can be sent in a header.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TOKEN && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

//! What comes back from the provider through the person's browser: anybody may have written it (RFC 6749, section 4.1.2).

use std::collections::HashMap;
use std::fmt;

use retinue_model::{Error, Result};
use secrecy::SecretString;
use url::form_urlencoded;

use crate::reason::{Reason, quoted};

/// The longest query that is read.
const MAX_QUERY: usize = 16 * 1024;
/// The longest code; some providers put a whole token into it.
const MAX_CODE: usize = 8 * 1024;
/// The longest state: ours has 43 characters.
const MAX_STATE: usize = 128;
/// The longest of the others.
const MAX_OTHER: usize = 2 * 1024;

/// The parameters of a callback, read strictly. Not yet held against a sign-in.
pub struct Callback {
    pub(crate) outcome: Outcome,
    pub(crate) state: String,
    /// RFC 9207.
    pub(crate) issuer: Option<String>,
    /// The provider whose own redirect URI it came to.
    pub(crate) came_to: Option<String>,
}

/// What the provider says.
pub(crate) enum Outcome {
    Code(SecretString),
    /// An error's code and description (RFC 6749, section 4.1.2.1).
    Refused {
        error: String,
        description: String,
    },
}

impl Callback {
    /// It came to the redirect URI of this provider alone: nobody else's sign-in may end with it (RFC 9700, section 4.4.2.2).
    /// Where providers don't name themselves in their answers, only this tells a code of one from a code of another.
    #[must_use]
    pub fn at(mut self, provider: &str) -> Self {
        self.came_to = Some(provider.to_owned());
        self
    }

    /// Reads the query of a callback, without the question mark.
    ///
    /// # Errors
    /// `CallbackTooLarge` (8 KB of state, for example), `CallbackRepeated`, `CallbackMalformed` if a value has a control
    /// character or is not ASCII where it must be, or if there are both a code and an error, `CallbackIncomplete` if there
    /// is neither, or no state.
    pub fn parse(query: &str) -> Result<Self> {
        if query.len() > MAX_QUERY {
            return Err(Reason::CallbackTooLarge.into());
        }
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(Reason::CallbackRepeated.because(format!("{} is there twice", quoted(&name))));
            }
        }
        let mut take = |name: &'static str, max: usize| match parameters.remove(name).filter(|value| !value.is_empty())
        {
            Some(value) if value.len() > max => {
                Err(Reason::CallbackTooLarge.because(format!("{name} is longer than {max} bytes")))
            }
            // RFC 6749, appendix A: visible characters and blanks.
            Some(value) if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) => {
                Err(Reason::CallbackMalformed.because(format!("{name} has characters that it can't have")))
            }
            other => Ok(other),
        };
        let (code, error) = (take("code", MAX_CODE)?, take("error", MAX_OTHER)?);
        let state = take("state", MAX_STATE)?;
        let issuer = take("iss", MAX_OTHER)?;
        // For people, and only shown in the log: some providers write it in their own language.
        let description = parameters.remove("error_description").unwrap_or_default();
        let state = state.ok_or_else(|| Reason::CallbackIncomplete.because("no state"))?;
        let outcome = match (code, error) {
            (Some(code), None) => Outcome::Code(code.into()),
            (None, Some(error)) => Outcome::Refused { error, description },
            (Some(_), Some(_)) => return Err(Reason::CallbackMalformed.because("both a code and an error")),
            (None, None) => return Err(Reason::CallbackIncomplete.because("neither code nor error")),
        };
        Ok(Self { outcome, state, issuer, came_to: None })
    }

    /// Which sign-in it claims to belong to.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match &self.outcome {
            Outcome::Code(_) => "code",
            Outcome::Refused { .. } => "error",
        };
        f.debug_struct("Callback").field("outcome", &outcome).finish_non_exhaustive()
    }
}

/// Why the provider sent somebody back with an error (RFC 6749, section 4.1.2.1; OpenID Connect Core 1.0, section 3.1.2.6).
pub(crate) fn refusal(error: &str, description: &str) -> Error {
    let reason = match error {
        "access_denied" => Reason::Denied,
        "interaction_required" | "login_required" | "account_selection_required" | "consent_required" => {
            Reason::InteractionRequired
        }
        "server_error" | "temporarily_unavailable" => Reason::ProviderFailed,
        "unauthorized_client" | "invalid_client" => Reason::ClientRefused,
        _ => Reason::ProviderRefused,
    };
    reason.because(format!("{}: {}", quoted(error), quoted(description)))
}

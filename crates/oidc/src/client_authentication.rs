//! How a client shows at the token endpoint that it is itself (OpenID Connect Core 1.0, section 9).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use retinue_model::Result;
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::assertion::{ASSERTION_TYPE, AssertionKey};
use crate::config::Config;
use crate::metadata::Metadata;
use crate::moment::Moment;

/// How a client shows that it is itself.
#[derive(Clone)]
pub enum ClientAuthentication {
    /// Not at all: a public client, which PKCE protects.
    None,
    /// Its id and secret in the `Authorization` header.
    SecretBasic(SecretString),
    /// Its secret in the form.
    SecretPost(SecretString),
    /// A token that it signed itself.
    PrivateKeyJwt(AssertionKey),
}

impl ClientAuthentication {
    /// Its name in the provider's metadata and in configurations.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::SecretBasic(secret) | Self::SecretPost(secret) if secret.expose_secret().trim().is_empty() => {
                Err("has an empty secret. Set it, or take `none` for a public client.")
            }
            Self::SecretBasic(secret) | Self::SecretPost(secret)
                if secret.expose_secret().chars().any(char::is_control) =>
            {
                Err("has a secret with a line break or another control character in it. Take it out.")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A form that is on its way to the token endpoint, encoded.
pub(crate) struct TokenForm(String);

/// The form and the header of a token request.
pub(crate) struct Authenticated {
    pub form: SecretString,
    pub authorization: Option<SecretString>,
}

impl TokenForm {
    pub(crate) fn new(grant_type: &str) -> Self {
        Self(String::new()).with("grant_type", grant_type)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        Serializer::for_suffix(&mut self.0, 0).append_pair(name, value);
        self
    }

    /// Adds what shows who asks.
    pub(crate) fn authenticated(
        self,
        config: &Config,
        metadata: &Metadata,
        moment: Moment<'_>,
    ) -> Result<Authenticated> {
        let (form, authorization) = match &config.authentication {
            ClientAuthentication::SecretBasic(secret) => (self, Some(basic(&config.client_id, secret))),
            ClientAuthentication::None => (self.with("client_id", &config.client_id), None),
            ClientAuthentication::SecretPost(secret) => {
                let form = self.with("client_id", &config.client_id);
                (form.with("client_secret", secret.expose_secret()), None)
            }
            ClientAuthentication::PrivateKeyJwt(key) => {
                let assertion = key.assertion(config, metadata, moment)?;
                let form = self.with("client_id", &config.client_id).with("client_assertion_type", ASSERTION_TYPE);
                (form.with("client_assertion", assertion.expose_secret()), None)
            }
        };
        Ok(Authenticated { form: form.0.into(), authorization })
    }
}

/// Both halves are form-encoded before they are joined (RFC 6749, section 2.3.1).
fn basic(client_id: &str, secret: &SecretString) -> SecretString {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose_secret()));
    format!("Basic {}", STANDARD.encode(pair)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_are_form_encoded() {
        let header = basic("a:b c", &"p%&+ü".to_owned().into());
        let pair = STANDARD.decode(header.expose_secret().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(pair, b"a%3Ab+c:p%25%26%2B%C3%BC");
    }

    #[test]
    fn the_secret_is_hidden() {
        let authentication = ClientAuthentication::SecretPost("hunter2".to_owned().into());
        assert_eq!(format!("{authentication:?}"), "client_secret_post");
    }
}

//! Sending somebody to the provider (OpenID Connect Core 1.0, section 3.1.2.1; PKCE, RFC 7636).

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use retinue_model::Result;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::authorization_parameters::is_prompt;
use crate::config::Config;
use crate::metadata::Metadata;
use crate::moment::Moment;
use crate::prompt::Prompt;

/// The longest hint that is passed on.
const MAX_HINT: usize = 320;

/// What is wanted of one sign-in.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the person wants to go afterwards; comes back as it is, and is the caller's to check.
    pub return_path: String,
    /// What the provider should ask, as far as it takes such questions.
    pub prompt: Option<Prompt>,
    /// How long ago the person may have signed in there. It is checked, unless the provider is one that never says when that
    /// was.
    pub max_age: Option<Duration>,
    /// Who they probably are. One over 320 bytes, or with control characters, is left out.
    pub login_hint: Option<String>,
}

/// A sign-in that begins.
pub struct Begun {
    /// Where the person's browser goes.
    pub url: String,
    /// What must be there when it comes back.
    pub pending: Pending,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL has state and nonce in it.
        f.debug_struct("Begun").field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// A sign-in that is under way. The caller keeps it where only the person's own browser can bring it back, encrypted: in
/// the wrong hands it is worth a sign-in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The provider's name.
    pub provider: String,
    /// Ties the answer to this sign-in.
    pub state: String,
    /// Where the person wants to go afterwards.
    pub return_path: String,
    #[serde(serialize_with = "expose", deserialize_with = "conceal")]
    pub(crate) nonce: SecretString,
    #[serde(serialize_with = "expose", deserialize_with = "conceal")]
    pub(crate) verifier: SecretString,
    /// In seconds since 1970.
    pub(crate) began_at: i64,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<i64>,
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn conceal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("provider", &self.provider)
            .field("began_at", &self.began_at)
            .finish_non_exhaustive()
    }
}

/// Where to send the person, and what to keep.
pub(crate) fn begin(config: &Config, metadata: &Metadata, moment: Moment<'_>, options: Options) -> Begun {
    let max_age = options.max_age.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    let pending = Pending {
        provider: config.name.clone(),
        state: moment.token(),
        return_path: options.return_path,
        nonce: moment.token().into(),
        verifier: moment.token().into(),
        began_at: moment.seconds(),
        max_age,
    };
    let mut url = metadata.authorization_endpoint.clone();
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &config.client_id)
            .append_pair("redirect_uri", &config.redirect_uri)
            .append_pair("scope", &config.scopes.join(" "))
            .append_pair("state", &pending.state)
            .append_pair("nonce", pending.nonce.expose_secret())
            .append_pair("code_challenge", &challenge(pending.verifier.expose_secret()))
            .append_pair("code_challenge_method", "S256");
        let prompt = options.prompt.and_then(|prompt| prompt.value(config, metadata));
        let wanted = |parameter: &&(String, String)| prompt.is_none() || !is_prompt(parameter);
        query.extend_pairs(config.authorization_parameters.iter().filter(wanted));
        if let Some(prompt) = prompt {
            query.append_pair("prompt", prompt);
        }
        if let Some(max_age) = max_age {
            query.append_pair("max_age", &max_age.to_string());
        }
        let is_fit = |hint: &String| hint.len() <= MAX_HINT && !hint.chars().any(char::is_control);
        if let Some(hint) = options.login_hint.filter(is_fit) {
            query.append_pair("login_hint", &hint);
        }
    }
    Begun { url: url.into(), pending }
}

/// `S256` (RFC 7636, section 4.2).
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_gives_its_challenge() {
        // Appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}

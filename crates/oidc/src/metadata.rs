//! A provider's discovery document (OpenID Connect Discovery 1.0, section 3), checked.

use retinue_model::Result;
use serde_json::Value;
use url::Url;

use crate::algorithm::Algorithm;
use crate::issuer::Issuer;
use crate::json::Object;
use crate::reason::{Reason, quoted};

/// What is used of a discovery document.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub jwks_uri: Url,
    pub userinfo_endpoint: Option<Url>,
    pub end_session_endpoint: Option<Url>,
    /// The algorithms that we accept and it announces; all that we accept if it announces nothing.
    pub algorithms: Vec<Algorithm>,
    /// Whether every answer at the callback names its issuer (RFC 9207, section 3).
    pub names_issuer: bool,
    /// Whether it says that it tells when people signed in.
    pub announces_auth_time: bool,
    /// What it takes as `prompt` (Initiating User Registration via OpenID Connect 1.0, section 4.2), if it says so.
    pub prompts: Option<Vec<String>>,
}

impl Metadata {
    /// Checks a discovery document of `issuer`.
    ///
    /// # Errors
    /// `MetadataIssuer`, `MetadataEndpoint`, `MetadataIncomplete`.
    pub(crate) fn parse(document: &Object, issuer: &Issuer) -> Result<Self> {
        match document.get("issuer") {
            Some(Value::String(named)) if named == issuer.as_str() => {}
            Some(Value::String(named)) => {
                let cause = format!("it is of {}, and {} is configured", quoted(named), quoted(issuer.as_str()));
                return Err(Reason::MetadataIssuer.because(cause));
            }
            _ => return Err(Reason::MetadataIncomplete.because("issuer is missing")),
        }
        let optional = |name| endpoint(document, name, issuer);
        let required = |name: &'static str| {
            let missing = || Reason::MetadataIncomplete.because(format!("{name} is missing"));
            optional(name)?.ok_or_else(missing)
        };
        Ok(Self {
            authorization_endpoint: required("authorization_endpoint")?,
            token_endpoint: required("token_endpoint")?,
            jwks_uri: required("jwks_uri")?,
            userinfo_endpoint: optional("userinfo_endpoint")?,
            end_session_endpoint: optional("end_session_endpoint")?,
            algorithms: algorithms(document)?,
            names_issuer: flag(document, "authorization_response_iss_parameter_supported"),
            announces_auth_time: announces(document, "claims_supported", "auth_time"),
            // What is no list keeps nobody from signing in.
            prompts: texts(document, "prompt_values_supported").unwrap_or_default(),
        })
    }
}

fn endpoint(document: &Object, name: &'static str, issuer: &Issuer) -> Result<Option<Url>> {
    let text = match document.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => return Err(Reason::MetadataIncomplete.because(format!("{name} is not text"))),
    };
    let url = Url::parse(text).ok().filter(|url| issuer.accepts(url));
    let refused = || Reason::MetadataEndpoint.because(format!("{name} is {}, which may not be asked", quoted(text)));
    url.ok_or_else(refused).map(Some)
}

fn algorithms(document: &Object) -> Result<Vec<Algorithm>> {
    let Some(announced) = texts(document, "id_token_signing_alg_values_supported")? else {
        return Ok(Algorithm::ALL.to_vec());
    };
    let usable: Vec<_> = announced.iter().filter_map(|name| Algorithm::named(name)).collect();
    if usable.is_empty() {
        let cause = "id_token_signing_alg_values_supported has none that is accepted; RS256 or ES256 would be";
        return Err(Reason::MetadataIncomplete.because(cause));
    }
    Ok(usable)
}

fn texts(document: &Object, name: &'static str) -> Result<Option<Vec<String>>> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())),
        Some(_) => Err(Reason::MetadataIncomplete.because(format!("{name} is not a list"))),
    }
}

/// Whether a list has this. What is no list keeps nobody from signing in.
fn announces(document: &Object, name: &str, value: &str) -> bool {
    document.get(name).and_then(Value::as_array).is_some_and(|items| items.iter().any(|item| item == value))
}

fn flag(document: &Object, name: &str) -> bool {
    document.get(name) == Some(&Value::Bool(true))
}

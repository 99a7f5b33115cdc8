//! What an operator says about a provider, and the checks of it.

use std::fmt;
use std::time::Duration;

use retinue_model::{Error, Result};

use crate::authorization_parameters;
use crate::client_authentication::ClientAuthentication;
use crate::http::Limits;
use crate::issuer::{self, Issuer};
use crate::required_claims;

/// The most by which the clocks may differ.
pub const MAX_LEEWAY: Duration = Duration::from_mins(5);
const MAX_NAME: usize = 32;
const MAX_CLIENT_ID: usize = 255;

/// A provider, as it is configured. [`crate::Provider::new`] checks it.
#[derive(Clone)]
pub struct Config {
    /// What it is called in URLs and rows: lower-case letters, digits and hyphens, 32 at most.
    pub name: String,
    /// Its issuer.
    pub issuer: Issuer,
    /// Who we are there.
    pub client_id: String,
    /// How we show that.
    pub authentication: ClientAuthentication,
    /// Where it sends people back to: exactly as it is registered there. Where several providers are configured and not
    /// all of them name themselves in their answers (RFC 9207), each should have one of its own (RFC 9700, section 4.4.2).
    pub redirect_uri: String,
    /// What is asked for; `openid` is added if it is not among them.
    pub scopes: Vec<String>,
    /// Parameters that are sent along with every sign-in, such as Google's `access_type=offline`: 16 at most, none that is
    /// set here anyway. A prompt among them gives way to that of [`crate::Options`].
    pub authorization_parameters: Vec<(String, String)>,
    /// What its claims are called.
    pub claims: ClaimNames,
    /// Claims that somebody must have to come in, each with the values of which one is enough, for example `hd` and
    /// `example.com`. Of a claim that is a list, one common value is enough. Dots lead into claims, such as
    /// `realm_access.roles`, unless there is a claim with dots in its name. Truths and numbers are compared as text.
    pub required_claims: Vec<(String, Vec<String>)>,
    /// How far its clock and ours may differ; 5 minutes at most.
    pub leeway: Duration,
    /// Whether its UserInfo endpoint is asked.
    pub user_info: UserInfo,
    /// Whether anything here depends on an address being verified; `retinue doctor` then says if the provider can't tell.
    pub needs_verified_email: bool,
    /// Who else may stand in `aud` beside us; mostly nobody.
    pub trusted_audiences: Vec<String>,
    /// How long it is waited for.
    pub limits: Limits,
}

/// The names of the claims that say who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// What people call the person.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// Whether the provider has checked the address.
    pub email_verified: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { name: "name".into(), email: "email".into(), email_verified: "email_verified".into() }
    }
}

/// Whether a provider's UserInfo endpoint is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserInfo {
    /// If the ID token lacks the name, the address, whether that is verified, or a required claim.
    #[default]
    WhenClaimsLack,
    /// Never.
    Never,
}

impl Config {
    /// A configuration with the defaults: a public client, `openid profile email`, a minute's leeway.
    #[must_use]
    pub fn new(name: &str, issuer: Issuer, client_id: &str, redirect_uri: &str) -> Self {
        Self {
            name: name.to_owned(),
            issuer,
            client_id: client_id.to_owned(),
            authentication: ClientAuthentication::None,
            redirect_uri: redirect_uri.to_owned(),
            scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
            authorization_parameters: Vec::new(),
            claims: ClaimNames::default(),
            required_claims: Vec::new(),
            leeway: Duration::from_mins(1),
            user_info: UserInfo::default(),
            needs_verified_email: false,
            trusted_audiences: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// The configuration, if nothing is wrong with it.
    pub(crate) fn checked(mut self) -> Result<Self> {
        let is_slug = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if self.name.is_empty() || self.name.len() > MAX_NAME || !is_slug(&self.name) {
            return Err(self.invalid("name", "has other characters than a to z, 0 to 9 and -, or is longer than 32."));
        }
        let is_visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !is_visible(&self.client_id) || self.client_id.len() > MAX_CLIENT_ID {
            return Err(self.invalid("client id", "is empty, longer than 255 characters, or not in plain ASCII."));
        }
        if !issuer::is_redirect_uri(&self.redirect_uri) {
            return Err(self.invalid("redirect URI", "is not an https URL without a fragment. It looks like https://retinue.example.com/auth/callback; http is for this machine only."));
        }
        if let Some(scope) = self.scopes.iter().find(|scope| !is_scope(scope)) {
            let hint = if scope.contains(',') { "Scopes are separated by blanks, not commas." } else { "Take it out." };
            return Err(self.invalid("list of scopes", &format!("has one that can't be: {scope:?}. {hint}")));
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            self.scopes.insert(0, "openid".to_owned());
        }
        authorization_parameters::check(&self.authorization_parameters)
            .map_err(|why| self.invalid("list of authorization parameters", &why))?;
        if self.leeway > MAX_LEEWAY {
            return Err(self.invalid("leeway", "is longer than 5 minutes. Set the clocks right instead."));
        }
        if [&self.claims.name, &self.claims.email, &self.claims.email_verified].iter().any(|name| name.is_empty()) {
            return Err(self.invalid("claim mapping", "has an empty name. Leave the key out for the usual name."));
        }
        required_claims::check(&self.required_claims).map_err(|why| self.invalid("list of required claims", &why))?;
        self.authentication.check().map_err(|why| self.invalid("client authentication", why))?;
        Ok(self)
    }

    fn invalid(&self, what: &str, why: &str) -> Error {
        Error::invalid("invalid_oidc_provider", format!("The identity provider {:?}: its {what} {why}", self.name))
    }

    /// Seconds of leeway.
    pub(crate) fn leeway_seconds(&self) -> i64 {
        i64::try_from(self.leeway.as_secs()).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("authentication", &self.authentication)
            .field("redirect_uri", &self.redirect_uri)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// RFC 6749, appendix A.4; the comma is allowed there, but is always a mistake.
fn is_scope(scope: &str) -> bool {
    let is_allowed = |byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~') && byte != b',';
    !scope.is_empty() && scope.bytes().all(is_allowed)
}

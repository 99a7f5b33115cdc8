//! The part of the configuration that says who may come in, in types; and what the program makes of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use retinue_app::admin::Declared;
use retinue_app::auth::{self, Provision, SignInProvider};
use retinue_app::session::Limits;
use retinue_oidc::{AssertionAudience, AssertionKey, ClaimNames, ClientAuthentication, Issuer, Provider, UserInfo};
use secrecy::SecretString;
use serde::Deserialize;

use crate::config::{Config, ConfigError, Secret};
use crate::local::Local;

/// Where providers send people back to.
const CALLBACK: &str = "/auth/callback";

/// `[auth]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key, and a test holds the two together")]
pub struct Auth {
    pub mode: Mode,
    pub admins: Vec<String>,
    pub single_user: SingleUser,
    pub local: Local,
    pub oidc: OidcProvider,
    #[serde(default)]
    pub providers: Vec<OidcProvider>,
    pub sessions: Sessions,
}

/// `auth.mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Mode {
    /// Everybody who reaches the server is the local user.
    SingleUser,
    /// Whoever signs in at an identity provider.
    Oidc,
    /// Whoever signs in with an address.
    Local,
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "single_user" => Ok(Self::SingleUser),
            "oidc" => Ok(Self::Oidc),
            "local" => Ok(Self::Local),
            other => Err(format!("“{other}” is not one of `single_user`, `oidc` and `local`")),
        }
    }
}

/// `[auth.single_user]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct SingleUser {
    pub allow_remote: bool,
}

/// `[auth.sessions]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Sessions {
    pub idle_hours: u32,
    pub absolute_hours: u32,
}

/// `[auth.oidc]`, and each of `[[auth.providers]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct OidcProvider {
    pub name: String,
    pub label: String,
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub client_authentication: Authentication,
    pub private_key_file: PathBuf,
    pub private_key_id: String,
    pub private_key_audience: AudienceKey,
    pub redirect_uri: String,
    pub scopes: String,
    pub authorization_parameters: Vec<String>,
    pub required_claims: Vec<String>,
    pub provision: ProvisionKey,
    pub link_by_email: LinkKey,
    pub refresh_minutes: u32,
    pub leeway_seconds: u64,
    pub name_claim: String,
    pub email_claim: String,
    pub email_verified_claim: String,
    pub user_info: UserInfoKey,
    pub trusted_audiences: Vec<String>,
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$choice_doc:meta])* $choice:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$choice_doc])* $choice,)*
        }
    )*};
}

choices! {
    /// `client_authentication`
    Authentication {
        /// By what is there.
        Auto,
        /// A public client.
        None,
        /// In the header.
        ClientSecretBasic,
        /// In the form.
        ClientSecretPost,
        /// By a signature.
        PrivateKeyJwt,
    }
    /// `provision`
    ProvisionKey {
        /// Strangers become users.
        Create,
        /// Strangers are refused.
        Never,
    }
    /// `link_by_email`
    LinkKey {
        /// An address makes nobody anybody.
        Never,
        /// A verified address of exactly one user does.
        Verified,
    }
    /// `private_key_audience`
    AudienceKey {
        /// The URL of the token endpoint.
        TokenEndpoint,
        /// The issuer.
        Issuer,
    }
    /// `user_info`
    UserInfoKey {
        /// If the ID token lacks something.
        WhenClaimsLack,
        /// Never.
        Never,
    }
}

impl Auth {
    /// Whether nobody signs in.
    #[must_use]
    pub fn is_single_user(&self) -> bool {
        self.mode == Mode::SingleUser
    }

    fn has_verified_admin(&self) -> bool {
        self.admins.iter().any(|admin| admin.starts_with("verified:"))
    }

    fn configured(&self) -> impl Iterator<Item = (String, &OidcProvider)> {
        let first = (!self.oidc.issuer.is_empty()).then_some(("auth.oidc".to_owned(), &self.oidc));
        let further = self.providers.iter().enumerate();
        first.into_iter().chain(further.map(|(index, provider)| (format!("auth.providers[{index}]"), provider)))
    }

    /// What the types can't say.
    pub(crate) fn check(&self, config: &Config) -> Result<(), ConfigError> {
        for (index, admin) in self.admins.iter().enumerate() {
            Declared::parse(admin)
                .map_err(|error| ConfigError::new(&format!("auth.admins[{index}]"), error.detail()))?;
        }
        let Sessions { idle_hours, absolute_hours } = self.sessions;
        for (key, hours) in [("idle_hours", idle_hours), ("absolute_hours", absolute_hours)] {
            if !(1..=24 * 366).contains(&hours) {
                return Err(ConfigError::new(&format!("auth.sessions.{key}"), "must be hours from 1 to 8784."));
            }
        }
        match self.mode {
            Mode::SingleUser => Ok(()),
            Mode::Oidc => self.check_oidc(config),
            Mode::Local => config.check_public_url(),
        }?;
        config.check_local()
    }

    /// What is said of a provider that is not used, by the keys that somebody set, if anything: whoever sets one up believes
    /// that people must sign in there.
    pub(crate) fn check_unused<'k>(&self, set: &mut impl Iterator<Item = &'k str>) -> Result<(), ConfigError> {
        let (is_unused, reason): (fn(&str) -> bool, _) = match self.mode {
            Mode::Oidc if !self.oidc.issuer.is_empty() => return Ok(()),
            Mode::Oidc => (|key| key.starts_with("auth.oidc."), "auth.oidc.issuer is not. Set OIDC_ISSUER_URL"),
            Mode::SingleUser => {
                (is_of_provider, "auth.mode is `single_user`, in which nobody signs in. Set AUTH_MODE=oidc")
            }
            Mode::Local => {
                (is_of_provider, "auth.mode is `local`, in which nobody signs in at a provider. Set AUTH_MODE=oidc")
            }
        };
        match set.find(|key| is_unused(key)) {
            Some(key) => Err(ConfigError::new(key, format!("is set, but {reason}, or unset it."))),
            None => Ok(()),
        }
    }

    fn check_oidc(&self, config: &Config) -> Result<(), ConfigError> {
        if self.oidc.issuer.is_empty() && self.providers.is_empty() {
            return Err(ConfigError::new(
                "auth.oidc.issuer",
                "is empty, and auth.mode is `oidc`. Set OIDC_ISSUER_URL, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET.",
            ));
        }
        config.check_public_url()?;
        let mut names = std::collections::HashSet::new();
        for (key, provider) in self.configured() {
            if !names.insert(&provider.name) {
                return Err(ConfigError::new(&format!("{key}.name"), format!("“{}” stands twice.", provider.name)));
            }
            provider.build(&key, &config.public_url(config.server.listen.0), self.has_verified_admin())?;
        }
        Ok(())
    }

    /// What the program makes of it. `address` is where it listens.
    pub(crate) fn build(&self, config: &Config, address: SocketAddr) -> Result<auth::Auth, ConfigError> {
        let public_url = config.public_url(address);
        let built =
            self.configured().map(|(key, provider)| provider.build(&key, &public_url, self.has_verified_admin()));
        let mode = match self.mode {
            Mode::SingleUser => auth::Mode::SingleUser,
            Mode::Oidc => auth::Mode::Oidc,
            Mode::Local => auth::Mode::Local,
        };
        Ok(auth::Auth {
            mode,
            local: None,
            providers: built.collect::<Result<_, _>>()?,
            // They were checked.
            admins: self.admins.iter().filter_map(|text| Declared::parse(text).ok()).collect(),
            sessions: Limits {
                idle: SignedDuration::from_hours(self.sessions.idle_hours.into()),
                absolute: SignedDuration::from_hours(self.sessions.absolute_hours.into()),
            },
            takes_keys: config.remote_api.auth.api_key.enabled,
            public_url,
        })
    }
}

/// Whether a key sets up a provider.
fn is_of_provider(key: &str) -> bool {
    key.starts_with("auth.oidc.") || key == "auth.providers"
}

impl OidcProvider {
    fn build(&self, key: &str, public_url: &str, needs_verified_email: bool) -> Result<SignInProvider, ConfigError> {
        let wrong =
            |field: &str, error: &retinue_model::Error| ConfigError::new(&format!("{key}.{field}"), error.detail());
        let issuer = Issuer::new(&self.issuer).map_err(|error| wrong("issuer", &error))?;
        if self.client_id.is_empty() {
            return Err(ConfigError::new(
                &format!("{key}.client_id"),
                "is empty. It is what the provider calls this server.",
            ));
        }
        let redirect_uri =
            if self.redirect_uri.is_empty() { format!("{public_url}{CALLBACK}") } else { self.redirect_uri.clone() };
        if !is_callback(&redirect_uri, public_url, &self.name) {
            let name = &self.name;
            return Err(ConfigError::new(
                &format!("{key}.redirect_uri"),
                format!(
                    "must be {public_url}{CALLBACK} or {public_url}{CALLBACK}/{name}: this server takes people back there from `{name}`, and nowhere else."
                ),
            ));
        }
        let host = self.issuer.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
        let mut config = retinue_oidc::Config::new(&self.name, issuer, &self.client_id, &redirect_uri);
        config.authentication = self.authentication(key)?;
        config.scopes = self.scopes.split_whitespace().map(str::to_owned).collect();
        config.claims = ClaimNames {
            name: self.name_claim.clone(),
            email: self.email_claim.clone(),
            email_verified: self.email_verified_claim.clone(),
        };
        if self.leeway_seconds > retinue_oidc::MAX_LEEWAY.as_secs() {
            let text = format!("is more than {}. Set the clocks right instead.", retinue_oidc::MAX_LEEWAY.as_secs());
            return Err(ConfigError::new(&format!("{key}.leeway_seconds"), text));
        }
        config.leeway = Duration::from_secs(self.leeway_seconds);
        config.user_info = match self.user_info {
            UserInfoKey::WhenClaimsLack => UserInfo::WhenClaimsLack,
            UserInfoKey::Never => UserInfo::Never,
        };
        config.trusted_audiences.clone_from(&self.trusted_audiences);
        config.authorization_parameters = pairs(&self.authorization_parameters)
            .map_err(|reason| ConfigError::new(&format!("{key}.authorization_parameters"), reason))?;
        let claims = pairs(&self.required_claims)
            .map_err(|reason| ConfigError::new(&format!("{key}.required_claims"), reason))?;
        config.required_claims = grouped(claims);
        config.needs_verified_email = self.link_by_email == LinkKey::Verified || needs_verified_email;
        if self.refresh_minutes == 0 {
            let text = "must be at least 1: the provider is asked that often whether somebody may still come in.";
            return Err(ConfigError::new(&format!("{key}.refresh_minutes"), text));
        }
        let minutes = i64::from(self.refresh_minutes);
        Ok(SignInProvider {
            label: if self.label.is_empty() { host.to_owned() } else { self.label.clone() },
            provider: Provider::new(config).map_err(|error| ConfigError::new(key, error.detail()))?,
            provision: match self.provision {
                ProvisionKey::Create => Provision::Create,
                ProvisionKey::Never => Provision::Never,
            },
            link_by_email: self.link_by_email == LinkKey::Verified,
            refresh_every: SignedDuration::from_mins(minutes),
        })
    }

    fn authentication(&self, key: &str) -> Result<ClientAuthentication, ConfigError> {
        let secret = || SecretString::from(self.client_secret.expose().to_owned());
        let has_secret = !self.client_secret.expose().is_empty();
        let has_key = !self.private_key_file.as_os_str().is_empty();
        let missing = |field: &str| {
            let reason = format!("is empty, and client_authentication wants it. Set it, or take another one ({key}).");
            ConfigError::new(&format!("{key}.{field}"), reason)
        };
        match self.client_authentication {
            Authentication::ClientSecretBasic | Authentication::ClientSecretPost if !has_secret => {
                Err(missing("client_secret"))
            }
            Authentication::PrivateKeyJwt if !has_key => Err(missing("private_key_file")),
            Authentication::None if has_secret || has_key => Err(ConfigError::new(
                &format!("{key}.client_authentication"),
                "is `none`, but there is a client_secret or a private_key_file, which would never be used. Unset it, or set client_authentication to `auto`.",
            )),
            Authentication::ClientSecretPost => Ok(ClientAuthentication::SecretPost(secret())),
            Authentication::ClientSecretBasic => Ok(ClientAuthentication::SecretBasic(secret())),
            Authentication::PrivateKeyJwt => self.private_key(key),
            Authentication::Auto if has_secret => Ok(ClientAuthentication::SecretBasic(secret())),
            Authentication::Auto if has_key => self.private_key(key),
            Authentication::Auto | Authentication::None => Ok(ClientAuthentication::None),
        }
    }

    fn private_key(&self, key: &str) -> Result<ClientAuthentication, ConfigError> {
        let field = format!("{key}.private_key_file");
        let file = self.private_key_file.display();
        let pem = std::fs::read_to_string(&self.private_key_file)
            .map_err(|error| ConfigError::new(&field, format!("{file} can't be read: {error}.")))?;
        let pem = SecretString::from(pem);
        let id = Some(self.private_key_id.clone()).filter(|id| !id.is_empty());
        let audience = match self.private_key_audience {
            AudienceKey::TokenEndpoint => AssertionAudience::TokenEndpoint,
            AudienceKey::Issuer => AssertionAudience::Issuer,
        };
        let read = AssertionKey::from_pem(&pem, id, audience);
        read.map(ClientAuthentication::PrivateKeyJwt).map_err(|error| ConfigError::new(&field, error.detail()))
    }
}

/// Names and values of `name=value`.
fn pairs(texts: &[String]) -> Result<Vec<(String, String)>, String> {
    let split = |text: &String| {
        let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
        pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .ok_or_else(|| format!("“{text}” is not of the form name=value."))
    };
    texts.iter().map(split).collect()
}

/// Each name once, with all its values.
fn grouped(pairs: Vec<(String, String)>) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in pairs {
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    groups
}

/// `/auth/callback` of this server, or `/auth/callback/NAME`, where only this provider sends people back to.
fn is_callback(uri: &str, public_url: &str, name: &str) -> bool {
    let below = uri.strip_prefix(public_url).and_then(|path| path.strip_prefix(CALLBACK));
    below.is_some_and(|below| below.is_empty() || below.strip_prefix('/') == Some(name))
}

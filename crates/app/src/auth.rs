//! How people are let in, as it is configured.

use jiff::SignedDuration;
use retinue_model::session::Method;
use retinue_model::{Error, Result, identity};
use retinue_oidc::Provider;
use retinue_store::identity::Trusted;
use retinue_store::membership::Comers;

use crate::admin::Declared;
use crate::group_rule::GroupRule;
use crate::local::Local;
use crate::session;

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everybody who reaches the server is the local user.
    SingleUser,
    /// Whoever an identity provider vouches for.
    Oidc,
    /// Whoever has a password, or gets a link by mail.
    Local,
}

impl Mode {
    /// Its name in the configuration and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SingleUser => "single_user",
            Self::Oidc => "oidc",
            Self::Local => "local",
        }
    }
}

/// What becomes of somebody whom a provider vouches for and nobody here knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provision {
    /// They become a user.
    Create,
    /// They are refused.
    Never,
}

/// An identity provider, and what it may do here.
#[derive(Clone, Debug)]
pub struct SignInProvider {
    /// The provider.
    pub provider: Provider,
    /// What the button says.
    pub label: String,
    /// What becomes of somebody whom nobody here knows.
    pub provision: Provision,
    /// Whether a verified address that exactly one user has makes somebody that user.
    pub link_by_email: bool,
    /// How often a session is checked there, if it grants refresh tokens.
    pub refresh_every: SignedDuration,
}

impl SignInProvider {
    /// Its name in URLs and rows.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.provider.config().name
    }
}

/// How people are let in.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Who may come in.
    pub mode: Mode,
    /// At which providers, if at any.
    pub providers: Vec<SignInProvider>,
    /// By address, if people do.
    pub local: Option<Local>,
    /// Who runs the installation.
    pub admins: Vec<Declared>,
    /// Who has which role in which team, by groups at the providers.
    pub group_rules: Vec<GroupRule>,
    /// How long sessions last.
    pub sessions: session::Limits,
    /// Whether programs may show API keys.
    pub takes_keys: bool,
    /// Where people find this server, without a slash at its end.
    pub public_url: String,
}

impl Auth {
    /// Nobody signs in.
    #[must_use]
    pub fn single_user(public_url: String) -> Self {
        Self {
            mode: Mode::SingleUser,
            providers: Vec::new(),
            local: None,
            admins: Vec::new(),
            group_rules: Vec::new(),
            sessions: session::Limits {
                idle: SignedDuration::from_hours(72),
                absolute: SignedDuration::from_hours(720),
            },
            takes_keys: true,
            public_url,
        }
    }

    /// Whether nobody signs in.
    #[must_use]
    pub fn is_single_user(&self) -> bool {
        self.mode == Mode::SingleUser
    }

    /// Who counts among those who may come in.
    pub(crate) fn comers(&self) -> Comers {
        if self.is_single_user() { Comers::Anybody } else { Comers::WhoSignsIn }
    }

    /// Whether people may come in by an address: with a password, or a link by mail.
    #[must_use]
    pub const fn takes_addresses(&self) -> bool {
        self.local.is_some()
    }

    /// By what people can sign in here: `oidc`, `password`, `magic_link`.
    #[must_use]
    pub fn methods(&self) -> Vec<&'static str> {
        let oidc = (!self.providers.is_empty()).then_some("oidc");
        let password = self.local.is_some().then_some("password");
        oidc.into_iter().chain(password).chain(self.sends_links().then_some("magic_link")).collect()
    }

    /// Whether people still come in as somebody did: with such an identity, or by address.
    pub(crate) fn takes(&self, method: Method, identity: Option<&identity::Key>) -> bool {
        match (method, identity) {
            (Method::Oidc, Some(key)) => self.has_provider(&key.provider, &key.issuer),
            (Method::Oidc, None) => false,
            (Method::Password | Method::Link, _) => self.takes_addresses(),
        }
    }

    /// Whether people sign in at a provider of this name and issuer.
    pub(crate) fn has_provider(&self, name: &str, issuer: &str) -> bool {
        self.providers.iter().any(|known| known.name() == name && known.provider.config().issuer.as_str() == issuer)
    }

    /// The providers whose word on addresses is taken: the only one there is, or those with `link_by_email`.
    #[must_use]
    pub fn trusted_with_addresses(&self) -> Trusted {
        let is_alone = self.providers.len() == 1;
        let trusted = self.providers.iter().filter(|known| is_alone || known.link_by_email);
        Trusted::new(trusted.map(|known| (known.name(), known.provider.config().issuer.as_str())))
    }

    /// Whether people get links by mail.
    #[must_use]
    pub fn sends_links(&self) -> bool {
        self.local.as_ref().is_some_and(|local| local.mail.is_some())
    }

    /// The provider with this name; the first one if none is named.
    ///
    /// # Errors
    /// `provider_unknown`
    pub(crate) fn provider(&self, name: Option<&str>) -> Result<&SignInProvider> {
        let found = match name {
            Some(name) => self.providers.iter().find(|provider| provider.name() == name),
            None => self.providers.first(),
        };
        found.ok_or_else(|| {
            Error::invalid(
                "provider_unknown",
                "There is no such identity provider here. Choose one on the sign-in page.",
            )
        })
    }
}

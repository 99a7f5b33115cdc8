//! A provider: what is known of it, kept fresh, and the verification of what it signs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use retinue_model::{Error, Result};

use crate::algorithm::Algorithm;
use crate::authorization::{self, Begun, Options};
use crate::claims::{Claims, Expected};
use crate::config::Config;
use crate::http::{Http, Question};
use crate::id_token::{self, IdToken};
use crate::key_set::KeySet;
use crate::known::Known;
use crate::logout_token::{self, LoggedOut};
use crate::metadata::Metadata;
use crate::moment::Moment;
use crate::reason::Reason;
use crate::token::Token;

/// How old a discovery document may be before it is read again.
const METADATA_FRESH: Duration = Duration::from_hours(1);
/// How old keys may be before they are read again: a key that was withdrawn counts no longer than this. While they can't
/// be read, it counts for a day.
const KEYS_FRESH: Duration = Duration::from_mins(10);

/// An identity provider that people sign in with. Cheap to clone.
///
/// Nothing is asked of it before somebody needs it, and then once for all who wait. While it can't be reached, what is
/// known of it is used for a day; after a failure it is left alone for a second, then two, four, and so on up to a minute.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    config: Config,
    http: Http,
    metadata: Known<Metadata>,
    keys: Known<KeySet>,
    /// Whether an ID token has said when somebody signed in.
    has_said_when: AtomicBool,
}

impl Provider {
    /// A provider, as it is configured. Makes no request: one that is down does not keep the server from starting.
    ///
    /// # Errors
    /// `invalid_oidc_provider`, with the mend.
    pub fn new(config: Config) -> Result<Self> {
        let config = config.checked()?;
        let http = Http::new(config.issuer.clone(), config.limits);
        let (metadata, keys) = (Known::new(METADATA_FRESH), Known::new(KEYS_FRESH));
        Ok(Self(Arc::new(Inner { config, http, metadata, keys, has_said_when: AtomicBool::default() })))
    }

    /// How it is configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Learns what must be known for a sign-in, if it is not known yet. For the start of the server, where a failure is a
    /// line in the log.
    ///
    /// # Errors
    /// Why the provider can't be used at the moment.
    pub async fn prepare(&self, now: Timestamp) -> Result<()> {
        self.metadata(now).await?;
        self.keys(now).await?;
        Ok(())
    }

    /// Begins a sign-in.
    ///
    /// # Errors
    /// The provider can't be used, and nothing is known of it.
    pub async fn begin(&self, moment: Moment<'_>, options: Options) -> Result<Begun> {
        let metadata = self.metadata(moment.now).await?;
        Ok(authorization::begin(self.config(), &metadata, moment, options))
    }

    /// Checks a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6). The caller refuses one whose id it has
    /// seen, and ends the sessions.
    ///
    /// # Errors
    /// The [`Reason`] that fits. Of kind `Unavailable` if the key can't be fetched: the provider may send it again.
    pub async fn logged_out(&self, logout_token: &str, now: Timestamp) -> Result<LoggedOut> {
        let token = Token::parse(logout_token)?;
        logout_token::check_kind(token.kind.as_deref())?;
        let (claims, _) = self.verified(token, now).await?;
        LoggedOut::check(&claims, &self.expected(now))
    }

    pub(crate) fn http(&self) -> &Http {
        &self.0.http
    }

    pub(crate) async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>> {
        self.0.metadata.get(now, || Box::pin(self.fetch_metadata())).await
    }

    /// Checks an ID token; gives its subject and its claims.
    pub(crate) async fn id_token(&self, text: &str, check: &IdToken<'_>, now: Timestamp) -> Result<(String, Claims)> {
        let token = Token::parse(text)?;
        id_token::check_kind(token.kind.as_deref())?;
        let (claims, algorithm) = self.verified(token, now).await?;
        self.0.has_said_when.fetch_or(claims.has("auth_time"), Ordering::Relaxed);
        let subject = check.check(&claims, &self.expected(now), algorithm)?;
        Ok((subject, claims))
    }

    /// Whether it ever said, in the life of this program, when somebody signed in.
    pub(crate) fn has_said_when(&self) -> bool {
        self.0.has_said_when.load(Ordering::Relaxed)
    }

    async fn keys(&self, now: Timestamp) -> Result<Arc<KeySet>> {
        self.0.keys.get(now, || Box::pin(self.fetch_keys(now))).await
    }

    async fn fetch_metadata(&self) -> Result<Metadata> {
        let url = self.config().issuer.discovery_url();
        let document = self.http().ask(Question::get(&url)).await?.success()?;
        Metadata::parse(&document, &self.config().issuer)
    }

    async fn fetch_keys(&self, now: Timestamp) -> Result<KeySet> {
        let metadata = self.metadata(now).await?;
        let document = self.http().ask(Question::get(&metadata.jwks_uri)).await?.success()?;
        KeySet::parse(&document)
    }

    /// Checks algorithm and signature (RFC 8725, sections 3.1 to 3.3). What is not known yet may be new: then it is read once
    /// more, but not more often than every ten seconds, whatever tokens come.
    async fn verified(&self, token: Token<'_>, now: Timestamp) -> Result<(Claims, Algorithm)> {
        self.check_announced(token.algorithm, now).await?;
        let keys = self.keys(now).await?;
        if let Err(unverified) = keys.verify(&token) {
            if !unverified.may_be_rotated {
                return Err(unverified.error);
            }
            let newer = self.0.keys.newer(&keys, now, || Box::pin(self.fetch_keys(now))).await?;
            let newer = newer.ok_or_else(|| too_early(unverified.error.cause_chain().unwrap_or_default()))?;
            newer.verify(&token).map_err(|unverified| unverified.error)?;
        }
        let algorithm = token.algorithm;
        Ok((Claims::new(token.into_claims()), algorithm))
    }

    /// Whether the provider says that it signs so. It may have begun to a moment ago.
    async fn check_announced(&self, algorithm: Algorithm, now: Timestamp) -> Result<()> {
        let metadata = self.metadata(now).await?;
        if metadata.algorithms.contains(&algorithm) {
            return Ok(());
        }
        let cause = format!("{} is not announced by the provider", algorithm.name());
        match self.0.metadata.newer(&metadata, now, || Box::pin(self.fetch_metadata())).await? {
            Some(newer) if newer.algorithms.contains(&algorithm) => Ok(()),
            Some(_) => Err(Reason::TokenAlgorithm.because(cause)),
            None => Err(too_early(cause)),
        }
    }

    fn expected(&self, now: Timestamp) -> Expected<'_> {
        let config = self.config();
        Expected {
            issuer: config.issuer.as_str(),
            client_id: &config.client_id,
            trusted_audiences: &config.trusted_audiences,
            leeway: config.leeway_seconds(),
            now: now.as_second(),
        }
    }
}

/// Nothing that is known verifies a token, and the provider was asked for more too short a while ago to be asked again.
fn too_early(cause: impl fmt::Display) -> Error {
    Reason::TokenKeyUnknown.because(format!("{cause}; the provider was asked for newer ones a moment ago"))
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(self.config()).finish()
    }
}

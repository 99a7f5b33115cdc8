//! What each test stands on: a provider, a client of it, a clock.

use std::sync::Arc;

use jiff::Timestamp;
use retinue_app::{Clock, Rng};
use retinue_model::{Error, Result};
use retinue_oidc::{Begun, Callback, Config, Issuer, Moment, Options, Provider, SignIn};
use retinue_testkit::identity_provider::{IdentityProvider, Script};
use retinue_testkit::{CountingRng, FakeClock};
use serde_json::Value;

/// Where people come back to.
pub(crate) const REDIRECT_URI: &str = "https://retinue.example.com/auth/callback";

type Random = Box<dyn Fn(&mut [u8]) + Send + Sync>;

pub(crate) struct Stage {
    pub idp: IdentityProvider,
    pub provider: Provider,
    pub clock: Arc<FakeClock>,
    random: Random,
}

impl Stage {
    /// A public client of an honest provider.
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// A client that is configured otherwise.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let clock = Arc::new(FakeClock::default());
        let idp = IdentityProvider::start(Arc::<FakeClock>::clone(&clock)).await;
        let mut config = config(idp.issuer());
        change(&mut config);
        let provider = Provider::new(config).unwrap();
        let rng = CountingRng::default();
        Self { idp, provider, clock, random: Box::new(move |bytes| rng.fill(bytes)) }
    }

    /// An honest provider's client, after the provider's ways have changed.
    pub(crate) async fn scripted(change: impl FnOnce(&mut Script)) -> Self {
        let stage = Self::start().await;
        stage.idp.set(change);
        stage
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn moment(&self) -> Moment<'_> {
        Moment { now: self.now(), random: &*self.random }
    }

    pub(crate) async fn begin(&self) -> Begun {
        self.begin_with(Options { return_path: "/threads".to_owned(), ..Options::default() }).await
    }

    pub(crate) async fn begin_with(&self, options: Options) -> Begun {
        self.provider.begin(self.moment(), options).await.unwrap()
    }

    /// The person's way back from the provider.
    pub(crate) async fn finish(&self, begun: Begun) -> Result<SignIn> {
        let back = self.idp.visit(&begun.url);
        self.finish_with(back.query().unwrap(), begun).await
    }

    /// Their way back, with a query of the test's.
    pub(crate) async fn finish_with(&self, query: &str, begun: Begun) -> Result<SignIn> {
        self.provider.finish(self.moment(), Callback::parse(query)?, begun.pending).await
    }

    pub(crate) async fn sign_in(&self) -> Result<SignIn> {
        let begun = self.begin().await;
        self.finish(begun).await
    }

    /// The code of the refusal of a sign-in.
    pub(crate) async fn refusal(&self) -> &'static str {
        code(self.sign_in().await)
    }
}

pub(crate) fn config(issuer: &str) -> Config {
    Config::new("main", Issuer::new(issuer).unwrap(), "retinue", REDIRECT_URI)
}

/// The code of a refusal; empty if nothing was refused.
pub(crate) fn code<T>(result: Result<T, Error>) -> &'static str {
    result.err().map_or("", |error| error.code())
}

/// The code of the refusal of a sign-in whose ID token is changed so.
pub(crate) async fn with_claims(patch: Value) -> &'static str {
    Stage::scripted(|script| script.id_token = patch).await.refusal().await
}

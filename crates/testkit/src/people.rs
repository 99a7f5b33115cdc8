//! Programs that let people in: at providers that say what the test wants, and by address.

use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::SignedDuration;
use retinue_app::admin::Declared;
use retinue_app::administration::{Administration, NewUser};
use retinue_app::auth::{Mode, Provision, SignInProvider};
use retinue_app::local::{Local, Registration};
use retinue_app::mail::{self, Mailer, Sender, Tls};
use retinue_app::password::{self, Parameters, Passwords};
use retinue_app::{Auth, Clock};
use retinue_model::credential::PasswordHash;
use retinue_model::user::User;
use retinue_model::{Email, NewPassword, Password};
use retinue_oidc::{Config, Issuer, Provider};
use retinue_store::Store;

use crate::{CountingRng, Database, FakeClock, IdentityProvider, Options, TestApp};

impl TestApp {
    /// Starts with a provider at which people sign in; the first of them whose name is `admin` runs the installation.
    pub async fn with_provider(database: Database) -> (Self, IdentityProvider) {
        Self::with_provider_and(database, |_| {}).await
    }

    /// The same, with other rules for the provider.
    pub async fn with_provider_and(
        database: Database,
        change: impl Fn(&mut SignInProvider) + Send + Sync + 'static,
    ) -> (Self, IdentityProvider) {
        let (app, [provider]) = Self::with_providers(database, change).await;
        (app, provider)
    }

    /// The same, with other rules for whom to let in.
    pub async fn with_provider_and_auth(
        database: Database,
        change: impl Fn(&mut Auth) + Send + Sync + 'static,
    ) -> (Self, IdentityProvider) {
        let (app, [provider]) = Self::with_providers_and_auth(database, change).await;
        (app, provider)
    }

    /// Starts with several providers: `sso`, and `other` and `third`, which people come back from at addresses of their own.
    pub async fn with_providers<const N: usize>(
        database: Database,
        change: impl Fn(&mut SignInProvider) + Send + Sync + 'static,
    ) -> (Self, [IdentityProvider; N]) {
        Self::with_providers_and_auth(database, move |auth| auth.providers.iter_mut().for_each(&change)).await
    }

    /// The same, with other rules for whom to let in.
    pub async fn with_providers_and_auth<const N: usize>(
        database: Database,
        change: impl Fn(&mut Auth) + Send + Sync + 'static,
    ) -> (Self, [IdentityProvider; N]) {
        Self::at_providers(database, Options::default(), change).await
    }

    /// Starts with a provider at which people sign in, and with other settings.
    pub async fn with_provider_and_options(database: Database, options: Options) -> (Self, IdentityProvider) {
        let (app, [provider]) = Self::at_providers(database, options, |_| {}).await;
        (app, provider)
    }

    async fn at_providers<const N: usize>(
        database: Database,
        options: Options,
        change: impl Fn(&mut Auth) + Send + Sync + 'static,
    ) -> (Self, [IdentityProvider; N]) {
        let clock = Arc::new(FakeClock::default());
        let mut providers = Vec::new();
        for _ in 0..N {
            providers.push(IdentityProvider::start(Arc::clone(&clock) as Arc<dyn Clock>).await);
        }
        let issuers: Vec<_> = providers.iter().map(|provider| provider.issuer().to_owned()).collect();
        let make = move |public_url: &str| {
            let mut auth = auth(public_url, &issuers);
            change(&mut auth);
            auth
        };
        let options = Options { auth: Some(Arc::new(make)), clock: Some(clock), ..options };
        (Self::start_with(database, options).await, providers.try_into().unwrap())
    }

    /// Starts a server on which people sign in with an address, and no mail is sent.
    pub async fn local(database: Database) -> Self {
        Self::local_with(database, Registration::Closed, None).await
    }

    /// The same, with mail through that server, if one is given.
    pub async fn local_with(database: Database, registration: Registration, smtp: Option<u16>) -> Self {
        let clock = Arc::new(FakeClock::default());
        let mails = Arc::clone(&clock) as Arc<dyn Clock>;
        let mailer = move |public_url: &str| smtp.map(|port| mailer(public_url, port, Arc::clone(&mails)));
        let make = move |public_url: &str| Local::new(registration, passwords(HASHING), mailer(public_url));
        Self::start_local(database, clock, make).await
    }

    /// Starts a server on which people sign in with an address, and passwords are hashed like this.
    pub async fn local_hashing(database: Database, settings: password::Settings) -> Self {
        let make = move |_: &str| Local::new(Registration::Closed, passwords(settings), None);
        Self::start_local(database, Arc::default(), make).await
    }

    async fn start_local(
        database: Database,
        clock: Arc<FakeClock>,
        local: impl Fn(&str) -> Local + Send + Sync + 'static,
    ) -> Self {
        let make = move |public_url: &str| Auth {
            mode: Mode::Local,
            local: Some(local(public_url)),
            ..Auth::single_user(public_url.to_owned())
        };
        let options = Options { auth: Some(Arc::new(make)), clock: Some(clock), ..Options::default() };
        Self::start_with(database, options).await
    }

    /// Starts with a provider at which people sign in, or with an address; no mail is sent.
    pub async fn with_both_ways(database: Database) -> (Self, IdentityProvider) {
        Self::with_both_ways_and(database, |_| {}).await
    }

    /// The same, with other rules for whom to let in.
    pub async fn with_both_ways_and(
        database: Database,
        change: impl Fn(&mut Auth) + Send + Sync + 'static,
    ) -> (Self, IdentityProvider) {
        let both = move |auth: &mut Auth| {
            auth.local = Some(with_passwords());
            change(auth);
        };
        Self::with_provider_and_auth(database, both).await
    }

    /// What whoever has the machine does, beside the running server.
    pub async fn administration(&self) -> Administration {
        let store = Store::open_beside(self.database.location()).await.unwrap();
        let rng = Arc::new(CountingRng::apart());
        let auth = self.app.auth().clone();
        Administration::new(store, auth, Arc::clone(&self.clock) as Arc<dyn Clock>, rng)
    }

    /// Adds somebody who signs in with this address, with a password or without.
    pub async fn add_user(&self, email: &str, password: Option<&str>) -> User {
        let email = Email::new(email).unwrap();
        let hash = match password {
            Some(password) => Some(self.hash(password).await),
            None => None,
        };
        let new = NewUser { name: None, email, admin: false, password: hash };
        self.administration().await.add(new).await.unwrap()
    }

    /// What is kept of a password.
    pub async fn hash(&self, password: &str) -> PasswordHash {
        let new = NewPassword::new(Password::new(password.to_owned()).unwrap(), None).unwrap();
        self.app.auth().local.as_ref().unwrap().passwords.hash(&new).await.unwrap()
    }
}

/// People sign in at these providers, and whoever is `admin` at the first of them runs the installation.
fn auth(public_url: &str, issuers: &[String]) -> Auth {
    let names = [("sso", "/auth/callback"), ("other", "/auth/callback/other"), ("third", "/auth/callback/third")];
    let config = |(issuer, (name, callback)): (&String, (&str, &str))| {
        Config::new(name, Issuer::new(issuer).unwrap(), "retinue", &format!("{public_url}{callback}"))
    };
    let mut configs = issuers.iter().zip(names).map(config);
    let mut auth = auth_at(configs.next().unwrap(), public_url);
    auth.providers.extend(configs.map(sign_in_provider));
    auth
}

/// People sign in at one provider, and the one whose subject is `admin` runs the installation.
#[must_use]
pub fn auth_at(config: Config, public_url: &str) -> Auth {
    let admin = Declared::Identity { issuer: config.issuer.as_str().to_owned(), subject: "admin".to_owned() };
    Auth {
        mode: Mode::Oidc,
        providers: vec![sign_in_provider(config)],
        admins: vec![admin],
        ..Auth::single_user(public_url.to_owned())
    }
}

fn sign_in_provider(config: Config) -> SignInProvider {
    SignInProvider {
        provider: Provider::new(config).unwrap(),
        label: "Example".to_owned(),
        provision: Provision::Create,
        link_by_email: false,
        refresh_every: SignedDuration::from_mins(15),
    }
}

/// People sign in with an address and a password, and no mail is sent.
#[must_use]
pub fn with_passwords() -> Local {
    with_hashing(HASHING)
}

/// The same, with hashes that are made so.
#[must_use]
pub fn with_hashing(settings: password::Settings) -> Local {
    Local::new(Registration::Closed, passwords(settings), None)
}

/// The same, and mail goes through a server on this port of the machine.
#[must_use]
pub fn with_mail(public_url: &str, port: u16) -> Local {
    let mailer = mailer(public_url, port, Arc::new(FakeClock::default()));
    Local::new(Registration::Closed, passwords(HASHING), Some(mailer))
}

/// As little work as the algorithm takes.
pub const HASHING: password::Settings = password::Settings {
    parameters: Parameters { memory_kib: 8, iterations: 1, lanes: 1 },
    at_once: NonZeroUsize::MIN,
    waiting: 64,
};

fn passwords(settings: password::Settings) -> Passwords {
    Passwords::new(settings, Arc::new(CountingRng::default())).unwrap()
}

/// Sends mail through a server on this port of the machine.
#[must_use]
pub fn mailer(public_url: &str, port: u16, clock: Arc<dyn Clock>) -> Mailer {
    let settings = mail::Settings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Tls::None,
        root_certificate: None,
        account: None,
        from: Sender::parse("Retinue <retinue@example.com>").unwrap(),
        site: public_url.trim_start_matches("http://").to_owned(),
    };
    Mailer::new(settings, clock, Arc::new(CountingRng::default())).unwrap()
}

//! What the tests at real providers stand on: one of them, and clients of it.

use jiff::Timestamp;
use retinue_model::Result;
use retinue_oidc::{
    AssertionAudience, AssertionKey, Callback, ClientAuthentication, Config, Finding, Issuer, Level, Moment, Pending,
    Provider, SignIn,
};
use retinue_testkit::{ProviderOptions, RealProvider, SigningKey};
use secrecy::SecretString;
use url::Url;

use crate::stage::REDIRECT_URI;

/// Where people come to after they signed out.
pub(crate) const SIGNED_OUT: &str = "https://retinue.example.com/";

pub(crate) const CLIENTS: [&str; 4] = ["public", "basic", "post", "signing"];

pub(crate) struct Real {
    pub provider: RealProvider,
    audience: AssertionAudience,
    client_key: SigningKey,
}

impl Real {
    pub(crate) async fn oidc_provider(ask: bool, backchannel_logout_uri: Option<String>) -> Self {
        let (client_key, options) = options();
        let options = ProviderOptions { ask, backchannel_logout_uri, ..options };
        Self { provider: RealProvider::oidc_provider(options).await, audience: AssertionAudience::Issuer, client_key }
    }

    pub(crate) async fn canaille() -> Self {
        let (client_key, options) = options();
        Self { provider: RealProvider::canaille(options).await, audience: AssertionAudience::TokenEndpoint, client_key }
    }

    pub(crate) fn client(&self, client_id: &str) -> Provider {
        self.client_with(client_id, self.provider.client_secret())
    }

    /// A client that says this is its secret.
    fn client_with(&self, client_id: &str, secret: &str) -> Provider {
        let secret = || SecretString::from(secret);
        let issuer = Issuer::new(self.provider.issuer()).unwrap();
        let mut config = Config::new("real", issuer, client_id, REDIRECT_URI);
        config.authentication = match client_id {
            "basic" => ClientAuthentication::SecretBasic(secret()),
            "post" => ClientAuthentication::SecretPost(secret()),
            "signing" => {
                let pem = self.client_key.private_pem().into();
                let key = AssertionKey::from_pem(&pem, Some("mine".to_owned()), self.audience).unwrap();
                ClientAuthentication::PrivateKeyJwt(key)
            }
            _ => ClientAuthentication::None,
        };
        Provider::new(config).unwrap()
    }
}

fn options() -> (SigningKey, ProviderOptions) {
    let client_key = SigningKey::new("mine", "ES256");
    let options = ProviderOptions {
        redirect_uris: vec![REDIRECT_URI.to_owned()],
        post_logout_redirect_uris: vec![SIGNED_OUT.to_owned()],
        client_key: Some(client_key.jwk()),
        ..ProviderOptions::default()
    };
    (client_key, options)
}

#[expect(clippy::disallowed_methods, reason = "a real provider has a real clock")]
pub(crate) fn moment() -> Moment<'static> {
    Moment { now: Timestamp::now(), random: &|bytes| aws_lc_rs::rand::fill(bytes).unwrap() }
}

/// Somebody has come back.
pub(crate) async fn finish(provider: &Provider, back: &Url, pending: Pending) -> Result<SignIn> {
    assert!(back.as_str().starts_with(REDIRECT_URI), "{back}");
    provider.finish(moment(), Callback::parse(back.query().unwrap())?, pending).await
}

/// What keeps people from signing in, says the diagnosis.
pub(crate) async fn problems(provider: &Provider) -> Vec<Finding> {
    let findings = provider.diagnose(moment()).await;
    findings.into_iter().filter(|finding| finding.level == Level::Problem).collect()
}

/// Where the secret of a client is another one, that is all that is said, in one line which does not give it away.
pub(crate) async fn tells_of_a_wrong_secret(real: &Real) {
    for client_id in ["basic", "post"] {
        let said: Vec<_> =
            problems(&real.client_with(client_id, "mistyped")).await.iter().map(ToString::to_string).collect();
        let [line] = &said[..] else { panic!("{client_id}: {said:?}") };
        assert!(line.starts_with("problem: client: The provider does not accept this client ("), "{line}");
        assert!(
            line.ends_with(&format!(
                "Check client id, secret and the way of client authentication (client_secret_{client_id})."
            )),
            "{line}"
        );
        assert!(!line.contains("mistyped") && !line.contains('\n'), "{line}");
    }
}

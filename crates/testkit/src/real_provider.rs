//! Identity providers that others wrote, each a process of its own, with two people, Ada and Grace, whose subjects are `ada`
//! and `grace`; oidc-provider knows `hedy` too. Tests that start one lie in a module of its name: see docs/testing.md.

use std::process::Command;

use serde_json::{Value, json};

use crate::part::{self, Part};

const SECRET: &str = "a secret: +%&=";

/// Canaille takes the `+` that stands for a blank in a form for itself, where a client sends it with HTTP Basic.
const SECRET_WITHOUT_BLANK: &str = "a-secret:+%&=";

/// A running one, which ends with this value. Its clients differ in how they prove who they are, and are named after that:
/// `public`, `basic`, `post` and `signing`.
#[derive(Debug)]
pub struct RealProvider {
    part: Part,
    secret: &'static str,
}

/// What a provider is told of its clients.
#[derive(Clone, Debug, Default)]
pub struct ProviderOptions {
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Where they may be sent after they signed out.
    pub post_logout_redirect_uris: Vec<String>,
    /// Whom oidc-provider tells that somebody signed out; it names its sessions (`sid`) then. Canaille does neither.
    pub backchannel_logout_uri: Option<String>,
    /// The public key of the client `signing`, as JWK.
    pub client_key: Option<Value>,
    /// Whether oidc-provider has a page where one says who one is: a form with a field `login` and a button. Else each
    /// visitor is Ada. Canaille always asks.
    pub ask: bool,
}

impl RealProvider {
    /// Starts oidc-provider: everybody agrees to everything, and has a verified e-mail address.
    pub async fn oidc_provider(options: ProviderOptions) -> Self {
        Self::start(part::node("RETINUE_TEST_OIDC_PROVIDER"), SECRET, options).await
    }

    /// Starts Canaille: a page with a field `login`, then one with a field `password`. The passwords are `ada` and `grace`;
    /// it says of no e-mail address that it is verified.
    pub async fn canaille(options: ProviderOptions) -> Self {
        Self::start(part::python("RETINUE_TEST_CANAILLE"), SECRET_WITHOUT_BLANK, options).await
    }

    async fn start(command: Command, secret: &'static str, options: ProviderOptions) -> Self {
        let wishes = json!({
            "secret": secret,
            "redirect_uris": options.redirect_uris,
            "post_logout_redirect_uris": options.post_logout_redirect_uris,
            "backchannel_logout_uri": options.backchannel_logout_uri,
            "client_key": options.client_key,
            "ask": options.ask,
        });
        Self { part: Part::start(command, &wishes).await, secret }
    }

    /// `http://127.0.0.1:…`
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.part.said()
    }

    /// The client to use where nothing speaks for another one.
    #[must_use]
    pub const fn client_id(&self) -> &'static str {
        "basic"
    }

    /// The secret of each client that has one.
    #[must_use]
    pub const fn client_secret(&self) -> &'static str {
        self.secret
    }

    /// Does away with a person, `ada` or `grace`, as an administrator would; Canaille locks them out.
    pub async fn remove(&self, login: &str) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(format!("{}/remove/{login}", self.issuer())).send().await.unwrap();
        answer.error_for_status().unwrap();
    }
}

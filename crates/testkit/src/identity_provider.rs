//! An OpenID Connect provider on this machine that does everything right, until a test changes its [`Script`].

mod key;
mod reply;
mod route;
mod script;
mod sign;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use retinue_app::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use crate::until;

pub use key::SigningKey;
pub use reply::Reply;
pub use script::{Asked, AuthTime, Script, Signer};

/// The provider. It listens until the test ends, or until it is stopped.
#[derive(Debug)]
pub struct IdentityProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: Mutex<Option<JoinHandle<()>>>,
}

/// What the routes work on.
struct Shared {
    issuer: String,
    clock: Arc<dyn Clock>,
    script: Mutex<Script>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn seconds(&self) -> i64 {
        self.now().as_second()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl IdentityProvider {
    /// Starts to listen on loopback, with one RSA key named `rsa`, and one person, Ada, whose subject is `ada`.
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = format!("http://{address}");
        let shared = Arc::new(Shared { issuer, clock, script: Mutex::default() });
        let provider = Self { address, shared, server: Mutex::default() };
        provider.serve(listener);
        provider
    }

    /// `http://127.0.0.1:…`
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// Changes what it says from now on.
    pub fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script());
    }

    /// Whoever comes from now on is `subject`, with a session, a name and a verified address of that name.
    pub fn greet(&self, subject: &str) {
        let email = format!("{subject}@example.com");
        self.introduce(subject, json!({"name": subject, "email": email, "email_verified": true}));
    }

    /// Whoever comes from now on is `subject`, of whom it says this.
    pub fn introduce(&self, subject: &str, person: Value) {
        self.set(|script| {
            subject.clone_into(&mut script.subject);
            script.session = format!("session of {subject}");
            script.person = person;
        });
    }

    /// Answers so at `path`, whatever the script says.
    pub fn reply(&self, path: &'static str, reply: Reply) {
        self.set(|script| drop(script.replies.insert(path, reply)));
    }

    /// Answers nobody who comes to `path` from now on, until they are released.
    pub fn hold(&self, path: &'static str) {
        self.set(|script| drop(script.holds.insert(path, Arc::default())));
    }

    /// Waits until so many have come to a path that answers nobody.
    pub async fn held(&self, path: &'static str, count: usize) {
        until("they come to the provider", Duration::from_secs(10), async || {
            let hold = self.shared.script().holds.get(path).cloned();
            hold.filter(|hold| hold.came() >= count)
        })
        .await;
    }

    /// Answers those who wait at `path`, and all who come from now on.
    pub fn release(&self, path: &'static str) {
        self.set(|script| script.holds.remove(path).into_iter().for_each(|hold| hold.release()));
    }

    /// Closes its port: nobody can connect until it starts again.
    pub async fn stop(&self) {
        let server = self.server.lock().unwrap().take();
        if let Some(server) = server {
            server.abort();
            drop(server.await);
        }
    }

    /// Listens again, at the same port.
    pub async fn start_again(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    /// What a browser does: goes to the provider, signs in, and comes back. Gives the address it is sent to.
    #[must_use]
    pub fn visit(&self, authorization_url: &str) -> Url {
        let url = Url::parse(authorization_url).unwrap();
        route::grant(&self.shared, &url).unwrap()
    }

    /// What was asked at `path`, in order.
    #[must_use]
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        self.shared.script().asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// No refresh token counts any more.
    pub fn revoke(&self) {
        self.set(|script| script.refresh_tokens.clear());
    }

    /// A logout token for Ada's session, changed by `patch` (a JSON merge patch, RFC 7396).
    #[must_use]
    pub fn logout_token(&self, patch: &Value) -> String {
        let now = self.shared.seconds();
        let script = self.shared.script();
        let mut claims = json!({
            "iss": self.issuer(), "aud": script.client_id, "iat": now, "exp": now + 120, "jti": "logout-1",
            "sub": script.subject, "sid": script.session,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        script::merge(&mut claims, patch);
        script.signed("logout+jwt", &claims)
    }

    fn serve(&self, listener: TcpListener) {
        let router = route::router(Arc::clone(&self.shared));
        let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        *self.server.lock().unwrap() = Some(server);
    }
}

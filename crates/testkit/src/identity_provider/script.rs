//! What the provider says, and what it remembers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::key::SigningKey;
use super::reply::Reply;

/// Everything that a test can change. The patches are JSON merge patches (RFC 7396): null takes a member away.
#[derive(Debug)]
pub struct Script {
    /// The client that it knows.
    pub client_id: String,
    /// Its secret; None for a public client.
    pub client_secret: Option<String>,
    /// When it says at what time they signed in.
    pub auth_time: AuthTime,
    /// Who is signed in there.
    pub subject: String,
    /// That session there.
    pub session: String,
    /// What else the ID token says about them.
    pub person: Value,
    /// The keys that it publishes.
    pub keys: Vec<SigningKey>,
    /// What it signs with.
    pub signer: Signer,
    /// How far its clock is ahead, in seconds, in the `Date` header.
    pub clock_ahead: i64,
    /// Changes the discovery document.
    pub metadata: Value,
    /// Changes the key set.
    pub key_set: Value,
    /// Changes the header of tokens.
    pub header: Value,
    /// Changes the claims of ID tokens.
    pub id_token: Value,
    /// Changes the answer of the token endpoint.
    pub token_answer: Value,
    /// Changes what `UserInfo` says.
    pub user_info: Value,
    /// Answers that replace a whole path's.
    pub replies: HashMap<&'static str, Reply>,
    /// Paths that answer nobody for now.
    pub(super) holds: HashMap<&'static str, Arc<Hold>>,
    pub(super) asked: Vec<Asked>,
    pub(super) grants: HashMap<String, Grant>,
    pub(super) refresh_tokens: HashSet<String>,
    pub(super) count: u64,
}

/// To whom it says when somebody signed in (`auth_time`), which was five seconds ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthTime {
    /// To all.
    Always,
    /// To whoever sends `max_age`, as OpenID Connect Core demands it.
    WhenAsked,
}

/// What signs.
#[derive(Clone, Debug)]
pub enum Signer {
    /// The published key of this index.
    Published(usize),
    /// A key that may not be published.
    Other(SigningKey),
    /// Nothing: `alg` is `none`, and the signature empty.
    Nobody,
    /// An HMAC whose key is the first published public key.
    HmacOfPublicKey,
    /// The first published key; then a bit is turned over.
    Corrupt,
}

/// A request that was made.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its path.
    pub path: String,
    /// Its `Authorization` header.
    pub authorization: Option<String>,
    /// Its form, or its query.
    pub parameters: HashMap<String, String>,
}

/// Lets nobody through until it is closed.
#[derive(Debug)]
pub(super) struct Hold {
    gate: Semaphore,
    came: AtomicUsize,
}

impl Default for Hold {
    fn default() -> Self {
        Self { gate: Semaphore::new(0), came: AtomicUsize::new(0) }
    }
}

impl Hold {
    pub(super) async fn wait(&self) {
        self.came.fetch_add(1, Ordering::SeqCst);
        // It is never opened, only closed.
        drop(self.gate.acquire().await);
    }

    pub(super) fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }

    pub(super) fn release(&self) {
        self.gate.close();
    }
}

/// A code that was given out.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub nonce: Option<String>,
    /// Whether it was asked for a recent sign-in.
    pub has_max_age: bool,
    pub challenge: String,
    pub redirect_uri: String,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            client_id: "retinue".to_owned(),
            client_secret: None,
            auth_time: AuthTime::Always,
            subject: "ada".to_owned(),
            session: "session-1".to_owned(),
            person: json!({"name": "Ada Lovelace", "email": "ada@example.com", "email_verified": true}),
            keys: vec![SigningKey::rsa("rsa")],
            signer: Signer::Published(0),
            clock_ahead: 0,
            metadata: json!({}),
            key_set: json!({}),
            header: json!({}),
            id_token: json!({}),
            token_answer: json!({}),
            user_info: json!({}),
            replies: HashMap::new(),
            holds: HashMap::new(),
            asked: Vec::new(),
            grants: HashMap::new(),
            refresh_tokens: HashSet::new(),
            count: 0,
        }
    }
}

impl Script {
    /// Publishes this key instead of all others, and signs with it.
    pub fn rotate(&mut self, key: SigningKey) {
        self.keys = vec![key];
        self.signer = Signer::Published(0);
    }

    /// This refresh token counts from now on, once.
    pub fn keep_refresh_token(&mut self, token: &str) {
        self.refresh_tokens.insert(token.to_owned());
    }

    /// A token with these claims, signed as the script says.
    pub(super) fn signed(&self, kind: &str, claims: &Value) -> String {
        let (key, algorithm) = match &self.signer {
            Signer::Published(index) => (&self.keys[*index], None),
            Signer::Other(key) => (key, None),
            Signer::Corrupt => (&self.keys[0], None),
            Signer::Nobody => (&self.keys[0], Some("none")),
            Signer::HmacOfPublicKey => (&self.keys[0], Some("HS256")),
        };
        let mut header = json!({"typ": kind, "alg": algorithm.unwrap_or(key.algorithm)});
        if let Some(id) = &key.id {
            header["kid"] = json!(id);
        }
        merge(&mut header, &self.header);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = match &self.signer {
            Signer::Nobody => Vec::new(),
            Signer::HmacOfPublicKey => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, &key.public_bytes());
                hmac::sign(&secret, message.as_bytes()).as_ref().to_vec()
            }
            Signer::Corrupt => {
                let mut signature = key.sign(message.as_bytes());
                signature[7] ^= 1;
                signature
            }
            Signer::Published(_) | Signer::Other(_) => key.sign(message.as_bytes()),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(super) fn next(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}-{}", self.count)
    }
}

/// RFC 7396.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

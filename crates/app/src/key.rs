//! The instance's keys: what cookies are signed with, and what is encrypted that must be read again.
//!
//! Each key is 256 random bits, from which one key for each use is derived (HKDF, RFC 5869). The first of a ring is used
//! for what is new; the others still check and decrypt what they made, until they are dropped.

use std::fmt;
use std::ops::Deref;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use retinue_model::{Error, Result};
use retinue_store::{Batch, System, session as rows};

use crate::App;
use crate::context::Rng;
use crate::session_token::SessionToken;
use crate::session_token::seen::SeenTokens;

const SECRET_LEN: usize = 32;
/// What each line of a key file begins with.
const VERSION: &str = "rtk1";

/// Keys, the newest first.
pub struct KeyRing(Vec<Key>);

/// The keys that count, with the tokens that they were seen to have signed: both change together.
#[derive(Debug)]
pub(crate) struct Keys {
    ring: KeyRing,
    seen: SeenTokens,
}

impl Keys {
    pub(crate) fn new(ring: KeyRing) -> Self {
        Self { ring, seen: SeenTokens::default() }
    }

    /// What one of them signed as a session's token, if its time is not over.
    pub(crate) fn check_token(&self, text: &str, now: Timestamp) -> Option<SessionToken> {
        self.seen.check(text, &self.ring, now)
    }
}

impl Deref for Keys {
    type Target = KeyRing;

    fn deref(&self) -> &KeyRing {
        &self.ring
    }
}

struct Key {
    id: String,
    created_at: Timestamp,
    secret: [u8; SECRET_LEN],
    signing: hmac::Key,
    sealing: LessSafeKey,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

fn invalid() -> Error {
    Error::invalid(
        "invalid_key_file",
        "The file of the instance's keys is not one. Put it back from a backup, or move it away: then a new one is made, and everybody signs in again.",
    )
}

/// Takes other keys of the instance from now on. If one is gone, streams end: whoever's cookie still counts comes back. If
/// none is left of those before, nobody's cookie counts, and all sessions end.
///
/// # Errors
/// The sessions could not be ended; the keys count all the same.
pub async fn take(app: &App, keys: KeyRing) -> Result<()> {
    let (before, now) = (app.keys(), app.now());
    let left = before.0.iter().filter(|key| keys.find(&key.id).is_some()).count();
    app.set_keys(keys);
    if left == before.len() {
        return Ok(());
    }
    // After the keys are others: whoever is still on the way in looks at them once more.
    for known in app.sessions.all() {
        app.sessions.forget(known.session.id);
    }
    if left > 0 {
        return Ok(());
    }
    let mut batch = Batch::default();
    rows::end_all_with(&System::in_background(), &mut batch, now, app.now());
    app.store.write_patiently(batch).await
}

impl KeyRing {
    /// One new key.
    ///
    /// # Errors
    /// The cipher refuses it, which it never does.
    pub fn generate(rng: &dyn Rng, now: Timestamp) -> Result<Self> {
        Ok(Self(vec![Key::generate(rng, now)?]))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// `invalid_key_file`
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.map(Key::parse).collect::<Result<Vec<_>>>()?;
        if keys.is_empty() { Err(invalid()) } else { Ok(Self(keys)) }
    }

    /// The text of a key file.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|key| format!("{VERSION} {} {} {}\n", key.id, key.created_at, URL_SAFE_NO_PAD.encode(key.secret)));
        let head = "# The keys of this instance; the first is in use. Who has them can sign in as anybody: keep them secret.\n";
        std::iter::once(head.to_owned()).chain(lines).collect()
    }

    /// With a new key in front, and without those that another one replaced before `needed_since`.
    ///
    /// # Errors
    /// The cipher refuses it, which it never does.
    pub fn rotated(mut self, rng: &dyn Rng, now: Timestamp, needed_since: Timestamp) -> Result<Self> {
        self.0.insert(0, Key::generate(rng, now)?);
        let mut replaced_at = None;
        self.0.retain(|key| {
            let stays = replaced_at.is_none_or(|at| at >= needed_since);
            replaced_at = Some(key.created_at);
            stays
        });
        Ok(self)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none; there always is one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag of `message` under the key that is used for what is new.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<hmac::Tag> {
        self.0.first().map(|key| hmac::sign(&key.signing, message))
    }

    /// What the short codes in mails are hashed with, the newest first.
    pub(crate) fn code_keys(&self) -> impl Iterator<Item = hmac::Tag> {
        self.0.iter().map(|key| hmac::sign(&key.signing, b"short codes"))
    }

    /// The id of the key that is used for what is new.
    pub(crate) fn newest_id(&self) -> &str {
        self.0.first().map_or("", |key| key.id.as_str())
    }

    /// Whether the key with this id made this tag, in constant time.
    pub(crate) fn has_signed(&self, id: &str, message: &[u8], tag: &[u8]) -> bool {
        self.find(id).is_some_and(|key| hmac::verify(&key.signing, message, tag).is_ok())
    }

    /// Encrypts `text`, so that nobody reads or changes it, and it is taken for nothing but `purpose`.
    ///
    /// # Errors
    /// The cipher refuses it: it is longer than any text is.
    pub(crate) fn seal(&self, rng: &dyn Rng, purpose: &str, text: &str) -> Result<String> {
        let key = self.0.first().ok_or_else(invalid)?;
        let mut nonce = [0; NONCE_LEN];
        rng.fill(&mut nonce);
        let mut bytes = text.as_bytes().to_vec();
        let tag = key
            .sealing
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose), &mut bytes)
            .map_err(Error::internal)?;
        let sealed = [&nonce[..], &bytes, tag.as_ref()].concat();
        Ok(format!("{}.{}", key.id, URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// What was sealed for this purpose by one of these keys; nothing if it was not.
    pub(crate) fn open(&self, purpose: &str, sealed: &str) -> Option<String> {
        let (id, sealed) = sealed.split_once('.')?;
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        if bytes.len() < NONCE_LEN {
            return None;
        }
        let mut text = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).ok()?;
        let open = self.find(id)?.sealing.open_in_place(nonce, Aad::from(purpose), &mut text).ok()?;
        String::from_utf8(open.to_vec()).ok()
    }

    fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl Key {
    fn generate(rng: &dyn Rng, now: Timestamp) -> Result<Self> {
        let (mut id, mut secret) = ([0; 6], [0; SECRET_LEN]);
        rng.fill(&mut id);
        rng.fill(&mut secret);
        Self::new(URL_SAFE_NO_PAD.encode(id), now, secret)
    }

    fn parse(line: &str) -> Result<Self> {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [VERSION, id, created_at, secret] = parts[..] else { return Err(invalid()) };
        let is_id = (1..=16).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let secret = URL_SAFE_NO_PAD.decode(secret).ok().and_then(|bytes| <[u8; SECRET_LEN]>::try_from(bytes).ok());
        let (Some(secret), Ok(created_at), true) = (secret, created_at.parse(), is_id) else { return Err(invalid()) };
        Self::new(id.to_owned(), created_at, secret)
    }

    fn new(id: String, created_at: Timestamp, secret: [u8; SECRET_LEN]) -> Result<Self> {
        let signing = hmac::Key::new(hmac::HMAC_SHA256, &derive(&secret, b"retinue session cookie")?);
        let sealing =
            UnboundKey::new(&AES_256_GCM, &derive(&secret, b"retinue sealed text")?).map_err(Error::internal)?;
        Ok(Self { id, created_at, secret, signing, sealing: LessSafeKey::new(sealing) })
    }
}

/// The key for one use.
fn derive(secret: &[u8], usage: &[u8]) -> Result<[u8; SECRET_LEN]> {
    let mut key = [0; SECRET_LEN];
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"retinue instance key");
    let extracted = salt.extract(secret);
    let usage = [usage];
    let expanded = extracted.expand(&usage, hkdf::HKDF_SHA256).map_err(Error::internal)?;
    expanded.fill(&mut key).map_err(Error::internal)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    struct Counting(AtomicU8);

    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    fn random() -> Counting {
        Counting(AtomicU8::new(1))
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    #[test]
    fn what_is_sealed_is_read_by_its_own_key_for_its_own_purpose_only() {
        let random = random();
        let ring = KeyRing::generate(&random, day(0)).unwrap();
        let sealed = ring.seal(&random, "sign-in", "the verifier").unwrap();
        assert!(!sealed.contains("verifier"));
        assert_eq!(ring.open("sign-in", &sealed).as_deref(), Some("the verifier"));
        assert_eq!(ring.open("refresh", &sealed), None);
        assert_eq!(KeyRing::generate(&random, day(0)).unwrap().open("sign-in", &sealed), None);
        assert_ne!(ring.seal(&random, "sign-in", "the verifier").unwrap(), sealed);
        for index in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(ring.open("sign-in", &changed), None, "changed at {index}");
            assert_eq!(ring.open("sign-in", &sealed[..index]), None, "cut at {index}");
        }
    }

    #[test]
    fn a_key_that_was_replaced_counts_until_it_is_dropped() {
        let random = random();
        let ring = KeyRing::generate(&random, day(0)).unwrap();
        let (sealed, tag) = (ring.seal(&random, "p", "text").unwrap(), ring.sign(b"message").unwrap());
        let first = ring.newest_id().to_owned();
        let ring = ring.rotated(&random, day(10), day(0)).unwrap();
        assert_ne!(ring.newest_id(), first);
        assert_eq!(ring.open("p", &sealed).as_deref(), Some("text"));
        assert!(ring.has_signed(&first, b"message", tag.as_ref()));
        assert!(!ring.has_signed(ring.newest_id(), b"message", tag.as_ref()));
        let ring = ring.rotated(&random, day(50), day(20)).unwrap();
        assert_eq!((ring.len(), ring.open("p", &sealed)), (2, None), "replaced on day 10, needed since day 20");
        assert!(!ring.has_signed(&first, b"message", tag.as_ref()));
    }

    #[test]
    fn the_file_gives_the_same_keys_and_nothing_else_is_taken_for_it() {
        let random = random();
        let ring = KeyRing::generate(&random, day(0)).unwrap().rotated(&random, day(1), day(0)).unwrap();
        let sealed = ring.seal(&random, "p", "text").unwrap();
        let read = KeyRing::parse(&ring.text()).unwrap();
        assert_eq!((read.text(), read.open("p", &sealed).as_deref()), (ring.text(), Some("text")));
        let shown = format!("{ring:?}");
        assert!(ring.0.iter().all(|key| !shown.contains(&URL_SAFE_NO_PAD.encode(key.secret))), "{shown}");
        for text in
            ["", "# nothing", "rtk1 a 1970-01-01T00:00:00Z AAAA", "rtk2 a b c", &ring.text()[..ring.text().len() - 9]]
        {
            assert_eq!(KeyRing::parse(text).unwrap_err().code(), "invalid_key_file", "{text}");
        }
    }
}

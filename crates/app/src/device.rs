//! Browsers in which somebody signed in by address, and how they are recognised: by a cookie (the device cookies of OWASP).
//!
//! It is no credential, and opens nothing. Guesses that come with it are counted by themselves, so that strangers who guess
//! at the same account do not keep its owner out. It is sealed with the instance's key: nobody makes one up, nobody reads
//! in it who signs in there, and looking costs no query.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use retinue_model::{Email, Error, Result};
use serde::{Deserialize, Serialize};

use crate::Visit;
use crate::throttle::Key;

/// What the cookies are encrypted for.
const PURPOSE: &str = "device";
/// Ours are half as long.
const MAX_LEN: usize = 1024;
/// Of so many people each browser remembers that they signed in there; the others are forgotten.
const MOST_PEOPLE: usize = 5;

/// How long somebody is recognised in a browser after they last signed in there.
pub const LASTS: SignedDuration = SignedDuration::from_hours(180 * 24);

/// What a browser keeps to be recognised, as it comes from there: whether it counts is not known yet.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceCookie(String);

impl DeviceCookie {
    /// The text of a cookie; none if it can't be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (1..=MAX_LEN).contains(&text.len()).then(|| Self(text.to_owned()))
    }

    /// The text, for the browser.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCookie(…)")
    }
}

/// A browser, and who signed in there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    /// Tells it from others.
    id: String,
    /// The last who did first.
    people: Vec<Person>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    /// Of their address.
    hash: String,
    /// When they last signed in, in seconds.
    at: i64,
}

impl Person {
    fn is_recognised(&self, now: Timestamp) -> bool {
        now.as_second().saturating_sub(self.at) < LASTS.as_secs()
    }
}

/// 128 bits as text.
fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&bytes[..16])
}

fn hash(address: &Email) -> String {
    text(digest(&SHA256, address.key().as_bytes()).as_ref())
}

impl Visit {
    fn device(&self) -> Option<Device> {
        let opened = self.keys().open(PURPOSE, self.caller().device.as_ref()?.expose())?;
        serde_json::from_str(&opened).ok()
    }

    /// What attempts at an account are counted by that come from a browser in which its owner has signed in.
    pub(crate) fn recognised(&self, address: &Email) -> Option<[Key; 2]> {
        let (device, hash) = (self.device()?, hash(address));
        let knows = device.people.iter().any(|person| person.hash == hash && person.is_recognised(self.now()));
        knows.then(|| Key::devices(&device.id, address))
    }

    /// What the browser is to keep, now that whoever has this address signed in there.
    ///
    /// # Errors
    /// There is no key to seal it with.
    pub(crate) fn recognise(&self, address: &Email) -> Result<DeviceCookie> {
        let mut device = self.device().unwrap_or_else(|| {
            let mut id = [0; 16];
            self.rng.fill(&mut id);
            Device { id: text(&id), people: Vec::new() }
        });
        let (now, person) = (self.now(), Person { hash: hash(address), at: self.now().as_second() });
        device.people.retain(|other| other.hash != person.hash && other.is_recognised(now));
        device.people.insert(0, person);
        device.people.truncate(MOST_PEOPLE);
        let text = serde_json::to_string(&device).map_err(Error::internal)?;
        self.keys().seal(&*self.rng, PURPOSE, &text).map(DeviceCookie)
    }
}

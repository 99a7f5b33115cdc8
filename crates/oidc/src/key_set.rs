//! The keys that a provider publishes (RFC 7517, section 5), and which of them verifies a token.

use retinue_model::{Error, Result};
use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::json::Object;
use crate::key::{self, Key};
use crate::reason::{Reason, quoted};
use crate::token::Token;

/// The most keys that are looked at.
const MAX_KEYS: usize = 100;

/// A provider's keys.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
    /// Those that can't be used: their id, and why.
    pub unusable: Vec<(Option<String>, &'static str)>,
}

/// Why a token was not verified, and whether newer keys might change that.
pub(crate) struct Unverified {
    pub error: Error,
    pub may_be_rotated: bool,
}

impl KeySet {
    /// Reads a key set. Keys that can't be used are left out.
    ///
    /// # Errors
    /// `KeySetInvalid` if it is none, is too long, or has no key that can be used.
    pub(crate) fn parse(document: &Object) -> Result<Self> {
        let Some(Value::Array(jwks)) = document.get("keys") else {
            return Err(Reason::KeySetInvalid.because("it has no keys"));
        };
        if jwks.len() > MAX_KEYS {
            return Err(Reason::KeySetInvalid.because(format!("it has more than {MAX_KEYS} keys")));
        }
        let mut set = Self { keys: Vec::new(), unusable: Vec::new() };
        for jwk in jwks {
            let Value::Object(jwk) = jwk else {
                set.unusable.push((None, "it is not an object"));
                continue;
            };
            match Key::parse(jwk) {
                Ok(key) => set.keys.push(key),
                Err(why) => set.unusable.push((key::key_id(jwk), why)),
            }
        }
        if set.keys.is_empty() {
            let why: Vec<_> = set.unusable.iter().map(|(_, why)| *why).take(5).collect();
            return Err(Reason::KeySetInvalid.because(format!("no key can be used: {}", why.join("; "))));
        }
        Ok(set)
    }

    /// How many keys can be used.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether a key can verify one of these algorithms.
    pub(crate) fn serves(&self, allowed: &[Algorithm]) -> bool {
        self.keys.iter().flat_map(Key::algorithms).any(|algorithm| allowed.contains(&algorithm))
    }

    /// Checks the signature of a token with the one key that fits it.
    pub(crate) fn verify(&self, token: &Token<'_>) -> Result<(), Unverified> {
        let candidates = self.keys.iter().filter(|key| token.key_id.is_none() || key.id == token.key_id);
        let mut fitting = candidates.clone().filter_map(|key| key.verifier(token.algorithm));
        let Some(verifier) = fitting.next() else {
            return Err(self.unfound(token, candidates.count() > 0));
        };
        if fitting.next().is_some() {
            let error = Reason::TokenKeyAmbiguous.because("more than one key fits it, and its kid does not decide");
            return Err(Unverified { error, may_be_rotated: false });
        }
        verifier.verify_sig(token.signed, &token.signature).map_err(|_| Unverified {
            error: Reason::TokenSignature.because("the signature is wrong"),
            // Another key may have taken the place of this one, under the same name or with none.
            may_be_rotated: true,
        })
    }

    fn unfound(&self, token: &Token<'_>, is_known: bool) -> Unverified {
        let (id, algorithm) = (quoted(token.key_id.as_deref().unwrap_or_default()), token.algorithm.name());
        let unusable = self.unusable.iter().find(|(id, _)| id.is_some() && *id == token.key_id);
        match (unusable, is_known && token.key_id.is_some()) {
            (Some((_, why)), _) => Unverified {
                error: Reason::TokenKeyUnfit.because(format!("key {id} can't be used: {why}")),
                may_be_rotated: false,
            },
            (None, true) => Unverified {
                error: Reason::TokenKeyUnfit.because(format!("key {id} is not for {algorithm}")),
                may_be_rotated: true,
            },
            (None, false) => Unverified {
                error: Reason::TokenKeyUnknown.because(format!("no key {id} for {algorithm}")),
                may_be_rotated: true,
            },
        }
    }
}

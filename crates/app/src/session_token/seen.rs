//! Tokens that were checked already: the same text, signed by the same keys, need not be checked again. Whether this is
//! their time is looked at each time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;

use super::{SessionToken, Signed};
use crate::key::KeyRing;

/// Tokens that are kept, at most; then it begins anew.
const MAX: usize = 20_000;

/// What was seen of one ring of keys; it goes with them. A whole text is what it is found by, under a hash that nobody
/// outside can foretell.
#[derive(Default)]
pub(crate) struct SeenTokens(RwLock<HashMap<Box<str>, Signed>>);

/// Whoever has one of them is taken for its user.
impl fmt::Debug for SeenTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeenTokens(…)")
    }
}

impl SeenTokens {
    /// What one of the keys signed, if its time is not over. The keys are the same at each call.
    pub(crate) fn check(&self, text: &str, keys: &KeyRing, now: Timestamp) -> Option<SessionToken> {
        if let Some(signed) = self.get(text) {
            return signed.at(now);
        }
        let signed = Signed::read(text, keys)?;
        let token = signed.at(now)?;
        self.keep(text, signed);
        Some(token)
    }

    fn get(&self, text: &str) -> Option<Signed> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(text).copied()
    }

    fn keep(&self, text: &str, signed: Signed) {
        let mut seen = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX {
            seen.clear();
        }
        seen.insert(text.into(), signed);
    }
}

#[cfg(test)]
mod tests {
    use retinue_model::{SessionId, UserId};
    use uuid::Uuid;

    use super::*;
    use crate::Rng;

    struct Constant(u8);

    impl Rng for Constant {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn it_is_bounded_and_goes_on_when_it_is_full() {
        let now = Timestamp::UNIX_EPOCH;
        let (seen, keys) = (SeenTokens::default(), KeyRing::generate(&Constant(1), now).unwrap());
        let expires_at = Timestamp::from_second(60).unwrap();
        let number = |number: usize| Uuid::from_u128(number as u128);
        for number in (0..=MAX).map(number) {
            let token = SessionToken { session: SessionId::new(number), user: UserId::new(number), expires_at };
            let text = token.sign(&keys, now).unwrap();
            for _ in 0..2 {
                assert_eq!(seen.check(&text, &keys, now), Some(token));
            }
            assert!(seen.0.read().unwrap().len() <= MAX);
        }
    }
}

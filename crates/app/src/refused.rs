//! What is logged of those who were not let in, and told in the audit trail. Anybody can be refused as often as they like: so
//! that nobody fills the two, or hides others in them, each reason has only some lines in a minute from one network, and all
//! have only some together. So has what else strangers can have logged.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use retinue_model::audit::{Action, Actor};
use retinue_model::error::Kind;
use retinue_model::session::Method;
use retinue_model::{ApiKeyId, Email, Error, Result};
use retinue_store::Batch;

use crate::Visit;
use crate::audit::Note;
use crate::throttle::Key;

/// How many lines one reason has in a span from one network; and from all of them, however many lines there are.
const LINES: u32 = 10;
/// How many lines there are in a span, but for the first of each reason.
const LINES_IN_ALL: u32 = 600;
const SPAN: SignedDuration = SignedDuration::from_mins(1);
/// Of how many keys it is known in a span that they had a line of their own.
const MOST_KEYS: usize = 10_000;
/// How long it is remembered of a network how many lines were left out.
const KEEP: SignedDuration = SignedDuration::from_mins(2);

/// How often what was logged of late.
#[derive(Debug, Default)]
pub(crate) struct Refused(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    all: Count,
    /// As many as there are codes of errors.
    reasons: HashMap<&'static str, Count>,
    /// Only those that had a line: no more than there can be lines while they are kept.
    networks: HashMap<(&'static str, Option<Key>), Count>,
    /// Keys that had a line of their own, and when.
    api_keys: HashMap<ApiKeyId, Timestamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    began: Timestamp,
    lines: u32,
    left_out: u64,
}

/// How many lines of the same reason were left out since the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Of the same network.
    pub(crate) here: u64,
    /// Of others.
    pub(crate) elsewhere: u64,
}

impl Count {
    fn lines_at(&mut self, now: Timestamp) -> u32 {
        if self.is_older(SPAN, now) {
            (self.began, self.lines) = (now, 0);
        }
        self.lines
    }

    /// Also if the clock was set back.
    fn is_older(&self, age: SignedDuration, now: Timestamp) -> bool {
        now.duration_since(self.began).abs() >= age
    }
}

impl Refused {
    /// Whether there is a line for this one; if so, how many before it had none.
    pub(crate) fn admit(&self, code: &'static str, network: Option<Key>, now: Timestamp) -> Option<LeftOut> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.all.is_older(SPAN, now) {
            inner.forget_networks(now);
        }
        let Inner { all, reasons, networks, .. } = &mut *inner;
        if let Some(known) = networks.get_mut(&(code, network))
            && known.lines_at(now) == LINES
        {
            known.left_out += 1;
            return None;
        }
        let reason = reasons.entry(code).or_default();
        let (lines_in_all, lines_of_reason) = (all.lines_at(now), reason.lines_at(now));
        if lines_in_all >= LINES_IN_ALL && lines_of_reason >= LINES {
            reason.left_out += 1;
            return None;
        }
        let known = networks.entry((code, network)).or_insert(Count { began: now, ..Count::default() });
        for count in [all, &mut *reason, &mut *known] {
            count.lines += 1;
        }
        Some(LeftOut { here: std::mem::take(&mut known.left_out), elsewhere: std::mem::take(&mut reason.left_out) })
    }

    /// Whether a key that is known has not had a line in this span; then it has one now, whatever else was refused. So nobody
    /// hides that they use one by showing others.
    fn is_first_of_key(&self, id: ApiKeyId, now: Timestamp) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |at: Timestamp| now.duration_since(at).abs() < SPAN;
        if inner.api_keys.get(&id).is_some_and(|at| is_recent(*at)) {
            return false;
        }
        if inner.api_keys.len() >= MOST_KEYS {
            inner.api_keys.retain(|_, at| is_recent(*at));
        }
        let has_room = inner.api_keys.len() < MOST_KEYS;
        if has_room {
            inner.api_keys.insert(id, now);
        }
        has_room
    }
}

impl Inner {
    fn forget_networks(&mut self, now: Timestamp) {
        let Self { reasons, networks, .. } = self;
        networks.retain(|(code, _), known| {
            let is_kept = !known.is_older(KEEP, now);
            if !is_kept {
                reasons.entry(code).or_default().left_out += known.left_out;
            }
            is_kept
        });
    }
}

/// What was refused to somebody of whom nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// To come in this way.
    SignIn(Method),
    /// To come in with one more identity.
    Identity,
    /// To sign somebody out, as their provider.
    SignOut,
}

impl Refusal {
    /// For the log.
    const fn said(self) -> &'static str {
        match self {
            Self::SignIn(_) => "nobody was signed in",
            Self::Identity => "no identity was added",
            Self::SignOut => "a logout token was refused",
        }
    }

    /// What was tried, and by what.
    const fn told(self) -> (Action, &'static str) {
        match self {
            Self::SignIn(method) => (Action::SignInRefused, method.as_str()),
            Self::Identity => (Action::IdentityAdded, Method::Oidc.as_str()),
            Self::SignOut => (Action::SessionEnded, "logout_token"),
        }
    }
}

/// Whether somebody was refused by that. What can't be told at the moment refuses nobody, nor does what a form asks once more.
fn refuses(error: &Error) -> bool {
    let asks = ["signed_in_as_other", "password_too_short", "password_common"];
    !matches!(error.kind(), Kind::Internal | Kind::Unavailable | Kind::StorageFull) && !asks.contains(&error.code())
}

impl Visit {
    /// Logs what was refused, and why, and tells it in the audit trail; `account` is as much of the address that was tried as a
    /// log may have. Over the bound it is for those only who look for everything.
    pub async fn note_refused(&self, refusal: Refusal, error: &Error, account: Option<&str>) {
        let (code, cause, address) = (error.code(), error.cause_chain(), self.caller().address_text());
        let (what, request_id) = (refusal.said(), self.request_id());
        let Some(LeftOut { here, elsewhere }) = self.refused.admit(code, self.network(), self.now()) else {
            tracing::debug!(code, cause, account, address, request_id, "{what}");
            return;
        };
        let (left_out, left_out_elsewhere) = (here, elsewhere);
        tracing::info!(code, cause, account, address, request_id, left_out, left_out_elsewhere, "{what}");
        if refuses(error) {
            let (action, via) = refusal.told();
            let note = self.note((Actor::Stranger, via), action).refused(code).with("account", account);
            self.tell_refused(note, here + elsewhere).await;
        }
    }

    /// Whether there is room to tell of one more that was refused for this reason; if so, of how many before it was not told.
    pub(crate) fn admits(&self, reason: &'static str) -> Option<u64> {
        let left_out = self.refused.admit(reason, self.network(), self.now())?;
        Some(left_out.here + left_out.elsewhere)
    }

    /// The same of a key. The first time that one is refused which is known is always told.
    pub(crate) fn admits_key(&self, reason: &'static str, id: Option<ApiKeyId>) -> Option<u64> {
        let is_first = id.is_some_and(|id| self.refused.is_first_of_key(id, self.now()));
        self.admits(reason).or_else(|| is_first.then_some(0))
    }

    /// Writes a note of what was refused.
    pub(crate) async fn tell_refused(&self, note: Note, left_out: u64) {
        let mut batch = Batch::default();
        note.with("left_out", Some(left_out).filter(|count| *count > 0)).write(&self.tenant(), &mut batch);
        if let Err(error) = self.store.write(batch).await {
            tracing::warn!(?error, "can_fail(refused): that somebody was refused was not told in the audit trail");
        }
    }

    /// Runs work to its end that lets somebody in; why it does not, if so, is noted.
    pub(crate) async fn let_in<T, F, W>(&self, (by, account): (Method, Option<&Email>), work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> W + Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let account = account.map(Email::masked);
        self.to_its_end(move |visit| async move {
            let done = work(visit.clone()).await;
            if let Err(error) = &done {
                visit.note_refused(Refusal::SignIn(by), error, account.as_deref()).await;
            }
            done
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    /// Somebody is refused who comes from a network with this number.
    fn admit(refused: &Refused, code: &'static str, network: u32, second: i64) -> Option<LeftOut> {
        let network = Key::network(IpAddr::V4(Ipv4Addr::from_bits(network)));
        refused.admit(code, Some(network), at(second))
    }

    /// There is a line for it, and none was left out before.
    const ADMITTED: Option<LeftOut> = Some(LeftOut { here: 0, elsewhere: 0 });

    #[test]
    fn a_network_has_some_lines_of_each_reason_and_hides_nobody_else() {
        let refused = Refused::default();
        for _ in 0..LINES {
            assert_eq!(admit(&refused, "wrong_credentials", 1, 0), ADMITTED);
        }
        for second in 0..30_i64 {
            assert_eq!(admit(&refused, "wrong_credentials", 1, second), None);
        }
        assert_eq!(admit(&refused, "sign_in_unknown", 1, 30), ADMITTED);
        assert_eq!(admit(&refused, "wrong_credentials", 2, 30), ADMITTED);
        assert_eq!(refused.admit("wrong_credentials", None, at(30)), ADMITTED);
        let left_out = Some(LeftOut { here: 30, elsewhere: 0 });
        assert_eq!(admit(&refused, "wrong_credentials", 1, 60), left_out);
        assert_eq!(admit(&refused, "wrong_credentials", 1, 60), ADMITTED);
        assert_eq!(admit(&refused, "sign_in_unknown", 1, -3_600), ADMITTED, "the clock was set back");
    }

    #[test]
    fn many_networks_have_some_lines_in_all_and_hide_no_other_reason() {
        let refused = Refused::default();
        let flood = |second: i64| {
            let lines = (0..10_000).filter(|&number| admit(&refused, "wrong_credentials", number, second).is_some());
            u32::try_from(lines.count()).unwrap()
        };
        assert_eq!(flood(0), LINES_IN_ALL);
        assert_eq!(admit(&refused, "sign_in_unknown", 7, 1), ADMITTED);
        for minute in 1..10 {
            assert_eq!(flood(60 * minute), LINES_IN_ALL, "{minute}");
        }
        let remembered = refused.0.lock().unwrap().networks.len();
        assert!(remembered <= 3 * LINES_IN_ALL as usize, "{remembered}");
    }

    #[test]
    fn what_was_left_out_is_told_even_if_nobody_comes_from_there_again() {
        let refused = Refused::default();
        for _ in 0..LINES + 5 {
            admit(&refused, "wrong_credentials", 1, 0);
        }
        assert_eq!(admit(&refused, "wrong_credentials", 2, 60), ADMITTED, "they may come yet");
        let left_out = Some(LeftOut { here: 0, elsewhere: 5 });
        assert_eq!(admit(&refused, "wrong_credentials", 2, 120), left_out);
        assert_eq!(admit(&refused, "wrong_credentials", 1, 120), ADMITTED);
    }
}

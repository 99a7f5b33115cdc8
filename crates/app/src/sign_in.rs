//! Signing in at an identity provider: there, and back. Who that is here: see [`crate::arrival`].

use std::fmt;

use jiff::Timestamp;
use retinue_model::return_to::ReturnTo;
use retinue_model::{Error, Result, UserId};
use retinue_oidc::{Callback, Moment, Options, Pending, Prompt};
use serde::{Deserialize, Serialize};

use crate::arrival::Arrival;
use crate::auth::SignInProvider;
use crate::session::Opened;
use crate::{App, Context, Visit, proof};

/// What the browser keeps of a sign-in is encrypted for.
const PURPOSE: &str = "sign-in at a provider";
/// Learns what must be known of each provider, so that the first sign-in need not wait for it. One that is down is said,
/// and asked again when somebody needs it.
pub async fn prepare(app: App) {
    for configured in &app.auth.providers {
        match configured.provider.prepare(app.now()).await {
            Ok(()) => tracing::info!(provider = configured.name(), "the identity provider can be used"),
            Err(error) => tracing::warn!(
                provider = configured.name(),
                code = error.code(),
                ?error,
                "the identity provider can't be used at the moment; `retinue doctor` says more"
            ),
        }
    }
}

/// A sign-in that begins.
pub struct Begun {
    /// Where the browser goes.
    pub url: String,
    /// Which of its sign-ins this is.
    pub id: String,
    /// What it keeps meanwhile.
    pub kept: String,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL has state and nonce in it.
        f.debug_struct("Begun").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A sign-in that ended well.
#[derive(Debug)]
pub struct Finished {
    /// The new session; none if somebody who is signed in added an identity.
    pub opened: Option<Opened>,
    /// Where they want to go.
    pub return_to: ReturnTo,
}

/// What the browser keeps.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    pending: Pending,
    /// Who adds an identity, if that is what this is for.
    for_user: Option<UserId>,
    /// Whether they are to show anew who they are.
    #[serde(default)]
    anew: bool,
    began_at: Timestamp,
}

/// Which of a browser's sign-ins a callback belongs to: a part of its state, which is no secret to that browser.
fn id_of_state(state: &str) -> String {
    state.chars().filter(char::is_ascii_alphanumeric).take(12).collect()
}

/// What somebody wants at a provider.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
    /// To sign in.
    SignIn,
    /// To sign in, and to show anew who they are, though they may be signed in there.
    Anew,
    /// To add an identity to those by which they sign in.
    Add(&'a Context),
}

impl Wish<'_> {
    fn options(self, return_to: &ReturnTo) -> Options {
        let (prompt, max_age) = match self {
            Self::SignIn => (None, None),
            Self::Anew => (Some(Prompt::Login), Some(proof::RECENT.unsigned_abs())),
            // Or else whoever is signed in there too would add, unasked, the account that they use already.
            Self::Add(_) => (Some(Prompt::SelectAccount), None),
        };
        Options { return_path: return_to.as_str().to_owned(), prompt, max_age, ..Options::default() }
    }
}

/// Begins a sign-in at a provider; the first one if none is named.
///
/// # Errors
/// `provider_unknown`, `sign_in_again`, or why the provider can't be used.
pub async fn begin(visit: &Visit, provider: Option<&str>, return_to: &ReturnTo, wish: Wish<'_>) -> Result<Begun> {
    let SignInProvider { provider, .. } = visit.auth.provider(provider)?;
    let for_user = match wish {
        Wish::Add(ctx) => {
            proof::require(ctx)?;
            Some(ctx.principal().user_id())
        }
        Wish::SignIn | Wish::Anew => None,
    };
    let options = wish.options(return_to);
    let (random, began_at) = (|bytes: &mut [u8]| visit.rng.fill(bytes), visit.now());
    let begun = provider.begin(Moment { now: began_at, random: &random }, options).await?;
    let id = id_of_state(&begun.pending.state);
    let anew = matches!(wish, Wish::Anew);
    let sealed = Sealed { pending: begun.pending, for_user, anew, began_at };
    let text = serde_json::to_string(&sealed).map_err(Error::internal)?;
    Ok(Begun { url: begun.url, id, kept: visit.keys().seal(&*visit.rng, PURPOSE, &text)? })
}

/// A callback of a provider, as it came.
#[derive(Debug)]
pub struct Returned(Callback);

impl Returned {
    /// Reads the query.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(query: &str) -> Result<Self> {
        Callback::parse(query).map(Self)
    }

    /// It came to the address that only this provider was told.
    #[must_use]
    pub fn at(self, provider: &str) -> Self {
        Self(self.0.at(provider))
    }

    /// Which of the browser's sign-ins it claims to belong to.
    #[must_use]
    pub fn id(&self) -> String {
        id_of_state(self.0.state())
    }
}

fn not_begun_here() -> Error {
    Error::invalid(
        "sign_in_unknown",
        "This sign-in was not begun in this browser, or it was used already. Begin it again.",
    )
}

/// A sign-in under way, as the browser brought it back.
pub struct Underway(Sealed);

impl fmt::Debug for Underway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Underway").field("pending", &self.0.pending).finish_non_exhaustive()
    }
}

impl Underway {
    /// Reads what the browser kept.
    ///
    /// # Errors
    /// `sign_in_unknown`
    pub fn open(visit: &Visit, kept: Option<&str>) -> Result<Self> {
        let sealed = kept.and_then(|kept| visit.keys().open(PURPOSE, kept)).ok_or_else(not_begun_here)?;
        serde_json::from_str(&sealed).map(Self).map_err(|_| not_begun_here())
    }

    /// Where they want to go.
    #[must_use]
    pub fn return_to(&self) -> ReturnTo {
        ReturnTo::new(&self.0.pending.return_path)
    }

    /// Whether they are to show anew who they are.
    #[must_use]
    pub const fn is_anew(&self) -> bool {
        self.0.anew
    }

    /// Whether somebody who is signed in adds an identity.
    #[must_use]
    pub const fn adds_identity(&self) -> bool {
        self.0.for_user.is_some()
    }

    /// Ends it; `current` is who the browser is signed in as at the moment. That is done to its end when the browser hangs
    /// up: a code counts once.
    ///
    /// # Errors
    /// Why nobody was signed in.
    pub async fn finish(self, visit: &Visit, returned: Returned, current: Option<Context>) -> Result<Finished> {
        let here = visit.clone();
        visit.detached(async move { self.end(&here, returned, current.as_ref()).await }).await
    }

    async fn end(self, visit: &Visit, returned: Returned, current: Option<&Context>) -> Result<Finished> {
        let (return_to, Sealed { pending, for_user, anew, began_at }) = (self.return_to(), self.0);
        let configured = visit.auth.provider(Some(&pending.provider))?;
        let place = visit.exchanges.begin(&pending.state, visit.network()).await?;
        let random = |bytes: &mut [u8]| visit.rng.fill(bytes);
        let moment = Moment { now: visit.now(), random: &random };
        let asked_at = moment.now;
        let signed_in = configured.provider.finish(moment, returned.0, pending).await?;
        drop(place);
        let arrival = Arrival { visit, configured, signed_in: &signed_in, began_at, asked_at, asked_anew: anew };
        let opened = match for_user {
            Some(user) => {
                let same = current.filter(|ctx| ctx.principal().user_id() == user).ok_or_else(other_person)?;
                arrival.add_to(same).await?;
                None
            }
            None => Some(arrival.let_in(current).await?),
        };
        Ok(Finished { opened, return_to })
    }
}

fn other_person() -> Error {
    Error::conflict(
        "sign_in_person_changed",
        "You began to add an identity, and are not signed in as the same person any more. Sign in, and add it again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_keeps_is_not_shown_to_whoever_debugs() {
        let begun = Begun { url: "https://secret".to_owned(), id: "1".to_owned(), kept: "secret".to_owned() };
        let shown = format!("{begun:?}");
        assert!(shown.contains("Begun") && !shown.contains("secret"), "{shown}");
    }
}

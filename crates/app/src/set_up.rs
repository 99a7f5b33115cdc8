//! The first administrator: whoever reads the console of a server that nobody can sign in to gets a link, good for a day
//! and for one person. Whoever merely comes first gets nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::credential::Credential;
use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::session::Method;
use retinue_model::user::User;
use retinue_model::{Email, Error, Name, NewPassword, Password, Result};
use retinue_store::{Batch, credential as credentials};

use crate::notice::Change;
use crate::secret::{Hash, Token, equal};
use crate::session::{self, Opened, SignedIn};
use crate::{App, Context, Visit, newcomer};

/// How long a link is good.
const LASTS: SignedDuration = SignedDuration::from_hours(24);

/// The one link there may be, of which only the hash is kept, in memory: each start makes another one.
#[derive(Clone, Default)]
pub(crate) struct SetUp(Arc<Mutex<Option<Link>>>);

#[derive(Clone, Copy)]
struct Link {
    hash: Hash,
    expires_at: Timestamp,
}

impl std::fmt::Debug for SetUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SetUp").field(&self.lock().is_some()).finish()
    }
}

impl SetUp {
    fn lock(&self) -> MutexGuard<'_, Option<Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the link out, so that nobody else has it meanwhile.
    fn take(&self, shown: &Token, now: Timestamp) -> Option<Taken> {
        let taken = self.lock().take_if(|link| link.is(shown, now))?;
        Some(Taken { back: self.clone(), link: Some(taken) })
    }

    fn has(&self, shown: &Token, now: Timestamp) -> bool {
        self.lock().is_some_and(|link| link.is(shown, now))
    }
}

impl Link {
    fn is(&self, shown: &Token, now: Timestamp) -> bool {
        equal(&self.hash, &shown.hash()) && now < self.expires_at
    }
}

/// A link that somebody uses. It is put back if nothing came of that.
struct Taken {
    back: SetUp,
    link: Option<Link>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            self.back.lock().get_or_insert(link);
        }
    }
}

fn spent() -> Error {
    Error::conflict(
        "set_up_spent",
        "This link was used already, or it is too old. The server prints a new one when it is started again, as long as nobody can sign in.",
    )
}

/// Whether nobody can sign in by address.
async fn is_needed(app: &App) -> Result<bool> {
    let Some(local) = app.auth.local.as_ref() else { return Ok(false) };
    let by_link = local.mail.is_some();
    Ok(!credentials::lets_anybody_in(&app.tenant(), &app.store, by_link).await?)
}

/// A link for the first administrator, if nobody can sign in: for the console, and for nobody else.
///
/// # Errors
/// What keeps the table from being read.
pub async fn offer(app: &App) -> Result<Option<String>> {
    let Some(local) = app.auth.local.as_ref().filter(|_| app.auth.mode == crate::auth::Mode::Local) else {
        return Ok(None);
    };
    if !is_needed(app).await? {
        return Ok(None);
    }
    let token = Token::new(&*app.rng);
    let expires_at = app.now().saturating_add(LASTS).map_err(Error::internal)?;
    *local.set_up.lock() = Some(Link { hash: token.hash(), expires_at });
    Ok(Some(format!("{}/set-up?token={}", app.auth.public_url, token.expose())))
}

/// Whether this is the link. Looking uses nothing up, and is no guess: of 2²⁵⁶ there is one.
///
/// # Errors
/// `local_disabled`, `set_up_spent`.
pub async fn check(visit: &Visit, shown: &str) -> Result<()> {
    let set_up = &visit.local()?.set_up;
    let is_it = Token::parse(shown).is_some_and(|shown| set_up.has(&shown, visit.now()));
    if is_it && is_needed(visit.app()).await? { Ok(()) } else { Err(spent()) }
}

/// What the first administrator says of themselves.
#[derive(Debug)]
pub struct First {
    /// The name.
    pub name: String,
    /// The address to sign in with.
    pub email: Email,
    /// The password to sign in with.
    pub password: Password,
}

/// Makes whoever has the link the first administrator, and signs them in.
///
/// # Errors
/// `local_disabled`, `set_up_spent`, `invalid_name`, `password_too_short`, `password_common`, `too_busy`.
pub async fn finish(visit: &Visit, shown: &str, first: First, current: Option<Context>) -> Result<Opened> {
    visit.local()?;
    let (shown, name) = (Token::parse(shown), Name::new(&first.name)?.into());
    visit
        .to_its_end(|visit| async move {
            let local = visit.local()?;
            let password = NewPassword::new(first.password, Some(&first.email))?;
            let mut taken = shown.and_then(|shown| local.set_up.take(&shown, visit.now())).ok_or_else(spent)?;
            if !is_needed(visit.app()).await? {
                return Err(spent());
            }
            let user = administrator(&visit, name, &first.email);
            let credential = Credential {
                user_id: user.id,
                password_hash: Some(visit.hashing()?.hash(&password).await?),
                updated_at: user.created_at,
                address: first.email,
            };
            let mut batch = Batch::default();
            let note = visit.note((Actor::User(user.id), "session"), Told::UserCreated);
            newcomer::add_with(&visit.tenant(), &mut batch, (&user, Some(credential.address.key())), true, note);
            credentials::set_password_with(&visit.tenant(), &mut batch, &credential);
            let opened =
                session::open_with(&visit, &mut batch, &user, SignedIn::by(&visit, Method::Link, &credential.address))?;
            visit.store.write(batch).await?;
            taken.link = None;
            session::replace(current.as_ref()).await;
            tracing::info!(user = %user.id, request_id = visit.request_id(), "the first administrator was set up");
            visit.tell(user.id, [Change::PasswordSet]).await;
            Ok(opened)
        })
        .await
}

fn administrator(visit: &Visit, name: String, email: &Email) -> User {
    User {
        id: visit.new_id(),
        organization_id: DEFAULT_ORGANIZATION,
        name,
        email: Some(email.as_str().to_owned()),
        email_verified: false,
        organization_admin: true,
        disabled_at: None,
        created_at: visit.now(),
    }
}

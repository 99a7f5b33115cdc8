//! What comes by mail and is good for one use: links to sign in, to register, to set another password, and the short code
//! that stands for one of the first kind.
//!
//! Whoever asks learns nothing of who has an account: a row is written for each address, and only the mail differs.

use std::time::Duration;

use jiff::SignedDuration;

use retinue_model::audit::Action as Told;
use retinue_model::credential::Credential;
use retinue_model::error::Kind;
use retinue_model::one_time_token::{OneTimeToken, Purpose};
use retinue_model::return_to::ReturnTo;
use retinue_model::session::Method;
use retinue_model::user::User;
use retinue_model::{Email, Error, Name, NewPassword, Password, Result, UserId};
use retinue_store::credential::{self as credentials, Found};
use retinue_store::{Batch, one_time_token as rows, user as users};

use crate::credential::log;
use crate::invitation::place_in_mail;
use crate::local::Registration;
use crate::mail::Letter;
pub use crate::mail_proof::Proof;
use crate::newcomer::Newcomer;
use crate::notice::Change;
use crate::place::Place;
use crate::secret::{ShortCode, Token, equal};
use crate::session::{self, Opened, SignedIn};
use crate::{Visit, first_mail, registration};

/// How long what comes by mail is good.
pub(crate) const GOOD_FOR: Duration = Duration::from_mins(15);

pub(crate) fn dead() -> Error {
    Error::conflict("token_spent", "This link was used already, or it is too old. Ask for a new one.")
}

fn wrong_code() -> Error {
    Error::invalid(
        "code_wrong",
        "This code is wrong, or it does not work any more. Check it, ask for a new one, or open the link in the mail.",
    )
}

fn dead_invitation() -> Error {
    Error::conflict(
        "token_spent",
        "This invitation was used already, or it is too old. If you have your account, sign in; if not, ask whoever invited you for another one.",
    )
}

/// A token, with its code, that is written down.
pub(crate) struct Issued {
    token: Token,
    code: ShortCode,
}

impl Issued {
    pub(crate) fn link(&self, visit: &Visit, path: &str) -> String {
        format!("{}{path}?token={}", visit.auth.public_url, self.token.expose())
    }

    /// A link that leads on to a place, as a mail may name it.
    fn link_back(&self, visit: &Visit, path: &str, place: &ReturnTo) -> String {
        let link = self.link(visit, path);
        if *place == ReturnTo::default() { link } else { format!("{link}&return_to={place}") }
    }
}

/// Writes a token down, for somebody or for nobody, with what else is in the batch.
pub(crate) async fn issue(
    visit: &Visit,
    mut batch: Batch,
    (purpose, user): (Purpose, Option<UserId>),
    address: &Email,
) -> Result<Issued> {
    let (token, code) = (Token::new(&*visit.rng), ShortCode::new(&*visit.rng));
    let now = visit.now();
    let lasts = SignedDuration::try_from(GOOD_FOR).map_err(Error::internal)?;
    let has_code = purpose == Purpose::MagicLink;
    let key = visit.keys().code_keys().next().ok_or_else(|| Error::internal("there is no key"))?;
    let row = OneTimeToken {
        id: visit.new_id(),
        user_id: user,
        purpose,
        token_hash: token.hash(),
        code_hash: has_code.then(|| code.hash(key.as_ref(), &token.hash())),
        attempts: 0,
        address: address.clone(),
        created_at: now,
        expires_at: now.saturating_add(lasts).map_err(Error::internal)?,
        used_at: None,
    };
    rows::insert_with(&visit.tenant(), &mut batch, &row);
    if let (Purpose::EmailChange, Some(user)) = (purpose, user) {
        // Of those that somebody asked for the newest counts, whichever address the others went to.
        rows::close_of_user_with(&visit.tenant(), &mut batch, (purpose, user), (Some(row.id), now));
    }
    visit.store.write(batch).await?;
    Ok(Issued { token, code })
}

/// Counts a mail that is asked for, finds out who has the address, and writes a token down.
async fn ask(visit: &Visit, purpose: Purpose, email: &Email) -> Result<(Issued, Option<Found>)> {
    let attempt = visit.begin_request(email)?;
    let asked = async {
        let found = credentials::by_address(&visit.tenant(), &visit.store, email).await?;
        let whose = (purpose, found.as_ref().map(|found| found.credential.user_id));
        let issued = issue(visit, Batch::default(), whose, email).await?;
        Ok((issued, found))
    };
    match asked.await {
        Ok(done) => Ok(done),
        Err(error) => {
            attempt.withdraw();
            Err(error)
        }
    }
}

fn sign_in_letter(visit: &Visit, issued: Issued, place: &ReturnTo) -> Letter {
    let link = issued.link_back(visit, "/auth/magic-link/verify", place);
    Letter::MagicLink { link, code: issued.code, good_for: GOOD_FOR }
}

/// Sends a link to sign in, if somebody may come in with this address; it leads on to where they were.
///
/// # Errors
/// `links_disabled`, `too_many_attempts`, `mail_too_busy`; never for what is known of the address.
pub async fn ask_to_sign_in(visit: &Visit, email: &Email, return_to: &ReturnTo) -> Result<()> {
    let (mailer, place) = (visit.mailer()?, place_in_mail(visit, return_to).await);
    let (issued, found) = ask(visit, Purpose::MagicLink, email).await?;
    if let Some(found) = found.filter(|found| found.disabled_at.is_none()) {
        visit.send(mailer, found.credential.address, sign_in_letter(visit, issued, &place));
    }
    Ok(())
}

/// Sends a link to set another password, if somebody may come in with this address.
///
/// # Errors
/// Those of [`ask_to_sign_in`].
pub async fn ask_to_reset(visit: &Visit, email: &Email, return_to: &ReturnTo) -> Result<()> {
    let (mailer, place) = (visit.mailer()?, place_in_mail(visit, return_to).await);
    let (issued, found) = ask(visit, Purpose::PasswordReset, email).await?;
    if let Some(found) = found.filter(|found| found.disabled_at.is_none()) {
        let link = issued.link_back(visit, "/auth/password-reset/verify", &place);
        visit.send(mailer, found.credential.address, Letter::PasswordReset { link, good_for: GOOD_FOR });
    }
    Ok(())
}

/// Sends a link to register; to somebody who is known, a mail that says so.
///
/// # Errors
/// `registration_closed`, or those of [`ask_to_sign_in`].
pub async fn ask_to_register(visit: &Visit, email: &Email, return_to: &ReturnTo) -> Result<()> {
    registration::may_register(visit)?;
    let (mailer, place) = (visit.mailer()?, place_in_mail(visit, return_to).await);
    let (issued, found) = ask(visit, Purpose::MagicLink, email).await?;
    let letter = match found {
        None => sign_in_letter(visit, issued, &place),
        Some(_) => Letter::AlreadyRegistered { link: format!("{}/sign-in", visit.auth.public_url) },
    };
    visit.send(mailer, email.clone(), letter);
    Ok(())
}

/// Whether links are sent here at all.
///
/// # Errors
/// `local_disabled`, `links_disabled`.
pub fn may_ask(visit: &Visit) -> Result<()> {
    visit.links().map(drop)
}

/// The open token of this text. It is no guess: of 2²⁵⁶ there is one.
pub(crate) async fn find(visit: &Visit, purpose: Purpose, text: &str) -> Result<OneTimeToken> {
    visit.local()?;
    let dead = || if purpose == Purpose::Invitation { dead_invitation() } else { dead() };
    let token = Token::parse(text).ok_or_else(dead)?;
    let found = rows::by_hash(&visit.tenant(), &visit.store, purpose, &token.hash()).await?;
    found.filter(|row| row.is_open(visit.now())).ok_or_else(dead)
}

/// What an open link is for.
#[derive(Debug)]
pub struct Seen {
    /// The address that it went to.
    pub address: Email,
    /// Whether what has opened the account until now counts no more once the link was used.
    pub shuts_out: bool,
}

/// What an open link is for, for the page to which it leads. Looking uses nothing up.
///
/// # Errors
/// `local_disabled`, `token_spent`.
pub async fn look(visit: &Visit, purpose: Purpose, text: &str) -> Result<Seen> {
    let OneTimeToken { user_id, address, .. } = find(visit, purpose, text).await?;
    let shuts_out = match user_id {
        Some(user) => first_mail::shuts_out(visit, user, &address.key()).await?,
        None => false,
    };
    Ok(Seen { address, shuts_out })
}

async fn find_by_code(visit: &Visit, email: &Email, code: &str) -> Result<OneTimeToken> {
    let attempt = visit.begin_guess(Some(email))?;
    match try_code(visit, email, code).await {
        Ok(row) => {
            attempt.succeeded();
            Ok(row)
        }
        Err(error) => {
            // What fails here is no guess.
            if error.kind() != Kind::Invalid {
                attempt.withdraw();
            }
            Err(error)
        }
    }
}

async fn try_code(visit: &Visit, email: &Email, code: &str) -> Result<OneTimeToken> {
    let code = ShortCode::parse(code).ok_or_else(wrong_code)?;
    let newest = rows::newest(&visit.tenant(), &visit.store, Purpose::MagicLink, email).await?;
    let row = newest.filter(|row| row.takes_code(visit.now())).ok_or_else(wrong_code)?;
    // Counted before it is compared.
    let mut batch = Batch::default();
    rows::try_code_with(&visit.tenant(), &mut batch, row.id, visit.now());
    let tried = visit.store.write(batch).await;
    tried.map_err(|error| if error.kind() == Kind::Conflict { wrong_code() } else { error })?;
    let is_it =
        |hash: &[u8; 32]| visit.keys().code_keys().any(|key| equal(&code.hash(key.as_ref(), &row.token_hash), hash));
    if row.code_hash.as_ref().is_some_and(is_it) { Ok(row) } else { Err(wrong_code()) }
}

/// Signs in whoever got the mail, in place of who was signed in in this browser. Whoever registers becomes a user now; who
/// is the first to show that the address is theirs has the account alone from now on.
///
/// # Errors
/// `token_spent`, `code_wrong`, `signed_in_as_other`, `user_disabled`, `too_many_attempts`.
pub async fn sign_in(visit: &Visit, proof: Proof, place: Place) -> Result<(User, Opened)> {
    let account = proof.address().cloned();
    visit
        .let_in((Method::Link, account.as_ref()), |visit| async move {
            let row = match &proof {
                Proof::Token(text) => find(&visit, Purpose::MagicLink, text).await?,
                Proof::Code(email, code) => find_by_code(&visit, email, code).await?,
            };
            place.admit(row.user_id)?;
            let mut batch = Batch::default();
            spend_with(&visit, &mut batch, &row);
            let user = match row.user_id {
                Some(user) => known(&visit, &row, user).await?,
                None if visit.local()?.registration == Registration::Open => {
                    let new = Newcomer {
                        name: row.address.local_part().to_owned(),
                        verified: true,
                        claims: false,
                        password: None,
                    };
                    new.add_with(&visit, &mut batch, &row.address)
                }
                None => return Err(dead()),
            };
            let how = SignedIn::by(&visit, Method::Link, &row.address);
            let change = first_mail::shown_with(&visit, &mut batch, (&user, &row.address), how.id).await?;
            if change.is_some() {
                let note = visit.note_of(user.id, Method::Link, Told::SessionEnded).with("which", "others");
                note.with("why", "address_shown").write(&visit.tenant(), &mut batch);
            }
            rows::close_with(&visit.tenant(), &mut batch, Purpose::MagicLink, &row.address, visit.now());
            let opened = session::open_with(&visit, &mut batch, &user, how)?;
            enter(&visit, batch, (user, opened), (&place, change)).await
        })
        .await
}

/// Writes down that somebody comes in by a link, and what else belongs to it; tells them what that changes.
async fn enter(
    visit: &Visit,
    batch: Batch,
    (user, opened): (User, Opened),
    (place, changes): (&Place, impl IntoIterator<Item = Change>),
) -> Result<(User, Opened)> {
    visit.store.write(batch).await?;
    session::look_again(visit.app(), user.id).await;
    place.take().await;
    log(visit, &user, Method::Link);
    let changes: Vec<Change> = changes.into_iter().collect();
    if changes.contains(&Change::OthersShutOut) {
        tracing::info!(user = %user.id, request_id = visit.request_id(), "what had opened the account before counts no more");
    }
    visit.tell(user.id, changes).await;
    Ok((user, opened))
}

pub(crate) fn spend_with(visit: &Visit, batch: &mut Batch, row: &OneTimeToken) {
    rows::spend_with(&visit.tenant(), batch, row.id, visit.new_uuid(), visit.now());
}

/// Whom a token is for, if they may come in, and still have the address that it went to.
async fn known(visit: &Visit, row: &OneTimeToken, user: UserId) -> Result<User> {
    let found = credentials::of_user(&visit.tenant(), &visit.store, user).await?.ok_or_else(dead)?;
    if found.disabled_at.is_some() {
        return Err(users::disabled());
    }
    if found.credential.address.key() != row.address.key() {
        return Err(dead());
    }
    users::get(&visit.tenant(), &visit.store, user).await?.ok_or_else(dead)
}

/// Sets another password for whoever got the mail, ends all their sessions, and signs them in. Who is the first to show that
/// the address is theirs has the account alone from now on.
///
/// # Errors
/// `token_spent`, `signed_in_as_other`, `password_too_short`, `password_common`, `user_disabled`, `too_busy`.
pub async fn reset(visit: &Visit, token: &str, new: Password, place: Place) -> Result<(User, Opened)> {
    let token = token.to_owned();
    visit
        .let_in((Method::Link, None), |visit| async move {
            let row = find(&visit, Purpose::PasswordReset, &token).await?;
            place.admit(row.user_id)?;
            let user = known(&visit, &row, row.user_id.ok_or_else(dead)?).await?;
            let new = NewPassword::new(new, Some(&row.address))?;
            let credential = Credential {
                user_id: user.id,
                address: row.address.clone(),
                password_hash: Some(visit.hashing()?.hash(&new).await?),
                updated_at: visit.now(),
            };
            let (mut batch, how) = (Batch::default(), SignedIn::by(&visit, Method::Link, &row.address));
            spend_with(&visit, &mut batch, &row);
            let change = first_mail::shown_with(&visit, &mut batch, (&user, &row.address), how.id).await?;
            credentials::set_password_with(&visit.tenant(), &mut batch, &credential);
            let note = visit.note_of(user.id, Method::Link, Told::PasswordSet).on("user", user.id);
            note.write(&visit.tenant(), &mut batch);
            for purpose in [Purpose::PasswordReset, Purpose::MagicLink] {
                rows::close_with(&visit.tenant(), &mut batch, purpose, &row.address, visit.now());
            }
            // Written twice, it must leave the new one.
            session::end_all_with(visit.app(), &mut batch, user.id, Some(how.id));
            let opened = session::open_with(&visit, &mut batch, &user, how)?;
            let changes = change.into_iter().chain([Change::PasswordSet]);
            enter(&visit, batch, (user, opened), (&place, changes)).await
        })
        .await
}

/// What somebody says of themselves who was invited.
#[derive(Debug)]
pub struct Accepted {
    /// The name.
    pub name: String,
    /// The password to sign in with.
    pub password: Password,
}

/// Makes whoever has an invitation a user, and signs them in.
///
/// # Errors
/// `registration_closed`, `token_spent`, `signed_in_as_other`, `invalid_name`, `password_too_short`, `password_common`,
/// `address_taken`.
pub async fn accept(visit: &Visit, token: &str, said: Accepted, place: Place) -> Result<(User, Opened)> {
    let token = token.to_owned();
    visit
        .let_in((Method::Link, None), |visit| async move {
            registration::may_accept(&visit)?;
            let name = Name::new(&said.name)?.into();
            let row = find(&visit, Purpose::Invitation, &token).await?;
            place.admit(None)?;
            let password = NewPassword::new(said.password, Some(&row.address))?;
            let hash = visit.hashing()?.hash(&password).await?;
            let mut batch = Batch::default();
            spend_with(&visit, &mut batch, &row);
            let new = Newcomer { name, verified: false, claims: false, password: Some(hash) };
            let user = new.add_with(&visit, &mut batch, &row.address);
            rows::close_with(&visit.tenant(), &mut batch, Purpose::Invitation, &row.address, visit.now());
            let opened =
                session::open_with(&visit, &mut batch, &user, SignedIn::by(&visit, Method::Link, &row.address))?;
            enter(&visit, batch, (user, opened), (&place, [Change::PasswordSet])).await
        })
        .await
}

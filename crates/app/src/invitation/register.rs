//! Becoming a user by an invitation to a team, where people sign in by address.
//!
//! One that went to an address by mail makes an account with that address, and shows whose it is. One that is for whoever has
//! the link makes an account with the address that they say, of which nothing is known but that they say it.

use retinue_model::audit::Action as Told;
use retinue_model::error::Kind;
use retinue_model::session::Method;
use retinue_model::user::User;
use retinue_model::{Email, Error, Name, NewPassword, Password, Result};
use retinue_store::{Batch, user as users};

use super::accept::{Valid, find, refused};
use crate::credential::log;
use crate::newcomer::Newcomer;
use crate::notice::Change;
use crate::place::Place;
use crate::session::{self, Opened, SignedIn};
use crate::{Visit, registration};

/// What somebody says of themselves who joins.
#[derive(Debug)]
pub struct Joining {
    /// The name.
    pub name: String,
    /// The address to sign in with, if the invitation is for none.
    pub email: Option<Email>,
    /// The password to sign in with.
    pub password: Password,
}

fn not_mailed() -> Error {
    Error::new(
        Kind::Forbidden,
        "address_not_shown",
        "This invitation is for an address, and its link did not go there by mail, so it makes no account. Sign in with an account that has the address, or ask for an invitation that names none.",
    )
}

/// The address that the account of whoever has the link will have: none if they may say.
fn address_of(valid: &Valid) -> Result<Option<Email>> {
    let invitation = &valid.found.invitation;
    match &invitation.address {
        None => Ok(None),
        Some(_) if !invitation.mailed => Err(not_mailed()),
        Some(address) => Email::new(address).map(Some).map_err(Error::internal),
    }
}

/// The address of the account that an open invitation makes; none if whoever has the link says which. Looking uses nothing
/// up.
///
/// # Errors
/// `local_disabled`, `registration_closed`, `invitation_spent`, `address_not_shown`.
pub async fn look_to_register(visit: &Visit, token: &str) -> Result<Option<Email>> {
    registration::may_accept(visit)?;
    address_of(&find(visit, token).await?)
}

/// Makes whoever has an invitation a user who belongs to its team, and signs them in.
///
/// # Errors
/// `local_disabled`, `registration_closed`, `invitation_spent`, `address_not_shown`, `signed_in_as_other`, `invalid_name`,
/// `invalid_email`, `password_too_short`, `password_common`, `address_taken`, `too_many_attempts`, `too_busy`.
pub async fn register(visit: &Visit, token: &str, said: Joining, place: Place) -> Result<(User, Opened)> {
    registration::may_accept(visit)?;
    let (token, name) = (token.to_owned(), Name::new(&said.name)?.into());
    visit
        .let_in((Method::Link, None), |visit| async move {
            let valid = find(&visit, &token).await?;
            let (bound, said_address) = (address_of(&valid)?, said.email);
            place.admit(None)?;
            let is_bound = bound.is_some();
            let address = match bound {
                Some(address) => address,
                None => spoken(&visit, said_address)?,
            };
            let password = NewPassword::new(said.password, Some(&address))?;
            let hash = visit.hashing()?.hash(&password).await?;
            let mut batch = Batch::default();
            let new = Newcomer { name, verified: is_bound, claims: !is_bound, password: Some(hash) };
            let user = new.add_with(&visit, &mut batch, &address);
            if is_bound {
                users::verify_with(&visit.tenant(), &mut batch, user.id, address.key(), visit.now());
            }
            let note = |told: Told| visit.note_of(user.id, Method::Link, told);
            valid.use_with(&visit, &mut batch, (user.id, None), note);
            let how = SignedIn::by(&visit, Method::Link, &address);
            let opened = session::open_with(&visit, &mut batch, &user, how)?;
            if let Err(error) = visit.store.write(batch).await {
                return Err(refused(&visit, &token, error).await);
            }
            session::look_again(visit.app(), user.id).await;
            place.take().await;
            log(&visit, &user, Method::Link);
            visit.tell(user.id, [Change::PasswordSet]).await;
            Ok((user, opened))
        })
        .await
}

/// An address that somebody says is theirs. Counted, whatever comes of it: whether somebody has it is told to whoever has an
/// invitation.
fn spoken(visit: &Visit, said: Option<Email>) -> Result<Email> {
    let address = said.ok_or_else(|| Error::invalid("invalid_email", "Say with which address you will sign in."))?;
    drop(visit.begin_request(&address)?);
    Ok(address)
}

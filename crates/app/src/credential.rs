//! Signing in with an address and a password.

use retinue_model::error::Kind;
use retinue_model::session::Method;
use retinue_model::user::User;
use retinue_model::{Email, Error, Password, Result};
use retinue_store::credential::{self as rows, Found};
use retinue_store::{Batch, user as users};

use crate::password::Verdict;
use crate::session::{self, Opened, SignedIn};
use crate::{Context, Visit};

/// What somebody typed.
#[derive(Debug)]
pub struct Typed {
    /// The address.
    pub email: Email,
    /// The password.
    pub password: Password,
}

/// One answer, whether it is the address or the password that is wrong, or the user who may not come in.
fn wrong() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "wrong_credentials",
        "Nobody can sign in with this address and this password. Check both; the password is case-sensitive.",
    )
}

/// Opens a session for whoever has this address and password, in place of the one that the browser had.
///
/// # Errors
/// `wrong_credentials`, `too_many_attempts`, `too_busy`.
pub async fn sign_in(visit: &Visit, typed: Typed, current: Option<Context>) -> Result<(User, Opened)> {
    let email = typed.email.clone();
    visit
        .lets_in(Some(&email), |visit| async move {
            let attempt = visit.begin_guess(Some(&typed.email))?;
            match open(&visit, &typed).await {
                Ok(signed_in) => {
                    attempt.succeeded();
                    session::replace(current.as_ref()).await;
                    log(&visit, &signed_in.0, Method::Password);
                    Ok(signed_in)
                }
                Err(error) => {
                    if error.kind() != Kind::Unauthenticated {
                        attempt.withdraw();
                    }
                    Err(error)
                }
            }
        })
        .await
}

async fn open(visit: &Visit, typed: &Typed) -> Result<(User, Opened)> {
    let (tenant, passwords) = (visit.tenant(), visit.hashing()?);
    let found = rows::by_address(&tenant, &visit.store, &typed.email).await?;
    let credential = found.filter(|found| found.disabled_at.is_none()).map(|Found { credential, .. }| credential);
    let kept = credential.as_ref().and_then(|credential| credential.password_hash.as_ref());
    let verdict = passwords.verify(&typed.password, kept).await?;
    let (Some(credential), Some(kept), true) = (&credential, kept, verdict.is_right()) else { return Err(wrong()) };
    let user = users::get(&tenant, &visit.store, credential.user_id).await?.ok_or_else(wrong)?;
    let anew = match verdict {
        Verdict::Outdated => passwords.hash_again(&typed.password).await.ok(),
        Verdict::Right | Verdict::Wrong => None,
    };
    let mut batch = Batch::default();
    // If the password was changed a moment ago, this one opens nothing any more.
    rows::confirm_password_with(&tenant, &mut batch, user.id, (kept, anew.as_ref().unwrap_or(kept)));
    let opened = session::open_with(visit, &mut batch, &user, SignedIn::by(visit, Method::Password, &typed.email))?;
    let written = visit.store.write(batch).await;
    written.map_err(|error| if error.kind() == Kind::NotFound { wrong() } else { error })?;
    Ok((user, opened))
}

/// Writes down who signed in, and how.
pub(crate) fn log(visit: &Visit, user: &User, method: Method) {
    tracing::info!(
        user = %user.id,
        method = method.as_str(),
        address = visit.caller().address_text(),
        request_id = visit.request_id(),
        "signed in"
    );
}

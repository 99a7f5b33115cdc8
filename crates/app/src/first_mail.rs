//! Whoever opens a mail shows that its address is theirs. The first one who does has the account alone from then on.
//!
//! Until then it is of whoever made it, or was given it: they may have named somebody else's address, by mistake or to wait
//! for its owner. So what opened it before counts no more, unless somebody else vouched for them already.

use retinue_model::user::User;
use retinue_model::{Email, Result, SessionId, UserId};
use retinue_store::{Batch, credential as credentials, identity as identities, user as users};

use crate::notice::Change;
use crate::{Visit, session, voucher};

/// Whether a password or an identity opens an account that counts no more once a mail to this address was opened.
///
/// # Errors
/// What keeps the tables from being read.
pub(crate) async fn shuts_out(visit: &Visit, user: UserId, key: &str) -> Result<bool> {
    Ok(!voucher::vouches_for((&visit.auth, &visit.store), user, key).await? && opens_otherwise(visit, user).await?)
}

/// Whether a password or an identity opens an account.
async fn opens_otherwise(visit: &Visit, user: UserId) -> Result<bool> {
    let (tenant, store) = (visit.tenant(), &visit.store);
    let found = credentials::of_user(&tenant, store, user).await?;
    let has_password = found.is_some_and(|found| found.credential.password_hash.is_some());
    Ok(has_password || !identities::of_user(&tenant, store, user).await?.is_empty())
}

/// Notes that a user has opened a mail that went to an address, when the batch is written; `opened` is the session that
/// opens with it. Tells what is to be told of it.
///
/// # Errors
/// What keeps the tables from being read.
pub(crate) async fn shown_with(
    visit: &Visit,
    batch: &mut Batch,
    (user, address): (&User, &Email),
    opened: SessionId,
) -> Result<Option<Change>> {
    let (tenant, key, now) = (visit.tenant(), address.key(), visit.now());
    let mut change = None;
    if !voucher::vouches_for((&visit.auth, &visit.store), user.id, &key).await? {
        change = opens_otherwise(visit, user.id).await?.then_some(Change::OthersShutOut);
        // Whatever was found: more may be there once this is written.
        credentials::shut_with(&tenant, batch, user.id, &key, now);
        session::end_all_with(visit.app(), batch, user.id, Some(opened));
    }
    users::verify_with(&tenant, batch, user.id, key, now);
    if !user.email_verified {
        session::revoke_with(visit.app(), batch, user.id, None);
    }
    Ok(change)
}

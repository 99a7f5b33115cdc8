//! Whoever opens a mail shows that its address is theirs. The first one who does has the account alone from then on.
//!
//! Until then it is of whoever made it, or was given it: they may have named somebody else's address, by mistake or to wait
//! for its owner. So what opened it before counts no more, unless somebody else vouched for them already.

use retinue_model::user::User;
use retinue_model::{Email, Result, SessionId};
use retinue_store::{Batch, credential as credentials, user as users};

use crate::{Visit, session, voucher};

/// Notes that a user has opened a mail that went to an address, when the batch is written; `opened` is the session that
/// opens with it. Gives whether what opened the account before counts no more.
///
/// # Errors
/// What keeps the table from being read.
pub(crate) async fn shown_with(
    visit: &Visit,
    batch: &mut Batch,
    (user, address): (&User, &Email),
    opened: SessionId,
) -> Result<bool> {
    let (tenant, key, now) = (visit.tenant(), address.key(), visit.now());
    let is_first = !voucher::vouches_for(visit.app(), user.id, &key).await?;
    if is_first {
        session::end_all_with(visit.app(), batch, user.id, Some(opened));
        credentials::shut_with(&tenant, batch, user.id, &key, now);
        tracing::info!(user = %user.id, request_id = visit.request_id(), "an address was shown for the first time");
    }
    users::verify_with(&tenant, batch, user.id, key, now);
    if !user.email_verified {
        session::revoke_with(visit.app(), batch, user.id, None);
    }
    Ok(is_first)
}

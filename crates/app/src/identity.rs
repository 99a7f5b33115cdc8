//! One's own identities: by which one may sign in.

use retinue_model::identity::Identity;
use retinue_model::{Error, IdentityId, Result};
use retinue_store::{Batch, identity as rows};

use crate::{Context, session};

/// One's own identities, the oldest first.
///
/// # Errors
/// What keeps the table from being read.
pub async fn list(ctx: &Context) -> Result<Vec<Identity>> {
    rows::list(&ctx.scope(), &ctx.store).await
}

/// Removes one of one's own identities, and ends the sessions that were begun with it.
///
/// # Errors
/// `not_found`, `last_way_in`.
pub async fn remove(ctx: &Context, id: IdentityId) -> Result<()> {
    ctx.detached(move |ctx| async move {
        if !has(&ctx, id).await? {
            return Err(Error::not_found("identity"));
        }
        let (mut batch, user) = (Batch::default(), ctx.principal().user_id());
        rows::delete_with(&ctx.scope(), &mut batch, id, ctx.auth.takes_addresses());
        session::revoke_with(ctx.app(), &mut batch, user, None);
        ctx.store.write(batch).await?;
        if has(&ctx, id).await? {
            return Err(Error::conflict(
                "last_way_in",
                "This is your last way in, so it stays. Add another one first.",
            ));
        }
        session::look_again(ctx.app(), user).await;
        tracing::info!(%user, identity = %id, request_id = ctx.request_id(), "an identity was removed");
        Ok(())
    })
    .await
}

async fn has(ctx: &Context, id: IdentityId) -> Result<bool> {
    Ok(list(ctx).await?.iter().any(|identity| identity.id == id))
}

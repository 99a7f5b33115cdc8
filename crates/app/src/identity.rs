//! One's own identities: by which one may sign in.

use retinue_model::audit::Action as Told;
use retinue_model::identity::Identity;
use retinue_model::{Error, IdentityId, Result};
use retinue_oidc::Groups;
use retinue_store::Batch;
use retinue_store::identity::{self as rows, Left};

use crate::group_rule::{self, Member};
use crate::notice::Change;
use crate::{Context, proof, session};

/// How often it is looked again what is left, when others remove something at the same moment.
const TRIES: usize = 3;

/// One's own identities, the oldest first.
///
/// # Errors
/// What keeps the table from being read.
pub async fn list(ctx: &Context) -> Result<Vec<Identity>> {
    rows::list(&ctx.scope(), &ctx.store).await
}

/// Removes one of one's own identities, and ends the sessions that were begun with it. What it alone vouched for is in doubt
/// from then on.
///
/// # Errors
/// `not_found`, `last_way_in`, `sign_in_again`, `session_ended`, `user_disabled`.
pub async fn remove(ctx: &Context, id: IdentityId) -> Result<()> {
    ctx.detached(move |ctx| async move {
        for _ in 0..TRIES {
            let (removed, others): (Vec<_>, Vec<_>) = list(&ctx).await?.into_iter().partition(|one| one.id == id);
            let removed = removed.first().ok_or_else(|| Error::not_found("identity"))?;
            proof::require(&ctx)?;
            let left = left(&ctx, &others);
            if delete(&ctx, removed, left).await? {
                return Ok(());
            }
            if left.identity.is_none() {
                break;
            }
            // The other one went at the same moment.
        }
        Err(rows::last_way_in())
    })
    .await
}

/// By what one could still come in, as the program is configured now.
fn left(ctx: &Context, others: &[Identity]) -> Left {
    let works = |identity: &&Identity| ctx.auth.has_provider(&identity.provider, &identity.issuer);
    Left {
        identity: others.iter().find(works).map(|identity| identity.id),
        password: ctx.auth.takes_addresses(),
        link: ctx.auth.sends_links(),
    }
}

/// Whether it is gone.
async fn delete(ctx: &Context, identity: &Identity, left: Left) -> Result<bool> {
    let (mut batch, user) = (Batch::default(), ctx.principal().user_id());
    session::require_asking_with(ctx, &mut batch)?;
    rows::delete_with(&ctx.scope(), &mut batch, identity.id, left);
    if let Some(key) = identity.email_key().filter(|_| identity.email_verified) {
        rows::doubt_with(&ctx.scope(), &mut batch, key, ctx.now());
    }
    session::revoke_with(ctx.app(), &mut batch, user, None);
    let note = ctx.note(Told::IdentityRemoved).on("identity", identity.id).about(user);
    note.with("provider", identity.provider.clone()).write(&ctx.tenant(), &mut batch);
    let written = ctx.store.write(batch).await;
    let now = list(ctx).await?;
    let is_there = now.iter().any(|there| there.id == identity.id);
    match written {
        Err(error) if error.code() == rows::last_way_in().code() && is_there => return Ok(false),
        // It was written twice, after the first answer was lost: the session that asks may have gone with its identity.
        Err(error)
            if [session::over(), rows::last_way_in()].map(|gone| gone.code()).contains(&error.code()) && !is_there => {}
        written => written?,
    }
    session::look_again(ctx.app(), user).await;
    if now.iter().all(|there| there.provider != identity.provider) {
        forget_groups(ctx, &identity.provider).await;
    }
    tracing::info!(%user, identity = %identity.id, request_id = ctx.request_id(), "an identity was removed");
    let visit = ctx.as_visit();
    visit.tell(user, [Change::IdentityRemoved(visit.label_of(&identity.provider))]).await;
    Ok(true)
}

/// A provider from which somebody does not come any more says nothing of their groups any more either.
async fn forget_groups(ctx: &Context, provider: &str) {
    let (user, groups) = (ctx.principal().user_id(), Groups::Known(Vec::new()));
    let member = Member { user, provider, groups: &groups, is_new: false };
    if let Err(error) = group_rule::take_over(ctx.app(), member).await {
        tracing::warn!(%user, ?error, "can_fail(identity): what rules gave somebody was not taken back");
    }
}

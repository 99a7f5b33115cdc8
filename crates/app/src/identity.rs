//! One's own identities: by which one may sign in.

use retinue_model::audit::{Action as Told, Actor};
use retinue_model::identity::Identity;
use retinue_model::{Error, IdentityId, Result};
use retinue_oidc::Groups;
use retinue_store::Batch;
use retinue_store::identity::{self as rows, Left};
use retinue_store::membership::by_rule;

use crate::group_rule::{self, Member, Said};
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
/// from then on, and what rules gave by the word of its provider goes with the last identity there.
///
/// # Errors
/// `not_found`, `last_way_in`, `groups_overtaken`, `sign_in_again`, `session_ended`, `user_disabled`.
pub async fn remove(ctx: &Context, id: IdentityId) -> Result<()> {
    ctx.detached(move |ctx| async move {
        let mut why = rows::last_way_in();
        for _ in 0..TRIES {
            let (removed, others): (Vec<_>, Vec<_>) = list(&ctx).await?.into_iter().partition(|one| one.id == id);
            let removed = removed.first().ok_or_else(|| Error::not_found("identity"))?;
            proof::require(&ctx)?;
            match delete(&ctx, removed, &others).await {
                // The other one went at the same moment.
                Err(error) if error.code() == rows::last_way_in().code() && left(&ctx, &others).identity.is_some() => {}
                // Others changed who belongs to the same teams.
                Err(error) if by_rule::is_passing(&error) => why = group_rule::overtaken(),
                done => return done,
            }
        }
        Err(why)
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

async fn delete(ctx: &Context, identity: &Identity, others: &[Identity]) -> Result<()> {
    let (mut batch, user) = (Batch::default(), ctx.principal().user_id());
    session::require_asking_with(ctx, &mut batch)?;
    rows::delete_with(&ctx.scope(), &mut batch, identity.id, left(ctx, others));
    if let Some(key) = identity.email_key().filter(|_| identity.email_verified) {
        rows::doubt_with(&ctx.scope(), &mut batch, key, ctx.now());
    }
    if others.iter().all(|other| other.provider != identity.provider) {
        forget_groups_with(ctx, &mut batch, &identity.provider).await?;
    }
    session::revoke_with(ctx.app(), &mut batch, user, None);
    let note = ctx.note(Told::IdentityRemoved).on("identity", identity.id).about(user);
    note.with("provider", identity.provider.clone()).write(&ctx.tenant(), &mut batch);
    let written = ctx.store.write(batch).await;
    let is_there = list(ctx).await?.iter().any(|there| there.id == identity.id);
    match written {
        // It was written twice, after the first answer was lost: the session that asks may have gone with its identity.
        Err(error)
            if [session::over(), rows::last_way_in()].map(|gone| gone.code()).contains(&error.code()) && !is_there => {}
        written => written?,
    }
    session::look_again(ctx.app(), user).await;
    tracing::info!(%user, identity = %identity.id, request_id = ctx.request_id(), "an identity was removed");
    let visit = ctx.as_visit();
    visit.tell(user, [Change::IdentityRemoved(visit.label_of(&identity.provider))]).await;
    Ok(())
}

/// A provider from which somebody does not come any more says nothing of their groups any more either.
async fn forget_groups_with(ctx: &Context, batch: &mut Batch, provider: &str) -> Result<()> {
    let (user, groups) = (ctx.principal().user_id(), Groups::Known(Vec::new()));
    let said = Said { groups: &groups, by: None, asked_at: ctx.now() };
    let member = Member { user, provider, said, is_new: false };
    let note = |told| ctx.app().note((Actor::Provider, group_rule::VIA), told);
    group_rule::apply_with(ctx.app(), batch, member, note).await.map(drop)
}

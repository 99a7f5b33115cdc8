//! Who one is, and what was here before people signed in.

use std::collections::{HashMap, HashSet};

use retinue_model::audit::Action as Told;
use retinue_model::membership::Role;
use retinue_model::principal::LOCAL_USER;
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{Name, Principal, Result, UserId};
use retinue_store::agent::version::Version;
use retinue_store::{Batch, team as teams, user as rows};

use crate::{App, Context, admin, session};

/// Whoever asks.
///
/// # Errors
/// What keeps the table from being read.
pub async fn me(ctx: &Context) -> Result<User> {
    if let Some(user) = ctx.known_user() {
        return Ok(user.clone());
    }
    let found = rows::get(&ctx.tenant(), &ctx.store, ctx.principal().user_id()).await?;
    found.ok_or_else(rows::missing)
}

/// What users are called, by id; who is gone has no name any more. For those who may know of them.
pub(crate) async fn names_of(ctx: &Context, ids: impl IntoIterator<Item = UserId>) -> Result<HashMap<UserId, String>> {
    let ids: Vec<_> = ids.into_iter().collect::<HashSet<_>>().into_iter().collect();
    Ok(rows::names(&ctx.tenant(), &ctx.store, &ids).await?.into_iter().collect())
}

/// What those are called who made an agent what it was in some of its versions, for whoever may read these.
///
/// # Errors
/// What keeps the table from being read.
pub async fn changers(ctx: &Context, versions: &[Version]) -> Result<HashMap<UserId, String>> {
    names_of(ctx, versions.iter().filter_map(|version| version.changed_by)).await
}

/// The most teams that are shown where somebody is.
const MOST_TEAMS: i64 = 100;

/// The teams of whoever asks, and what they are in each; the first 100.
///
/// # Errors
/// What keeps the table from being read.
pub async fn my_teams(ctx: &Context) -> Result<Vec<(Team, Role)>> {
    match ctx.known_teams() {
        Some(teams) => Ok(teams.to_vec()),
        None => teams_of(ctx.app(), ctx.principal()).await,
    }
}

pub(crate) async fn teams_of(app: &App, principal: &Principal) -> Result<Vec<(Team, Role)>> {
    teams::of_user(&Context::scope_of(principal), &app.store, None, MOST_TEAMS).await
}

/// Gives oneself another name. At the next sign-in at a provider it may become that provider's again.
///
/// # Errors
/// `invalid_name`
pub async fn rename(ctx: &Context, name: &str) -> Result<()> {
    let name: String = Name::new(name)?.into();
    ctx.detached(|ctx| async move {
        let (mut batch, id) = (Batch::default(), ctx.principal().user_id());
        let user = rows::get(&ctx.tenant(), &ctx.store, id).await?.ok_or_else(rows::missing)?;
        if user.name == name {
            return Ok(());
        }
        rows::rename_with(&ctx.scope(), &mut batch, name.clone(), ctx.now());
        let note = ctx.note(Told::UserChanged).on("user", id).about(id);
        note.with("name", name).with("name_before", user.name).write(&ctx.tenant(), &mut batch);
        let told = session::revoke_with(ctx.app(), &mut batch, id, None);
        ctx.store.write(batch).await?;
        session::look_after(ctx.app(), id, told).await;
        Ok(())
    })
    .await
}

/// Whether somebody may have the conversations from before people signed in, if there are any.
fn may_take_over(ctx: &Context) -> bool {
    !ctx.auth.is_single_user() && ctx.principal().is_organization_admin()
}

/// How many conversations there are from before people signed in, for an administrator; for others none.
///
/// # Errors
/// What keeps the table from being read.
pub async fn left_by_local_user(ctx: &Context) -> Result<i64> {
    if !may_take_over(ctx) {
        return Ok(0);
    }
    rows::count_threads(&ctx.tenant(), &ctx.store, LOCAL_USER).await
}

/// Whether there are such conversations, for an administrator. Costs the same however many there are.
///
/// # Errors
/// What keeps the table from being read.
pub async fn is_any_left_by_local_user(ctx: &Context) -> Result<bool> {
    Ok(may_take_over(ctx) && rows::has_threads(&ctx.tenant(), &ctx.store, LOCAL_USER).await?)
}

/// Takes over the conversations from before people signed in: an administrator, who still is one at that moment.
///
/// # Errors
/// `forbidden` but for an administrator; `session_ended`, `user_disabled`.
pub async fn take_over(ctx: &Context) -> Result<()> {
    if ctx.auth.is_single_user() {
        return Err(rows::not_an_admin());
    }
    ctx.detached(|ctx| async move {
        let (mut batch, mine) = (Batch::default(), ctx.principal().user_id());
        let user = rows::get(&ctx.tenant(), &ctx.store, mine).await?.ok_or_else(rows::missing)?;
        session::require_asking_with(&ctx, &mut batch)?;
        if !admin::is_declared((&ctx.auth, &ctx.store), &user).await? {
            rows::require_admin_with(&ctx.tenant(), &mut batch, mine);
        }
        rows::hand_over_with(&ctx.tenant(), &mut batch, LOCAL_USER, mine);
        let count = rows::count_threads(&ctx.tenant(), &ctx.store, LOCAL_USER).await?;
        let note = ctx.note(Told::ThreadsTransferred).on("user", LOCAL_USER).about(mine);
        note.with("threads", count).write(&ctx.tenant(), &mut batch);
        ctx.store.write(batch).await?;
        tracing::info!(user = %mine, request_id = ctx.request_id(), "took over the conversations of the local user");
        Ok(())
    })
    .await
}

//! All users, for those who run the installation: who there is, who may come in, and who runs it too.

use retinue_model::audit::Action as Told;
use retinue_model::one_time_token::Purpose;
use retinue_model::principal::LOCAL_USER;
use retinue_model::user::User;
use retinue_model::{Error, Result, UserId};
use retinue_store::{Batch, one_time_token as tokens, user as rows};

use crate::access::{self, Grant};
use crate::policy::Action;
use crate::{App, Context, admin, cursor, newcomer, session};

mod sought;

pub use sought::Sought;

/// A user, as those see them who run the installation.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The user.
    pub user: User,
    /// Whether they run the installation: because somebody made them, or because the configuration declares them.
    pub organization_admin: bool,
    /// Whether the configuration does: then it must be taken back there.
    pub is_declared: bool,
}

/// Some users of a list, and where it goes on.
#[derive(Clone, Debug)]
pub struct Page {
    /// The users, the oldest first.
    pub users: Vec<Seen>,
    /// Where the list goes on, if it does.
    pub next_cursor: Option<String>,
}

/// What is to change of a user; `None` leaves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether they are shut out.
    pub disabled: Option<bool>,
    /// Whether they run the installation.
    pub organization_admin: Option<bool>,
}

async fn seen(app: &App, user: User) -> Result<Seen> {
    let is_declared = admin::is_declared((&app.auth, &app.store), &user).await?;
    Ok(Seen { organization_admin: user.organization_admin || is_declared, is_declared, user })
}

/// Everybody, the oldest first, or those who are sought; not the user of a server on which nobody signs in.
///
/// # Errors
/// `forbidden`, `invalid_cursor`.
pub async fn list(ctx: &Context, sought: Option<&Sought>, cursor: Option<&str>, limit: usize) -> Result<Page> {
    access::require_of_organization(ctx, Action::UserList).await?;
    let (tenant, most) = (ctx.tenant(), cursor::one_more(limit + 1));
    let mut users = match sought {
        Some(sought) => sought.find((&tenant, &ctx.store), cursor, most).await?,
        None => rows::list(&tenant, &ctx.store, cursor.map(cursor::to_user).transpose()?, most).await?,
    };
    users.retain(|user| user.id != LOCAL_USER || ctx.auth.is_single_user());
    let has_more = users.len() > limit;
    users.truncate(limit);
    let place = |last: &User| match sought {
        Some(sought) => sought.place(last),
        None => cursor::of_user((last.created_at, last.id)),
    };
    let next_cursor = users.last().filter(|_| has_more).map(place);
    let mut page = Page { users: Vec::new(), next_cursor };
    for user in users {
        page.users.push(seen(ctx.app(), user).await?);
    }
    Ok(page)
}

/// One user.
///
/// # Errors
/// `forbidden`, `not_found`.
pub async fn get(ctx: &Context, id: UserId) -> Result<Seen> {
    access::require_of_organization(ctx, Action::UserList).await?;
    seen(ctx.app(), find(ctx, id).await?).await
}

async fn find(ctx: &Context, id: UserId) -> Result<User> {
    let found = rows::get(&ctx.tenant(), &ctx.store, id).await?;
    found.filter(|user| user.id != LOCAL_USER || ctx.auth.is_single_user()).ok_or_else(rows::missing)
}

/// The configuration declares them.
pub(crate) fn declared() -> Error {
    Error::conflict(
        "admin_declared",
        "This user runs the installation because `auth.admins` says so. Take the entry out, and start the server again.",
    )
}

/// Shuts somebody out or lets them in again, makes them run the installation or takes that back. Whoever is shut out is out at
/// once: their sessions, keys, streams and runs end.
///
/// # Errors
/// `forbidden`, `not_found`, `last_admin`, `admin_declared`.
pub async fn change(ctx: &Context, id: UserId, change: Change) -> Result<Seen> {
    // Both need the same right; asked apart, for the table may say otherwise one day.
    let mut grants = Vec::new();
    if change.disabled.is_some() {
        grants.push(access::require_of_organization(ctx, Action::UserDisable).await?);
    }
    if change.organization_admin.is_some() || grants.is_empty() {
        grants.push(access::require_of_organization(ctx, Action::UserGrantAdmin).await?);
    }
    let before = seen(ctx.app(), find(ctx, id).await?).await?;
    if id == LOCAL_USER && change.disabled == Some(true) {
        let said = "This is the user of a server on which nobody signs in: without them nobody could use it.";
        return Err(Error::conflict("local_user_stays", said));
    }
    if change.organization_admin == Some(false) && before.is_declared {
        return Err(declared());
    }
    ctx.detached(move |ctx| async move { write(&ctx, before, (change, grants)).await }).await?;
    get_changed(ctx, id).await
}

/// Whoever gave up running the installation sees what became of it all the same.
async fn get_changed(ctx: &Context, id: UserId) -> Result<Seen> {
    seen(ctx.app(), find(ctx, id).await?).await
}

async fn write(ctx: &Context, before: Seen, (change, grants): (Change, Vec<Grant>)) -> Result<()> {
    let (tenant, now, id, mut batch) = (ctx.tenant(), ctx.now(), before.user.id, Batch::default());
    for grant in grants {
        grant.hold_with(ctx, &mut batch);
    }
    let is_disabled = before.user.disabled_at.is_some();
    let disabled = change.disabled.filter(|disabled| *disabled != is_disabled);
    let admin = change.organization_admin.filter(|admin| *admin != before.user.organization_admin);
    if disabled.is_none() && admin.is_none() {
        return Ok(());
    }
    let stops = disabled == Some(true) && before.organization_admin || admin == Some(false);
    if stops {
        admin::keep_one_with((&ctx.auth, &ctx.store), &mut batch, id).await?;
    }
    match disabled {
        Some(true) => {
            shut_out_with(ctx.app(), &mut batch, id);
            ctx.note(Told::UserDisabled).on("user", id).about(id).write(&tenant, &mut batch);
        }
        Some(false) => {
            let note = ctx.note(Told::MembershipAdded);
            newcomer::let_in_with((&tenant, &ctx.store), &mut batch, (id, now), note).await?;
            ctx.note(Told::UserEnabled).on("user", id).about(id).write(&tenant, &mut batch);
        }
        None => {}
    }
    if let Some(admin) = admin {
        rows::make_admin_with(&tenant, &mut batch, id, (admin, now));
        let told = if admin { Told::AdminGranted } else { Told::AdminRevoked };
        ctx.note(told).on("user", id).about(id).write(&tenant, &mut batch);
    }
    let told = session::revoke_with(ctx.app(), &mut batch, id, None);
    ctx.store.write(batch).await?;
    session::look_after(ctx.app(), id, told).await;
    Ok(())
}

/// Shuts somebody out, and makes every link worthless that they have, when the batch is written.
pub(crate) fn shut_out_with(app: &App, batch: &mut Batch, id: UserId) {
    let (tenant, now) = (app.tenant(), app.now());
    rows::disable_with(&tenant, batch, id, now);
    for purpose in [Purpose::EmailChange, Purpose::PasswordReset, Purpose::MagicLink] {
        tokens::close_of_user_with(&tenant, batch, (purpose, id), (None, now));
    }
    session::end_all_with(app, batch, id, None);
}

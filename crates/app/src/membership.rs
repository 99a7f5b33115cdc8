//! Memberships: who belongs to a team, and as what.

use retinue_model::audit::Action as Told;
use retinue_model::membership::{Membership, Origin, Role};
use retinue_model::principal::LOCAL_USER;
use retinue_model::user::User;
use retinue_model::{Email, Error, Result, TeamId, UserId};
use retinue_store::Batch;
use retinue_store::membership as rows;
use retinue_store::membership::{Member, Place};
use retinue_store::{credential as credentials, user as users};

use crate::access::{self, Grant};
use crate::audit::Note;
use crate::policy::Action;
use crate::{Context, cursor, session};

mod undo;

/// How often it is looked again what a member is, when others change that at the same moment.
const TRIES: usize = 3;

pub use retinue_store::membership::Member as TeamMember;
pub use undo::{Undoable, undoable};

/// Some members of a list, and where it goes on.
#[derive(Clone, Debug)]
pub struct Page {
    /// The members, the first first.
    pub members: Vec<Member>,
    /// Where the list goes on, if it does.
    pub next_cursor: Option<String>,
}

/// Who is meant: by id, or by an address that is known to be theirs.
#[derive(Clone, Debug)]
pub enum Named {
    /// By id.
    Id(UserId),
    /// By address.
    Email(Email),
}

/// Who belongs to a team.
///
/// # Errors
/// `not_found`, `invalid_cursor`.
pub async fn list(ctx: &Context, team: TeamId, cursor: Option<&str>, limit: usize) -> Result<Page> {
    let scope = access::require_of_team(ctx, Action::MemberRead, team).await?.team()?;
    let after = cursor.map(|text| cursor::to_member(team, text)).transpose()?;
    let mut members = rows::list(&scope, &ctx.store, after, cursor::one_more(limit)).await?;
    let has_more = members.len() > limit;
    members.truncate(limit);
    let place = |last: &Member| Place { created_at: last.membership.created_at, user_id: last.membership.user_id };
    let next_cursor = members.last().filter(|_| has_more).map(|last| cursor::of_member(team, place(last)));
    Ok(Page { members, next_cursor })
}

/// Nobody here is meant by that.
fn unknown() -> Error {
    Error::invalid(
        "user_unknown",
        "There is no such user here who may come in, or several have this address. Name them by id, or invite them.",
    )
}

/// The user who is meant.
pub(crate) async fn find(ctx: &Context, named: Named) -> Result<UserId> {
    let (tenant, store) = (ctx.tenant(), &ctx.store);
    let found = match named {
        Named::Id(id) => users::get(&tenant, store, id).await?,
        Named::Email(email) => by_address(ctx, &email).await?,
    };
    // Nobody comes as the local user where people sign in.
    let may_come = |user: &User| user.id != LOCAL_USER || ctx.auth.is_single_user();
    found.filter(|user| user.disabled_at.is_none() && may_come(user)).map(|user| user.id).ok_or_else(unknown)
}

/// The only one who signs in with an address that they have shown to be theirs or that whoever has the machine gave them, or
/// of whom somebody trusted says that it is theirs.
pub(crate) async fn by_address(ctx: &Context, email: &Email) -> Result<Option<User>> {
    let (tenant, store) = (ctx.tenant(), &ctx.store);
    let mut found = users::by_vouched_email(&tenant, store, &email.key(), &ctx.auth.trusted_with_addresses()).await?;
    let way_in = credentials::by_address(&tenant, store, email).await?;
    if let Some(way_in) = way_in.filter(credentials::Found::names_its_user) {
        let user = users::get(&tenant, store, way_in.credential.user_id).await?;
        found.retain(|other| other.id != way_in.credential.user_id);
        found.extend(user);
    }
    Ok(found.pop().filter(|_| found.is_empty()))
}

/// Takes somebody into a team.
///
/// # Errors
/// `not_found`, `role_too_low`, `user_unknown`, `member_already`.
pub async fn add(ctx: &Context, team: TeamId, named: Named, role: Role) -> Result<Membership> {
    let grant = access::require_of_team(ctx, Action::MemberAdd, team).await?;
    let (user_id, now) = (find(ctx, named).await?, ctx.now());
    let membership = Membership {
        team_id: team,
        user_id,
        role,
        origin: Origin::Person,
        evidence: None,
        created_at: now,
        updated_at: now,
    };
    ctx.detached(move |ctx| async move {
        let mut batch = Batch::default();
        grant.hold_with(&ctx, &mut batch);
        rows::insert_with(&ctx.tenant(), &mut batch, &membership);
        let note = ctx.note(Told::MembershipAdded).on("team", team).of_team(team).about(user_id);
        note.with("role", role.as_str()).write(&ctx.tenant(), &mut batch);
        tell_of(&ctx, batch, user_id).await?;
        Ok(membership)
    })
    .await
}

async fn member(ctx: &Context, team: TeamId, user: UserId) -> Result<Membership> {
    rows::get(&ctx.tenant(), &ctx.store, team, user).await?.ok_or_else(rows::missing)
}

fn own_by_rule() -> Error {
    Error::conflict(
        "own_role_by_rule",
        "Your groups at the identity provider give you your role here, so it is not yours to change. Ask another admin of the team, or leave it.",
    )
}

/// Gives a member another role. One that a rule gave becomes a person's word by that, and rules change it no more: so it takes
/// another person.
///
/// # Errors
/// `not_found`, `role_too_low`, `last_admin`, `own_role_by_rule`, `member_changed`.
pub async fn change(ctx: &Context, team: TeamId, user: UserId, role: Role) -> Result<Membership> {
    let grant = access::require_of_team(ctx, Action::MemberChange, team).await?;
    ctx.detached(move |ctx| async move {
        for _ in 0..TRIES {
            let before = member(&ctx, team, user).await?;
            let is_own_by_rule = before.origin == Origin::Rule && user == ctx.principal().user_id();
            if before.role == role && (before.origin != Origin::Rule || is_own_by_rule) {
                return Ok(before);
            }
            if is_own_by_rule {
                return Err(own_by_rule());
            }
            match give(&ctx, &grant, &before, role).await {
                Err(error) if rows::is_passing(&error) => {}
                given => {
                    given?;
                    return member(&ctx, team, user).await;
                }
            }
        }
        Err(rows::changed())
    })
    .await
}

async fn give(ctx: &Context, grant: &Grant, before: &Membership, role: Role) -> Result<()> {
    let (mut batch, team, user) = (Batch::default(), grant.team()?, before.user_id);
    if role < Role::Admin {
        rows::keep_admin_with(&team, &mut batch, user, ctx.auth.comers());
    }
    grant.hold_with(ctx, &mut batch);
    rows::change_with(&team, &mut batch, before, (role, ctx.now()));
    let note = ctx.note(Told::MembershipChanged).on("team", team.id()).of_team(team.id()).about(user);
    with_before(note.with("role", role.as_str()), before).write(&ctx.tenant(), &mut batch);
    tell_of(ctx, batch, user).await
}

/// With what somebody was before, and where that came from: what it takes to take a change back.
fn with_before(note: Note, before: &Membership) -> Note {
    note.with("role_before", before.role.as_str()).with("origin_before", before.origin.as_str())
}

/// Takes somebody out of a team; whoever asks may leave it.
///
/// # Errors
/// `not_found`, `role_too_low`, `last_admin`, `member_changed`.
pub async fn remove(ctx: &Context, team: TeamId, user: UserId) -> Result<()> {
    let leaves = user == ctx.principal().user_id();
    let action = if leaves { Action::MemberLeave } else { Action::MemberRemove };
    let grant = access::require_of_team(ctx, action, team).await?;
    let mut before = member(ctx, team, user).await?;
    ctx.detached(move |ctx| async move {
        for _ in 0..TRIES {
            match take_out(&ctx, &grant, &before).await {
                Err(error) if rows::is_passing(&error) => {}
                done => return done,
            }
            let Some(now) = rows::get(&ctx.tenant(), &ctx.store, team, user).await? else {
                // Somebody else took them out at this moment, and that is told once.
                session::look_again(ctx.app(), user).await;
                return Ok(());
            };
            before = now;
        }
        Err(rows::changed())
    })
    .await
}

async fn take_out(ctx: &Context, grant: &Grant, before: &Membership) -> Result<()> {
    let (mut batch, team, user) = (Batch::default(), grant.team()?, before.user_id);
    rows::keep_admin_with(&team, &mut batch, user, ctx.auth.comers());
    grant.hold_with(ctx, &mut batch);
    rows::remove_with(&team, &mut batch, before, ctx.now());
    let note = ctx.note(Told::MembershipRemoved).on("team", team.id()).of_team(team.id()).about(user);
    with_before(note, before).write(&ctx.tenant(), &mut batch);
    tell_of(ctx, batch, user).await
}

/// Writes what changes of a user, and tells all who keep something of them in memory.
pub(crate) async fn tell_of(ctx: &Context, mut batch: Batch, user: UserId) -> Result<()> {
    let told = session::revoke_with(ctx.app(), &mut batch, user, None);
    ctx.store.write(batch).await?;
    session::look_after(ctx.app(), user, told).await;
    Ok(())
}

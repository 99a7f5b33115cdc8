//! Teams: make, rename, delete, and see which there are.

use jiff::Timestamp;
use retinue_model::audit::Action as Told;
use retinue_model::budget::Subject;
use retinue_model::membership::{Membership, Origin, Role};
use retinue_model::team::{DEFAULT_TEAM, Team};
use retinue_model::{Error, Name, Result, Slug, TeamId};
use retinue_store::team as rows;
use retinue_store::team::Place;
use retinue_store::{Batch, TeamScope, Tenant, agent as agents, api_key as keys};
use retinue_store::{budget as budgets, membership as memberships};

use crate::access::{self, Grant};
use crate::audit::Note;
use crate::policy::Action;
use crate::{Context, api_key, cursor, membership, session};

/// A team, and what whoever asks is in it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The team.
    pub team: Team,
    /// What they are in it; none if they see it because they run the installation.
    pub role: Option<Role>,
}

/// Some teams of a list, and where it goes on.
#[derive(Clone, Debug)]
pub struct Page {
    /// The teams, the oldest first.
    pub teams: Vec<Seen>,
    /// Where the list goes on, if it does.
    pub next_cursor: Option<String>,
}

/// What may be said of a new team.
#[derive(Clone, Debug)]
pub struct NewTeam {
    /// The name for people.
    pub name: Name,
    /// The name for rules and programs; made of the other one if none.
    pub slug: Option<Slug>,
}

/// What is to change of a team; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Another name for people.
    pub name: Option<Name>,
    /// Another name for rules and programs.
    pub slug: Option<Slug>,
}

/// What becomes of what a team has, when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heirs {
    /// Its agents become another team's, and conversations count for that one.
    Team(TeamId),
    /// Its agents are deleted. Conversations stay whose they are, and count for the default team.
    Nobody,
}

/// The teams that whoever asks belongs to.
///
/// # Errors
/// `invalid_cursor`.
pub async fn list(ctx: &Context, cursor: Option<&str>, limit: usize) -> Result<Page> {
    let after = cursor.map(cursor::to_team).transpose()?;
    let found = rows::of_user(&ctx.scope(), &ctx.store, after.map(|place| place.id), cursor::one_more(limit)).await?;
    Ok(page(found.into_iter().map(|(team, role)| Seen { team, role: Some(role) }).collect(), limit))
}

/// All teams there are, for those who run the installation.
///
/// # Errors
/// `forbidden`, `invalid_cursor`.
pub async fn list_all(ctx: &Context, cursor: Option<&str>, limit: usize) -> Result<Page> {
    access::require_of_organization(ctx, Action::TeamList).await?;
    let after = cursor.map(cursor::to_team).transpose()?;
    let teams = rows::list(&ctx.tenant(), &ctx.store, after, cursor::one_more(limit)).await?;
    let own = memberships::of_user(&ctx.tenant(), &ctx.store, ctx.principal().user_id()).await?;
    let role = |team: &Team| own.iter().find(|membership| membership.team_id == team.id).map(|found| found.role);
    Ok(page(teams.into_iter().map(|team| Seen { role: role(&team), team }).collect(), limit))
}

fn page(mut teams: Vec<Seen>, limit: usize) -> Page {
    let has_more = teams.len() > limit;
    teams.truncate(limit);
    let place = |seen: &Seen| cursor::of_team(Place { created_at: seen.team.created_at, id: seen.team.id });
    let next_cursor = teams.last().filter(|_| has_more).map(place);
    Page { teams, next_cursor }
}

/// One team.
///
/// # Errors
/// `not_found`.
pub async fn get(ctx: &Context, id: TeamId) -> Result<Seen> {
    access::require_of_team(ctx, Action::TeamRead, id).await?;
    let team = rows::get(&ctx.tenant(), &ctx.store, id).await?.ok_or_else(rows::missing)?;
    let own = memberships::get(&ctx.tenant(), &ctx.store, id, ctx.principal().user_id()).await?;
    Ok(Seen { team, role: own.map(|membership| membership.role) })
}

/// Makes a team, and whoever asks its admin.
///
/// # Errors
/// `forbidden`, `slug_taken`, `name_taken`.
pub async fn create(ctx: &Context, new: NewTeam) -> Result<Seen> {
    let grant = access::require_of_organization(ctx, Action::TeamCreate).await?;
    let now = ctx.now();
    let name = String::from(new.name);
    let slug = new.slug.unwrap_or_else(|| Slug::of_name(&name, "team"));
    let team = Team { id: ctx.new_id(), slug, name, created_at: now, updated_at: now };
    let membership = Membership {
        team_id: team.id,
        user_id: ctx.principal().user_id(),
        role: Role::Admin,
        origin: Origin::Person,
        evidence: None,
        created_at: now,
        updated_at: now,
    };
    ctx.detached(move |ctx| async move {
        let mut batch = Batch::default();
        grant.hold_with(&ctx, &mut batch);
        rows::insert_with(&ctx.tenant(), &mut batch, &team);
        memberships::insert_with(&ctx.tenant(), &mut batch, &membership);
        let note = ctx.note(Told::TeamCreated).on("team", team.id).of_team(team.id);
        note.with("name", team.name.clone()).with("slug", team.slug.as_str()).write(&ctx.tenant(), &mut batch);
        membership::tell_of(&ctx, batch, ctx.principal().user_id()).await?;
        Ok(Seen { team, role: Some(Role::Admin) })
    })
    .await
}

/// Gives a team another name.
///
/// # Errors
/// `not_found`, `role_too_low`, `slug_taken`, `name_taken`.
pub async fn change(ctx: &Context, id: TeamId, change: Change) -> Result<Seen> {
    let grant = access::require_of_team(ctx, Action::TeamChange, id).await?;
    let before = get(ctx, id).await?;
    let name = change.name.map(String::from).filter(|name| *name != before.team.name);
    let slug = change.slug.filter(|slug| *slug != before.team.slug);
    // Rules for groups go by it: whoever gives one decides who comes in.
    let names = match slug {
        Some(_) => Some(access::require_of_organization(ctx, Action::TeamCreate).await?),
        None => None,
    };
    if name.is_none() && slug.is_none() {
        return Ok(before);
    }
    ctx.detached(move |ctx| async move {
        let (mut batch, scope) = (Batch::default(), grant.team()?);
        grant.hold_with(&ctx, &mut batch);
        if let Some(names) = names {
            names.hold_with(&ctx, &mut batch);
        }
        let note = note_change(ctx.note(Told::TeamChanged), &before.team, (name.as_deref(), slug.as_ref()));
        note.write(&ctx.tenant(), &mut batch);
        rows::change_with(&scope, &mut batch, (name, slug), ctx.now());
        ctx.store.write(batch).await?;
        get(&ctx, id).await
    })
    .await
}

/// With what of a team is another now.
pub(crate) fn note_change(note: Note, before: &Team, (name, slug): (Option<&str>, Option<&Slug>)) -> Note {
    let mut note = note.on("team", before.id).of_team(before.id);
    if let Some(name) = name {
        note = note.with("name", name).with("name_before", before.name.clone());
    }
    if let Some(slug) = slug {
        note = note.with("slug", slug.as_str()).with("slug_before", before.slug.as_str());
    }
    note
}

/// What a team has.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    /// Agents, shared or not.
    pub agents: i64,
    /// Conversations of its people.
    pub threads: i64,
}

/// What would have to go elsewhere if a team were deleted.
///
/// # Errors
/// `not_found`, `role_too_low`.
pub async fn contents(ctx: &Context, id: TeamId) -> Result<Contents> {
    let team = access::require_of_team(ctx, Action::TeamDelete, id).await?.team()?;
    let agents = agents::count_of_team(&team, &ctx.store).await?;
    Ok(Contents { agents, threads: rows::count_threads(&team, &ctx.store).await? })
}

/// Deletes a team, with who belongs to it, its invitations and its keys. Nobody loses a conversation by it.
///
/// # Errors
/// `not_found`, `role_too_low`, `default_team`; `heir_unknown` if another team shall have what it has and whoever asks does
/// not run that one too.
pub async fn delete(ctx: &Context, id: TeamId, heirs: Heirs) -> Result<()> {
    let grant = access::require_of_team(ctx, Action::TeamDelete, id).await?;
    if id == DEFAULT_TEAM {
        return Err(default_stays());
    }
    let heir = heir(ctx, id, heirs).await?;
    ctx.detached(move |ctx| async move { remove(&ctx, grant, heir).await }).await
}

pub(crate) fn default_stays() -> Error {
    Error::conflict("default_team", "The default team stays: people who come in belong to it.")
}

/// Who gets the agents, and for which team the conversations count from then on.
struct Heir {
    agents: Option<Grant>,
    threads: TeamId,
}

async fn heir(ctx: &Context, id: TeamId, heirs: Heirs) -> Result<Heir> {
    let Heirs::Team(to) = heirs else { return Ok(Heir { agents: None, threads: DEFAULT_TEAM }) };
    let unknown =
        || Error::invalid("heir_unknown", "Name another team that you are an admin of, for what this one has.");
    if to == id {
        return Err(unknown());
    }
    match access::require_of_team(ctx, Action::TeamChange, to).await {
        Ok(grant) => Ok(Heir { agents: Some(grant), threads: to }),
        Err(error) if matches!(error.code(), "not_found" | "role_too_low") => Err(unknown()),
        Err(error) => Err(error),
    }
}

async fn remove(ctx: &Context, grant: Grant, heir: Heir) -> Result<()> {
    let (team, now) = (grant.team()?, ctx.now());
    let name = get(ctx, team.id()).await?.team.name;
    let mut batch = Batch::default();
    grant.hold_with(ctx, &mut batch);
    if let Some(to) = &heir.agents {
        to.hold_with(ctx, &mut batch);
    }
    let note = ctx.note(Told::TeamDeleted).with("name", name);
    delete_with((&ctx.tenant(), &team), &mut batch, ((heir.agents.is_some(), heir.threads), now), note);
    let mut told = Vec::new();
    for owner in keys::owners(&team, &ctx.store).await? {
        told.push((owner, session::revoke_with(ctx.app(), &mut batch, owner, None)));
    }
    ctx.store.write_alone(batch).await?;
    for (owner, told) in told {
        session::look_after(ctx.app(), owner, told).await;
    }
    // One that was made meanwhile.
    for known in ctx.api_keys.of_team(team.id()) {
        api_key::recheck(ctx.app(), &known).await;
    }
    Ok(())
}

/// Deletes a team, and notes it, when the batch is written: what counts for it counts for `to` from then on, which gets its
/// agents too if they are moved.
pub(crate) fn delete_with(
    (tenant, team): (&Tenant, &TeamScope),
    batch: &mut Batch,
    ((is_moved, to), now): ((bool, TeamId), Timestamp),
    note: Note,
) {
    rows::hold_with(team, batch);
    if is_moved {
        agents::move_all_with(team, batch, to);
    } else {
        agents::delete_all_with(team, batch, to, now);
    }
    rows::move_threads_with(team, batch, to);
    let note = note.on("team", team.id()).of_team(team.id());
    let note = note.with("agents", if is_moved { "moved" } else { "deleted" });
    note.with("to", to.to_string()).write(tenant, batch);
    budgets::clear_with(tenant, batch, Subject::Team(team.id()));
    rows::delete_with(team, batch);
}

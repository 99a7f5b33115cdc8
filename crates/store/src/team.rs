//! Teams in storage.

use jiff::Timestamp;
use retinue_model::membership::Role;
use retinue_model::team::Team;
use retinue_model::{Error, Result, Slug, TeamId};

use crate::batch::Batch;
use crate::row::{Columns, Row};
use crate::statement::statements;
use crate::value::params;
use crate::{Scope, Store, TeamScope, Tenant};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO teams (id, organization_id, slug, name, name_key, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
            ON CONFLICT (id) DO NOTHING";
        GET = "SELECT id, slug, name, created_at, updated_at FROM teams WHERE id = $1 AND organization_id = $2";
        BY_SLUG = "SELECT id, slug, name, created_at, updated_at FROM teams WHERE slug = $1 AND organization_id = $2";
        LIST = "SELECT id, slug, name, created_at, updated_at FROM teams \
            WHERE organization_id = $1 AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4";
        OF_USER = "SELECT t.id, t.slug, t.name, t.created_at, t.updated_at, m.role FROM memberships m JOIN teams t ON t.id = m.team_id \
            WHERE m.user_id = $1 AND m.organization_id = $2 AND m.team_id > $3 \
            AND m.team_id = COALESCE($4, m.team_id) ORDER BY m.team_id LIMIT $5";
        NAMES = sqlite "SELECT id, name FROM teams WHERE (organization_id = $1) IS TRUE AND id IN (SELECT unhex(value) FROM json_each($2))"
            postgres "SELECT id, name FROM teams WHERE organization_id = $1 AND id IN \
            (SELECT CAST(value AS uuid) FROM json_array_elements_text(CAST(CAST($2 AS TEXT) AS json)))";
        CHANGE = "UPDATE teams SET name = COALESCE($1, name), name_key = COALESCE($2, name_key), slug = COALESCE($3, slug), \
            updated_at = $4 WHERE id = $5 AND organization_id = $6";
        HOLD = "UPDATE teams SET updated_at = updated_at WHERE id = $1 AND organization_id = $2";
        MOVE_THREADS = "UPDATE threads SET team_id = $1 WHERE team_id = $2 AND organization_id = $3";
        DELETE = "DELETE FROM teams WHERE id = $1 AND organization_id = $2";
        COUNT_THREADS = "SELECT COUNT(*) FROM threads WHERE team_id = $1 AND organization_id = $2";
    }
}

pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Team> {
    Ok(Team {
        id: columns.take()?,
        slug: Slug::new(&columns.take::<String>()?).map_err(|error| Error::internal(error.to_string()))?,
        name: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

fn read_row(row: &Row<'_>) -> Result<Team> {
    read(&mut row.columns())
}

/// No team has this id.
#[must_use]
pub fn missing() -> Error {
    Error::not_found("team")
}

/// A name as it is compared with others: case and the width of gaps do not count.
fn key_of(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Adds a team, when the batch is written; `slug_taken` or `name_taken` if another has one of its names.
pub fn insert_with(tenant: &Tenant, batch: &mut Batch, team: &Team) {
    batch.write(
        &sql::INSERT,
        params![
            team.id,
            tenant.id(),
            String::from(team.slug.clone()),
            team.name.clone(),
            key_of(&team.name),
            team.created_at,
            team.updated_at
        ],
    );
}

/// One team.
///
/// # Errors
/// What the engine says.
pub async fn get(tenant: &Tenant, store: &Store, id: TeamId) -> Result<Option<Team>> {
    store.query_one(&sql::GET, &params![id, tenant.id()], read_row).await
}

/// The team with this short name.
///
/// # Errors
/// What the engine says.
pub async fn by_slug(tenant: &Tenant, store: &Store, slug: &Slug) -> Result<Option<Team>> {
    store.query_one(&sql::BY_SLUG, &params![slug.as_str(), tenant.id()], read_row).await
}

/// What these are called, of those that are still here. For whoever may know of them.
///
/// # Errors
/// What the engine says.
pub async fn names(tenant: &Tenant, store: &Store, ids: &[TeamId]) -> Result<Vec<(TeamId, String)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    };
    store.query(&sql::NAMES, &params![tenant.id(), crate::value::id_list(ids)], read).await
}

/// A place in a list of teams: what comes after it is younger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When the last one was made.
    pub created_at: Timestamp,
    /// The last one.
    pub id: TeamId,
}

/// All teams of the organization, the oldest first, from the beginning or after a place. For those who run it.
///
/// # Errors
/// What the engine says.
pub async fn list(tenant: &Tenant, store: &Store, after: Option<Place>, limit: i64) -> Result<Vec<Team>> {
    let nil = TeamId::new(uuid::Uuid::nil());
    let Place { created_at, id } = after.unwrap_or(Place { created_at: Timestamp::UNIX_EPOCH, id: nil });
    store.query(&sql::LIST, &params![tenant.id(), created_at, id, limit], read_row).await
}

/// The teams that somebody belongs to, and as what, after one of them; the oldest first.
///
/// # Errors
/// What the engine says.
pub async fn of_user(scope: &Scope, store: &Store, after: Option<TeamId>, limit: i64) -> Result<Vec<(Team, Role)>> {
    let read = |row: &Row<'_>| {
        let mut columns = row.columns();
        Ok((read(&mut columns)?, columns.take::<String>()?.parse()?))
    };
    let after = after.unwrap_or(TeamId::new(uuid::Uuid::nil()));
    store.query(&sql::OF_USER, &params![scope.owner(), scope.organization(), after, scope.team(), limit], read).await
}

/// Gives a team another name, for people or for programs, when the batch is written. Requires that there is one:
/// `not_found`; and `slug_taken` or `name_taken` if another has one of them.
pub fn change_with(team: &TeamScope, batch: &mut Batch, (name, slug): (Option<String>, Option<Slug>), now: Timestamp) {
    let slug = slug.map(String::from);
    let key = name.as_deref().map(key_of);
    batch.require(&sql::CHANGE, params![name, key, slug, now, team.id(), team.organization()], missing);
}

/// Lets nobody else change who belongs to a team until the batch is written. Requires that there is one: `not_found`. To
/// come before what depends on who belongs to it.
pub fn hold_with(team: &TeamScope, batch: &mut Batch) {
    batch.require(&sql::HOLD, params![team.id(), team.organization()], missing);
}

/// Moves all conversations of a team to another one, when the batch is written; whose they are stays.
pub fn move_threads_with(from: &TeamScope, batch: &mut Batch, to: TeamId) {
    batch.write(&sql::MOVE_THREADS, params![to, from.id(), from.organization()]);
}

/// Deletes a team, who belongs to it, its invitations and its keys, when the batch is written. Nothing else of it may be
/// left.
pub fn delete_with(team: &TeamScope, batch: &mut Batch) {
    batch.write(&sql::DELETE, params![team.id(), team.organization()]);
}

/// How many conversations there are in a team. Which, only their owners can ask.
///
/// # Errors
/// What the engine says.
pub async fn count_threads(team: &TeamScope, store: &Store) -> Result<i64> {
    let count = |row: &Row<'_>| row.columns().take();
    let found = store.query_one(&sql::COUNT_THREADS, &params![team.id(), team.organization()], count).await?;
    Ok(found.unwrap_or(0))
}

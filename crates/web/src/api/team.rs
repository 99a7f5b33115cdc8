//! `/api/teams`

use axum::http::StatusCode;
use retinue_app::team::{self, Heirs, Seen};
use retinue_model::membership::Role;
use retinue_model::team::Team;
use retinue_model::{Error, Name, Result, Slug, TeamId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{self, List};
use crate::extract::{Body, Keyed, Param, Params, scope};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// Which teams.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListTeams {
    /// How many at most: 1 to 200, otherwise 20.
    #[param(minimum = 1, maximum = 200, default = 20)]
    limit: Option<usize>,
    /// Where the list goes on: the `next_cursor` of the answer before.
    cursor: Option<String>,
    /// All teams of the organization, for organization admins; otherwise one's own.
    #[serde(default)]
    #[param(default = false)]
    all: bool,
}

/// A team, and what one is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TeamItem {
    #[serde(flatten)]
    team: Team,
    /// What you are in it; null if you see it because you run the installation.
    #[schema(required)]
    role: Option<Role>,
}

impl From<Seen> for TeamItem {
    fn from(seen: Seen) -> Self {
        Self { team: seen.team, role: seen.role }
    }
}

/// A team to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTeam {
    /// The name for people.
    name: String,
    /// The name for rules and programs; made of the other one if left out.
    #[schema(value_type = Option<Slug>)]
    slug: Option<String>,
}

/// What to change of a team; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeTeam {
    /// Another name for people.
    name: Option<String>,
    /// Another name for rules and programs.
    #[schema(value_type = Option<Slug>)]
    slug: Option<String>,
}

/// What becomes of what a team has.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteTeam {
    /// `move`, to the team `move_to`, or `delete`. Conversations stay whose they are either way.
    #[param(pattern = "^(move|delete)$")]
    agents: String,
    /// The team that gets the agents, and that conversations count for; you must be an admin of it.
    #[param(value_type = Option<TeamId>)]
    move_to: Option<String>,
}

impl DeleteTeam {
    fn check(&self) -> Result<Heirs> {
        match (self.agents.as_str(), &self.move_to) {
            ("move", Some(id)) => id.parse().map(Heirs::Team),
            ("delete", None) => Ok(Heirs::Nobody),
            _ => Err(Error::invalid(
                "heir_unknown",
                "Say what becomes of the agents: `agents=delete`, or `agents=move` with `move_to` and a team’s id.",
            )),
        }
    }
}

pub(crate) fn slug(text: Option<String>) -> Result<Option<Slug>> {
    text.map(|text| Slug::new(&text)).transpose()
}

/// Your teams, the oldest first.
#[utoipa::path(get, path = "/api/teams", tag = "teams", params(ListTeams), responses(
    (status = 200, body = List<TeamItem>),
    (status = 400, body = Problem, description = "`invalid_cursor`, `invalid_limit`, `invalid_query`"),
    (status = 403, body = Problem, description = "`forbidden`: all teams are for organization admins"),
))]
pub(crate) async fn list(
    Keyed(ctx, _): Keyed<scope::TeamsRead>,
    Params(query): Params<ListTeams>,
) -> Answer<Json<List<TeamItem>>> {
    let limit = list::limit(query.limit).in_request(&ctx)?;
    let cursor = query.cursor.as_deref();
    let page =
        if query.all { team::list_all(&ctx, cursor, limit).await } else { team::list(&ctx, cursor, limit).await };
    let page = page.in_request(&ctx)?;
    Ok(Json(List { data: page.teams.into_iter().map(TeamItem::from).collect(), next_cursor: page.next_cursor }))
}

/// Make a team. You become its admin.
#[utoipa::path(post, path = "/api/teams", tag = "teams", request_body = NewTeam, responses(
    (status = 201, body = TeamItem),
    (status = 400, body = Problem, description = "`invalid_name`, `invalid_slug`, `invalid_body`"),
    (status = 403, body = Problem, description = "`forbidden`"),
    (status = 409, body = Problem, description = "`name_taken`, `slug_taken`"),
))]
pub(crate) async fn create(
    Keyed(ctx, _): Keyed<scope::TeamsWrite>,
    Body(new): Body<NewTeam>,
) -> Answer<(StatusCode, Json<TeamItem>)> {
    let check = || Ok(team::NewTeam { name: Name::new(&new.name)?, slug: slug(new.slug)? });
    let new = check().in_request(&ctx)?;
    let seen = team::create(&ctx, new).await.in_request(&ctx)?;
    Ok((StatusCode::CREATED, Json(seen.into())))
}

/// One team.
#[utoipa::path(get, path = "/api/teams/{id}", tag = "teams", params(("id" = TeamId, Path)), responses(
    (status = 200, body = TeamItem),
    (status = 404, body = Problem, description = "`not_found`"),
))]
pub(crate) async fn get(Keyed(ctx, _): Keyed<scope::TeamsRead>, Param(id): Param<TeamId>) -> Answer<Json<TeamItem>> {
    team::get(&ctx, id).await.map(|seen| Json(seen.into())).in_request(&ctx)
}

/// Give a team another name.
#[utoipa::path(patch, path = "/api/teams/{id}", tag = "teams", params(("id" = TeamId, Path)), request_body = ChangeTeam, responses(
    (status = 200, body = TeamItem),
    (status = 400, body = Problem, description = "`invalid_name`, `invalid_slug`, `invalid_body`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`name_taken`, `slug_taken`"),
))]
pub(crate) async fn change(
    Keyed(ctx, _): Keyed<scope::TeamsWrite>,
    Param(id): Param<TeamId>,
    Body(change): Body<ChangeTeam>,
) -> Answer<Json<TeamItem>> {
    let check = || {
        let name = change.name.as_deref().map(Name::new).transpose()?;
        Ok(team::Change { name, slug: slug(change.slug)? })
    };
    let change = check().in_request(&ctx)?;
    team::change(&ctx, id, change).await.map(|seen| Json(seen.into())).in_request(&ctx)
}

/// Delete a team, with who belongs to it, its invitations and its keys. Nobody loses a conversation by it.
#[utoipa::path(delete, path = "/api/teams/{id}", tag = "teams", params(("id" = TeamId, Path), DeleteTeam), responses(
    (status = 204, description = "It is gone."),
    (status = 400, body = Problem, description = "`heir_unknown`, `invalid_id`, `invalid_query`"),
    (status = 403, body = Problem, description = "`role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`"),
    (status = 409, body = Problem, description = "`default_team`"),
))]
pub(crate) async fn delete(
    Keyed(ctx, _): Keyed<scope::TeamsWrite>,
    Param(id): Param<TeamId>,
    Params(query): Params<DeleteTeam>,
) -> Answer<StatusCode> {
    let heirs = query.check().in_request(&ctx)?;
    team::delete(&ctx, id, heirs).await.in_request(&ctx)?;
    Ok(StatusCode::NO_CONTENT)
}

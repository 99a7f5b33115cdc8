//! `/teams/{id}`: who belongs to a team, what it has, and what its admins may change.

use askama::Template;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::membership::{self, Named, TeamMember, Undoable};
use retinue_app::team::{self, Seen};
use retinue_app::{Context, agent};
use retinue_model::membership::{Membership, Origin, Role};
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::{Email, Error, Name, Result, Slug, TeamId, UserId};
use serde::Deserialize;

use super::rail::{Rail, View};
use super::team_invitation::{self, Invitations, InviteForm, MadeView};
use super::team_key::{self, Keys};
use super::{OnPage, Page, VERSION, html, refused};
use crate::extract::{Ctx, Param, Params, form};
use crate::field::Wrong;
use crate::problem;
use crate::when::When;

/// Roles, and what whoever has one does.
const ROLES: [(&str, &str); 3] = [
    ("viewer", "viewer: uses shared agents"),
    ("editor", "editor: makes and changes agents too"),
    ("admin", "admin: runs the team"),
];
/// Members on one page.
const MEMBERS: usize = 100;

#[derive(Template)]
#[template(path = "team.html")]
struct TeamPage {
    title: String,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    team: TeamView,
    members: Vec<MemberView>,
    roles: [(&'static str, &'static str); 3],
    next_href: Option<String>,
    agents: Vec<AgentView>,
    /// Nothing where whoever asks may not invite, or nobody signs in.
    invitations: Option<Invitations>,
    /// Nothing where whoever asks does not run the team, or no key counts.
    keys: Option<Keys>,
    undo: Option<UndoView>,
    said: Said,
}

/// What was done a moment ago, and the form that takes it back.
struct UndoView {
    sentence: String,
    action: String,
    user: String,
    role: &'static str,
    button: String,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and all combinations occur")]
struct TeamView {
    href: String,
    audit_href: String,
    usage_href: String,
    name: String,
    slug: String,
    role: &'static str,
    is_member: bool,
    runs_it: bool,
    is_default: bool,
    /// Whether whoever asks may give it another short name.
    names_it: bool,
}

struct MemberView {
    href: String,
    name: String,
    email: Option<String>,
    role: &'static str,
    oneself: bool,
    disabled: bool,
    came: String,
    since: When,
}

struct AgentView {
    href: String,
    name: String,
    description: String,
}

/// What is to be said beside what is there.
#[derive(Default)]
pub(super) struct Said {
    /// Whom somebody wanted to take in.
    whom: String,
    /// And as what.
    role: String,
    member_wrong: Wrong,
    names: Option<NameForm>,
    name_wrong: Wrong,
    notice: Option<String>,
    invite: InviteForm,
    invite_wrong: Wrong,
    made: Option<MadeView>,
}

impl Said {
    /// Of an invitation that was made.
    pub(super) fn of_invitation(made: MadeView) -> Self {
        Self { made: Some(made), ..Self::default() }
    }

    /// Of one that was not.
    pub(super) fn of_refused_invitation(invite: InviteForm, invite_wrong: Wrong) -> Self {
        Self { invite, invite_wrong, ..Self::default() }
    }
}

fn team_view(ctx: &Context, Seen { team, role }: &Seen) -> TeamView {
    TeamView {
        href: format!("/teams/{}", team.id),
        audit_href: format!("/audit?of={}", team.id),
        usage_href: format!("/usage?of={}", team.id),
        name: team.name.clone(),
        slug: team.slug.as_str().to_owned(),
        role: role.map_or("not a member", Role::as_str),
        is_member: role.is_some(),
        runs_it: *role == Some(Role::Admin) || ctx.principal().is_organization_admin(),
        is_default: team.id == DEFAULT_TEAM,
        names_it: ctx.principal().is_organization_admin(),
    }
}

/// Where a membership comes from.
fn came(membership: &Membership, ctx: &Context) -> String {
    match (&membership.evidence, membership.origin) {
        (Some(evidence), _) => {
            let seen = When::new(evidence.at, ctx.now()).relative;
            format!("by the group {} of {}, last seen {seen}", evidence.group, evidence.provider)
        }
        (None, Origin::Default) => "as everybody who comes in".to_owned(),
        (None, Origin::Invitation) => "by invitation".to_owned(),
        (None, Origin::Person | Origin::Rule) => "taken in by an admin".to_owned(),
    }
}

fn member_view(ctx: &Context, member: TeamMember) -> MemberView {
    let TeamMember { membership, name, email, disabled_at } = member;
    MemberView {
        href: format!("/teams/{}/members/{}", membership.team_id, membership.user_id),
        name,
        email,
        role: membership.role.as_str(),
        oneself: membership.user_id == ctx.principal().user_id(),
        disabled: disabled_at.is_some(),
        came: came(&membership, ctx),
        since: When::new(membership.created_at, ctx.now()),
    }
}

fn undo_view(ctx: &Context, team: TeamId, deed: Undoable) -> UndoView {
    let Undoable { user, name, before, now, at } = deed;
    let (before, when) = (before.as_str(), When::new(at, ctx.now()).relative);
    let members = format!("/teams/{team}/members");
    let (sentence, action, button) = match now {
        None => (
            format!("{name}, who was {before}, was removed by you {when}."),
            members,
            format!("Take back in as {before}"),
        ),
        Some(now) => (
            format!("{name}, who was {before}, was made {now} by you {when}.", now = now.as_str()),
            format!("{members}/{user}/role"),
            format!("Make {before} again"),
        ),
    };
    UndoView { sentence, action, user: user.to_string(), role: before, button }
}

/// Where the lists go on: that of members, and that of keys.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Part {
    cursor: Option<String>,
    keys: Option<String>,
}

/// `GET /teams/{id}`
pub(crate) async fn show(Ctx(ctx): Ctx, Param(id): Param<TeamId>, Params(part): Params<Part>) -> Page {
    render(&ctx, StatusCode::OK, (id, part), Said::default()).await.on_page(&ctx)
}

pub(super) async fn render(
    ctx: &Context,
    status: StatusCode,
    (id, part): (TeamId, Part),
    said: Said,
) -> Result<Response> {
    let seen = team::get(ctx, id).await?;
    let team = team_view(ctx, &seen);
    let (invitations, keys, undo) = if team.runs_it {
        let keys = team_key::load(ctx, id, part.keys.as_deref()).await?;
        (team_invitation::load(ctx, id).await?, keys, membership::undoable(ctx, id).await?)
    } else {
        (None, None, None)
    };
    let found = membership::list(ctx, id, part.cursor.as_deref(), MEMBERS).await?;
    let offered = agent::offered(ctx).await?.into_iter().filter(|agent| agent.team_id == id);
    let page = TeamPage {
        title: format!("{} · Teams", seen.team.name),
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("teams")).await?,
        team,
        members: found.members.into_iter().map(|member| member_view(ctx, member)).collect(),
        roles: ROLES,
        next_href: found.next_cursor.map(|cursor| format!("/teams/{id}?cursor={cursor}")),
        agents: offered
            .map(|agent| AgentView {
                href: format!("/agents/{}", agent.id),
                name: agent.name,
                description: agent.description,
            })
            .collect(),
        invitations,
        keys,
        undo: undo.map(|deed| undo_view(ctx, id, deed)),
        said,
    };
    html(status, &page)
}

fn back(id: TeamId) -> Response {
    Redirect::to(&format!("/teams/{id}")).into_response()
}

pub(super) async fn again(ctx: &Context, id: TeamId, error: &Error, said: Said) -> Page {
    let page = render(ctx, problem::status(error), (id, Part::default()), said).await;
    refused(ctx, error, page)
}

/// What was refused of one member.
pub(super) async fn not_done(ctx: &Context, id: TeamId, error: &Error) -> Page {
    again(ctx, id, error, Said { notice: Some(error.detail().to_owned()), ..Said::default() }).await
}

#[derive(Debug, Deserialize)]
struct NameForm {
    name: String,
    /// Only for those who run the installation.
    slug: Option<String>,
}

impl NameForm {
    fn change(&self) -> Result<team::Change> {
        let slug = self.slug.as_deref().map(|slug| Slug::new(slug.trim())).transpose()?;
        Ok(team::Change { name: Some(Name::new(&self.name)?), slug })
    }
}

/// `POST /teams/{id}/name`
pub(crate) async fn rename(Ctx(ctx): Ctx, Param(id): Param<TeamId>, request: Request) -> Page {
    let names: NameForm = form(request).await.on_page(&ctx)?;
    let done = async { team::change(&ctx, id, names.change()?).await };
    match done.await {
        Ok(_) => Ok(back(id)),
        Err(error) => {
            let said = Said { names: Some(names), name_wrong: Wrong::of(&error), ..Said::default() };
            again(&ctx, id, &error, said).await
        }
    }
}

#[derive(Debug, Deserialize)]
struct MemberForm {
    user: String,
    role: String,
}

pub(super) fn named(text: &str) -> Result<Named> {
    let text = text.trim();
    if text.starts_with("usr_") { text.parse().map(Named::Id) } else { Email::new(text).map(Named::Email) }
}

/// `POST /teams/{id}/members`
pub(crate) async fn add(Ctx(ctx): Ctx, Param(id): Param<TeamId>, request: Request) -> Page {
    let MemberForm { user, role } = form(request).await.on_page(&ctx)?;
    let done = async { membership::add(&ctx, id, named(&user)?, Role::named(&role)?).await };
    match done.await {
        Ok(_) => Ok(back(id)),
        Err(error) => {
            let member_wrong = match error.code() {
                "invalid_role" => Wrong::of_form(&error),
                _ => Wrong::beside("user", &error),
            };
            let said = Said { whom: user, role, member_wrong, ..Said::default() };
            again(&ctx, id, &error, said).await
        }
    }
}

#[derive(Debug, Deserialize)]
struct RoleForm {
    role: String,
}

/// `POST /teams/{id}/members/{user_id}/role`
pub(crate) async fn change(Ctx(ctx): Ctx, Param((id, user)): Param<(TeamId, UserId)>, request: Request) -> Page {
    let RoleForm { role } = form(request).await.on_page(&ctx)?;
    let done = async { membership::change(&ctx, id, user, Role::named(&role)?).await };
    match done.await {
        Ok(_) => Ok(back(id)),
        Err(error) => not_done(&ctx, id, &error).await,
    }
}

/// `POST /teams/{id}/members/{user_id}/remove`; whoever leaves sees their other teams.
pub(crate) async fn remove(Ctx(ctx): Ctx, Param((id, user)): Param<(TeamId, UserId)>) -> Page {
    let leaves = user == ctx.principal().user_id() && !ctx.principal().is_organization_admin();
    match membership::remove(&ctx, id, user).await {
        Ok(()) if leaves => Ok(Redirect::to("/teams").into_response()),
        Ok(()) => Ok(back(id)),
        Err(error) => not_done(&ctx, id, &error).await,
    }
}

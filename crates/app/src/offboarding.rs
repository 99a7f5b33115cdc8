//! Offboarding: whoever leaves is shut out at once, then what is theirs is handed over or deleted, as the policy says.
//!
//! A conversation that is handed over is read by somebody else from then on. That is for whoever has the machine to decide, and
//! only where the configuration declares it: those who run the installation can keep or delete (docs/adr/015). Each step is one
//! bounded batch with what the audit trail says of it, and writes down how far it is: whatever breaks it off, the next one who
//! begins goes on from there.

use retinue_model::audit::{Action as Told, Actor};
use retinue_model::error::Kind;
use retinue_model::offboarding::{Contents, Fate, Policy, Report};
use retinue_model::principal::LOCAL_USER;
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{Error, Result, UserId};
use retinue_store::Batch;
use retinue_store::{offboarding as rows, user as users};

use crate::access::{self, Grant};
use crate::audit::Note;
use crate::membership::{self, Named};
use crate::people;
use crate::policy::Action;
use crate::{App, Context, admin};

mod end;
mod hand_over;
mod work;

use work::Work;

/// What whoever offboards chooses. What they leave out is as it was begun, or else as the configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// What becomes of conversations.
    pub threads: Option<Fate>,
    /// What becomes of agents that are theirs alone.
    pub agents: Option<Fate>,
    /// Who gets what is handed over.
    pub to: Option<UserId>,
    /// Who becomes an admin of the teams that they are the only one of.
    pub teams_to: Option<UserId>,
}

/// What would be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who leaves.
    pub user: User,
    /// What becomes of what is theirs.
    pub policy: Policy,
    /// Who gets what is handed over.
    pub to: Option<UserId>,
    /// Who becomes an admin of the teams that they are the only one of.
    pub teams_to: Option<UserId>,
    /// How much is theirs.
    pub contents: Contents,
    /// The teams that they are the only admin of.
    pub alone_in: Vec<Team>,
    /// What was done already, by an offboarding that broke off or by one that is done.
    pub before: Option<Report>,
}

impl Plan {
    /// Whether it would do nothing that was not done.
    fn is_done(&self) -> Option<&Report> {
        let done = self.before.as_ref().filter(|before| before.finished_at.is_some())?;
        let is_same = (done.policy, done.to) == (self.policy, self.to) && self.user.disabled_at.is_some();
        is_same.then_some(done)
    }
}

/// Who offboards.
#[derive(Clone, Debug)]
enum By {
    /// Whoever has the machine.
    Operator(App),
    /// Somebody who runs the installation.
    Admin(Context, Grant),
}

impl By {
    const fn app(&self) -> &App {
        match self {
            Self::Operator(app) => app,
            Self::Admin(ctx, _) => ctx.app(),
        }
    }

    fn user_id(&self) -> Option<UserId> {
        match self {
            Self::Operator(_) => None,
            Self::Admin(ctx, _) => Some(ctx.principal().user_id()),
        }
    }

    fn note(&self, action: Told) -> Note {
        match self {
            Self::Operator(app) => app.note((Actor::Operator, "console"), action),
            Self::Admin(ctx, _) => ctx.note(action),
        }
    }

    /// Refuses the batch if they may not do it any more.
    fn hold_with(&self, batch: &mut Batch) {
        if let Self::Admin(ctx, grant) = self {
            grant.hold_with(ctx, batch);
        }
    }
}

/// What would be done if somebody who runs the installation offboarded a user.
///
/// # Errors
/// Those of [`offboard`].
pub async fn plan(ctx: &Context, user: UserId, choice: Choice) -> Result<Plan> {
    look(&admin(ctx).await?, user, choice).await
}

/// Offboards a user, for those who run the installation: shuts them out at once, ends all that acts for them, and keeps or deletes
/// what is theirs. It goes on if they hang up.
///
/// # Errors
/// `forbidden`, `not_found`, `single_user`, `offboards_oneself`, `admin_declared`, `last_admin`, `last_team_admin`, `heir_unknown`,
/// `transfer_refused`, `offboarding_under_way`.
pub async fn offboard(ctx: &Context, user: UserId, choice: Choice) -> Result<Report> {
    let by = admin(ctx).await?;
    ctx.detached(move |_| async move { run(&by, user, choice).await }).await
}

async fn admin(ctx: &Context) -> Result<By> {
    let grant = access::require_of_organization(ctx, Action::UserOffboard).await?;
    Ok(By::Admin(ctx.clone(), grant))
}

/// What would be done if whoever has the machine offboarded a user.
///
/// # Errors
/// Those of [`for_operator`].
pub async fn plan_for_operator(app: &App, user: UserId, choice: Choice) -> Result<Plan> {
    look(&By::Operator(app.clone()), user, choice).await
}

/// Offboards a user, for whoever has the machine, beside a server that may be running: the only one who can hand conversations
/// over, where the configuration declares it.
///
/// # Errors
/// `not_found`, `single_user`, `admin_declared`, `last_admin`, `last_team_admin`, `heir_unknown`, `heir_missing`, `heir_unused`,
/// `heir_not_member`, `transfer_not_declared`, `offboarding_under_way`, `run_in_progress`.
pub async fn for_operator(app: &App, user: UserId, choice: Choice) -> Result<Report> {
    run(&By::Operator(app.clone()), user, choice).await
}

/// Whoever is meant to be an admin in their stead.
///
/// # Errors
/// `forbidden`, `user_unknown`.
pub async fn find(ctx: &Context, named: Named) -> Result<UserId> {
    access::require_of_organization(ctx, Action::UserOffboard).await?;
    membership::find(ctx, named).await
}

/// How far somebody's offboarding is, or the last one was.
async fn so_far(app: &App, user: UserId) -> Result<(i64, Option<Report>)> {
    match rows::get(&app.tenant(), &app.store, user).await? {
        None => Ok((0, None)),
        Some(kept) => Ok((kept.version, Some(serde_json::from_str(&kept.report).map_err(Error::internal)?))),
    }
}

/// Looks at what is theirs, and whether it may be done.
async fn look(by: &By, id: UserId, choice: Choice) -> Result<Plan> {
    let (app, tenant) = (by.app(), by.app().tenant());
    if app.auth.is_single_user() {
        return Err(Error::conflict("single_user", "Nobody signs in on this server, so nobody leaves it."));
    }
    let found = users::get(&tenant, &app.store, id).await?;
    let user = found.filter(|user| user.id != LOCAL_USER).ok_or_else(users::missing)?;
    if by.user_id() == Some(id) {
        return Err(Error::conflict("offboards_oneself", "Nobody offboards themselves. Ask another administrator."));
    }
    if admin::is_declared((&app.auth, &app.store), &user).await? {
        return Err(people::declared());
    }
    let before = so_far(app, id).await?.1;
    let mut plan = Plan {
        policy: Policy::default(),
        to: None,
        teams_to: None,
        contents: rows::count(&tenant, &app.store, id, app.now()).await?,
        alone_in: rows::alone_in(&tenant, &app.store, id).await?,
        before,
        user,
    };
    choose(by, &mut plan, choice)?;
    check_heirs(app, &plan).await?;
    Ok(plan)
}

/// What is to be done: as chosen, as begun, or as the configuration says.
fn choose(by: &By, plan: &mut Plan, choice: Choice) -> Result<()> {
    let declared = by.app().settings.offboarding;
    let broken_off = plan.before.as_ref().filter(|before| before.finished_at.is_none());
    let usual = broken_off.map_or(declared, |before| before.policy);
    plan.policy =
        Policy { threads: choice.threads.unwrap_or(usual.threads), agents: choice.agents.unwrap_or(usual.agents) };
    plan.teams_to = choice.teams_to.or_else(|| broken_off.and_then(|before| before.teams_to));
    let hands_over = [(plan.policy.threads, declared.threads), (plan.policy.agents, declared.agents)];
    if hands_over.iter().all(|(fate, _)| *fate != Fate::Transfer) {
        return if choice.to.is_some() { Err(heir_unused()) } else { Ok(()) };
    }
    if matches!(by, By::Admin(..)) {
        return Err(transfer_refused());
    }
    if hands_over.iter().any(|(fate, declared)| *fate == Fate::Transfer && *declared != Fate::Transfer) {
        return Err(transfer_not_declared());
    }
    plan.to = choice.to.or_else(|| broken_off.and_then(|before| before.to));
    if plan.to.is_none() { Err(heir_missing()) } else { Ok(()) }
}

fn transfer_refused() -> Error {
    Error::new(
        Kind::Forbidden,
        "transfer_refused",
        "Conversations and private agents are handed over by whoever has the machine alone, with `retinue user offboard`. Choose `keep` or `delete`.",
    )
}

fn transfer_not_declared() -> Error {
    Error::conflict(
        "transfer_not_declared",
        "The configuration does not let that be handed over: somebody else would read it. Choose `keep` or `delete`, or set `offboarding.threads` or `offboarding.agents` to `transfer` first.",
    )
}

fn heir_missing() -> Error {
    Error::invalid("heir_missing", "Say who gets what is handed over: `--to USER`. Or choose `keep` or `delete`.")
}

fn heir_unused() -> Error {
    Error::invalid(
        "heir_unused",
        "Nothing is handed over by this policy, so `--to` means nothing. Choose `transfer` for conversations or agents, or leave it out.",
    )
}

/// Whether those who get something may have it.
async fn check_heirs(app: &App, plan: &Plan) -> Result<()> {
    let (tenant, store) = (app.tenant(), &app.store);
    for heir in plan.to.into_iter().chain(plan.teams_to) {
        let found = users::get(&tenant, store, heir).await?;
        let may = |user: &User| user.disabled_at.is_none() && user.id != plan.user.id && user.id != LOCAL_USER;
        found.filter(may).ok_or_else(rows::heir_unknown)?;
    }
    if plan.policy.agents == Fate::Transfer
        && let Some(to) = plan.to
        && let teams = rows::unreached(&tenant, store, (plan.user.id, to)).await?
        && !teams.is_empty()
    {
        return Err(Error::conflict(
            "heir_not_member",
            format!(
                "Whoever shall get the private agents does not belong to their teams: {}. Take them in first: `retinue member add`.",
                slugs(&teams)
            ),
        ));
    }
    Ok(())
}

/// Whether their teams are still run by somebody.
fn check_teams(plan: &Plan) -> Result<()> {
    if plan.alone_in.is_empty() || plan.teams_to.is_some() {
        return Ok(());
    }
    Err(Error::conflict(
        "last_team_admin",
        format!(
            "Nobody else is an admin of these teams: {}. Say who becomes one (`teams_to`, or `--teams-to USER`), or make somebody else an admin first.",
            slugs(&plan.alone_in)
        ),
    ))
}

fn slugs(teams: &[Team]) -> String {
    let shown: Vec<_> = teams.iter().take(10).map(|team| team.slug.as_str()).collect();
    let more = if teams.len() > shown.len() { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Does it, from wherever it was broken off.
async fn run(by: &By, id: UserId, choice: Choice) -> Result<Report> {
    let plan = look(by, id, choice).await?;
    if let Some(done) = plan.is_done() {
        return Ok(done.clone());
    }
    check_teams(&plan)?;
    let mut work = Work::begin(by.clone(), &plan).await?;
    work.shut_out(&plan).await?;
    work.wait_for_runs().await?;
    work.revoke_keys().await?;
    work.take_back_invitations().await?;
    work.leave_teams().await?;
    work.part_with_agents().await?;
    work.part_with_threads().await?;
    work.finish().await
}

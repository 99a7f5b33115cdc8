//! Budgets: how many tokens somebody may use in a month. They bound what is begun: a run that would have nothing left is
//! refused.

use std::time::Duration;

use jiff::Timestamp;
use retinue_model::audit::Action as Told;
use retinue_model::budget::{Budget, Standing, Subject};
use retinue_model::team::Team;
use retinue_model::usage::Month;
use retinue_model::{Error, Result, TeamId};
use retinue_store::budget as rows;
use retinue_store::{Batch, Tenant, team as teams, user as users};

use crate::Context;
use crate::access;
use crate::audit::Note;
use crate::policy::Action;

/// How long whoever waits for runs under way should wait before they try again.
const WHILE_HELD: Duration = Duration::from_secs(10);

/// What counts where nothing else was said.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// For each user.
    pub user: Budget,
    /// For each team.
    pub team: Budget,
    /// How long an answer may get, in tokens, that a budget bounds and neither its model nor its agent.
    pub answer_tokens: u32,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { user: Budget::Unlimited, team: Budget::Unlimited, answer_tokens: 16_384 }
    }
}

impl Defaults {
    /// What counts for whoever has no budget of their own.
    #[must_use]
    pub const fn of(&self, subject: Subject) -> Budget {
        match subject {
            Subject::User(_) => self.user,
            Subject::Team(_) => self.team,
        }
    }
}

/// A budget, as somebody sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Whose.
    pub subject: Subject,
    /// The team, where its name is to be shown.
    pub team: Option<Team>,
    /// Whether it was given to them, and is not what counts for all.
    pub is_own: bool,
    /// How it stands.
    pub standing: Standing,
    /// The month that it is for.
    pub month: Month,
}

impl Seen {
    pub(crate) fn new((subject, team): (Subject, Option<Team>), found: rows::Found, of: (&Defaults, Month)) -> Self {
        let standing = found.standing(of.0.of(subject));
        Self { subject, team, is_own: found.own.is_some(), standing, month: of.1 }
    }

    /// When it begins anew.
    #[must_use]
    pub fn renews_at(&self) -> Timestamp {
        self.month.end()
    }
}

/// The bounds on a run of whoever asks that counts for a team.
pub(crate) async fn bounds(ctx: &Context, team: TeamId) -> Result<Vec<(Subject, i64)>> {
    let (user, of_team) = rows::of_run(&ctx.scope(), &ctx.store, team).await?;
    let (defaults, own) = (&ctx.settings.budgets, Subject::User(ctx.principal().user_id()));
    let both = [(own, user.unwrap_or(defaults.user)), (Subject::Team(team), of_team.unwrap_or(defaults.team))];
    Ok(both.into_iter().filter_map(|(subject, budget)| Some((subject, budget.tokens()?))).collect())
}

/// Why a run was not begun, with everything that whoever asks must know if it was because of a budget.
pub(crate) async fn explain(ctx: &Context, error: Error, team: TeamId) -> Error {
    let subject = match error.code() {
        rows::USER_SPENT => Subject::User(ctx.principal().user_id()),
        rows::TEAM_SPENT => Subject::Team(team),
        _ => return error,
    };
    let now = ctx.now();
    match rows::get(&ctx.tenant(), &ctx.store, subject, Month::of(now)).await {
        Ok(found) => refused(&Seen::new((subject, None), found, (&ctx.settings.budgets, Month::of(now))), now),
        Err(error) => error,
    }
}

fn refused(seen: &Seen, now: Timestamp) -> Error {
    let Seen { month, standing: Standing { tokens, used, .. }, .. } = seen;
    let whose = match seen.subject {
        Subject::User(_) => format!("Your budget of {} tokens for {month}", tokens.unwrap_or_default()),
        // Whoever uses its agent need not belong to it.
        Subject::Team(_) => format!("The budget for {month} of the team that this conversation counts for"),
    };
    if tokens.is_some_and(|tokens| *used < tokens) {
        let detail = format!(
            "{whose} is nearly spent, and what is left of it is held for answers under way. Try again when one of them is there."
        );
        return Error::too_many("budget_held", detail, WHILE_HELD);
    }
    let renews = month.end().strftime("%Y-%m-%d");
    let detail = format!(
        "{whose} is spent. It begins anew on {renews} (UTC). Whoever runs this server can give you more before that."
    );
    let left = Duration::try_from(month.end().duration_since(now)).unwrap_or(WHILE_HELD);
    Error::too_many("budget_spent", detail, left)
}

/// What whoever is about to write should know of what they may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Nothing is begun at the moment, for this reason.
    Spent(String),
    /// Less than a tenth of a budget is left.
    Little {
        /// How many tokens, if it is theirs. Whoever uses a team's agent need not belong to the team.
        left: Option<i64>,
        /// When it begins anew.
        renews_at: Timestamp,
    },
}

/// What is to be said to whoever is about to write in a conversation that counts for a team; nothing if there is enough.
///
/// # Errors
/// What keeps the tables from being read.
pub async fn warning(ctx: &Context, team: TeamId) -> Result<Option<Warning>> {
    let mut little = None;
    for (subject, _) in bounds(ctx, team).await? {
        let seen = read(ctx, subject).await?;
        let Some((left, tokens)) = seen.standing.left().zip(seen.standing.tokens) else { continue };
        if left == 0 {
            return Ok(Some(Warning::Spent(refused(&seen, ctx.now()).detail().to_owned())));
        }
        if left < tokens / 10 {
            let own = matches!(subject, Subject::User(_)).then_some(left);
            little = little.or(Some(Warning::Little { left: own, renews_at: seen.renews_at() }));
        }
    }
    Ok(little)
}

/// How a budget stands, for those who run the installation or the team.
///
/// # Errors
/// `forbidden`, `not_found`, `role_too_low`.
pub async fn get(ctx: &Context, subject: Subject) -> Result<Seen> {
    match subject {
        Subject::Team(team) => access::require_of_team(ctx, Action::UsageReadOfTeam, team).await?,
        Subject::User(_) => access::require_of_organization(ctx, Action::UsageRead).await?,
    };
    require_known(ctx, subject).await?;
    read(ctx, subject).await
}

/// What counts for all of a kind.
#[must_use]
pub fn default_of(ctx: &Context, subject: Subject) -> Budget {
    ctx.settings.budgets.of(subject)
}

pub(crate) async fn read(ctx: &Context, subject: Subject) -> Result<Seen> {
    let month = Month::of(ctx.now());
    let found = rows::get(&ctx.tenant(), &ctx.store, subject, month).await?;
    Ok(Seen::new((subject, None), found, (&ctx.settings.budgets, month)))
}

/// Whoever runs the installation may ask for what there is not.
pub(crate) async fn require_known(ctx: &Context, subject: Subject) -> Result<()> {
    let (tenant, store) = (ctx.tenant(), &ctx.store);
    match subject {
        Subject::User(user) => users::get(&tenant, store, user).await?.map(drop).ok_or_else(users::missing),
        Subject::Team(team) => teams::get(&tenant, store, team).await?.map(drop).ok_or_else(teams::missing),
    }
}

/// Gives somebody a budget of their own, or lets what counts for all count for them again. Runs under way go on.
///
/// # Errors
/// `forbidden`, `not_found`.
pub async fn set(ctx: &Context, subject: Subject, budget: Option<Budget>) -> Result<Seen> {
    let grant = match subject {
        Subject::Team(team) => access::require_of_team(ctx, Action::BudgetChangeOfTeam, team).await?,
        Subject::User(_) => access::require_of_organization(ctx, Action::BudgetChange).await?,
    };
    require_known(ctx, subject).await?;
    let before = read(ctx, subject).await?;
    ctx.detached(move |ctx| async move {
        let mut batch = Batch::default();
        grant.hold_with(&ctx, &mut batch);
        if matches!(subject, Subject::Team(_)) {
            teams::hold_with(&grant.team()?, &mut batch);
        }
        let note = ctx.note(Told::BudgetChanged);
        write_with(&ctx.tenant(), &mut batch, (subject, budget, ctx.now()), with_before(note, &before));
        ctx.store.write(batch).await?;
        read(&ctx, subject).await
    })
    .await
}

fn with_before(note: Note, before: &Seen) -> Note {
    note.with("tokens_before", before.standing.tokens)
}

/// Changes a budget and notes it, when the batch is written.
pub(crate) fn write_with(
    tenant: &Tenant,
    batch: &mut Batch,
    (subject, budget, now): (Subject, Option<Budget>, Timestamp),
    note: Note,
) {
    let note = match subject {
        Subject::User(id) => note.on("user", id).about(id),
        Subject::Team(id) => note.on("team", id).of_team(id),
    };
    let note = if let Some(budget) = budget {
        rows::set_with(tenant, batch, subject, (budget, now));
        note.with("tokens", budget.tokens())
    } else {
        rows::clear_with(tenant, batch, subject);
        note.with("tokens", "default")
    };
    note.write(tenant, batch);
}

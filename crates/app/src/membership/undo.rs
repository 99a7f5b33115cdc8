//! What whoever asks changed last of who belongs to a team, for as long as it can be taken back.
//!
//! The trail tells of it: nobody can be led by a link to take back what they did not do.

use jiff::{SignedDuration, Timestamp};
use retinue_model::audit::{Action as Told, Actor, Recorded};
use retinue_model::membership::{Origin, Role};
use retinue_model::{Result, TeamId, UserId};
use retinue_store::audit::{self as events, By, Filter};
use retinue_store::{membership as rows, user as users};
use serde::Deserialize;

use crate::policy::Action;
use crate::{Context, access};

/// For how long taking back is offered.
const OFFERED: SignedDuration = SignedDuration::from_mins(10);
/// How many of the team's newest events are looked at.
const LOOKED_AT: i64 = 20;

/// What somebody changed last, and can take back.
#[derive(Clone, Debug)]
pub struct Undoable {
    /// Of whom.
    pub user: UserId,
    /// What they are called.
    pub name: String,
    /// What they were before.
    pub before: Role,
    /// What they are now; nothing if they were removed.
    pub now: Option<Role>,
    /// When it was done.
    pub at: Timestamp,
}

/// What the trail says besides of such a change.
#[derive(Deserialize)]
struct Details {
    role_before: String,
    origin_before: String,
}

/// What whoever asks did last to a member of a team, if that was a moment ago, is still so, and can be taken back. What a rule
/// gave can't: taken back, it would be a person's word.
///
/// # Errors
/// `not_found`, `role_too_low`.
pub async fn undoable(ctx: &Context, team: TeamId) -> Result<Option<Undoable>> {
    access::require_of_team(ctx, Action::MemberAdd, team).await?;
    let since = ctx.now().saturating_sub(OFFERED).unwrap_or(Timestamp::UNIX_EPOCH);
    // Not by time: that would look through all that came before.
    let filter = Filter { by: By::Team(team), ..Filter::default() };
    let told = events::list(&ctx.tenant(), &ctx.store, &filter, (i64::MAX, LOOKED_AT)).await?;
    let own = Actor::User(ctx.principal().user_id());
    let of_members = [Told::MembershipAdded, Told::MembershipChanged, Told::MembershipRemoved];
    let mut lately = told.into_iter().take_while(|one| one.event.at >= since);
    let last = lately.find(|one| one.event.actor == own && of_members.contains(&one.event.action));
    match last {
        Some(last) => still_so(ctx, team, &last).await,
        None => Ok(None),
    }
}

async fn still_so(ctx: &Context, team: TeamId, Recorded { event, .. }: &Recorded) -> Result<Option<Undoable>> {
    let details = event.details.as_deref().and_then(|text| serde_json::from_str::<Details>(text).ok());
    let (Some(user), Some(details)) = (event.user_id, details) else { return Ok(None) };
    let Ok(before) = Role::named(&details.role_before) else { return Ok(None) };
    if details.origin_before == Origin::Rule.as_str() || user == ctx.principal().user_id() {
        return Ok(None);
    }
    let found = users::get(&ctx.tenant(), &ctx.store, user).await?.filter(|user| user.disabled_at.is_none());
    let Some(found) = found else { return Ok(None) };
    let now = rows::get(&ctx.tenant(), &ctx.store, team, user).await?.map(|membership| membership.role);
    let is_removed = event.action == Told::MembershipRemoved;
    let is_so = now.is_none() == is_removed && now != Some(before);
    Ok(is_so.then_some(Undoable { user, name: found.name, before, now, at: event.at }))
}

//! The agent that whoever asks deleted last, for as long as that can be taken back.
//!
//! The trail tells of it: nobody can be led by a link to take back what they did not do.

use jiff::{SignedDuration, Timestamp};
use retinue_model::agent::Agent;
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::{AgentId, Result};
use retinue_store::Batch;
use retinue_store::agent as rows;
use retinue_store::audit::{self as events, By, Filter};

use super::named;
use crate::Context;
use crate::access::{self, Thing};
use crate::policy::Action;

/// For how long taking back is offered.
const OFFERED: SignedDuration = SignedDuration::from_mins(10);
/// How many of their newest events are looked at.
const LOOKED_AT: i64 = 20;

/// The agent that whoever asks deleted last, if that was a moment ago and they may still decide about it.
///
/// # Errors
/// What keeps the tables from being read.
pub async fn deleted_lately(ctx: &Context) -> Result<Option<Agent>> {
    let Some(id) = last_deleted(ctx).await? else { return Ok(None) };
    let Some(agent) = rows::get_deleted(&ctx.tenant(), &ctx.store, id).await? else { return Ok(None) };
    let may = access::may(ctx, Action::AgentDelete, Thing::of_agent(&agent)).await?;
    Ok(Some(agent).filter(|_| may))
}

async fn last_deleted(ctx: &Context) -> Result<Option<AgentId>> {
    let user = ctx.principal().user_id();
    let since = ctx.now().saturating_sub(OFFERED).unwrap_or(Timestamp::UNIX_EPOCH);
    // Not by time: that would look through all that came before.
    let filter = Filter { by: By::Actor(user), ..Filter::default() };
    let told = events::list(&ctx.tenant(), &ctx.store, &filter, (i64::MAX, LOOKED_AT)).await?;
    let mut lately = told.into_iter().map(|one| one.event).take_while(|event| event.at >= since);
    let last = lately.find(|event| event.actor == Actor::User(user) && event.action == Told::AgentDeleted);
    Ok(last.and_then(|event| event.target?.id.parse().ok()))
}

/// Takes back that whoever asks deleted an agent a moment ago: it is what it was.
///
/// # Errors
/// `not_found`, `role_too_low`, `slug_taken` if another one has its short name by now.
pub async fn restore(ctx: &Context, id: AgentId) -> Result<Agent> {
    let agent = deleted_lately(ctx).await?.filter(|agent| agent.id == id).ok_or_else(rows::missing)?;
    let grant = access::require(ctx, Action::AgentDelete, Thing::of_agent(&agent), rows::missing).await?;
    ctx.detached(move |ctx| async move {
        let mut batch = Batch::default();
        grant.hold_with(&ctx, &mut batch);
        rows::restore_with(&grant.team()?, &mut batch, id);
        let note = ctx.note(Told::AgentRestored).on("agent", id).of_team(agent.team_id);
        named(note, &agent).write(&ctx.tenant(), &mut batch);
        ctx.store.write(batch).await?;
        Ok(agent)
    })
    .await
}

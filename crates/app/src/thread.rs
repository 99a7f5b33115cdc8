//! Conversations: create, list, search, rename, delete.

use retinue_model::agent::Agent;
use retinue_model::audit::Action as Told;
use retinue_model::text::{Search, Title};
use retinue_model::thread::Thread;
use retinue_model::{AgentId, Error, Result, TeamId, ThreadId};
use retinue_store::Batch;
use retinue_store::membership as memberships;
use retinue_store::thread as rows;
use retinue_store::thread::Place;
use retinue_store::usage;

use crate::{Context, agent, cursor, excerpt, run};

pub use retinue_model::thread::Change;

/// What may be said of a new thread.
#[derive(Clone, Debug, Default)]
pub struct NewThread {
    /// Its title; made of the first message if none.
    pub title: Option<Title>,
    /// Who answers; the default assistant if nobody.
    pub agent_id: Option<AgentId>,
    /// The model; the agent's own if none.
    pub model: Option<String>,
    /// The team that it counts for; one that has the agent if none.
    pub team_id: Option<TeamId>,
}

/// Some threads of a list, and where it goes on.
#[derive(Clone, Debug)]
pub struct Page {
    /// The threads, the last changed first.
    pub threads: Vec<Found>,
    /// Where the list goes on, if it does.
    pub next_cursor: Option<String>,
}

/// A thread in a list.
#[derive(Clone, Debug)]
pub struct Found {
    /// The thread.
    pub thread: Thread,
    /// Where a search found its words; none if the title has them or nothing was searched for.
    pub excerpt: Option<String>,
}

/// Begins a conversation.
///
/// # Errors
/// `agent_unknown`, `model_unknown`, `team_unknown`.
pub async fn create(ctx: &Context, new: NewThread) -> Result<Thread> {
    let (thread, _) = plan(ctx, new).await?;
    ctx.detached(|ctx| async move {
        let mut batch = Batch::default();
        rows::insert_with(&ctx.scope(), &mut batch, &thread);
        ctx.store.write(batch).await?;
        Ok(thread)
    })
    .await
}

/// A new thread that is not yet written down, with the agent that answers in it.
pub(crate) async fn plan(ctx: &Context, new: NewThread) -> Result<(Thread, Agent)> {
    let agent = match new.agent_id {
        Some(id) => agent::usable(ctx, id).await?,
        None => agent::default(ctx).await?,
    };
    check_model(ctx, new.model.as_deref())?;
    let now = ctx.now();
    let thread = Thread {
        id: ctx.new_id(),
        team_id: team(ctx, new.team_id, &agent).await?,
        title: new.title.map(String::from),
        agent_id: agent.id,
        model: new.model,
        created_at: now,
        updated_at: now,
    };
    Ok((thread, agent))
}

/// The team that a conversation counts for: the one that was named, the agent's, or another one of whoever asks.
async fn team(ctx: &Context, named: Option<TeamId>, agent: &Agent) -> Result<TeamId> {
    let own = memberships::of_user(&ctx.tenant(), &ctx.store, ctx.principal().user_id()).await?;
    let is_own = |id: TeamId| own.iter().any(|membership| membership.team_id == id);
    // A key acts in its team, and in no other.
    let may_be = |id: TeamId| is_own(id) && ctx.key_team().is_none_or(|team| team == id);
    match named.or(ctx.key_team()) {
        Some(id) if may_be(id) => Ok(id),
        Some(_) => Err(Error::invalid("team_unknown", "There is no such team, or you do not belong to it.")),
        None if is_own(agent.team_id) => Ok(agent.team_id),
        // Whoever shares an agent with all lets it be used at its own team's cost by those who have none.
        None => Ok(own.first().map_or(agent.team_id, |membership| membership.team_id)),
    }
}

/// Lets what comes next in a conversation count for a team of its owner's: who was taken out of one spends nothing of it any more.
pub(crate) async fn settle_team(ctx: &Context, batch: &mut Batch, thread: &mut Thread, agent: &Agent) -> Result<()> {
    let owner = ctx.principal().user_id();
    if memberships::get(&ctx.tenant(), &ctx.store, thread.team_id, owner).await?.is_some() {
        let is_here = ctx.key_team().is_none_or(|team| team == thread.team_id);
        return if is_here { Ok(()) } else { Err(of_another_team()) };
    }
    let team_id = team(ctx, None, agent).await?;
    if team_id != thread.team_id {
        rows::count_for_with(&ctx.scope(), batch, thread.id, team_id);
        thread.team_id = team_id;
    }
    Ok(())
}

/// One conversation.
///
/// # Errors
/// `not_found`.
pub async fn get(ctx: &Context, id: ThreadId) -> Result<Thread> {
    rows::get(&ctx.scope(), &ctx.store, id).await?.ok_or_else(not_found)
}

/// Conversations, the last changed first.
///
/// # Errors
/// `invalid_cursor`.
pub async fn list(ctx: &Context, cursor: Option<&str>, limit: usize) -> Result<Page> {
    let after = cursor.map(cursor::to_thread).transpose()?;
    let threads = rows::list(&ctx.scope(), &ctx.store, after, cursor::one_more(limit)).await?;
    let found = threads.into_iter().map(|thread| Found { thread, excerpt: None }).collect();
    Ok(page(found, limit))
}

/// Conversations whose title or one of whose messages has all the words; the last word may be a beginning.
///
/// # Errors
/// `invalid_cursor`.
pub async fn search(ctx: &Context, words: &Search, cursor: Option<&str>, limit: usize) -> Result<Page> {
    let after = cursor.map(cursor::to_thread).transpose()?;
    let mut hits =
        retinue_store::search::threads(&ctx.scope(), &ctx.store, words, after, cursor::one_more(limit)).await?;
    let words = words.clone();
    // Long messages take a while to look through, which other requests should not wait for.
    let excerpts = tokio::task::spawn_blocking(move || {
        let messages = hits.iter_mut().map(|hit| hit.message.take());
        let excerpts: Vec<_> =
            messages.map(|message| message.map(|message| excerpt::around(&message, &words))).collect();
        (hits, excerpts)
    });
    let (hits, excerpts) = excerpts.await.map_err(Error::internal)?;
    let found = hits.into_iter().zip(excerpts).map(|(hit, excerpt)| Found { thread: hit.thread, excerpt });
    Ok(page(found.collect(), limit))
}

fn page(mut threads: Vec<Found>, limit: usize) -> Page {
    let has_more = threads.len() > limit;
    threads.truncate(limit);
    let last = threads.last().filter(|_| has_more);
    let next_cursor =
        last.map(|last| cursor::of_thread(Place { updated_at: last.thread.updated_at, id: last.thread.id }));
    Page { threads, next_cursor }
}

/// Renames a conversation, or gives it another agent or model.
///
/// # Errors
/// `not_found`, `agent_unknown`, `model_unknown`.
pub async fn change(ctx: &Context, id: ThreadId, change: Change) -> Result<Thread> {
    if let Some(id) = change.agent_id {
        agent::usable(ctx, id).await?;
    }
    check_model(ctx, change.model.name())?;
    if change.is_empty() {
        return get(ctx, id).await;
    }
    ctx.detached(move |ctx| async move {
        let mut batch = Batch::default();
        rows::change_with(&ctx.scope(), &mut batch, id, &change, ctx.now());
        ctx.store.write(batch).await?;
        get(&ctx, id).await
    })
    .await
}

fn check_model(ctx: &Context, name: Option<&str>) -> Result<()> {
    name.map_or(Ok(()), |name| ctx.catalog.entry(Some(name)).map(drop))
}

/// What would be lost with a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    /// Messages, the person's and the agent's.
    pub messages: i64,
    /// Runs.
    pub runs: i64,
}

/// What would be lost with a conversation.
///
/// # Errors
/// What keeps it from being counted.
pub async fn contents(ctx: &Context, id: ThreadId) -> Result<Contents> {
    let (messages, runs) = rows::count_contents(&ctx.scope(), &ctx.store, id).await?;
    Ok(Contents { messages, runs })
}

/// Deletes a conversation with all its messages, runs and events. An answer under way is stopped first.
///
/// # Errors
/// `not_found`.
pub async fn delete(ctx: &Context, id: ThreadId) -> Result<()> {
    ctx.detached(move |ctx| async move {
        get(&ctx, id).await?;
        stop_answer(&ctx, id).await?;
        let mut batch = Batch::default();
        // One that began meanwhile is counted too.
        usage::settle_thread_with(&ctx.scope(), &mut batch, id, ctx.now());
        rows::delete_with(&ctx.scope(), &mut batch, id);
        let note = ctx.note(Told::ThreadDeleted).on("thread", id).about(ctx.principal().user_id());
        note.write(&ctx.tenant(), &mut batch);
        ctx.store.write_alone(batch).await?;
        // One that began in between.
        for live in ctx.live.of_thread(ctx.scope(), id) {
            live.cancel.cancel();
        }
        Ok(())
    })
    .await
}

/// Stops the answer that a conversation has under way, if it has one.
async fn stop_answer(ctx: &Context, id: ThreadId) -> Result<()> {
    if let Some(active) = retinue_store::run::active_of(&ctx.scope(), &ctx.store, id).await?
        && let Some(watcher) = ctx.live.watch(ctx.scope(), active.id)
    {
        run::stop(watcher).await;
    }
    Ok(())
}

/// A key has nothing done at the cost of other teams of its owner.
fn of_another_team() -> Error {
    Error::conflict(
        "thread_of_another_team",
        "This conversation counts for another team than the one in which this API key acts. Begin a new one, or use a key of that \
         team.",
    )
}

pub(crate) fn not_found() -> Error {
    Error::not_found("conversation")
}

//! Runs: start, try again, cancel, and pick up what a crash left behind.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use retinue_agent::{Room, Spoken};
use retinue_model::agent::Agent;
use retinue_model::error::Kind;
use retinue_model::event::{Data, Event, Name};
use retinue_model::message::{Message, Role};
use retinue_model::provider::Choice;
use retinue_model::run::{Run, Status};
use retinue_model::text::{Input, Title};
use retinue_model::thread::Thread;
use retinue_model::{AgentId, ApiKeyId, Error, MessageId, Result, RunId, TeamId, ThreadId, UserId};
use retinue_store::budget::Reservation;
use retinue_store::{
    Batch, api_key as keys, message as message_rows, run as rows, thread as thread_rows, user as users,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::live::{Underway, Watcher};
use crate::provider::Entry;
use crate::thread::{Change, NewThread};
use crate::{App, Context, agent, budget, prompt, thread, work};

pub use crate::work::recover;

/// How long a cancel waits for the run to end, so that its answer shows it.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

/// What a person says, and who shall answer from now on.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// What is said.
    pub input: Input,
    /// Another agent for the thread, from now on.
    pub agent_id: Option<AgentId>,
    /// Another model for the thread, from now on.
    pub model: Choice,
}

/// Says something in a conversation and begins the answer. What was said is kept when this returns, and the run goes on
/// whatever becomes of the client.
///
/// # Errors
/// `not_found`, `run_in_progress`, `agent_unknown`, `model_unknown`, `model_unreachable`, `budget_spent`, `budget_held`,
/// `thread_of_another_team`, `shutting_down`.
pub async fn start(ctx: &Context, id: ThreadId, new: NewRun) -> Result<Run> {
    ctx.detached(move |ctx| async move {
        let mut thread = idle_thread(&ctx, id).await?;
        let change = Change { title: None, agent_id: new.agent_id, model: new.model };
        let mut batch = Batch::default();
        thread_rows::go_on_with(&ctx.scope(), &mut batch, id, ctx.now());
        thread_rows::name_with(&ctx.scope(), &mut batch, id, Title::of_input(&new.input));
        if !change.is_empty() {
            thread_rows::change_with(&ctx.scope(), &mut batch, id, &change, ctx.now());
            change.apply_to(&mut thread);
        }
        let message = spoken_by_person(&ctx, id, &new.input);
        message_rows::insert_with(&ctx.scope(), &mut batch, &message);
        let agent = agent::usable(&ctx, thread.agent_id).await?;
        thread::settle_team(&ctx, &mut batch, &mut thread, &agent).await?;
        Planned::new(&ctx, (&thread, agent), message.id)?.saying(&message).begin(&ctx, batch).await
    })
    .await
}

/// Begins a conversation with what is said first: both are kept, or neither.
///
/// # Errors
/// Those of [`start`] and of [`thread::create`].
pub async fn start_thread(ctx: &Context, input: Input, new: NewThread) -> Result<Run> {
    ctx.detached(move |ctx| async move {
        let (mut thread, agent) = thread::plan(&ctx, new).await?;
        thread.title.get_or_insert_with(|| Title::of_input(&input).into());
        let mut batch = Batch::default();
        thread_rows::insert_with(&ctx.scope(), &mut batch, &thread);
        let message = spoken_by_person(&ctx, thread.id, &input);
        message_rows::insert_with(&ctx.scope(), &mut batch, &message);
        Planned::new(&ctx, (&thread, agent), message.id)?.saying(&message).begin(&ctx, batch).await
    })
    .await
}

/// Answers the same message once more. The earlier answer stays where it is.
///
/// # Errors
/// `not_found`, `run_in_progress`, `not_the_latest_run`, and those of [`start`].
pub async fn retry(ctx: &Context, id: RunId) -> Result<Run> {
    ctx.detached(move |ctx| async move {
        let earlier = get(&ctx, id).await?;
        let mut thread = idle_thread(&ctx, earlier.thread_id).await?;
        let agent = agent::usable(&ctx, thread.agent_id).await?;
        let mut batch = Batch::default();
        thread_rows::go_on_with(&ctx.scope(), &mut batch, thread.id, ctx.now());
        thread::settle_team(&ctx, &mut batch, &mut thread, &agent).await?;
        let planned = Planned::new(&ctx, (&thread, agent), earlier.input_message_id)?;
        rows::require_latest_with(&ctx.scope(), &mut batch, &planned.run, id);
        planned.begin(&ctx, batch).await
    })
    .await
}

/// One run.
///
/// # Errors
/// `not_found`.
pub async fn get(ctx: &Context, id: RunId) -> Result<Run> {
    rows::get(&ctx.scope(), &ctx.store, id).await?.ok_or_else(|| Error::not_found("run"))
}

/// The threads in which an answer is being written.
#[must_use]
pub fn threads_at_work(ctx: &Context) -> HashSet<ThreadId> {
    ctx.live.threads(ctx.scope())
}

/// Stops a run. The connection to the model is closed; what was said so far stays. A run that has ended stays as it is.
///
/// # Errors
/// `not_found`.
pub async fn cancel(ctx: &Context, id: RunId) -> Result<Run> {
    // Stopped even when the database does not answer.
    if let Some(watcher) = ctx.live.watch(ctx.scope(), id) {
        stop(watcher).await;
        return get(ctx, id).await;
    }
    let run = get(ctx, id).await?;
    end_orphan(ctx, &run).await?;
    // Somebody else may be about to end it.
    if let Some(watcher) = ctx.live.watch(ctx.scope(), id) {
        stop(watcher).await;
    }
    get(ctx, id).await
}

/// Stops the runs of somebody who may not come in any more, and those that a key began which was revoked: nothing is done by
/// them from now on.
pub(crate) async fn stop_if_out(app: &App, user: UserId) {
    for run in app.live.of_user(user) {
        match goes_on(app, user, run.key()).await {
            Ok(true) => {}
            Ok(false) => run.cancel.cancel(),
            // It is asked again when the next is told of them; whoever begins something new is refused anyway.
            Err(error) => {
                tracing::warn!(%user, ?error, "can_fail(run): it can't be told whether a run may still go on");
            }
        }
    }
}

/// Whether something may still be done for a user, by a key of theirs if it was begun with one.
async fn goes_on(app: &App, user: UserId, key: Option<ApiKeyId>) -> Result<bool> {
    let user = users::get(&app.tenant(), &app.store, user).await?;
    let counts = match key {
        None => true,
        Some(id) => keys::get(&app.tenant(), &app.store, id).await?.is_some_and(|key| key.revoked_at.is_none()),
    };
    Ok(counts && user.is_some_and(|user| user.disabled_at.is_none()))
}

/// Cancels a run and waits until it has ended: only as long as it takes to close a connection and commit.
pub(crate) async fn stop(mut watcher: Watcher) {
    watcher.run.cancel.cancel();
    if tokio::time::timeout(CANCEL_WAIT, watcher.ended()).await.is_err() {
        tracing::warn!("a run that was stopped is still waiting for the database");
    }
}

/// Ends a run that is under way by the table and on which nobody works, as after a commit whose answer was lost: this is
/// the only process that could.
async fn end_orphan(ctx: &Context, run: &Run) -> Result<()> {
    if run.status.is_active()
        && ctx.live.get(ctx.scope(), run.id).is_none()
        && let Some(pen) = rows::pen(&ctx.scope(), &ctx.store, run.id).await?
    {
        work::interrupt(ctx.app(), (run.clone(), pen)).await?;
    }
    Ok(())
}

/// A thread in which no answer is under way. Two who pass here at once are told apart when they are written down.
async fn idle_thread(ctx: &Context, id: ThreadId) -> Result<Thread> {
    if let Some(active) = rows::active_of(&ctx.scope(), &ctx.store, id).await? {
        if ctx.live.get(ctx.scope(), active.id).is_some() {
            return Err(rows::in_progress());
        }
        end_orphan(ctx, &active).await?;
    }
    thread::get(ctx, id).await
}

/// The model that a thread's next run asks.
fn choose(ctx: &Context, thread: &Thread, agent: &Agent) -> Result<Entry> {
    ctx.catalog.entry(thread.model.as_deref().or(agent.model.as_deref()))
}

fn spoken_by_person(ctx: &Context, thread_id: ThreadId, input: &Input) -> Message {
    Message {
        id: ctx.new_id(),
        thread_id,
        run_id: None,
        role: Role::User,
        content: input.as_str().to_owned(),
        created_at: ctx.now(),
    }
}

/// A run that was decided on and is not yet written down.
struct Planned {
    run: Run,
    /// For which it counts.
    team_id: TeamId,
    agent: Agent,
    entry: Entry,
    /// The longest answer.
    answer_tokens: Option<u32>,
    /// What is said that is not written down yet either.
    said: Option<Spoken>,
    place: Option<OwnedSemaphorePermit>,
}

impl Planned {
    fn new(ctx: &Context, (thread, agent): (&Thread, Agent), input: MessageId) -> Result<Self> {
        let entry = choose(ctx, thread, &agent)?;
        let place = Arc::clone(&ctx.places).try_acquire_owned().ok();
        let now = ctx.now();
        let run = Run {
            id: ctx.new_id(),
            thread_id: thread.id,
            input_message_id: input,
            agent_id: agent.id,
            agent_version: Some(agent.version),
            api_key_id: ctx.principal().key(),
            model: entry.model.name.clone(),
            status: if place.is_some() { Status::Running } else { Status::Queued },
            error: None,
            usage: None,
            created_at: now,
            started_at: place.is_some().then_some(now),
            finished_at: None,
        };
        let answer_tokens = entry.max_output_tokens.into_iter().chain(agent.limits.tokens).min();
        Ok(Self { run, team_id: thread.team_id, agent, entry, answer_tokens, said: None, place })
    }

    /// The same, answering what is about to be written down.
    fn saying(self, message: &Message) -> Self {
        Self { said: Some(Spoken { role: message.role, text: message.content.clone() }), ..self }
    }

    /// What is to be held back for it, if one of its budgets has a bound. Its answer has one then too.
    async fn reserve(&mut self, ctx: &Context) -> Result<Option<Reservation>> {
        let bounds = budget::bounds(ctx, self.team_id).await?;
        if bounds.is_empty() {
            return Ok(None);
        }
        let context_tokens = self.entry.model.context_tokens;
        let usual = ctx.settings.budgets.answer_tokens.min(context_tokens / 2).max(1);
        let longest = *self.answer_tokens.get_or_insert(usual);
        let mut conversation = prompt::so_far(&ctx.scope(), &ctx.store, self.run.thread_id, context_tokens).await?;
        conversation.extend(self.said.take());
        let room = Room { context_tokens, max_output_tokens: Some(longest) };
        let asked = retinue_agent::asked_tokens(&self.agent.instructions, &conversation, room);
        let tokens = i64::try_from(asked.saturating_add(longest.into())).unwrap_or(i64::MAX);
        Ok(Some(Reservation { bounds, tokens }))
    }

    /// Writes the run down together with the rest of the batch, and sets it to work.
    async fn begin(mut self, ctx: &Context, mut batch: Batch) -> Result<Run> {
        // Refused here, nothing was handed over and nothing is to be cleared up.
        ctx.store.takes_writes().await?;
        let reservation = self.reserve(ctx).await?;
        let Self { run, team_id, agent, entry, answer_tokens, place, .. } = self;
        let pen = rows::insert_with(&ctx.scope(), &mut batch, &run, reservation.as_ref());
        let started = place.as_ref().map(|_| started_event(&run, ctx.now())).transpose()?;
        if let Some(started) = &started {
            batch.event(&pen, started.clone());
        }
        // Known before it is committed, so that nobody finds it committed and not under way.
        let underway =
            Underway::enter(ctx.app(), &run, ctx.scope()).ok_or_else(|| Error::internal("two runs with one id"))?;
        if let Err(error) = ctx.store.write(batch).await {
            if error.kind() == Kind::Unavailable {
                // Written down or not: nobody knows now, and nobody waits for an answer any more.
                ctx.tasks.spawn(work::abandon(ctx.app().clone(), underway, (run, pen)));
            }
            return Err(budget::explain(ctx, error, team_id).await);
        }
        if let Some(started) = started {
            underway.live.push(started, 1);
        }
        // Whoever looked for what is to be stopped with it may have looked before this was there.
        if ctx.known().has_ended() {
            underway.live.cancel.cancel();
        }
        work::spawn(ctx, work::Job { run: run.clone(), pen, agent, entry, answer_tokens, underway, place });
        Ok(run)
    }
}

/// The first event of a run.
fn started_event(run: &Run, now: Timestamp) -> Result<Event> {
    Event::new(run.id, 1, Name::RunStarted, &Data::Started { model: &run.model }, now)
}

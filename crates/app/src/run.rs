//! Runs: start, try again, cancel, and pick up what a crash left behind.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use retinue_model::event::{Data, Event, Name};
use retinue_model::message::{Message, Role};
use retinue_model::provider::Choice;
use retinue_model::run::{Run, Status};
use retinue_model::text::{Input, Title};
use retinue_model::thread::Thread;
use retinue_model::{AgentId, Error, MessageId, Result, RunId, ThreadId};
use retinue_store::{Tx, event as event_rows, message as message_rows, run as rows, thread as thread_rows};

use crate::provider::Entry;
use crate::thread::{Change, NewThread};
use crate::{Context, thread, work};

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
/// `not_found`, `run_in_progress`, `agent_unknown`, `model_unknown`, `model_unreachable`, `shutting_down`.
pub async fn start(ctx: &Context, id: ThreadId, new: NewRun) -> Result<Run> {
    ctx.detached(move |ctx| async move {
        end_orphan(&ctx, id).await?;
        let mut tx = ctx.store.begin().await?;
        let mut thread = lock_idle_thread(&ctx, &mut tx, id).await?;
        thread::apply(&mut thread, Change { title: None, agent_id: new.agent_id, model: new.model });
        if thread.title.is_none() {
            thread.title = Some(Title::of_input(&new.input).into());
        }
        let chosen = choose(&ctx, &thread)?;
        let message = spoken_by_person(&ctx, id, &new.input);
        thread_rows::update(&mut tx, &thread).await?;
        message_rows::insert(&mut tx, &message).await?;
        begin(ctx, tx, Planned { thread: id, agent: thread.agent_id, chosen, input: message.id }).await
    })
    .await
}

/// Begins a conversation with what is said first: both are kept, or neither.
///
/// # Errors
/// Those of [`start`] and of [`thread::create`].
pub async fn start_thread(ctx: &Context, input: Input, new: NewThread) -> Result<Run> {
    ctx.detached(move |ctx| async move {
        let mut thread = thread::plan(&ctx, new)?;
        thread.title.get_or_insert_with(|| Title::of_input(&input).into());
        let chosen = choose(&ctx, &thread)?;
        let message = spoken_by_person(&ctx, thread.id, &input);
        let mut tx = ctx.store.begin().await?;
        thread_rows::insert(&mut tx, &thread).await?;
        message_rows::insert(&mut tx, &message).await?;
        begin(ctx, tx, Planned { thread: thread.id, agent: thread.agent_id, chosen, input: message.id }).await
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
        end_orphan(&ctx, earlier.thread_id).await?;
        let mut tx = ctx.store.begin().await?;
        let thread = lock_idle_thread(&ctx, &mut tx, earlier.thread_id).await?;
        let latest = rows::latest_of_thread(&mut tx, thread.id).await?;
        if latest.is_none_or(|latest| latest.id != id) {
            return Err(Error::conflict(
                "not_the_latest_run",
                "Only the newest answer of a conversation can be tried again. Reload to see what came after it.",
            ));
        }
        let chosen = choose(&ctx, &thread)?;
        let input = earlier.input_message_id;
        begin(ctx, tx, Planned { thread: thread.id, agent: thread.agent_id, chosen, input }).await
    })
    .await
}

/// One run.
///
/// # Errors
/// `not_found`.
pub async fn get(ctx: &Context, id: RunId) -> Result<Run> {
    rows::get(&ctx.store, id).await?.ok_or_else(|| Error::not_found("run"))
}

/// The threads in which an answer is being written.
#[must_use]
pub fn threads_at_work(ctx: &Context) -> HashSet<ThreadId> {
    ctx.live.threads()
}

/// Stops a run. The connection to the model is closed; what was said so far stays. A run that has ended stays as it is.
///
/// # Errors
/// `not_found`.
pub async fn cancel(ctx: &Context, id: RunId) -> Result<Run> {
    let run = get(ctx, id).await?;
    let Some(mut watcher) = ctx.live.watch(id) else {
        end_orphan(ctx, run.thread_id).await?;
        return get(ctx, id).await;
    };
    watcher.run.cancel.cancel();
    // Only as long as it takes to close a connection and commit.
    drop(tokio::time::timeout(CANCEL_WAIT, watcher.wait(i64::MAX)).await);
    get(ctx, id).await
}

/// Ends a run that is under way by the table and on which nobody works, as after a commit whose answer was lost: this is
/// the only process that could.
async fn end_orphan(ctx: &Context, thread: ThreadId) -> Result<()> {
    match rows::active_of(&ctx.store, thread).await? {
        Some(run) if ctx.live.get(run.id).is_none() => work::interrupt(ctx.app(), run).await,
        _ => Ok(()),
    }
}

async fn lock_idle_thread(ctx: &Context, tx: &mut Tx, id: ThreadId) -> Result<Thread> {
    let thread = thread::lock(ctx, tx, id).await?;
    match rows::active_of_thread(tx, id).await? {
        None => Ok(thread),
        Some(_) => Err(Error::conflict(
            "run_in_progress",
            "An answer is still being written in this conversation. Wait for it or stop it first.",
        )),
    }
}

/// The model that a thread's next run asks.
fn choose(ctx: &Context, thread: &Thread) -> Result<Entry> {
    thread::known_agent(ctx, thread.agent_id)?;
    let of_agent = ctx.catalog.agent(thread.agent_id).and_then(|agent| agent.model.as_deref());
    ctx.catalog.entry(thread.model.as_deref().or(of_agent))
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
    thread: ThreadId,
    agent: AgentId,
    chosen: Entry,
    input: MessageId,
}

impl Planned {
    fn run(&self, ctx: &Context, begins_now: bool) -> Run {
        let now = ctx.now();
        Run {
            id: ctx.new_id(),
            thread_id: self.thread,
            input_message_id: self.input,
            agent_id: self.agent,
            model: self.chosen.model.name.clone(),
            status: if begins_now { Status::Running } else { Status::Queued },
            error: None,
            usage: None,
            created_at: now,
            started_at: begins_now.then_some(now),
            finished_at: None,
        }
    }
}

/// Writes the run down and sets it to work.
async fn begin(ctx: Context, mut tx: Tx, planned: Planned) -> Result<Run> {
    let place = std::sync::Arc::clone(&ctx.places).try_acquire_owned().ok();
    let run = planned.run(&ctx, place.is_some());
    rows::insert(&mut tx, &run).await?;
    let started = started_event(&run, ctx.now())?;
    if place.is_some() {
        event_rows::insert(&mut tx, &started).await?;
    }
    // Known before it is committed, so that nobody finds it committed and not under way.
    let live = ctx.live.insert(run.id, run.thread_id);
    if let Err(error) = tx.commit().await {
        // The answer may have been lost and not the commit: then the next one who comes by ends it as interrupted.
        ctx.live.remove(run.id);
        return Err(error);
    }
    if place.is_some() {
        live.push(started, 1);
    }
    work::spawn(&ctx, work::Job { run: run.clone(), entry: planned.chosen, live, place });
    Ok(run)
}

/// The first event of a run.
fn started_event(run: &Run, now: Timestamp) -> Result<Event> {
    Event::new(run.id, 1, Name::RunStarted, &Data::Started { model: &run.model }, now)
}

//! The work of a run, from asking the model to the last event, in a task of its own that no client can end by leaving.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use retinue_agent::{Limits, Request, Room, Step};
use retinue_model::agent::Agent;
use retinue_model::error::Kind;
use retinue_model::event::{Data, Event, Name};
use retinue_model::message::{Message, Role};
use retinue_model::run::{Failure, Outcome, Run, Usage};
use retinue_model::usage::Taken;
use retinue_model::{Error, Result};
use retinue_store::{Batch, Pen, System, message as message_rows, run as rows, thread as thread_rows};
use tokio::sync::OwnedSemaphorePermit;

use crate::live::Underway;
use crate::provider::Entry;
use crate::recorder::{Recorder, UNCERTAIN};
use crate::{App, Context, prompt};

/// The longest pause before a run's end is tried to be written once more.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How a run fails whose question the model's server did not take.
const NOT_TAKEN: [&str; 6] = [
    "model_unauthorized",
    "model_unknown",
    "model_unreachable",
    "model_rate_limited",
    "model_context_too_long",
    "model_error",
];
/// How many tokens a model takes of which nothing is known any more.
const USUAL_CONTEXT: u32 = 32_768;
/// How many of the runs that a crash left behind are ended at once.
const RECOVERED_AT_ONCE: usize = 256;

/// A run that is to be worked on.
pub(crate) struct Job {
    pub(crate) run: Run,
    pub(crate) pen: Pen,
    /// What the agent was when the run was started.
    pub(crate) agent: Agent,
    pub(crate) entry: Entry,
    /// The longest answer, in tokens.
    pub(crate) answer_tokens: Option<u32>,
    pub(crate) underway: Underway,
    /// Its place among those under way; none if it has to wait for one.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// How the work on a run ended.
struct Ending {
    outcome: Outcome,
    usage: Option<Usage>,
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, usage: None }
    }
}

/// Sets a run to work.
pub(crate) fn spawn(ctx: &Context, job: Job) {
    let app = ctx.app().clone();
    ctx.tasks.spawn(async move {
        let (run, pen) = (job.run.clone(), job.pen);
        if AssertUnwindSafe(work(&app, job)).catch_unwind().await.is_err() {
            tracing::error!(run = %run.id, "the work on a run panicked");
            if let Some(underway) = Underway::enter(&app, &run, pen.scope()) {
                abandon(app, underway, (run, pen)).await;
            }
        }
    });
}

async fn work(app: &App, mut job: Job) {
    let first_seq = if job.place.is_some() { 2 } else { 1 };
    let live = Arc::clone(&job.underway.live);
    let cancel = live.cancel.clone();
    let mut recorder = Recorder::new(app.clone(), live, job.pen, job.run.clone(), first_seq);
    let ending = tokio::select! {
        biased;
        () = app.interrupt.cancelled() => Outcome::Interrupted.into(),
        () = cancel.cancelled() => Outcome::Cancelled.into(),
        // Dropping this closes the connection to the model.
        ending = answer(app, &mut job, &mut recorder) => ending,
    };
    finish(app, recorder, ending).await;
}

/// Waits for a place, asks the model and records what it says.
async fn answer(app: &App, job: &mut Job, recorder: &mut Recorder) -> Ending {
    match try_answer(app, job, recorder).await {
        Ok(ending) => ending,
        // Deleted with its conversation; the end will not be written either.
        Err(error) if rows::has_ended(&error) => Outcome::Cancelled.into(),
        Err(error) => {
            tracing::error!(run = %job.run.id, ?error, "a run failed");
            Outcome::Failed(failure(&error)).into()
        }
    }
}

async fn try_answer(app: &App, job: &mut Job, recorder: &mut Recorder) -> Result<Ending> {
    if job.place.is_none() {
        job.place = Some(Arc::clone(&app.places).acquire_owned().await.map_err(Error::internal)?);
        start_queued(app, job, recorder).await?;
    }
    let request = request(app, job).await?;
    recorder.asked_tokens = Some(request.asked_tokens());
    let mut steps = pin!(retinue_agent::run(&app.client, request));
    let mut counted = None;
    while let Some(step) = steps.next().await {
        match step {
            Ok(Step::Delta(text)) => recorder.delta(&text).await?,
            Ok(Step::Finished { usage }) => return Ok(Ending { outcome: Outcome::Completed, usage }),
            Ok(Step::Counted { usage }) => counted = Some(usage),
            Err(failure) => return Ok(Ending { outcome: Outcome::Failed(failure), usage: counted }),
        }
    }
    Err(Error::internal("the model's stream ended without an end"))
}

async fn start_queued(app: &App, job: &Job, recorder: &mut Recorder) -> Result<()> {
    let mut batch = Batch::default();
    rows::start_with(&job.pen, &mut batch, app.now());
    let started = recorder.next_event(Name::RunStarted, &Data::Started { model: &job.run.model })?;
    // Kept until it is written: the run may be stopped meanwhile.
    recorder.keep(started.clone());
    recorder.close(batch, &[started]).await
}

async fn request(app: &App, job: &Job) -> Result<Request> {
    Ok(Request {
        backend: job.entry.backend.clone(),
        upstream_model: job.entry.model.upstream_name.clone(),
        instructions: job.agent.instructions.clone(),
        conversation: prompt::conversation(&job.pen.scope(), &app.store, &job.run, job.entry.model.context_tokens)
            .await?,
        context_tokens: job.entry.model.context_tokens,
        max_output_tokens: job.answer_tokens,
        limits: limits(app, &job.agent),
        jitter: app.random_u64(),
    })
}

/// The server's bounds on a run, and those of its agent within them. Each try is a turn.
fn limits(app: &App, agent: &Agent) -> Limits {
    let limits = app.settings.run;
    let seconds = agent.limits.seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let retries = agent.limits.turns.map(|turns| turns.saturating_sub(1));
    Limits {
        max_duration: seconds.map_or(limits.max_duration, |own| own.min(limits.max_duration)),
        retries: retries.map_or(limits.retries, |own| own.min(limits.retries)),
        ..limits
    }
}

/// What people are told when it was not the model that failed.
fn failure(error: &Error) -> Failure {
    let code = match error.kind() {
        Kind::StorageFull => "storage_full",
        Kind::Unavailable => "storage_unavailable",
        _ => return Failure::new("internal_error", "Something went wrong on the server. Try again."),
    };
    Failure::new(code, format!("The answer could not be kept. {}", error.detail()))
}

/// Writes the run's end, however long that takes: until then it is not over for anybody.
async fn finish(app: &App, mut recorder: Recorder, ending: Ending) {
    if let Err(error) = recorder.settle_all().await
        && !rows::has_ended(&error)
    {
        // The batch below has what was not kept.
        tracing::warn!(run = %recorder.run.id, ?error, "events of a run have to be written again");
    }
    let last = match Last::new(app, &mut recorder, ending) {
        Ok(last) => last,
        Err(error) => return tracing::error!(run = %recorder.run.id, ?error, "a run's end can't be written"),
    };
    last.write_until_it_is(app, &mut recorder).await;
}

/// What a run took: as the model's server counted it, or else by estimate. A server that did not take the question wants
/// nothing for it.
fn taken(recorder: &Recorder, ending: &Ending) -> Taken {
    if let Some(usage) = ending.usage {
        return Taken::Counted(usage);
    }
    let failure = ending.outcome.failure().map(|failure| failure.code.as_str());
    let is_refused = recorder.text.is_empty() && failure.is_some_and(|code| NOT_TAKEN.contains(&code));
    let input_tokens = recorder.asked_tokens.filter(|_| !is_refused).unwrap_or_default();
    Taken::Estimated(Usage { input_tokens, output_tokens: retinue_agent::estimate(&recorder.text) })
}

/// A run's last words and events.
struct Last {
    ending: Ending,
    taken: Taken,
    message: Option<Message>,
    events: Vec<Event>,
    at: Timestamp,
}

impl Last {
    fn new(app: &App, recorder: &mut Recorder, ending: Ending) -> Result<Self> {
        let at = app.now();
        let message = (!recorder.text.is_empty()).then(|| Message {
            id: app.new_id(),
            thread_id: recorder.run.thread_id,
            run_id: Some(recorder.run.id),
            role: Role::Assistant,
            content: recorder.text.clone(),
            created_at: at,
        });
        let mut events = Vec::new();
        if let Some(message) = &message {
            events.push(recorder.next_event(Name::MessageCompleted, &Data::Message { message })?);
        }
        let (name, data) = Data::of_outcome(&ending.outcome, ending.usage);
        events.push(recorder.next_event(name, &data)?);
        Ok(Self { taken: taken(recorder, &ending), ending, message, events, at })
    }

    /// The same however often it is written.
    async fn write(&self, recorder: &mut Recorder) -> Result<()> {
        let (run, pen) = (&recorder.run, &recorder.pen);
        let mut batch = Batch::default();
        rows::finish_with(pen, &mut batch, (&self.ending.outcome, self.ending.usage, self.taken), self.at);
        if let Some(message) = &self.message {
            message_rows::insert_with(&pen.scope(), &mut batch, message);
        }
        thread_rows::touch_with(&pen.scope(), &mut batch, run.thread_id, self.at);
        recorder.close(batch, &self.events).await
    }

    /// Tries again and again, unless the program stops.
    async fn write_until_it_is(&self, app: &App, recorder: &mut Recorder) {
        let mut pause = Duration::from_millis(100);
        while let Err(error) = self.write(recorder).await {
            if rows::has_ended(&error) {
                // Deleted with its conversation, or ended by whoever found it left alone.
                return tracing::debug!(run = %recorder.run.id, ?error, "a run had ended already");
            }
            tracing::error!(run = %recorder.run.id, ?error, "a run's end could not be written; trying again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = app.interrupt.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.count();
    }

    fn count(&self) {
        metrics::counter!("retinue_runs_total", "status" => self.ending.outcome.status().as_str()).increment(1);
    }
}

/// Ends the runs that were under way when the program last stopped, with what they had said so far, and tells how many
/// those were. Call it once, before requests are served.
///
/// # Errors
/// What the database says.
pub async fn recover(app: &App) -> Result<usize> {
    let runs = rows::active(&System::at_start(), &app.store).await?;
    let count = runs.len();
    // Many at once, so that they are committed together.
    let ended = stream::iter(runs).map(|left| interrupt(app, left)).buffer_unordered(RECOVERED_AT_ONCE);
    ended.try_collect::<()>().await?;
    Ok(count)
}

/// Ends a run on which nobody works any more, with what is in the table of it.
pub(crate) async fn interrupt(app: &App, left: (Run, Pen)) -> Result<()> {
    // Or else someone is at it.
    let Some(underway) = Underway::enter(app, &left.0, left.1.scope()) else { return Ok(()) };
    let (mut recorder, last) = left_behind(app, &underway, left).await?;
    match last.write(&mut recorder).await {
        // It had ended after all.
        Err(error) if rows::has_ended(&error) => Ok(()),
        written => written.map(|()| last.count()),
    }
}

/// Ends a run whose work broke off in this process, or of which nobody knows whether it was written down, as soon as the
/// database can tell.
pub(crate) async fn abandon(app: App, underway: Underway, left: (Run, Pen)) {
    loop {
        let tried = tokio::select! {
            tried = try_abandon(&app, &underway, left.clone()) => tried,
            () = app.interrupt.cancelled() => return,
        };
        match tried {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(run = %left.0.id, ?error, "a run that broke off can't be ended; trying again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LONGEST_PAUSE) => {}
            () = app.interrupt.cancelled() => return,
        }
    }
}

async fn try_abandon(app: &App, underway: &Underway, left: (Run, Pen)) -> Result<()> {
    // What was handed over before this is in the table then, or never will be.
    app.store.write_patiently(Batch::default()).await?;
    if !rows::get(&left.1.scope(), &app.store, left.0.id).await?.is_some_and(|run| run.status.is_active()) {
        return Ok(());
    }
    let (mut recorder, last) = left_behind(app, underway, left).await?;
    last.write_until_it_is(app, &mut recorder).await;
    Ok(())
}

/// The end of a run that was left behind.
async fn left_behind(app: &App, underway: &Underway, (run, pen): (Run, Pen)) -> Result<(Recorder, Last)> {
    let events = crate::event::stored(&pen.scope(), &app.store, run.id).await?;
    // Readers may have seen events that were never committed. Their numbers are not used again, so that whoever comes
    // back with one of them still gets what is kept in their place.
    let uncertain = i64::try_from(UNCERTAIN + 1).unwrap_or(i64::MAX);
    let next_seq = events.last().map_or(0, |event| event.seq) + 1 + uncertain;
    let mut recorder = Recorder::new(app.clone(), Arc::clone(&underway.live), pen, run, next_seq);
    recorder.text = crate::event::text_of(&events);
    if recorder.run.started_at.is_some() {
        recorder.asked_tokens = Some(asked_tokens(app, &recorder).await?);
    }
    let last = Last::new(app, &mut recorder, Outcome::Interrupted.into())?;
    Ok((recorder, last))
}

/// How many tokens the model of a run that was left behind was sent, by estimate.
async fn asked_tokens(app: &App, recorder: &Recorder) -> Result<u64> {
    let (run, pen) = (&recorder.run, &recorder.pen);
    let known = app.catalog.entry(Some(&run.model));
    let context_tokens = known.map_or(USUAL_CONTEXT, |entry| entry.model.context_tokens);
    let instructions = rows::instructions(pen, &app.store).await?.unwrap_or_default();
    let conversation = prompt::conversation(&pen.scope(), &app.store, run, context_tokens).await;
    let conversation = match conversation {
        Err(error) if rows::has_ended(&error) => return Ok(0),
        conversation => conversation?,
    };
    Ok(retinue_agent::asked_tokens(&instructions, &conversation, Room { context_tokens, max_output_tokens: None }))
}

//! The work of a run, from asking the model to the last event, in a task of its own that no client can end by leaving.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use retinue_agent::{Request, Step};
use retinue_model::error::Kind;
use retinue_model::event::{Data, Event, Name};
use retinue_model::message::{Message, Role};
use retinue_model::run::{Failure, Outcome, Run, Usage};
use retinue_model::{Error, Result};
use retinue_store::{Batch, message as message_rows, run as rows};
use tokio::sync::OwnedSemaphorePermit;

use crate::live::LiveRun;
use crate::provider::Entry;
use crate::recorder::{Recorder, UNCERTAIN};
use crate::{App, Context, prompt};

/// The longest pause before a run's end is tried to be written once more.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A run that is to be worked on.
pub(crate) struct Job {
    pub(crate) run: Run,
    pub(crate) entry: Entry,
    pub(crate) live: Arc<LiveRun>,
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
    metrics::gauge!("retinue_runs_active").increment(1.0);
    ctx.tasks.spawn(async move {
        let (id, live) = (job.run.id, Arc::clone(&job.live));
        work(&app, job).await;
        app.live.remove(id);
        live.end();
        metrics::gauge!("retinue_runs_active").decrement(1.0);
    });
}

async fn work(app: &App, mut job: Job) {
    let first_seq = if job.place.is_some() { 2 } else { 1 };
    let mut recorder = Recorder::new(app.clone(), Arc::clone(&job.live), job.run.clone(), first_seq);
    let cancel = job.live.cancel.clone();
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
    let mut steps = pin!(retinue_agent::run(&app.client, request));
    while let Some(step) = steps.next().await {
        match step {
            Ok(Step::Delta(text)) => recorder.delta(&text).await?,
            Ok(Step::Finished { usage }) => return Ok(Ending { outcome: Outcome::Completed, usage }),
            Err(failure) => return Ok(Outcome::Failed(failure).into()),
        }
    }
    Err(Error::internal("the model's stream ended without an end"))
}

async fn start_queued(app: &App, job: &Job, recorder: &mut Recorder) -> Result<()> {
    let mut batch = Batch::default();
    rows::start_with(&mut batch, job.run.id, app.now());
    let started = recorder.next_event(Name::RunStarted, &Data::Started { model: &job.run.model })?;
    recorder.close(batch, &[started]).await
}

async fn request(app: &App, job: &Job) -> Result<Request> {
    let agent = app.catalog.agent(job.run.agent_id);
    Ok(Request {
        backend: job.entry.backend.clone(),
        upstream_model: job.entry.model.upstream_name.clone(),
        instructions: agent.map(|agent| agent.instructions.clone()).unwrap_or_default(),
        conversation: prompt::conversation(&app.store, &job.run).await?,
        context_tokens: job.entry.model.context_tokens,
        max_output_tokens: job.entry.max_output_tokens,
        limits: app.settings.run,
        jitter: app.random_u64(),
    })
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
async fn finish(app: &App, mut recorder: Recorder, mut ending: Ending) {
    if let Err(error) = recorder.settle_all().await
        && ending.outcome == Outcome::Completed
    {
        // Whole, but not all of it was kept at once. The batch below keeps the rest, or the run stays open.
        tracing::warn!(run = %recorder.run.id, ?error, "events of a run had to be written again");
    }
    let mut pause = Duration::from_millis(100);
    let last = match last_events(app, &mut recorder, &ending) {
        Ok(last) => last,
        Err(error) => return tracing::error!(run = %recorder.run.id, ?error, "a run's end can't be written"),
    };
    loop {
        let batch = last_batch(app, &recorder.run, &last, &ending);
        let Err(error) = recorder.close(batch, &last.events).await else { break };
        if matches!(recorder.is_deleted().await, Ok(true)) {
            return;
        }
        tracing::error!(run = %recorder.run.id, ?error, "a run's end could not be written; trying again");
        if let Outcome::Failed(failure) = &mut ending.outcome
            && failure.code.starts_with("storage")
        {
            *failure = self::failure(&error);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = app.interrupt.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    metrics::counter!("retinue_runs_total", "status" => ending.outcome.status().as_str()).increment(1);
}

/// A run's last words and events.
struct Last {
    message: Option<Message>,
    events: Vec<Event>,
}

fn last_events(app: &App, recorder: &mut Recorder, ending: &Ending) -> Result<Last> {
    let message = (!recorder.text.is_empty()).then(|| Message {
        id: app.new_id(),
        thread_id: recorder.run.thread_id,
        run_id: Some(recorder.run.id),
        role: Role::Assistant,
        content: recorder.text.clone(),
        created_at: app.now(),
    });
    let mut events = Vec::new();
    if let Some(message) = &message {
        events.push(recorder.next_event(Name::MessageCompleted, &Data::Message { message })?);
    }
    let (name, data) = Data::of_outcome(&ending.outcome, ending.usage);
    events.push(recorder.next_event(name, &data)?);
    Ok(Last { message, events })
}

fn last_batch(app: &App, run: &Run, last: &Last, ending: &Ending) -> Batch {
    let mut batch = Batch::default();
    if let Some(message) = &last.message {
        message_rows::insert_with(&mut batch, message);
    }
    rows::finish_with(&mut batch, run.id, &ending.outcome, ending.usage, app.now());
    rows::touch_thread_with(&mut batch, run.thread_id, app.now());
    batch
}

/// Ends the runs that were under way when the program last stopped, with what they had said so far, and tells how many
/// those were. Call it once, before requests are served.
///
/// # Errors
/// What the database says.
pub async fn recover(app: &App) -> Result<usize> {
    let runs = rows::active(&app.store).await?;
    let count = runs.len();
    for run in runs {
        interrupt(app, run).await?;
    }
    Ok(count)
}

/// Ends a run on which nobody works any more, with what is in the table of it.
pub(crate) async fn interrupt(app: &App, run: Run) -> Result<()> {
    let events = crate::event::stored(&app.store, run.id).await?;
    // Readers may have seen events that were never committed. Their numbers are not used again, so that whoever comes
    // back with one of them still gets what is kept in their place.
    let uncertain = i64::try_from(UNCERTAIN + 1).unwrap_or(i64::MAX);
    let next_seq = events.last().map_or(0, |event| event.seq) + 1 + uncertain;
    let live = app.live.insert(run.id, run.thread_id);
    let mut recorder = Recorder::new(app.clone(), live, run.clone(), next_seq);
    recorder.text = crate::event::text_of(&events)?;
    let ending = Ending::from(Outcome::Interrupted);
    let last = last_events(app, &mut recorder, &ending)?;
    let closed = recorder.close(last_batch(app, &run, &last, &ending), &last.events).await;
    recorder.end();
    app.live.remove(run.id);
    closed?;
    metrics::counter!("retinue_runs_total", "status" => "interrupted").increment(1);
    Ok(())
}

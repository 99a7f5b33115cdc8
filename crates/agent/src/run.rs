//! The loop of a run: asks, reads, coalesces, and keeps to the limits.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use retinue_model::run::{Failure, Usage};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::answer::Fault;
use crate::ask::{Answer, Asker, Setback};
use crate::client::Client;
use crate::coalesce::Coalescer;
use crate::echo::Echo;
use crate::failure;
use crate::request::{Backend, Limits, Request, Step};

/// How long token counts, or the end of the stream, are waited for after the text is whole.
const EPILOGUE: Duration = Duration::from_secs(5);

/// Longer than anything runs, and still a time that can be reckoned with.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// Does one turn of work: deltas as the answer comes, then exactly one `Finished` or one failure, and nothing after it.
/// What was said before a failure has been given out as deltas.
///
/// Dropping the stream stops the work and closes the connection to the model's server. Must be polled in a tokio runtime.
#[must_use = "nothing happens until the stream is polled"]
pub fn run(client: &Client, request: Request) -> impl Stream<Item = Result<Step, Failure>> + Send + 'static + use<> {
    let client = client.clone();
    let steps = async move {
        stream::unfold(Box::new(Run::new(client, request)), |mut run| async move {
            let step = run.step().await?;
            Some((step, run))
        })
    };
    steps.flatten_stream()
}

struct Run {
    limits: Limits,
    max_output_bytes: usize,
    deadline: Instant,
    text: Coalescer,
    /// Rings at the earliest of what is waited for, or before that: it is set back lazily, not for every token.
    alarm: Pin<Box<Sleep>>,
    phase: Phase,
}

type Asking = Pin<Box<dyn Future<Output = (Box<Asker>, Result<Answer, Failure>)> + Send>>;

enum Phase {
    Asking(Asking),
    Reading(Box<Reading>),
    Speaking(Echo),
    /// What was counted is given out before the failure.
    Counted(Usage, Failure),
    /// The outcome is given out after the text that still waits.
    Ending(Result<Option<Usage>, Failure>),
    Over,
}

/// Starts, or goes on, asking.
fn asking(mut asker: Box<Asker>, setback: Option<Setback>) -> Phase {
    Phase::Asking(Box::pin(async move {
        let answer = asker.answer(setback).await;
        (asker, answer)
    }))
}

async fn wait_for_answer(asking: Asking, deadline: Instant, limits: Limits) -> Phase {
    match timeout_at(deadline, asking).await {
        Ok((asker, Ok(answer))) => Phase::Reading(Box::new(Reading { asker, answer })),
        Ok((_, Err(failure))) => Phase::Ending(Err(failure)),
        Err(_) => Phase::Ending(Err(failure::run_too_long(limits))),
    }
}

struct Reading {
    asker: Box<Asker>,
    answer: Answer,
}

enum Woken {
    Frame(Option<reqwest::Result<Bytes>>),
    Alarm,
}

impl Run {
    fn new(client: Client, request: Request) -> Self {
        let limits = request.limits;
        let max_output_bytes = request.max_output_bytes();
        let deadline = Instant::now() + limits.max_duration.min(FOREVER);
        let phase = match request.backend.clone() {
            Backend::OpenAi(endpoint) => asking(Box::new(Asker::new(client, endpoint, request, deadline)), None),
            Backend::Echo { advice } => Phase::Speaking(Echo::new(&request.conversation, &advice)),
        };
        Self {
            limits,
            max_output_bytes,
            deadline,
            text: Coalescer::default(),
            alarm: Box::pin(sleep_until(deadline)),
            phase,
        }
    }

    /// What is given out next; none when the run is over.
    async fn step(&mut self) -> Option<Result<Step, Failure>> {
        loop {
            if let Some(delta) = self.text.take(Instant::now()) {
                return Some(Ok(Step::Delta(delta)));
            }
            self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Over => return None,
                Phase::Ending(outcome) => {
                    if let Some(delta) = self.text.take_rest() {
                        self.phase = Phase::Ending(outcome);
                        return Some(Ok(Step::Delta(delta)));
                    }
                    return Some(outcome.map(|usage| Step::Finished { usage }));
                }
                Phase::Counted(usage, failure) => {
                    self.phase = Phase::Ending(Err(failure));
                    return Some(Ok(Step::Counted { usage }));
                }
                Phase::Asking(asking) => wait_for_answer(asking, self.deadline, self.limits).await,
                Phase::Reading(reading) => self.read(reading).await,
                Phase::Speaking(echo) => self.speak(echo).await,
            };
        }
    }

    /// Waits for the next bytes of the answer, or for the time to do something else.
    async fn read(&mut self, mut reading: Box<Reading>) -> Phase {
        let woken = self.wake(&mut reading.answer).await;
        let now = Instant::now();
        if now >= self.deadline {
            return Phase::Ending(Err(failure::run_too_long(self.limits)));
        }
        match woken {
            Woken::Frame(Some(Ok(bytes))) => self.take(reading, &bytes, now),
            Woken::Frame(end) => self.end(*reading, end.and_then(Result::err).as_ref()),
            Woken::Alarm if now < reading.answer.quiet_until => Phase::Reading(reading),
            Woken::Alarm if reading.answer.reader.is_ending() => reading.conclude(),
            Woken::Alarm => Phase::Ending(Err(reading.asker.silent(reading.answer.has_begun))),
        }
    }

    async fn wake(&mut self, answer: &mut Answer) -> Woken {
        let due = self.text.due(Instant::now()).unwrap_or(self.deadline);
        let earliest = due.min(answer.quiet_until).min(self.deadline);
        if self.alarm.is_elapsed() || earliest < self.alarm.deadline() {
            self.alarm.as_mut().reset(earliest);
        }
        tokio::select! {
            biased;
            frame = answer.body.next() => Woken::Frame(frame),
            () = &mut self.alarm => Woken::Alarm,
        }
    }

    fn take(&mut self, mut reading: Box<Reading>, bytes: &[u8], now: Instant) -> Phase {
        let answer = &mut reading.answer;
        let outcome = answer.reader.read(bytes, &mut self.text);
        if self.text.total() > 0 {
            reading.asker.forget_question();
        }
        answer.has_begun = true;
        answer.quiet_until = now + reading.asker.idle();
        if answer.reader.is_ending() {
            answer.quiet_until = answer.quiet_until.min(now + EPILOGUE);
        }
        match outcome {
            Ok(()) if answer.reader.is_done() => reading.conclude(),
            Ok(()) => Phase::Reading(reading),
            Err(fault) => reading.stumble(&fault),
        }
    }

    /// The body has ended, or broke off with `error`.
    fn end(&mut self, mut reading: Reading, error: Option<&reqwest::Error>) -> Phase {
        let outcome = reading.answer.reader.end(&mut self.text);
        if self.text.total() > 0 {
            reading.asker.forget_question();
        }
        match (outcome, error) {
            _ if reading.answer.reader.is_ending() => reading.conclude(),
            (_, Some(error)) => {
                let setback = reading.asker.interrupted(error);
                asking(reading.asker, Some(setback))
            }
            (Err(fault), None) => reading.stumble(&fault),
            (Ok(()), None) => reading.stumble(&Fault::CutOff),
        }
    }

    async fn speak(&mut self, mut echo: Echo) -> Phase {
        match timeout_at(self.deadline, echo.next()).await {
            Err(_) => return Phase::Ending(Err(failure::run_too_long(self.limits))),
            Ok(None) => return Phase::Ending(Ok(None)),
            Ok(Some(words)) if self.text.total() + words.len() > self.max_output_bytes => {
                let is_told = self.max_output_bytes < self.limits.max_output_bytes;
                let failure = if is_told { failure::out_of_tokens() } else { failure::too_much_text(self.limits) };
                return Phase::Ending(Err(failure));
            }
            Ok(Some(words)) => self.text.push(words),
        }
        Phase::Speaking(echo)
    }
}

impl Reading {
    /// The answer has ended as the model wanted: how?
    fn conclude(self) -> Phase {
        let Self { asker, answer } = self;
        let (outcome, usage) = (answer.reader.outcome(), answer.reader.usage());
        answer.release();
        let outcome = outcome.map_err(|fault| asker.asked().faulty(&fault, asker.limits()));
        match (outcome, usage) {
            (Err(failure), Some(usage)) => Phase::Counted(usage, failure),
            (outcome, _) => Phase::Ending(outcome),
        }
    }

    /// The answer can't be read on; if nothing of it was given out, the question may be asked again.
    fn stumble(self, fault: &Fault) -> Phase {
        let setback = self.asker.faulty(fault);
        asking(self.asker, Some(setback))
    }
}

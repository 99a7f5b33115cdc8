//! Asking a model's server until it begins to answer, or until asking again makes no sense.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use retinue_model::run::Failure;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::answer::{Fault, Reader};
use crate::client::{self, Client, Unasked};
use crate::endpoint::Endpoint;
use crate::failure::Asked;
use crate::question::Draft;
use crate::refusal::{Meaning, Refusal};
use crate::request::{Limits, Request};
use crate::retry;
use crate::transport::Trouble;

/// How long a finished answer's connection is waited for, so that it can be used again.
const REUSE_WAIT: Duration = Duration::from_secs(1);

/// Why there is no answer, and what could be done about it.
pub(crate) struct Setback {
    failure: Failure,
    remedy: Remedy,
}

#[derive(Clone, Copy)]
enum Remedy {
    Nothing,
    /// Asking again after a pause, at least as long as the server wants.
    Pause(Option<Duration>),
    Shorten,
    DropStreamOptions,
    RenameLimit,
}

/// Asks one question, as often as that makes sense.
pub(crate) struct Asker {
    client: Client,
    endpoint: Endpoint,
    model: String,
    limits: Limits,
    max_output_bytes: usize,
    deadline: Instant,
    jitter: u64,
    retries: u32,
    /// None as soon as a part of the answer has been given out: from then on, nothing is asked again.
    draft: Option<Draft>,
}

impl Asker {
    pub(crate) fn new(client: Client, endpoint: Endpoint, request: Request, deadline: Instant) -> Self {
        let (model, limits, jitter) = (request.upstream_model.clone(), request.limits, request.jitter);
        let max_output_bytes = request.max_output_bytes();
        let draft = Some(Draft::new(request));
        Self { client, endpoint, model, limits, max_output_bytes, deadline, jitter, retries: 0, draft }
    }

    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked { endpoint: &self.endpoint, model: &self.model }
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// A part of the answer is out: the question, which may be long, is not needed again.
    pub(crate) fn forget_question(&mut self) {
        self.draft = None;
    }

    /// Asks until there is an answer to read; `setback` is what came of asking before.
    pub(crate) async fn answer(&mut self, mut setback: Option<Setback>) -> Result<Answer, Failure> {
        loop {
            if let Some(setback) = setback {
                self.recover(setback).await?;
            }
            match self.ask().await {
                Ok(answer) => return Ok(answer),
                Err(next) => setback = Some(next),
            }
        }
    }

    /// Does what makes asking again sensible, or gives the failure back.
    async fn recover(&mut self, Setback { failure, remedy }: Setback) -> Result<(), Failure> {
        let Some(draft) = &mut self.draft else { return Err(failure) };
        let can_ask_again = match remedy {
            Remedy::Nothing => false,
            Remedy::Shorten => draft.shorten(),
            Remedy::DropStreamOptions => draft.drop_stream_options(),
            Remedy::RenameLimit => draft.rename_limit(),
            Remedy::Pause(wanted) => return self.pause(wanted, failure).await,
        };
        if can_ask_again { Ok(()) } else { Err(failure) }
    }

    async fn pause(&mut self, wanted: Option<Duration>, failure: Failure) -> Result<(), Failure> {
        let pause = retry::pause(self.retries, wanted, self.jitter);
        if self.retries >= self.limits.retries
            || wanted.is_some_and(|wanted| wanted > retry::LONGEST_WAIT)
            || Instant::now() + pause >= self.deadline
        {
            return Err(failure);
        }
        self.retries += 1;
        tracing::info!(
            server = self.endpoint.place(),
            code = failure.code,
            ?pause,
            "a model is asked again after a pause"
        );
        sleep(pause).await;
        Ok(())
    }

    async fn ask(&self) -> Result<Answer, Setback> {
        let asked = self.asked();
        let Some(draft) = &self.draft else { return Err(Setback::last(asked.cut_off())) };
        let body = draft.to_json().map_err(|_| Setback::last(asked.not_http()))?;
        let first_byte = self.client.timeouts().first_byte;
        let quiet_until = Instant::now() + first_byte;
        let response = match timeout_at(quiet_until, self.client.ask(&self.endpoint, body)).await {
            Ok(Ok(response)) => response,
            Ok(Err(Unasked::Unready(failure))) => return Err(Setback::last(failure)),
            Ok(Err(Unasked::Transport(trouble))) => return Err(self.broken(&trouble)),
            Err(_) => return Err(Setback::last(asked.silent(first_byte, false))),
        };
        if let Some(failure) = client::unusable(&response, asked) {
            return Err(Setback::last(failure));
        }
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.trim_start().starts_with("text/html")) {
            return Err(self.faulty(&Fault::WebPage));
        }
        Ok(Answer {
            body: Box::pin(response.bytes_stream()),
            reader: Reader::new(self.max_output_bytes, self.max_output_bytes < self.limits.max_output_bytes),
            quiet_until,
            has_begun: false,
        })
    }

    async fn refused(&self, response: Response) -> Setback {
        let status = response.status();
        let wait = retry::asked_wait(response.headers());
        let refusal = Refusal::of_answer(status, &client::error_body(response).await);
        Setback { failure: self.asked().refused(&refusal, wait), remedy: Remedy::of(&refusal, wait) }
    }

    /// What comes of a fault in an answer.
    pub(crate) fn faulty(&self, fault: &Fault) -> Setback {
        let remedy = match fault {
            Fault::Refused(refusal) => Remedy::of(refusal, None),
            Fault::CutOff => Remedy::Pause(None),
            _ => Remedy::Nothing,
        };
        Setback { failure: self.asked().faulty(fault, self.limits), remedy }
    }

    /// What comes of a connection that failed.
    pub(crate) fn broken(&self, trouble: &Trouble) -> Setback {
        let remedy = if trouble.may_pass() { Remedy::Pause(None) } else { Remedy::Nothing };
        let failure = if self.draft.is_some() {
            trouble.before_answer(self.asked())
        } else {
            trouble.within_answer(self.asked())
        };
        Setback { failure, remedy }
    }

    /// What comes of an error while an answer was read.
    pub(crate) fn interrupted(&self, error: &reqwest::Error) -> Setback {
        self.broken(&Trouble::of(error, self.client.timeouts().connect))
    }

    /// How long an answer that has begun may be silent.
    pub(crate) fn idle(&self) -> Duration {
        self.client.timeouts().idle
    }

    /// The failure of an answer that was silent for too long.
    pub(crate) fn silent(&self, has_begun: bool) -> Failure {
        let timeouts = self.client.timeouts();
        self.asked().silent(if has_begun { timeouts.idle } else { timeouts.first_byte }, has_begun)
    }
}

impl Setback {
    const fn last(failure: Failure) -> Self {
        Self { failure, remedy: Remedy::Nothing }
    }
}

impl Remedy {
    fn of(refusal: &Refusal, wait: Option<Duration>) -> Self {
        match refusal.meaning() {
            Meaning::ContextTooLong => Self::Shorten,
            Meaning::NoStreamOptions => Self::DropStreamOptions,
            Meaning::NoMaxTokens => Self::RenameLimit,
            Meaning::Busy | Meaning::Broken => Self::Pause(wait),
            Meaning::OutOfQuota
            | Meaning::Unauthorized
            | Meaning::UnknownModel
            | Meaning::Filtered
            | Meaning::Other => Self::Nothing,
        }
    }
}

/// An answer whose head was good. Dropping it closes the connection.
pub(crate) struct Answer {
    pub(crate) body: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    pub(crate) reader: Reader,
    /// When to give up unless something comes before.
    pub(crate) quiet_until: Instant,
    /// Whether any byte has come.
    pub(crate) has_begun: bool,
}

impl Answer {
    /// Lets the connection be used again: the end of the body, which servers send after the last event, has to be read for
    /// that.
    pub(crate) fn release(mut self) {
        if matches!(self.body.next().now_or_never(), None | Some(Some(Ok(_)))) {
            tokio::spawn(async move {
                let rest = self.body.take_while(|bytes| std::future::ready(bytes.is_ok())).take(8);
                let _ = timeout(REUSE_WAIT, rest.count()).await;
            });
        }
    }
}

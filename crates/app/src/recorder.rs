//! Writes down what a run does: shows each event to readers, hands it to the appender, and keeps what is not yet certain.

use std::collections::VecDeque;
use std::sync::Arc;

use retinue_model::Result;
use retinue_model::event::{Data, Event, Name};
use retinue_model::run::Run;
use retinue_store::{Acknowledgement, Batch, Pen};

use crate::App;
use crate::live::LiveRun;

/// Events that may be on their way to the disk; then the run waits for it.
pub(crate) const UNCERTAIN: usize = 64;

/// The pen of one run.
pub(crate) struct Recorder {
    app: App,
    live: Arc<LiveRun>,
    pub(crate) pen: Pen,
    pub(crate) run: Run,
    pub(crate) text: String,
    /// How many tokens the model was sent, by estimate; none before it was asked.
    pub(crate) asked_tokens: Option<u64>,
    next_seq: i64,
    committed: i64,
    on_their_way: VecDeque<(Event, Acknowledgement)>,
    /// Events that were shown and whose commit failed; they go into the last batch.
    failed: Vec<Event>,
}

impl Recorder {
    /// `next_seq` is the number of the run's next event; those before it are committed.
    pub(crate) const fn new(app: App, live: Arc<LiveRun>, pen: Pen, run: Run, next_seq: i64) -> Self {
        Self {
            app,
            live,
            pen,
            run,
            text: String::new(),
            asked_tokens: None,
            next_seq,
            committed: next_seq - 1,
            on_their_way: VecDeque::new(),
            failed: Vec::new(),
        }
    }

    /// Numbers an event.
    pub(crate) fn next_event(&mut self, name: Name, data: &Data<'_>) -> Result<Event> {
        let event = Event::new(self.run.id, self.next_seq, name, data, self.app.now())?;
        self.next_seq += 1;
        Ok(event)
    }

    /// Records the next piece of the answer. Readers see it at once.
    ///
    /// # Errors
    /// Why earlier pieces could not be kept; the run should end then.
    pub(crate) async fn delta(&mut self, text: &str) -> Result<()> {
        // Waits here, before anything is shown: whoever is stopped while waiting has said nothing.
        let place = self.app.store.reserve().await?;
        let event = Event::new(self.run.id, self.next_seq, Name::MessageDelta, &Data::Delta { text }, self.app.now())?;
        self.next_seq += 1;
        self.text.push_str(text);
        self.live.push(event.clone(), self.committed);
        self.on_their_way.push_back((event.clone(), place.append(Batch::of_event(&self.pen, event))));
        while let Some((event, acknowledgement)) = self.on_their_way.front_mut() {
            let Some(result) = acknowledgement.poll() else { break };
            let (seq, failed) = (event.seq, result.is_err());
            self.settle(seq, failed);
            result?;
        }
        if self.on_their_way.len() >= UNCERTAIN {
            self.wait_for_oldest().await?;
        }
        Ok(())
    }

    fn settle(&mut self, seq: i64, failed: bool) {
        if let Some((event, _)) = self.on_their_way.pop_front() {
            if failed {
                self.failed.push(event);
            } else if self.failed.is_empty() {
                self.committed = seq;
            }
        }
    }

    async fn wait_for_oldest(&mut self) -> Result<()> {
        let Some((event, acknowledgement)) = self.on_their_way.front_mut() else { return Ok(()) };
        let seq = event.seq;
        let result = acknowledgement.wait().await;
        self.settle(seq, result.is_err());
        result
    }

    /// Keeps an event for the last batch, because it could not be written, or nobody knows.
    pub(crate) fn keep(&mut self, event: Event) {
        self.failed.push(event);
    }

    /// Waits until everything that was handed over is committed, or says why something is not.
    pub(crate) async fn settle_all(&mut self) -> Result<()> {
        let mut first_error = None;
        while !self.on_their_way.is_empty() {
            if let Err(error) = self.wait_for_oldest().await {
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Writes the run's last events, with everything else that `batch` holds and what failed before, and then shows them.
    pub(crate) async fn close(&mut self, mut batch: Batch, last: &[Event]) -> Result<()> {
        self.failed.iter().chain(last).for_each(|event| batch.event(&self.pen, event.clone()));
        self.app.store.reserve().await?.append(batch).wait().await?;
        self.failed.clear();
        for event in last {
            self.live.push(event.clone(), event.seq);
        }
        Ok(())
    }
}

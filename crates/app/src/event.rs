//! Following a run: the events that are in the table, then the live ones, each exactly once and in order.

use std::time::Duration;

use retinue_model::event::Event;
use retinue_model::run::Run;
use retinue_model::{Result, RunId};
use retinue_store::{Scope, Store, event as rows, run as run_rows};

use crate::live::{Tail, Watcher};
use crate::{App, Context, run};

/// Events read from the table at once.
const PAGE: i64 = 256;
/// How often the table is asked for the events of a run that another process works on.
const POLL: Duration = Duration::from_secs(1);

/// A reader of one run's events. However slow it is, it holds up nobody.
#[derive(Debug)]
pub struct Follow {
    app: App,
    scope: Scope,
    run: RunId,
    after: i64,
    watcher: Option<Watcher>,
    done: bool,
}

/// Follows a run from its event number `after` on (0 for the beginning).
///
/// # Errors
/// `not_found`.
pub async fn follow(ctx: &Context, id: RunId, after: i64) -> Result<Follow> {
    // Watch first: what ends between the two is then seen in the table.
    let watcher = ctx.live.watch(ctx.scope(), id);
    run::get(ctx, id).await?;
    Ok(Follow { app: ctx.app().clone(), scope: ctx.scope(), run: id, after, watcher, done: false })
}

impl Follow {
    /// The next events; nothing when there will be no more.
    ///
    /// # Errors
    /// What keeps the table from being read.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>> {
        while !self.done {
            // Reading SQLite never waits, so that without this a fault below would hold the thread for ever.
            tokio::task::consume_budget().await;
            let events = match self.watcher.as_ref().map(|watcher| watcher.run.after(self.after)) {
                Some(Tail::Events(events)) => events,
                Some(Tail::UpToDate) => {
                    self.wait_for_tail().await;
                    continue;
                }
                Some(Tail::Behind(oldest)) => self.catch_up(oldest).await?,
                None => self.read_table().await?,
            };
            if let Some(last) = events.last() {
                self.after = self.after.max(last.seq);
                self.done |= last.name.is_terminal();
                return Ok(Some(events));
            }
        }
        Ok(None)
    }

    async fn wait_for_tail(&mut self) {
        if let Some(watcher) = &mut self.watcher
            && !watcher.wait(self.after).await
        {
            // It has ended: whatever is missing is in the table.
            self.watcher = None;
        }
    }

    /// What is older than the tail. All of it was committed; a number that is not there was skipped.
    async fn catch_up(&mut self, oldest: i64) -> Result<Vec<Event>> {
        let mut events = rows::list(&self.scope, &self.app.store, self.run, self.after, PAGE).await?;
        events.retain(|event| event.seq < oldest);
        if events.is_empty() {
            if run_rows::get(&self.scope, &self.app.store, self.run).await?.is_none() {
                // Deleted.
                self.watcher = None;
            }
            self.after = oldest - 1;
        }
        Ok(events)
    }

    async fn read_table(&mut self) -> Result<Vec<Event>> {
        let events = rows::list(&self.scope, &self.app.store, self.run, self.after, PAGE).await?;
        if events.is_empty() { self.wait_for_table().await } else { Ok(events) }
    }

    /// What the table has once a run that is not under way here has more, or has ended.
    async fn wait_for_table(&mut self) -> Result<Vec<Event>> {
        let run = run_rows::get(&self.scope, &self.app.store, self.run).await?;
        self.watcher = self.app.live.watch(self.scope, self.run);
        match run {
            Some(run) if run.status.is_active() => {
                if self.watcher.is_none() {
                    tokio::time::sleep(POLL).await;
                }
            }
            Some(_) => return self.after_the_end().await,
            None => self.done = true,
        }
        Ok(Vec::new())
    }

    /// The run has ended. Its last event was committed together with that, so nothing is missing after it; a reader who
    /// had it, or something later that a crash took, is told again how it ended.
    async fn after_the_end(&mut self) -> Result<Vec<Event>> {
        let missed = rows::list(&self.scope, &self.app.store, self.run, self.after, PAGE).await?;
        if !missed.is_empty() {
            return Ok(missed);
        }
        self.done = true;
        rows::last(&self.scope, &self.app.store, self.run).await
    }
}

/// All events of a run that are in the table.
pub(crate) async fn stored(scope: &Scope, store: &Store, id: RunId) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    loop {
        let after = events.last().map_or(0, |event: &Event| event.seq);
        let page = rows::list(scope, store, id, after, PAGE).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

/// What has been said in these events.
pub(crate) fn text_of(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        match event.delta_text() {
            Ok(delta) => text.push_str(&delta.unwrap_or_default()),
            // One row that someone spoiled by hand does not take the rest with it.
            Err(error) => tracing::error!(run = %event.run_id, seq = event.seq, ?error, "an event can't be read"),
        }
    }
    text
}

/// What a run that is under way has said so far, as far as it is in the table.
///
/// # Errors
/// What keeps the table from being read.
pub async fn text_so_far(ctx: &Context, run: &Run) -> Result<String> {
    Ok(text_of(&stored(&ctx.scope(), &ctx.store, run.id).await?))
}

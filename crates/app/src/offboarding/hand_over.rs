//! What becomes of somebody's agents and conversations when they leave.

use retinue_model::audit::Action as Told;
use retinue_model::offboarding::Fate;
use retinue_model::{AgentId, Result, ThreadId};
use retinue_store::Batch;
use retinue_store::offboarding as rows;

use super::{Work, heir_missing};
use crate::audit::Note;

/// Agents in one batch.
const AGENTS_AT_ONCE: i64 = 100;
/// Conversations in one batch: each may be long, and others wait for the disk meanwhile.
const THREADS_AT_ONCE: i64 = 20;

impl Work {
    /// Deletes the agents that are theirs alone, or makes all that they made somebody else's.
    pub(super) async fn part_with_agents(&mut self) -> Result<()> {
        let (app, id, fate) = (self.by.app().clone(), self.report.user_id, self.report.policy.agents);
        let tenant = app.tenant();
        if fate == Fate::Keep {
            return Ok(());
        }
        loop {
            let found = rows::agents(&tenant, &app.store, id, (fate == Fate::Delete, AGENTS_AT_ONCE)).await?;
            if found.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            self.hold_heir_with(&mut batch);
            for (agent, team) in found {
                let note = self.part_with_agent(&mut batch, agent)?;
                note.on("agent", agent).of_team(team).write(&tenant, &mut batch);
            }
            self.write(batch).await?;
        }
    }

    fn part_with_agent(&mut self, batch: &mut Batch, agent: AgentId) -> Result<Note> {
        let (tenant, now, id) = (self.by.app().tenant(), self.by.app().now(), self.report.user_id);
        if self.report.policy.agents == Fate::Delete {
            rows::delete_agent_with(&tenant, batch, (agent, id), now);
            self.report.deleted.agents += 1;
            return Ok(self.note(Told::AgentDeleted));
        }
        let to = self.report.to.ok_or_else(heir_missing)?;
        rows::transfer_agent_with(&tenant, batch, agent, (id, to));
        self.report.transferred.agents += 1;
        Ok(self.note(Told::AgentChanged).with("changed", vec!["maker"]).with("maker", to.to_string()))
    }

    /// Deletes their conversations, or makes them somebody else's.
    pub(super) async fn part_with_threads(&mut self) -> Result<()> {
        let (app, id) = (self.by.app().clone(), self.report.user_id);
        let tenant = app.tenant();
        if self.report.policy.threads == Fate::Keep {
            return Ok(());
        }
        loop {
            let found = rows::threads(&tenant, &app.store, id, THREADS_AT_ONCE).await?;
            if found.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            let count = i64::try_from(found.len()).unwrap_or_default();
            self.part_with_some(&mut batch, found)?.with("threads", count).write(&tenant, &mut batch);
            self.write(batch).await?;
        }
    }

    fn part_with_some(&mut self, batch: &mut Batch, threads: Vec<ThreadId>) -> Result<Note> {
        let (tenant, now, id) = (self.by.app().tenant(), self.by.app().now(), self.report.user_id);
        let count = i64::try_from(threads.len()).unwrap_or_default();
        if self.report.policy.threads == Fate::Delete {
            for thread in threads {
                rows::delete_thread_with(&tenant, batch, (thread, id), now);
            }
            self.report.deleted.threads += count;
            return Ok(self.note(Told::ThreadsDeleted).on("user", id));
        }
        let to = self.report.to.ok_or_else(heir_missing)?;
        self.hold_heir_with(batch);
        for thread in threads {
            rows::transfer_thread_with(&tenant, batch, thread, (id, to));
        }
        self.report.transferred.threads += count;
        Ok(self.by.note(Told::ThreadsTransferred).on("user", id).about(to))
    }

    /// Refuses the batch if whoever gets something may not come in any more.
    fn hold_heir_with(&self, batch: &mut Batch) {
        if let Some(heir) = self.report.to {
            rows::require_heir_with(&self.by.app().tenant(), batch, heir);
        }
    }
}

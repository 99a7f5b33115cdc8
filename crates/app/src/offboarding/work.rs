//! How an offboarding is done: step by step, each with how far it is.

use std::time::Duration;

use retinue_model::audit::Action as Told;
use retinue_model::offboarding::{Deleted, Ended, Fate, Left, Report, Transferred};
use retinue_model::{Error, Result};
use retinue_store::Batch;
use retinue_store::offboarding as rows;

use super::{By, Plan, so_far};
use crate::audit::Note;

/// How long answers under way may take to end.
const RUNS_END: Duration = Duration::from_secs(5);
/// The pause before it is looked again.
const PAUSE: Duration = Duration::from_millis(50);

/// An offboarding at work.
pub(super) struct Work {
    pub(super) by: By,
    version: i64,
    pub(super) report: Report,
}

impl Work {
    /// What there is to write down of it: a new one, or the one that was broken off.
    pub(super) async fn begin(by: By, plan: &Plan) -> Result<Self> {
        let app = by.app();
        let (version, before) = so_far(app, plan.user.id).await?;
        let new = Report {
            user_id: plan.user.id,
            name: plan.user.name.clone(),
            declared: app.settings.offboarding,
            policy: plan.policy,
            to: plan.to,
            teams_to: plan.teams_to,
            begun_by: by.user_id(),
            begun_at: app.now(),
            resumed: 0,
            finished_by: None,
            finished_at: None,
            ended: Ended::default(),
            transferred: Transferred::default(),
            deleted: Deleted::default(),
            kept: Left::default(),
        };
        let report = match before.filter(|before| before.finished_at.is_none()) {
            None => new,
            Some(before) => Report {
                declared: new.declared,
                policy: new.policy,
                to: new.to,
                teams_to: new.teams_to,
                resumed: before.resumed + 1,
                ..before
            },
        };
        Ok(Self { by, version, report })
    }

    pub(super) fn note(&self, action: Told) -> Note {
        self.by.note(action).about(self.report.user_id)
    }

    /// Writes a step, and how far it is with that: by nobody who may not any more, and while nobody else does.
    pub(super) async fn write(&mut self, mut batch: Batch) -> Result<()> {
        let (app, tenant) = (self.by.app(), self.by.app().tenant());
        self.by.hold_with(&mut batch);
        let report = serde_json::to_string(&self.report).map_err(Error::internal)?;
        let kept = rows::Kept { version: self.version + 1, report };
        rows::save_with(&tenant, &mut batch, self.report.user_id, kept, (app.new_uuid(), app.now()));
        app.store.write_alone(batch).await?;
        self.version += 1;
        Ok(())
    }

    /// Waits until no answer is under way: they are stopped because their user is shut out. What nobody works on, because a
    /// server crashed, is left to whatever comes next.
    pub(super) async fn wait_for_runs(&self) -> Result<()> {
        let (app, user) = (self.by.app(), self.report.user_id);
        let idle = async {
            while rows::is_at_work(&app.tenant(), &app.store, user).await? {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        tokio::time::timeout(RUNS_END, idle).await.unwrap_or(Ok(()))
    }

    pub(super) async fn finish(mut self) -> Result<Report> {
        let app = self.by.app().clone();
        let left = rows::count(&app.tenant(), &app.store, self.report.user_id, app.now()).await?;
        let report = &mut self.report;
        (report.kept.threads, report.kept.agents) = (left.threads, left.private_agents);
        report.kept.shared_agents = left.shared_agents;
        (report.finished_by, report.finished_at) = (self.by.user_id(), Some(app.now()));
        let (policy, done) = (report.policy, report.clone());
        let mut batch = Batch::default();
        if policy.threads != Fate::Keep {
            rows::require_no_threads_with(&app.tenant(), &mut batch, done.user_id);
        }
        let note = self.note(Told::UserOffboarded).on("user", done.user_id).with("step", "finished");
        let note = note.with("threads", policy.threads.as_str()).with("agents", policy.agents.as_str());
        let note = note.with("threads_deleted", done.deleted.threads).with("agents_deleted", done.deleted.agents);
        let note = note.with("threads_handed_over", done.transferred.threads);
        let note = note.with("agents_handed_over", done.transferred.agents).with("threads_kept", done.kept.threads);
        note.with("resumed", done.resumed).write(&app.tenant(), &mut batch);
        self.write(batch).await?;
        tracing::info!(user = %done.user_id, "a user was offboarded");
        Ok(done)
    }
}

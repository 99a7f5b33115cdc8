//! Taking a part of the trail out of the server, some events at a time.

use retinue_model::Result;
use retinue_model::audit::{Action as Told, Recorded};
use retinue_store::Batch;
use retinue_store::audit::Filter;

use super::Wanted;
use crate::Context;
use crate::audit::Note;

/// Events that are read at once: so many are in memory, however slow whoever reads them is.
pub(crate) const PART: i64 = 500;

/// A part of the trail on its way out.
#[derive(Debug)]
pub struct Export {
    ctx: Context,
    wanted: Wanted,
    filter: Filter,
    /// What comes next is before this one.
    before: i64,
}

/// Whether whoever asks may take a part of the trail out. Nothing is told of that.
///
/// # Errors
/// Those of [`export`].
pub async fn may_export(ctx: &Context, wanted: &Wanted) -> Result<()> {
    wanted.filter()?;
    wanted.require(ctx).await.map(drop)
}

/// Takes a part of the trail out, which is told in it.
///
/// # Errors
/// `forbidden`, `not_found`, `role_too_low`, `invalid_query`.
pub async fn export(ctx: &Context, wanted: Wanted) -> Result<Export> {
    let filter = wanted.filter()?;
    let grant = wanted.require(ctx).await?;
    let told = wanted.clone();
    ctx.detached(move |ctx| async move {
        let mut batch = Batch::default();
        if let Some(grant) = grant {
            grant.hold_with(&ctx, &mut batch);
        }
        told.told_in(ctx.note(Told::AuditExported)).write(&ctx.tenant(), &mut batch);
        ctx.store.write(batch).await
    })
    .await?;
    Ok(Export { ctx: ctx.clone(), wanted, filter, before: i64::MAX })
}

impl Wanted {
    /// Says what was asked for.
    pub(crate) fn told_in(&self, note: Note) -> Note {
        let note = match self.team {
            Some(team) => note.of_team(team),
            None => note,
        };
        note.with("mine", Some(true).filter(|_| self.mine))
            .with("actor", self.actor.map(|id| id.to_string()))
            .with("target", self.target.clone())
            .with("action", self.action.map(Told::as_str))
            .with("outcome", self.outcome.map(retinue_model::audit::Outcome::as_str))
            .with("since", self.since.map(|at| at.to_string()))
            .with("until", self.until.map(|at| at.to_string()))
    }
}

impl Export {
    /// The next events, the newest first; none at the end. Whether whoever asks may still read them is asked each time.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `role_too_low`, or what keeps the table from being read.
    pub async fn next(&mut self) -> Result<Option<Vec<Recorded>>> {
        let events = self.wanted.read(&self.ctx, &self.filter, (self.before, PART)).await?;
        let Some(last) = events.last() else { return Ok(None) };
        self.before = last.seq;
        Ok(Some(events))
    }

    /// Resolves when the credential does not count any more that this was asked for with.
    pub fn ended(&self) -> impl Future<Output = ()> + use<> {
        let ctx = self.ctx.clone();
        async move { ctx.ended().await }
    }
}

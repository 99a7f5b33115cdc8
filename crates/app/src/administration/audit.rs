//! The audit trail, for whoever has the machine.

use retinue_model::Result;
use retinue_model::audit::{Action as Told, Head, Recorded};
use retinue_store::audit::{self as rows, Verified};
use retinue_store::{Batch, System};

use super::Administration;
use crate::trail::{self, Names, Wanted};

impl Administration {
    /// Looks through the trail of each organization; `noted` is where one of them ended once, as somebody kept it elsewhere.
    ///
    /// # Errors
    /// `not_found` if there is no such organization, or what the engine says.
    pub async fn verify_trails(&self, noted: Option<&Head>) -> Result<Vec<Verified>> {
        let mut verified = Vec::new();
        for tenant in rows::organizations(&System::in_background(), &self.store).await? {
            verified.push(rows::verify(&tenant, &self.store, noted).await?);
        }
        let is_there = |noted: &Head| verified.iter().any(|one: &Verified| one.head.organization == noted.organization);
        if noted.is_some_and(|noted| !is_there(noted)) {
            return Err(retinue_model::Error::not_found("organization"));
        }
        Ok(verified)
    }

    /// Events of the trail before the one of this number, the newest first, and what those are called whom they name.
    ///
    /// # Errors
    /// `invalid_query`, or what the engine says.
    pub async fn trail(&self, wanted: &Wanted, (before, limit): (i64, i64)) -> Result<(Vec<Recorded>, Names)> {
        let events = rows::list(&Self::tenant(), &self.store, &wanted.filter()?, (before, limit)).await?;
        let names = Names::of_events(&Self::tenant(), &self.store, &events).await?;
        Ok((events, names))
    }

    /// Tells that a part of the trail is taken out: then come its events, by [`Self::trail_before`].
    ///
    /// # Errors
    /// `invalid_query`, or what keeps that from being written.
    pub async fn begin_export(&self, wanted: &Wanted) -> Result<()> {
        wanted.filter()?;
        let mut batch = Batch::default();
        wanted.told_in(self.note(Told::AuditExported)).write(&Self::tenant(), &mut batch);
        self.store.write(batch).await
    }

    /// Events of the trail that is taken out, before the one of this number, the newest first; none at the end.
    ///
    /// # Errors
    /// `invalid_query`, or what the engine says.
    pub async fn trail_before(&self, wanted: &Wanted, before: i64) -> Result<Vec<Recorded>> {
        rows::list(&Self::tenant(), &self.store, &wanted.filter()?, (before, trail::PART)).await
    }
}

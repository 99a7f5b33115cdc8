//! Usage and budgets, for whoever has the machine.

use retinue_model::Result;
use retinue_model::audit::Action as Told;
use retinue_model::budget::{Budget, Standing, Subject};
use retinue_model::team::Team;
use retinue_model::usage::{By, Entry, Month, Part, Total};
use retinue_model::user::User;
use retinue_store::{Batch, budget as budgets, usage as rows};

use super::{Administration, PAGE};
use crate::budget::{self, Defaults};
use crate::usage;

impl Administration {
    /// This month.
    #[must_use]
    pub fn month(&self) -> Month {
        Month::of(self.now())
    }

    /// What was used by all in a month, told apart by one thing; who used the most comes first.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn usage(&self, by: By, month: Month) -> Result<Vec<Total>> {
        let mut all: Vec<Total> = Vec::new();
        loop {
            let after = all.last().map(|last| usage::place(&last.of));
            let page = rows::totals(&Self::tenant(), &self.store, (by, month), after, PAGE).await?;
            if page.is_empty() {
                all.sort_by_key(|total| std::cmp::Reverse(total.amount.tokens()));
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// What somebody used in a month by each agent and model, the most first; the first 1,000.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn usage_of_user(&self, user: &User, month: Month) -> Result<Vec<Part>> {
        rows::of_user(&Self::tenant(), &self.store, user.id, month, PAGE).await
    }

    /// What was used in a team in a month; who used the most of one agent and model comes first.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn usage_of_team(&self, team: &Team, month: Month) -> Result<Vec<Entry>> {
        let mut all: Vec<Entry> = Vec::new();
        loop {
            let after = all.last().map(usage::place_in_team);
            let page = rows::of_team(&Self::team_scope(team), &self.store, month, after, PAGE).await?;
            if page.is_empty() {
                all.sort_by_key(|entry| std::cmp::Reverse(entry.amount.tokens()));
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// How a budget stands in this month, where these count for whoever has none of their own.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn budget(&self, subject: Subject, defaults: &Defaults) -> Result<Standing> {
        let found = budgets::get(&Self::tenant(), &self.store, subject, self.month()).await?;
        Ok(found.standing(defaults.of(subject)))
    }

    /// Gives somebody a budget of their own, or lets what counts for all count for them again.
    ///
    /// # Errors
    /// What keeps that from being written.
    pub async fn set_budget(&self, subject: Subject, budget: Option<Budget>) -> Result<()> {
        let mut batch = Batch::default();
        let note = self.note(Told::BudgetChanged);
        budget::write_with(&Self::tenant(), &mut batch, (subject, budget, self.now()), note);
        self.store.write(batch).await
    }
}

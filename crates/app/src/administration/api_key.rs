//! API keys, for whoever has the machine: a key acts for its user, whoever made it.

use retinue_model::api_key::ApiKey;
use retinue_model::audit::Action as Told;
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{ApiKeyId, Error, Result};
use retinue_store::Batch;
use retinue_store::api_key::{self as rows, Place};
use retinue_store::membership as memberships;

use super::{Administration, PAGE};
use crate::api_key::{self, Made, NewKey};

/// Whose keys.
#[derive(Clone, Copy, Debug)]
enum Of<'a> {
    User(&'a User),
    Team(&'a Team),
}

impl Administration {
    /// A user's keys, the newest first, those that were revoked too.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn keys_of_user(&self, user: &User) -> Result<Vec<ApiKey>> {
        self.keys(Of::User(user)).await
    }

    /// The keys that act in a team, the newest first, those that were revoked too.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn keys_of_team(&self, team: &Team) -> Result<Vec<ApiKey>> {
        self.keys(Of::Team(team)).await
    }

    async fn keys(&self, of: Of<'_>) -> Result<Vec<ApiKey>> {
        let mut all: Vec<ApiKey> = Vec::new();
        loop {
            let place = |last: &ApiKey| Place { created_at: last.created_at, id: last.id };
            let after = all.last().map_or(Place::first(), place);
            let page = match of {
                Of::User(user) => rows::of_user(&Self::tenant(), &self.store, user.id, (after, PAGE)).await?,
                Of::Team(team) => rows::of_team(&Self::team_scope(team), &self.store, after, PAGE).await?,
            };
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Makes a key for a user who belongs to its team.
    ///
    /// # Errors
    /// `not_member`, `user_disabled`, `expires_in_the_past`, `api_key_refused`, `too_many_keys`.
    pub async fn create_key(&self, user: &User, new: NewKey) -> Result<Made> {
        if user.disabled_at.is_some() {
            return Err(super::shut_out());
        }
        if memberships::get(&Self::tenant(), &self.store, new.team_id, user.id).await?.is_none() {
            return Err(Error::conflict(
                "not_member",
                format!("{} does not belong to this team. Take them in first: `retinue member add`.", user.name),
            ));
        }
        let made = api_key::make(new, (self.new_id(), user.id), (&*self.rng, self.now()))?;
        let mut batch = Batch::default();
        api_key::insert_with(&Self::tenant(), &mut batch, &made, self.note(Told::ApiKeyCreated));
        if let Err(error) = self.store.write(batch).await {
            return Err(api_key::explain((&Self::tenant(), &self.store), &made.key, error).await);
        }
        Ok(made)
    }

    /// Revokes a key, at once.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn revoke_key(&self, id: ApiKeyId) -> Result<ApiKey> {
        let key = rows::get(&Self::tenant(), &self.store, id).await?.ok_or_else(rows::missing)?;
        if key.revoked_at.is_some() {
            return Ok(key);
        }
        let mut batch = Batch::default();
        rows::revoke_with(&Self::tenant(), &mut batch, (id, key.user_id), self.now());
        let note = self.note(Told::ApiKeyRevoked).on("api_key", id).of_team(key.team_id).about(key.user_id);
        note.with("name", key.name.clone()).write(&Self::tenant(), &mut batch);
        self.revoke_with(&mut batch, key.user_id);
        match self.store.write(batch).await {
            // Somebody else did at this moment, and that is told once.
            Err(error) if rows::is_revoked(&error) => {}
            written => written?,
        }
        rows::get(&Self::tenant(), &self.store, id).await?.ok_or_else(rows::missing)
    }
}

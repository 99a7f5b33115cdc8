//! Hashing and comparing passwords for whoever asks: of the places that there are one network has a part, and the rest of
//! its people wait. Whoever has many guesses looked at keeps nobody elsewhere from signing in.

use std::time::Duration;

use retinue_model::credential::PasswordHash;
use retinue_model::{NewPassword, Password, Result};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::Visit;
use crate::local::Local;
use crate::password::{Verdict, too_busy};
use crate::throttle::Key;

/// From one network, those who wait.
pub(crate) const WAITING_OF_A_NETWORK: usize = 128;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// The passwords of people in one network.
pub(crate) struct Hashing<'a> {
    local: &'a Local,
    network: Option<Key>,
}

impl Visit {
    /// Hashes and compares passwords.
    ///
    /// # Errors
    /// `local_disabled`
    pub(crate) fn hashing(&self) -> Result<Hashing<'_>> {
        Ok(Hashing { local: self.local()?, network: self.network() })
    }
}

impl Hashing<'_> {
    async fn place(&self) -> Result<Option<OwnedSemaphorePermit>> {
        let Some(network) = self.network else { return Ok(None) };
        let place = timeout(PATIENCE, self.local.hashing.take(network)).await.ok().flatten();
        place.map(Some).ok_or_else(too_busy)
    }

    /// See [`crate::password::Passwords::verify`].
    ///
    /// # Errors
    /// `too_busy`
    pub(crate) async fn verify(&self, typed: &Password, kept: Option<&PasswordHash>) -> Result<Verdict> {
        let _place = self.place().await?;
        self.local.passwords.verify(typed, kept).await
    }

    /// See [`crate::password::Passwords::hash`].
    ///
    /// # Errors
    /// `too_busy`
    pub(crate) async fn hash(&self, new: &NewPassword) -> Result<PasswordHash> {
        let _place = self.place().await?;
        self.local.passwords.hash(new).await
    }

    /// See [`crate::password::Passwords::hash_again`].
    ///
    /// # Errors
    /// `too_busy`
    pub(crate) async fn hash_again(&self, password: &Password) -> Result<PasswordHash> {
        let _place = self.place().await?;
        self.local.passwords.hash_again(password).await
    }
}

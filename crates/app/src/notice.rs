//! What people are told by mail when the ways change by which they sign in: whoever did not do it hears of it.

use retinue_model::{Email, UserId};
use retinue_store::{credential, user as users};

use crate::Visit;
use crate::mail::Letter;

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A password, or another one.
    PasswordSet,
    /// An identity of a provider, by what people call that, can be used from now on.
    IdentityAdded(String),
    /// One can't be used any more.
    IdentityRemoved(String),
}

impl Visit {
    /// Tells somebody what was changed of their account, where mails are sent and it is known where to.
    pub(crate) async fn tell(&self, user: UserId, change: Change) {
        let Ok(mailer) = self.mailer() else { return };
        if let Some(to) = address(self, user).await {
            self.send(mailer, to, Letter::WaysChanged { change });
        }
    }

    /// What people call a provider.
    pub(crate) fn label_of(&self, provider: &str) -> String {
        let known = self.auth.providers.iter().find(|known| known.name() == provider);
        known.map_or_else(|| provider.to_owned(), |known| known.label.clone())
    }
}

/// The address that they sign in with, or else one that somebody vouched for.
async fn address(visit: &Visit, user: UserId) -> Option<Email> {
    let (tenant, store) = (visit.tenant(), &visit.store);
    let found = async {
        if let Some(found) = credential::of_user(&tenant, store, user).await? {
            return Ok(Some(found.credential.address));
        }
        let user = users::get(&tenant, store, user).await?.filter(|user| user.email_verified);
        Ok(user.and_then(|user| Email::new(&user.email?).ok()))
    };
    found.await.unwrap_or_else(|error: retinue_model::Error| {
        tracing::warn!(?error, "can_fail(notice): nobody was told that a way to sign in was changed");
        None
    })
}

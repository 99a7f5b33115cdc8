//! What people are told by mail when the ways change by which they sign in: whoever did not do it hears of it.

use retinue_model::error::Kind;
use retinue_model::{Email, UserId};
use retinue_store::{credential, user as users};

use crate::Visit;
use crate::mail::{Letter, Mailer};
use crate::refused::LeftOut;

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A password, or another one.
    PasswordSet,
    /// An identity of a provider, by what people call that, can be used from now on.
    IdentityAdded(String),
    /// One can't be used any more.
    IdentityRemoved(String),
    /// The first mail was opened, and what opened the account before counts no more.
    OthersShutOut,
}

impl Visit {
    /// Tells somebody what was changed of their account, if anything was, where mails are sent and it is known where to.
    pub(crate) async fn tell(&self, user: UserId, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            let Some(mailer) = self.mailer_for(user) else { return };
            let Some(to) = address(self, user).await else { return };
            self.send(mailer, to, Letter::WaysChanged { change });
        }
    }

    /// What tells somebody such things. That there is no room for it is logged, but not for each of very many: whoever
    /// fills it may be the one of whom others are to hear.
    pub(crate) fn mailer_for(&self, user: UserId) -> Option<&Mailer> {
        let error = match self.mailer() {
            Ok(mailer) => return Some(mailer),
            Err(error) => error,
        };
        // Where no mail is sent, none is missing.
        if error.kind() == Kind::Unavailable
            && let Some(LeftOut { here, elsewhere }) = self.refused.admit("notice", self.network(), self.now())
        {
            tracing::warn!(
                %user,
                ?error,
                left_out = here + elsewhere,
                request_id = self.request_id(),
                "can_fail(notice): nobody was told that a way to sign in was changed"
            );
        }
        None
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

//! The credential that a request came with, with whose it is.

use std::sync::Arc;

use jiff::Timestamp;
use retinue_model::Principal;
use retinue_model::api_key::ApiKey;
use retinue_model::membership::Role;
use retinue_model::team::Team;
use retinue_model::user::User;

use crate::key_cache::KnownKey;
use crate::session_cache::KnownSession;

/// The credential of a request, with whose it is.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// Nobody signs in.
    Nothing,
    /// A browser's session.
    Session(Arc<KnownSession>),
    /// A program's key.
    Key(Arc<KnownKey>),
}

impl Known {
    /// The key, if it is one.
    pub(crate) fn key(&self) -> Option<&ApiKey> {
        match self {
            Self::Key(known) => Some(&known.key),
            Self::Nothing | Self::Session(_) => None,
        }
    }

    /// As whom it acts.
    pub(crate) fn principal(&self) -> &Principal {
        match self {
            Self::Nothing => Principal::local_user(),
            Self::Session(known) => &known.principal,
            Self::Key(known) => &known.principal,
        }
    }

    /// Whose it is, and their teams, as of a moment ago.
    pub(crate) fn person(&self) -> Option<(&User, &[(Team, Role)])> {
        match self {
            Self::Nothing => None,
            Self::Session(known) => Some((&known.user, &known.teams)),
            Self::Key(known) => Some((&known.user, &known.teams)),
        }
    }

    /// When whoever asks showed last who they are, if that is known.
    pub(crate) fn proved_at(&self) -> Option<Timestamp> {
        match self {
            Self::Session(known) => known.session.proved_at,
            Self::Nothing | Self::Key(_) => None,
        }
    }

    /// Whether it does not count any more, as far as is known here.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Session(known) => known.has_ended(),
            Self::Key(known) => known.has_ended(),
            Self::Nothing => false,
        }
    }

    /// Resolves when it does not count any more.
    pub(crate) async fn ended(&self) {
        match self {
            Self::Session(known) => known.ended().await,
            Self::Key(known) => known.ended().await,
            Self::Nothing => std::future::pending().await,
        }
    }
}

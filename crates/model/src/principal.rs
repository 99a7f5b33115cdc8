//! Who a request acts as.

use uuid::Uuid;

use crate::api_key::{ApiKey, KeyScope, KeyScopes};
use crate::id::{ApiKeyId, OrganizationId, SessionId, TeamId, UserId};
use crate::identity;
use crate::session::Session;

/// The one who everything belongs to where nobody signs in, and who exists on every installation.
pub const LOCAL_USER: UserId = UserId::new(Uuid::from_u128(1));

/// The organization that every installation begins with.
pub const DEFAULT_ORGANIZATION: OrganizationId = OrganizationId::new(Uuid::from_u128(1));

/// How somebody came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Nobody signs in: the machine's user is the only one.
    SingleUser,
    /// A browser's cookie, and this session behind it.
    Session(SessionId),
    /// A program's API key.
    ApiKey(ApiKeyId),
}

impl Via {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SingleUser => "single_user",
            Self::Session(_) => "session",
            Self::ApiKey(_) => "api_key",
        }
    }
}

/// Who a request acts as. Made only where somebody was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    organization_id: OrganizationId,
    user_id: UserId,
    identity: Option<identity::Key>,
    via: Via,
    scopes: Option<KeyScopes>,
    team: Option<TeamId>,
    organization_admin: bool,
}

impl Principal {
    /// The user of a server on which nobody signs in. Whoever reaches such a server runs it.
    #[must_use]
    pub const fn local_user() -> &'static Self {
        const LOCAL: &Principal = &Principal {
            organization_id: DEFAULT_ORGANIZATION,
            user_id: LOCAL_USER,
            identity: None,
            via: Via::SingleUser,
            scopes: None,
            team: None,
            organization_admin: true,
        };
        LOCAL
    }

    /// Whoever has a session, which they began with this identity, or without one. `organization_admin` is what they may do
    /// at this moment.
    #[must_use]
    pub const fn of_session(session: &Session, identity: Option<identity::Key>, organization_admin: bool) -> Self {
        Self {
            organization_id: session.organization_id,
            user_id: session.user_id,
            identity,
            via: Via::Session(session.id),
            scopes: None,
            team: None,
            organization_admin,
        }
    }

    /// Whoever a program acts for that shows their key.
    #[must_use]
    pub fn of_key(key: &ApiKey, organization_admin: bool) -> Self {
        Self {
            organization_id: key.organization_id,
            user_id: key.user_id,
            identity: None,
            via: Via::ApiKey(key.id),
            scopes: Some(key.scopes.clone()),
            team: Some(key.team_id),
            organization_admin,
        }
    }

    /// The organization they act in.
    #[must_use]
    pub const fn organization_id(&self) -> OrganizationId {
        self.organization_id
    }

    /// The user.
    #[must_use]
    pub const fn user_id(&self) -> UserId {
        self.user_id
    }

    /// The issuer that vouched for them when their session began; none if they came in otherwise.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.identity.as_ref().map(|key| key.issuer.as_str())
    }

    /// Who they are there.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.identity.as_ref().map(|key| key.subject.as_str())
    }

    /// What they are narrowed to; all that the user may do if there is nothing, as with a session.
    #[must_use]
    pub fn scopes(&self) -> Vec<&'static str> {
        self.scopes.iter().flat_map(KeyScopes::iter).map(KeyScope::as_str).collect()
    }

    /// The one team in which their roles count, as that of an API key is; they all count if there is none.
    #[must_use]
    pub const fn team(&self) -> Option<TeamId> {
        self.team
    }

    /// How they came to be known.
    #[must_use]
    pub const fn via(&self) -> Via {
        self.via
    }

    /// The API key that they were known by, if it was one.
    #[must_use]
    pub const fn key(&self) -> Option<ApiKeyId> {
        match self.via {
            Via::ApiKey(id) => Some(id),
            Via::SingleUser | Via::Session(_) => None,
        }
    }

    /// Whether they run the installation. That gives no right to anybody's conversations.
    #[must_use]
    pub const fn is_organization_admin(&self) -> bool {
        self.organization_admin
    }
}

//! Who a request acts as.

use uuid::Uuid;

use crate::id::{OrganizationId, UserId};

/// The one who everything belongs to where nobody signs in, and who exists on every installation.
pub const LOCAL_USER: UserId = UserId::new(Uuid::from_u128(1));

/// The organization that every installation begins with.
pub const DEFAULT_ORGANIZATION: OrganizationId = OrganizationId::new(Uuid::from_u128(1));

/// How somebody came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Nobody signs in: the machine's user is the only one.
    SingleUser,
}

/// Who a request acts as. Made only where somebody was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    organization_id: OrganizationId,
    user_id: UserId,
    via: Via,
}

impl Principal {
    /// The user of a server on which nobody signs in.
    #[must_use]
    pub const fn local_user() -> Self {
        Self { organization_id: DEFAULT_ORGANIZATION, user_id: LOCAL_USER, via: Via::SingleUser }
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

    /// How they came to be known.
    #[must_use]
    pub const fn via(&self) -> Via {
        self.via
    }
}

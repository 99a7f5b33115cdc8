//! A user: a person. The address is what is known about them, never who they are.

use jiff::Timestamp;

use crate::id::{OrganizationId, UserId};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// Where they belong.
    pub organization_id: OrganizationId,
    /// What they are called.
    pub name: String,
    /// The address, as it was last told.
    pub email: Option<String>,
    /// Whether somebody who should know said that it is theirs.
    pub email_verified: bool,
    /// Whether they were made an administrator here; the configuration may declare others.
    pub organization_admin: bool,
    /// Since when they may not come in any more.
    pub disabled_at: Option<Timestamp>,
    /// When they first came.
    pub created_at: Timestamp,
}

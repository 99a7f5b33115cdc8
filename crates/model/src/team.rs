//! A team: the unit of sharing inside an organization.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::id::TeamId;
use crate::slug::Slug;

/// The team that every installation begins with. It can't be deleted.
pub const DEFAULT_TEAM: TeamId = TeamId::new(Uuid::from_u128(1));

/// Who shares agents with each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Team {
    /// `team_…`
    pub id: TeamId,
    /// The name for rules and programs; unique in the organization.
    pub slug: Slug,
    /// The name for people.
    pub name: String,
    /// When it was made.
    #[serde(serialize_with = "crate::time::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(serialize_with = "crate::time::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl Team {
    /// Both names, where one of several is chosen: names can look the same, and short ones can't.
    #[must_use]
    pub fn told_apart(&self) -> String {
        format!("{} ({})", self.name, self.slug.as_str())
    }
}

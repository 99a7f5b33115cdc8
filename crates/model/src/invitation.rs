//! An invitation: that somebody may come into a team, once.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::id::{InvitationId, TeamId, UserId};
use crate::membership::Role;

/// That somebody may come into a team, once. The link that opens it is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Invitation {
    /// `inv_…`
    pub id: InvitationId,
    /// Into which team.
    pub team_id: TeamId,
    /// As what.
    pub role: Role,
    /// The only address for which it counts, as it is compared; null if it counts for whoever has the link.
    #[schema(required)]
    pub address: Option<String>,
    /// Whether the link went to that address by mail, and to nobody else.
    pub mailed: bool,
    /// Who invites; null if whoever has the machine does.
    #[schema(required)]
    pub invited_by: Option<UserId>,
    /// Since when.
    #[serde(serialize_with = "crate::time::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Until when.
    #[serde(serialize_with = "crate::time::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

//! The table.

use retinue_model::membership::Role::{Admin, Editor, Viewer};

use super::Who::{
    Anybody, Maker, MakerWithin, Member, Oneself, OrganizationAdmin, Shared, SharedWithAll, SharedWithin,
};
use super::{Action, Row, Who};

const fn row(action: Action, allowed: &'static [Who], visible: &'static [Who]) -> Row {
    Row { action, allowed, visible }
}

/// Who sees a team.
const IN_TEAM: &[Who] = &[Member(Viewer), OrganizationAdmin];
/// Who runs a team.
const RUN_TEAM: &[Who] = &[Member(Admin), OrganizationAdmin];
/// Who sees an agent.
const SEE_AGENT: &[Who] = &[Maker(Viewer), Shared(Viewer), SharedWithAll];
/// Who changes an agent: one that is not shared is its maker's, and one that all use is for those who may share it so.
const KEEP_AGENT: &[Who] = &[MakerWithin(Editor), SharedWithin(Editor), Shared(Admin)];

/// Who may do what, in the order of [`Action::ALL`]. Of two ways to be allowed the first that holds is named.
pub const TABLE: &[Row] = &[
    row(Action::UserList, &[OrganizationAdmin], &[Anybody]),
    row(Action::UserDisable, &[OrganizationAdmin], &[Anybody]),
    row(Action::UserGrantAdmin, &[OrganizationAdmin], &[Anybody]),
    row(Action::UserOffboard, &[OrganizationAdmin], &[Anybody]),
    row(Action::TeamCreate, &[OrganizationAdmin], &[Anybody]),
    row(Action::TeamList, &[OrganizationAdmin], &[Anybody]),
    row(Action::TeamRead, IN_TEAM, &[]),
    row(Action::TeamChange, RUN_TEAM, IN_TEAM),
    row(Action::TeamDelete, RUN_TEAM, IN_TEAM),
    row(Action::MemberRead, IN_TEAM, &[]),
    row(Action::MemberAdd, RUN_TEAM, IN_TEAM),
    row(Action::MemberChange, RUN_TEAM, IN_TEAM),
    row(Action::MemberRemove, RUN_TEAM, IN_TEAM),
    row(Action::MemberLeave, &[Member(Viewer)], &[OrganizationAdmin]),
    row(Action::InvitationRead, RUN_TEAM, IN_TEAM),
    row(Action::InvitationCreate, RUN_TEAM, IN_TEAM),
    row(Action::InvitationRevoke, RUN_TEAM, IN_TEAM),
    row(Action::AgentRead, SEE_AGENT, &[]),
    row(Action::AgentUse, SEE_AGENT, &[]),
    row(Action::AgentCreate, &[Member(Editor)], IN_TEAM),
    row(Action::AgentChange, KEEP_AGENT, SEE_AGENT),
    row(Action::AgentShare, &[Shared(Admin), Maker(Admin)], SEE_AGENT),
    row(Action::AgentDelete, KEEP_AGENT, SEE_AGENT),
    row(Action::KeyCreate, &[Member(Viewer)], &[OrganizationAdmin]),
    row(Action::KeyReadOfTeam, RUN_TEAM, IN_TEAM),
    row(Action::KeyRevoke, &[Oneself, Member(Admin), OrganizationAdmin], &[]),
    row(Action::ThreadUse, &[Oneself], &[]),
    row(Action::AuditRead, &[OrganizationAdmin], &[Anybody]),
    row(Action::AuditReadOfTeam, RUN_TEAM, IN_TEAM),
    row(Action::UsageRead, &[OrganizationAdmin], &[Anybody]),
    row(Action::UsageReadOfTeam, RUN_TEAM, IN_TEAM),
    row(Action::BudgetChange, &[OrganizationAdmin], &[Anybody]),
    row(Action::BudgetChangeOfTeam, &[OrganizationAdmin], IN_TEAM),
    row(Action::AccessExplain, &[OrganizationAdmin], &[Anybody]),
];

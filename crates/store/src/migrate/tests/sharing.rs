//! What release 0.3 keeps of somebody: a team of their own, with all that belongs to one.

use jiff::Timestamp;
use retinue_model::agent::{Agent, Limits, Sharing};
use retinue_model::api_key::{ApiKey, KeyScopes};
use retinue_model::audit::{Action, Actor, AuditEvent, Outcome};
use retinue_model::budget::{Budget, Subject};
use retinue_model::membership::{Evidence, Membership, Origin, Role};
use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::slug::Slug;
use retinue_model::team::Team;
use retinue_model::{AgentId, ApiKeyId, AuditEventId, TeamId, UserId};
use uuid::Uuid;

use super::people::{NOW, US};
use crate::{Batch, agent, api_key, audit, budget, membership, team};

/// Tables that release 0.2 does not have.
pub(super) const TABLES: [&str; 10] = [
    "teams",
    "memberships",
    "agents",
    "agent_versions",
    "api_keys",
    "audit_events",
    "audit_heads",
    "usage_months",
    "usage_totals",
    "budgets",
];

/// Somebody makes a team, which has their id.
pub(super) fn found_team(batch: &mut Batch, user: UserId) -> TeamId {
    let id = TeamId::new(user.uuid());
    team::insert_with(&US, batch, &new_team(id));
    membership::insert_with(&US, batch, &admin(id, user));
    agent::insert_with(&US, batch, &new_agent(id, user), None);
    api_key::insert_with(
        &US,
        batch,
        &key(id, user),
        (hash_of(user.uuid()), api_key::Bounds { most: 10, most_made: (NOW, 10) }),
    );
    audit::record_with(&US, batch, made(id, user));
    budget::set_with(&US, batch, Subject::Team(id), (Budget::Tokens(1_000), NOW));
    id
}

fn hash_of(id: Uuid) -> [u8; 32] {
    let mut hash = [7; 32];
    hash[..16].copy_from_slice(id.as_bytes());
    hash
}

fn new_team(id: TeamId) -> Team {
    let slug = Slug::new(&format!("team-{}", id.uuid().as_u128() >> 64)).unwrap();
    let name = format!("Theirs, {}", slug.as_str());
    Team { id, slug, name, created_at: NOW, updated_at: NOW }
}

fn admin(team_id: TeamId, user_id: UserId) -> Membership {
    let evidence = Some(Evidence { provider: "sso".to_owned(), group: "staff".to_owned(), at: NOW });
    Membership { team_id, user_id, role: Role::Admin, origin: Origin::Rule, evidence, created_at: NOW, updated_at: NOW }
}

fn new_agent(team_id: TeamId, maker: UserId) -> Agent {
    Agent {
        id: AgentId::new(team_id.uuid()),
        team_id,
        maker_id: Some(maker),
        slug: Slug::new("reviewer").unwrap(),
        version: 1,
        name: "Reviewer".to_owned(),
        description: "Reads".to_owned(),
        instructions: "Review.".to_owned(),
        model: Some("echo".to_owned()),
        limits: Limits { turns: Some(3), tokens: Some(4_000), seconds: Some(60) },
        sharing: Sharing::Team,
        remote_api: true,
        declared: false,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn key(team_id: TeamId, user_id: UserId) -> ApiKey {
    ApiKey {
        id: ApiKeyId::new(team_id.uuid()),
        organization_id: DEFAULT_ORGANIZATION,
        user_id,
        team_id,
        name: "ci".to_owned(),
        prefix: "rtn_abcd".to_owned(),
        scopes: KeyScopes::for_conversing(),
        created_at: NOW,
        expires_at: Some(Timestamp::MAX),
        last_used_at: None,
        revoked_at: None,
    }
}

fn made(team: TeamId, user: UserId) -> AuditEvent {
    AuditEvent {
        id: AuditEventId::new(team.uuid()),
        at: NOW,
        actor: Actor::User(user),
        via: "session".to_owned(),
        via_id: None,
        action: Action::TeamCreated,
        target: None,
        user_id: None,
        team_id: Some(team),
        outcome: Outcome::Done,
        reason: None,
        details: None,
        request_id: None,
        address: None,
    }
}

//! What is somebody's who leaves: counted and parted with for them, and for nobody else.

use jiff::Timestamp;
use retinue_model::agent::{Agent, Limits, Sharing};
use retinue_model::api_key::{ApiKey, KeyScopes};
use retinue_model::credential::{Credential, PasswordHash};
use retinue_model::invitation::Invitation;
use retinue_model::membership::{Membership, Origin, Role};
use retinue_model::offboarding::Contents;
use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::run::Outcome;
use retinue_model::session::{Method, Session};
use retinue_model::team::{DEFAULT_TEAM, Team};
use retinue_model::thread::Thread;
use retinue_model::{AgentId, ApiKeyId, Email, InvitationId, SessionId, Slug, TeamId, ThreadId, UserId};
use uuid::Uuid;

use super::owner::{ADAS_THREAD, RUN, TAKEN, talk};
use super::{ADA, ADAS, BOB, BOBS, EVE, LATER, NOW, THEM, US, on_both, statement, write};
use crate::offboarding::{self, Kept};
use crate::value::params;
use crate::{
    Batch, Pen, Statement, Store, TeamScope, Tenant, agent, api_key, credential, invitation, membership, run, session,
    team, thread, user,
};

on_both! {
    what_is_somebody_s_is_counted_for_them
    nobody_else_parts_with_it
    whoever_leaves_parts_with_it
    a_conversation_goes_to_somebody_between_answers
    how_far_it_is_is_one_organization_s
    nothing_begins_for_whoever_is_out
    who_runs_a_team_alone_is_known
    keys_and_agents_are_listed_for_their_organization
}

const TEAM: TeamScope = TeamScope::granted(&US, DEFAULT_TEAM);
const PRIVATE: AgentId = AgentId::new(Uuid::from_u128(7));
const SHARED: AgentId = AgentId::new(Uuid::from_u128(8));
const KEY: ApiKeyId = ApiKeyId::new(Uuid::from_u128(9));
const INVITATION: InvitationId = InvitationId::new(Uuid::from_u128(10));
const MUCH_LATER: Timestamp = Timestamp::constant(1_900_000_000, 0);

static MOVE_TEAMS: Statement = statement("UPDATE teams SET organization_id = $1");
static MOVE_THREADS: Statement = statement("UPDATE threads SET organization_id = $1");
static MOVE_AGENTS: Statement = statement("UPDATE agents SET organization_id = $1");
static MOVE_SESSIONS: Statement = statement("UPDATE sessions SET organization_id = $1");
static MOVE_KEYS: Statement = statement("UPDATE api_keys SET organization_id = $1");
static MOVE_MEMBERSHIPS: Statement = statement("UPDATE memberships SET organization_id = $1");
static MOVE_INVITATIONS: Statement = statement("UPDATE invitations SET organization_id = $1");
static MOVE_USERS: Statement = statement("UPDATE users SET organization_id = $1");

const ALL: Contents = Contents {
    threads: 1,
    private_agents: 1,
    shared_agents: 1,
    sessions: 1,
    api_keys: 1,
    memberships: 1,
    invitations: 1,
    runs: 1,
};

fn agent_of(id: AgentId, sharing: Sharing) -> Agent {
    Agent {
        id,
        team_id: DEFAULT_TEAM,
        maker_id: Some(ADA),
        slug: Slug::new(sharing.as_str()).unwrap(),
        version: 1,
        name: "Helper".to_owned(),
        description: String::new(),
        instructions: String::new(),
        model: None,
        limits: Limits::default(),
        sharing,
        remote_api: false,
        declared: false,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn key() -> ApiKey {
    ApiKey {
        id: KEY,
        organization_id: DEFAULT_ORGANIZATION,
        user_id: ADA,
        team_id: DEFAULT_TEAM,
        name: "ci".to_owned(),
        prefix: "rtn_abcd".to_owned(),
        scopes: KeyScopes::for_conversing(),
        created_at: NOW,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    }
}

fn invitation_of(id: InvitationId, expires_at: Timestamp) -> Invitation {
    Invitation {
        id,
        team_id: DEFAULT_TEAM,
        role: Role::Viewer,
        address: None,
        mailed: false,
        invited_by: Some(ADA),
        created_at: NOW,
        expires_at,
    }
}

fn session_of(id: u128, expires_at: Timestamp) -> Session {
    Session {
        id: SessionId::new(Uuid::from_u128(id)),
        organization_id: DEFAULT_ORGANIZATION,
        user_id: ADA,
        identity_id: None,
        method: Method::Password,
        user_agent: String::new(),
        address: String::new(),
        proved_at: None,
        created_at: NOW,
        last_seen_at: NOW,
        expires_at,
    }
}

fn membership_of(team_id: TeamId, user_id: UserId, role: Role) -> Membership {
    Membership { team_id, user_id, role, origin: Origin::Person, evidence: None, created_at: NOW, updated_at: NOW }
}

/// One of each is Ada's that counts; what is over is not.
async fn gather_things(store: &Store) {
    talk(store).await;
    let all = |batch: &mut Batch| {
        agent::insert_with(&US, batch, &agent_of(PRIVATE, Sharing::Private), None);
        agent::insert_with(&US, batch, &agent_of(SHARED, Sharing::Team), None);
        api_key::insert_with(&US, batch, &key(), ([1; 32], api_key::Bounds { most: 10, most_made: (NOW, 10) }));
        invitation::insert_with(&TEAM, batch, &invitation_of(INVITATION, MUCH_LATER), ([1; 32], 10));
        let old = invitation_of(InvitationId::new(Uuid::from_u128(11)), LATER);
        invitation::insert_with(&TEAM, batch, &old, ([2; 32], 10));
        for (id, expires_at) in [(1, MUCH_LATER), (2, LATER), (3, MUCH_LATER)] {
            session::insert_with(&US, batch, &session_of(id, expires_at), session::Kept::default());
        }
        session::end_for_with(&US, batch, (ADA, SessionId::new(Uuid::from_u128(3))), NOW);
        let credential = Credential {
            user_id: ADA,
            address: Email::new("ada@example.com").unwrap(),
            password_hash: Some(PasswordHash::new("$x$y".to_owned())),
            updated_at: NOW,
        };
        credential::set_password_with(&US, batch, &credential);
    };
    assert_eq!(write(store, all).await, None);
}

async fn count(store: &Store, tenant: Tenant, user: UserId) -> Contents {
    offboarding::count(&tenant, store, user, LATER).await.unwrap()
}

async fn has_password(store: &Store) -> bool {
    credential::of_user(&US, store, ADA).await.unwrap().unwrap().credential.password_hash.is_some()
}

/// How many of each are found that are to be parted with.
async fn found(store: &Store, tenant: Tenant, user: UserId) -> [usize; 6] {
    [
        offboarding::keys(&tenant, store, user, 10).await.unwrap().len(),
        offboarding::invitations(&tenant, store, user, (LATER, 10)).await.unwrap().len(),
        offboarding::agents(&tenant, store, user, (true, 10)).await.unwrap().len(),
        offboarding::agents(&tenant, store, user, (false, 10)).await.unwrap().len(),
        offboarding::threads(&tenant, store, user, 10).await.unwrap().len(),
        usize::from(offboarding::is_at_work(&tenant, store, user).await.unwrap()),
    ]
}

/// Parts with everything of somebody.
async fn part(store: &Store, tenant: Tenant, user: UserId) {
    let all = |batch: &mut Batch| {
        offboarding::drop_password_with(&tenant, batch, user, LATER);
        offboarding::revoke_invitation_with(&tenant, batch, (INVITATION, user), LATER);
        offboarding::leave_with(&tenant, batch, (DEFAULT_TEAM, user));
        offboarding::delete_agent_with(&tenant, batch, (PRIVATE, user), LATER);
        offboarding::delete_agent_with(&tenant, batch, (SHARED, user), LATER);
        offboarding::transfer_agent_with(&tenant, batch, SHARED, (user, BOB));
        offboarding::delete_thread_with(&tenant, batch, (ADAS_THREAD, user), LATER);
    };
    // The same once more changes nothing.
    for _ in 0..2 {
        assert_eq!(write(store, all).await, None);
    }
}

async fn what_is_somebody_s_is_counted_for_them(store: &Store) {
    gather_things(store).await;
    assert_eq!((count(store, US, ADA).await, found(store, US, ADA).await), (ALL, [1, 1, 1, 2, 1, 1]));
    let bobs = Contents { threads: 1, ..Contents::default() };
    assert_eq!((count(store, US, BOB).await, found(store, US, BOB).await), (bobs, [0, 0, 0, 0, 1, 0]));
    assert_eq!((count(store, THEM, ADA).await, found(store, THEM, ADA).await), (Contents::default(), [0; 6]));
    // What another organization has of her is not ours.
    let elsewhere = |batch: &mut Batch| {
        for table in [&MOVE_THREADS, &MOVE_AGENTS, &MOVE_SESSIONS, &MOVE_KEYS, &MOVE_MEMBERSHIPS, &MOVE_INVITATIONS] {
            batch.write(table, params![THEM.id()]);
        }
    };
    assert_eq!(write(store, elsewhere).await, None);
    assert_eq!((count(store, US, ADA).await, found(store, US, ADA).await), (Contents::default(), [0; 6]));
    assert_eq!((count(store, THEM, ADA).await, found(store, THEM, ADA).await), (ALL, [1, 1, 1, 2, 1, 1]));
}

async fn nobody_else_parts_with_it(store: &Store) {
    gather_things(store).await;
    for (tenant, user) in [(THEM, ADA), (US, BOB), (THEM, BOB), (THEM, EVE)] {
        part(store, tenant, user).await;
    }
    assert_eq!((count(store, US, ADA).await, found(store, US, ADA).await), (ALL, [1, 1, 1, 2, 1, 1]));
    assert!(has_password(store).await);
}

async fn whoever_leaves_parts_with_it(store: &Store) {
    gather_things(store).await;
    part(store, US, ADA).await;
    let left = Contents { sessions: 1, api_keys: 1, ..Contents::default() };
    assert_eq!((count(store, US, ADA).await, found(store, US, ADA).await), (left, [1, 0, 0, 0, 0, 0]));
    let bobs = Contents { threads: 1, shared_agents: 1, ..Contents::default() };
    assert_eq!(count(store, US, BOB).await, bobs, "what is shared is deleted with nobody");
    assert!(!has_password(store).await);
}

async fn a_conversation_goes_to_somebody_between_answers(store: &Store) {
    gather_things(store).await;
    let transfer = async |tenant: Tenant, from: UserId| {
        write(store, |batch| offboarding::transfer_thread_with(&tenant, batch, ADAS_THREAD, (from, BOB))).await
    };
    assert_eq!(transfer(US, ADA).await, Some("run_in_progress"), "an answer is under way");
    let end = (&Outcome::Completed, None, TAKEN);
    assert_eq!(write(store, |batch| run::finish_with(&Pen::of(ADAS, RUN), batch, end, LATER)).await, None);
    for (tenant, from) in [(THEM, ADA), (US, EVE)] {
        assert_eq!(transfer(tenant, from).await, Some("run_in_progress"));
        assert_eq!(thread::owner_of(&US, store, ADAS_THREAD).await.unwrap(), Some(ADA));
    }
    let other = Team {
        id: TeamId::new(Uuid::from_u128(60)),
        slug: Slug::new("other").unwrap(),
        name: "Other".to_owned(),
        created_at: NOW,
        updated_at: NOW,
    };
    let joins = |batch: &mut Batch| {
        team::insert_with(&US, batch, &other);
        membership::insert_with(&US, batch, &membership_of(other.id, BOB, Role::Viewer));
    };
    assert_eq!(write(store, joins).await, None);
    // The same once more changes nothing.
    for _ in 0..2 {
        assert_eq!(transfer(US, ADA).await, None);
        assert_eq!(thread::owner_of(&US, store, ADAS_THREAD).await.unwrap(), Some(BOB));
    }
    let moved = thread::get(&BOBS, store, ADAS_THREAD).await.unwrap().unwrap();
    assert_eq!(moved.team_id, other.id, "it counts for a team of his");
}

async fn how_far_it_is_is_one_organization_s(store: &Store) {
    let save = async |tenant: Tenant, version: i64, batch_id: u128| {
        let kept = Kept { version, report: format!("{{\"n\":{version}}}") };
        let id = Uuid::from_u128(batch_id);
        write(store, |batch| offboarding::save_with(&tenant, batch, BOB, kept, (id, NOW))).await
    };
    let under_way = Some("offboarding_under_way");
    assert_eq!(save(US, 1, 1).await, under_way, "he may come in");
    assert_eq!(write(store, |batch| user::disable_with(&US, batch, BOB, NOW)).await, None);
    assert_eq!(save(THEM, 1, 1).await, under_way);
    assert_eq!((save(US, 1, 1).await, save(US, 1, 1).await), (None, None), "the same once more");
    assert_eq!((save(US, 1, 2).await, save(US, 3, 2).await), (under_way, under_way), "somebody else was quicker");
    assert_eq!(save(US, 2, 2).await, None);
    let kept = async |tenant: Tenant| offboarding::get(&tenant, store, BOB).await.unwrap().map(|kept| kept.version);
    assert_eq!((kept(US).await, kept(THEM).await), (Some(2), None));
    assert_eq!(offboarding::get(&US, store, ADA).await.unwrap(), None);
    assert_eq!(write(store, |batch| user::enable_with(&US, batch, BOB, NOW)).await, None);
    assert_eq!(save(US, 3, 3).await, under_way, "he was let in again");
}

async fn nothing_begins_for_whoever_is_out(store: &Store) {
    talk(store).await;
    let bobs = thread::list(&BOBS, store, None, 10).await.unwrap().remove(0);
    let new = Thread { id: ThreadId::new(Uuid::from_u128(70)), ..bobs.clone() };
    let begin = async || write(store, |batch| thread::insert_with(&BOBS, batch, &new)).await;
    let goes_on = async || write(store, |batch| thread::go_on_with(&BOBS, batch, bobs.id, LATER)).await;
    let none_left = async |tenant: Tenant, user: UserId| {
        write(store, |batch| offboarding::require_no_threads_with(&tenant, batch, user)).await
    };
    let left = Some("offboarding_under_way");
    assert_eq!(write(store, |batch| user::disable_with(&US, batch, BOB, NOW)).await, None);
    assert_eq!((begin().await, goes_on().await), (Some("user_disabled"), Some("not_found")));
    assert_eq!((none_left(US, BOB).await, none_left(US, ADA).await), (left, left));
    assert_eq!(write(store, |batch| thread::delete_with(&BOBS, batch, bobs.id)).await, None);
    assert_eq!((none_left(US, BOB).await, none_left(THEM, BOB).await, none_left(US, ADA).await), (None, left, left));
    assert_eq!(write(store, |batch| user::enable_with(&US, batch, BOB, NOW)).await, None);
    assert_eq!((begin().await, begin().await), (None, None), "the same once more");
    let others = write(store, |batch| thread::go_on_with(&ADAS, batch, new.id, LATER)).await;
    assert_eq!(others, Some("not_found"));
}

async fn who_runs_a_team_alone_is_known(store: &Store) {
    gather_things(store).await;
    let alone = async |tenant: Tenant, user| offboarding::alone_in(&tenant, store, user).await.unwrap().len();
    let admin = async |tenant: Tenant, user| offboarding::admin_of(&tenant, store, user).await.unwrap().len();
    assert_eq!((alone(US, ADA).await, alone(US, BOB).await, alone(THEM, ADA).await), (1, 0, 0));
    assert_eq!((admin(US, ADA).await, admin(US, BOB).await, admin(THEM, ADA).await), (1, 0, 0));
    let unreached =
        async |tenant: Tenant, heir| offboarding::unreached(&tenant, store, (ADA, heir)).await.unwrap().len();
    assert_eq!((unreached(US, BOB).await, unreached(THEM, BOB).await, unreached(US, ADA).await), (1, 0, 0));
    let joins = membership_of(DEFAULT_TEAM, BOB, Role::Admin);
    assert_eq!(write(store, |batch| membership::insert_with(&US, batch, &joins)).await, None);
    // As the local user, who is Ada here, nobody comes.
    assert_eq!((alone(US, ADA).await, alone(US, BOB).await, admin(US, BOB).await), (0, 1, 1));
    assert_eq!(unreached(US, BOB).await, 0);
    let heir =
        async |tenant: Tenant, id| write(store, |batch| offboarding::require_heir_with(&tenant, batch, id)).await;
    assert_eq!((heir(US, BOB).await, heir(THEM, BOB).await), (None, Some("heir_unknown")));
    assert_eq!(write(store, |batch| user::disable_with(&US, batch, BOB, NOW)).await, None);
    assert_eq!(heir(US, BOB).await, Some("heir_unknown"));
    assert_eq!(alone(US, ADA).await, 1, "the other one is shut out");
}

async fn keys_and_agents_are_listed_for_their_organization(store: &Store) {
    gather_things(store).await;
    let theirs = TeamScope::granted(&THEM, DEFAULT_TEAM);
    let private = Slug::new("private").unwrap();
    for (scope, agents, named) in [(TEAM, 2, true), (theirs, 0, false)] {
        let all = agent::all_of_team(&scope, store, None, 10).await.unwrap();
        // Besides what the migration brought.
        assert_eq!(all.iter().filter(|agent| agent.maker_id == Some(ADA)).count(), agents);
        assert_eq!(agent::by_slug(&scope, store, &private).await.unwrap().is_some(), named);
    }
    let after = api_key::Place::first();
    let keys = async |tenant: Tenant, user| api_key::of_user(&tenant, store, user, (after, 10)).await.unwrap().len();
    assert_eq!((keys(US, ADA).await, keys(US, BOB).await, keys(THEM, ADA).await), (1, 0, 0));
    let place = |id| (Timestamp::UNIX_EPOCH, id);
    let ends = (place(UserId::new(Uuid::nil())), (MUCH_LATER, UserId::new(Uuid::max())));
    let members = async |tenant: Tenant| membership::of_users(&tenant, store, ends).await.unwrap().len();
    assert_eq!((members(US).await, members(THEM).await), (1, 0));
    let moved = |batch: &mut Batch| {
        batch.write(&MOVE_TEAMS, params![THEM.id()]);
        batch.write(&MOVE_USERS, params![THEM.id()]);
    };
    assert_eq!(write(store, moved).await, None);
    assert_eq!((members(US).await, members(THEM).await), (0, 1));
}

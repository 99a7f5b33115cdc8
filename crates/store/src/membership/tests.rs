use retinue_model::UserId;
use retinue_model::membership::Origin;
use retinue_model::principal::LOCAL_USER;
use retinue_model::team::DEFAULT_TEAM;

use super::by_rule::Given;
use super::*;
use crate::scratch::on_both;

const US: Tenant = Tenant::default_organization();
const TEAM: TeamScope = TeamScope::granted(&US, DEFAULT_TEAM);
const WHO: UserId = LOCAL_USER;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

async fn write(store: &Store, add: impl FnOnce(&mut Batch)) -> Option<&'static str> {
    let mut batch = Batch::default();
    add(&mut batch);
    store.write(batch).await.err().map(|error| error.code())
}

async fn now(store: &Store) -> Membership {
    get(&US, store, DEFAULT_TEAM, WHO).await.unwrap().unwrap()
}

/// The only member of the default team, with a role that a rule gave at second 0.
async fn by_rule(store: &Store, role: Role) {
    let evidence = Some(Evidence { provider: "sso".to_owned(), group: "a group".to_owned(), at: at(0) });
    let there = now(store).await;
    let new =
        Membership { role, origin: Origin::Rule, evidence, created_at: at(0), updated_at: at(0), ..there.clone() };
    let add = |batch: &mut Batch| {
        remove_with(&TEAM, batch, &there, at(0));
        insert_with(&US, batch, &new);
    };
    assert_eq!(write(store, add).await, None);
}

fn given(role: Role, seconds: i64) -> Given {
    let evidence = Evidence { provider: "sso".to_owned(), group: "a group".to_owned(), at: at(seconds) };
    Given { user: WHO, role, evidence }
}

on_both! {
    a_rule_lowers_nobody_who_was_raised_meanwhile
    what_is_written_of_a_member_stands_on_what_they_were
    nobody_makes_what_a_rule_gave_them_a_person_s_word
}

/// What is written of a viewer does not look whether they are the last admin.
async fn a_rule_lowers_nobody_who_was_raised_meanwhile(store: &Store) {
    by_rule(store, Role::Viewer).await;
    let raise = |batch: &mut Batch| by_rule::change_with(&TEAM, batch, &given(Role::Admin, 1), Role::Viewer);
    assert_eq!(write(store, raise).await, None);
    assert_eq!(write(store, raise).await, None, "the same once more");
    let change = |batch: &mut Batch| by_rule::change_with(&TEAM, batch, &given(Role::Editor, 2), Role::Viewer);
    assert_eq!(write(store, change).await, Some("membership_moved"));
    assert_eq!(now(store).await.role, Role::Admin);
}

async fn what_is_written_of_a_member_stands_on_what_they_were(store: &Store) {
    by_rule(store, Role::Viewer).await;
    let before = now(store).await;
    let raise = |batch: &mut Batch| change_with(&TEAM, batch, &before, (Role::Editor, at(1)));
    assert_eq!(write(store, raise).await, None);
    assert_eq!(write(store, raise).await, None, "the same once more");
    for role in [Role::Editor, Role::Admin] {
        let change = |batch: &mut Batch| change_with(&TEAM, batch, &before, (role, at(2)));
        assert_eq!(write(store, change).await, Some("member_changed"), "{role:?}");
    }
    assert_eq!((now(store).await.role, now(store).await.updated_at), (Role::Editor, at(1)));
    assert_eq!(write(store, |batch| remove_with(&TEAM, batch, &before, at(2))).await, Some("member_changed"));
    let before = now(store).await;
    assert_eq!(write(store, |batch| remove_with(&TEAM, batch, &before, at(2))).await, None);
    assert_eq!(write(store, |batch| remove_with(&TEAM, batch, &before, at(3))).await, Some("member_changed"));
}

async fn nobody_makes_what_a_rule_gave_them_a_person_s_word(store: &Store) {
    by_rule(store, Role::Admin).await;
    let join = |by: Option<UserId>| move |batch: &mut Batch| join_with(&TEAM, batch, (WHO, by), (Role::Admin, at(1)));
    assert_eq!(write(store, join(Some(WHO))).await, Some("member_already"));
    assert_eq!(now(store).await.origin, Origin::Rule);
    assert_eq!(write(store, join(None)).await, None);
    assert_eq!(now(store).await.origin, Origin::Invitation);
    by_rule(store, Role::Admin).await;
    assert_eq!(write(store, join(Some(UserId::new(uuid::Uuid::from_u128(9))))).await, None);
    assert_eq!(now(store).await.origin, Origin::Invitation);
}

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use retinue_model::audit::{Action, Actor, AuditEvent, Outcome, Target};
use retinue_model::{AuditEventId, TeamId, UserId};
use uuid::Uuid;

use super::{Broken, By, Filter};
use crate::{Batch, Scope, Statement, Store, System, Tenant, audit, scratch, user};

const US: Tenant = Tenant::default_organization();
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn person(number: u32) -> UserId {
    UserId::new(Uuid::from_u128(u128::from(number) + 100))
}

fn event(number: u32) -> AuditEvent {
    AuditEvent {
        id: AuditEventId::new(Uuid::from_u128(u128::from(number) + 1)),
        at: NOW.saturating_add(SignedDuration::from_secs(number.into())).unwrap(),
        actor: if number.is_multiple_of(5) { Actor::Operator } else { Actor::User(person(number % 3)) },
        via: "session".to_owned(),
        via_id: None,
        action: if number.is_multiple_of(2) { Action::TeamCreated } else { Action::MembershipAdded },
        target: Some(Target { kind: "team".to_owned(), id: format!("team_{}", number % 4) }),
        user_id: number.is_multiple_of(7).then(|| person(9)),
        team_id: Some(TeamId::new(Uuid::from_u128(u128::from(number % 2)))),
        outcome: Outcome::Done,
        reason: None,
        details: Some("{\"role\":\"viewer\"}".to_owned()),
        request_id: Some("0123".to_owned()),
        address: None,
    }
}

fn recorded(number: u32) -> Batch {
    let mut batch = Batch::default();
    audit::record_with(&US, &mut batch, event(number));
    batch
}

async fn fill(store: &Store, numbers: std::ops::Range<u32>) {
    for written in join_all(numbers.map(|number| store.write(recorded(number)))).await {
        written.unwrap();
    }
}

async fn verified(store: &Store) -> (i64, Option<Broken>) {
    let verified = audit::verify(&US, store, None).await.unwrap();
    (verified.events, verified.broken)
}

/// As somebody does it who may write to the database: whatever guards the rows is taken away before.
async fn tamper(store: &Store, text: &'static Statement) {
    let mut tx = store.begin_schema_change().await.unwrap();
    let free = (
        "DROP TRIGGER audit_events_keep; DROP TRIGGER audit_events_stay",
        "DROP TRIGGER audit_events_stay ON audit_events",
    );
    tx.run_script(free.0, free.1).await.unwrap();
    tx.run_script(text.sqlite, text.postgres).await.unwrap();
    tx.commit().await.unwrap();
}

const fn statement(text: &'static str) -> Statement {
    Statement { name: "tests", sqlite: text, postgres: text }
}

async fn each_event_has_a_place_and_whoever_looks_finds_all(store: &Store) {
    fill(store, 0..300).await;
    assert_eq!(verified(store).await, (300, None));
    let all = audit::after(&US, store, 0, 1_000).await.unwrap();
    assert_eq!(all.iter().map(|recorded| recorded.seq).collect::<Vec<_>>(), (1..=300).collect::<Vec<_>>());
    let mut found: Vec<_> = all.into_iter().map(|recorded| recorded.event).collect();
    found.sort_by_key(|event| event.id.uuid());
    assert_eq!(found, (0..300).map(event).collect::<Vec<_>>(), "as they were handed over");
}

/// What happens after a COMMIT whose answer was lost.
async fn an_event_that_is_written_again_has_one_place(store: &Store) {
    fill(store, 0..3).await;
    fill(store, 1..5).await;
    assert_eq!(verified(store).await, (5, None));
}

/// A batch that is refused leaves nothing, and nothing of the others is lost.
async fn what_was_not_done_is_not_told(store: &Store) {
    let batches = (0..40_u32).map(|number| {
        let mut batch = recorded(number);
        if number.is_multiple_of(4) {
            user::disable_with(&US, &mut batch, person(77), NOW);
        }
        store.write(batch)
    });
    let refused = join_all(batches).await.into_iter().filter(Result::is_err).count();
    assert_eq!((refused, verified(store).await), (10, (30, None)));
}

async fn nobody_changes_a_row(store: &Store) {
    fill(store, 0..5).await;
    for text in ["UPDATE audit_events SET reason = 'x' WHERE seq = 2", "DELETE FROM audit_events WHERE seq = 2"] {
        let mut tx = store.begin_schema_change().await.unwrap();
        assert!(tx.run_script(text, text).await.is_err(), "{text}");
    }
    assert_eq!(verified(store).await, (5, None));
}

async fn a_row_that_was_changed_is_found(store: &Store) {
    static CHANGE: Statement = statement("UPDATE audit_events SET actor = 'system' WHERE seq = 7");
    fill(store, 0..20).await;
    tamper(store, &CHANGE).await;
    assert_eq!(verified(store).await, (6, Some(Broken::Changed(7))));
}

async fn a_row_that_was_taken_out_is_found(store: &Store) {
    static REMOVE: Statement = statement("DELETE FROM audit_events WHERE seq = 7");
    fill(store, 0..20).await;
    tamper(store, &REMOVE).await;
    assert_eq!(verified(store).await, (6, Some(Broken::Missing(8))));
}

async fn an_end_that_was_cut_off_is_found(store: &Store) {
    static CUT: Statement = statement("DELETE FROM audit_events WHERE seq > 15");
    static SET_BACK: Statement =
        statement("UPDATE audit_heads SET seq = 15, hash = (SELECT hash FROM audit_events WHERE seq = 15)");
    fill(store, 0..20).await;
    let noted = audit::verify(&US, store, None).await.unwrap();
    tamper(store, &CUT).await;
    assert_eq!(verified(store).await, (15, Some(Broken::CutOff(20))));
    // Whoever sets the head back too is found by what was noted elsewhere.
    let mut tx = store.begin_schema_change().await.unwrap();
    tx.run_script(SET_BACK.sqlite, SET_BACK.postgres).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(verified(store).await, (15, None));
    let found = audit::verify(&US, store, Some((noted.seq, noted.hash.clone()))).await.unwrap();
    assert_eq!(found.broken, Some(Broken::CutOff(15)));
    fill(store, 30..40).await;
    let found = audit::verify(&US, store, Some((noted.seq, noted.hash))).await.unwrap();
    assert_eq!(found.broken, Some(Broken::NotAsNoted(20)));
}

async fn the_beginning_may_go_and_the_rest_is_still_verified(store: &Store) {
    fill(store, 0..20).await;
    let system = System::in_background();
    let before = NOW.saturating_add(SignedDuration::from_secs(8)).unwrap();
    let last = audit::last_before(&system, store, &US, before).await.unwrap().unwrap();
    assert_eq!(last.0, 8);
    let mut batch = Batch::default();
    audit::forget_with(&system, &mut batch, &US, last);
    store.write(batch).await.unwrap();
    let verified = audit::verify(&US, store, None).await.unwrap();
    assert_eq!((verified.events, verified.seq, verified.broken), (12, 20, None));
    let again = audit::last_before(&system, store, &US, before).await.unwrap();
    assert_eq!(again, None);
}

async fn a_list_is_of_what_is_asked_for(store: &Store) {
    fill(store, 0..60).await;
    let numbers = |found: Vec<retinue_model::audit::Recorded>| -> Vec<u32> {
        found.into_iter().map(|recorded| u32::try_from(recorded.event.id.uuid().as_u128() - 1).unwrap()).collect()
    };
    let newest =
        |wanted: &dyn Fn(u32) -> bool| -> Vec<u32> { (0..60).rev().filter(|number| wanted(*number)).collect() };
    let find = async |filter: Filter| numbers(audit::list(&US, store, &filter, (i64::MAX, 100)).await.unwrap());
    let by = |by: By| Filter { by, ..Filter::default() };
    let did = |number: u32, who: u32| !number.is_multiple_of(5) && number % 3 == who;
    assert_eq!(find(Filter::default()).await, newest(&|_| true));
    assert_eq!(find(by(By::Actor(person(1)))).await, newest(&|number| did(number, 1)));
    assert_eq!(find(by(By::Action(Action::TeamCreated))).await, newest(&|number| number.is_multiple_of(2)));
    assert_eq!(find(by(By::Target("team_3".to_owned()))).await, newest(&|number| number % 4 == 3));
    assert_eq!(find(by(By::Team(TeamId::new(Uuid::from_u128(1))))).await, newest(&|number| number % 2 == 1));
    let until = NOW.saturating_add(SignedDuration::from_secs(20)).unwrap();
    let since = NOW.saturating_add(SignedDuration::from_secs(10)).unwrap();
    let some = Filter { action: Some(Action::MembershipAdded), since, until, ..by(By::Actor(person(1))) };
    assert_eq!(find(some).await, newest(&|n| did(n, 1) && n % 2 == 1 && (10..20).contains(&n)));
    let refused = Filter { outcome: Some(Outcome::Refused), ..Filter::default() };
    assert_eq!(find(refused).await, Vec::<u32>::new());
    let page = audit::list(&US, store, &Filter::default(), (31, 10)).await.unwrap();
    assert_eq!(page.iter().map(|recorded| recorded.seq).collect::<Vec<_>>(), (21..=30).rev().collect::<Vec<_>>());

    let own = |who: u32| Scope::of_row(US.id(), person(who));
    let mine =
        async |who| numbers(audit::of_oneself(&own(who), store, &Filter::default(), (i64::MAX, 100)).await.unwrap());
    assert_eq!(mine(2).await, newest(&|number| did(number, 2)));
    assert_eq!(mine(9).await, newest(&|number| number.is_multiple_of(7)), "what was done to them");
    let third = audit::of_oneself(&own(2), store, &Filter::default(), (i64::MAX, 3)).await.unwrap();
    assert_eq!(third.len(), 3);
}

macro_rules! on_both_engines {
    ($($test:ident),* $(,)?) => {
        mod sqlite {$(
            #[tokio::test]
            async fn $test() {
                let (_folder, _, store) = super::scratch::sqlite().await;
                super::$test(&store).await;
            }
        )*}
        mod postgres {$(
            #[tokio::test]
            #[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
            async fn $test() {
                super::$test(&super::scratch::postgres().await.1).await;
            }
        )*}
    };
}
on_both_engines!(
    each_event_has_a_place_and_whoever_looks_finds_all,
    an_event_that_is_written_again_has_one_place,
    what_was_not_done_is_not_told,
    nobody_changes_a_row,
    a_row_that_was_changed_is_found,
    a_row_that_was_taken_out_is_found,
    an_end_that_was_cut_off_is_found,
    the_beginning_may_go_and_the_rest_is_still_verified,
    a_list_is_of_what_is_asked_for,
);

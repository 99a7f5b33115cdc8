use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use retinue_model::audit::{Action, Actor, AuditEvent, Head, Outcome, Target};
use retinue_model::{AuditEventId, OrganizationId, TeamId, UserId};
use uuid::Uuid;

use super::{Broken, By, Filter, LetGo};
use crate::{Batch, Scope, Store, System, Tenant, audit, scratch, user};

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
async fn tamper(store: &Store, text: &str) {
    let mut tx = store.begin_schema_change().await.unwrap();
    let free = (
        "DROP TRIGGER IF EXISTS audit_events_keep; DROP TRIGGER IF EXISTS audit_events_stay",
        "DROP TRIGGER IF EXISTS audit_events_stay ON audit_events",
    );
    tx.run_script(free.0, free.1).await.unwrap();
    tx.run_script(text, text).await.unwrap();
    tx.commit().await.unwrap();
}

async fn each_event_has_a_place_and_whoever_looks_finds_all(store: &Store) {
    fill(store, 0..300).await;
    assert_eq!(verified(store).await, (300, None));
    let all = audit::after(&US, store, 0, 1_000).await.unwrap();
    assert_eq!(all.iter().map(|recorded| recorded.seq).collect::<Vec<_>>(), (1..=300).collect::<Vec<_>>());
    let mut found: Vec<_> = all.into_iter().map(|recorded| recorded.event).collect();
    found.sort_by_key(|event| event.id.uuid());
    assert_eq!(found, (0..300).map(event).collect::<Vec<_>>(), "as they were handed over");
    let organizations = audit::organizations(&System::in_background(), store).await.unwrap();
    assert_eq!(organizations, [US]);
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

async fn a_row_that_was_altered_is_found(store: &Store) {
    fill(store, 0..20).await;
    tamper(store, "UPDATE audit_events SET actor = 'system' WHERE seq = 17").await;
    assert_eq!(verified(store).await, (16, Some(Broken::Altered(17))));
    for (seq, text) in [
        (15, "UPDATE audit_events SET at = (SELECT at FROM audit_events WHERE seq = 3) WHERE seq = 15"),
        (13, "UPDATE audit_events SET details = NULL WHERE seq = 13"),
        (11, "UPDATE audit_events SET reason = '' WHERE seq = 11"),
        (9, "UPDATE audit_events SET hash = (SELECT hash FROM audit_events WHERE seq = 8) WHERE seq = 9"),
        // What no program of ours wrote can't even be read.
        (7, "UPDATE audit_events SET action = 'team.painted' WHERE seq = 7"),
        (5, "UPDATE audit_events SET actor = 'user', actor_id = NULL WHERE seq = 5"),
        (3, "UPDATE audit_events SET target_id = NULL WHERE seq = 3"),
    ] {
        tamper(store, text).await;
        assert_eq!(verified(store).await, (seq - 1, Some(Broken::Altered(seq))), "{text}");
    }
}

/// What a row says beside what is read of it.
async fn whoever_did_it_can_not_be_added_to(store: &Store) {
    fill(store, 0..6).await;
    tamper(
        store,
        "UPDATE audit_events SET actor_id = (SELECT actor_id FROM audit_events WHERE actor = 'user' LIMIT 1) \
         WHERE actor = 'operator'",
    )
    .await;
    assert!(matches!(verified(store).await.1, Some(Broken::Altered(_))));
}

async fn rows_that_were_taken_out_are_found(store: &Store) {
    fill(store, 0..20).await;
    tamper(store, "DELETE FROM audit_events WHERE seq IN (7, 8)").await;
    assert_eq!(verified(store).await, (6, Some(Broken::Removed(7, 8))));
    // Whoever closes the gap has rows with numbers that are not theirs.
    tamper(store, "UPDATE audit_events SET seq = seq - 2 WHERE seq IN (9, 10)").await;
    assert_eq!(verified(store).await, (6, Some(Broken::Altered(7))));
    tamper(store, "DELETE FROM audit_events WHERE seq < 20").await;
    assert_eq!(verified(store).await, (0, Some(Broken::Removed(1, 19))));
    tamper(store, "DELETE FROM audit_events").await;
    assert_eq!(verified(store).await, (0, Some(Broken::CutOff(1, 20))));
    tamper(store, "DELETE FROM audit_heads").await;
    assert_eq!(verified(store).await, (0, Some(Broken::NoHead)));
}

async fn rows_that_changed_places_are_found(store: &Store) {
    fill(store, 0..20).await;
    tamper(
        store,
        "UPDATE audit_events SET seq = 100 WHERE seq = 7; UPDATE audit_events SET seq = 7 WHERE seq = 12; \
         UPDATE audit_events SET seq = 12 WHERE seq = 100",
    )
    .await;
    assert_eq!(verified(store).await, (6, Some(Broken::Moved(7, 12))));
}

async fn an_end_that_was_cut_off_is_found(store: &Store) {
    fill(store, 0..20).await;
    let noted = audit::verify(&US, store, None).await.unwrap().head;
    tamper(store, "DELETE FROM audit_events WHERE seq > 15").await;
    assert_eq!(verified(store).await, (15, Some(Broken::CutOff(16, 20))));
    tamper(store, "UPDATE audit_heads SET seq = 15").await;
    assert_eq!(verified(store).await, (15, Some(Broken::HeadDiffers(15))));
    // Whoever sets all of it back is found by what was noted elsewhere.
    tamper(store, "UPDATE audit_heads SET hash = (SELECT hash FROM audit_events WHERE seq = 15)").await;
    assert_eq!(verified(store).await, (15, None));
    let beside = async || audit::verify(&US, store, Some(&noted)).await.unwrap().broken;
    assert_eq!(beside().await, Some(Broken::EndsBeforeNoted(15)));
    fill(store, 30..40).await;
    assert_eq!(verified(store).await, (25, None), "the chain was written anew");
    assert_eq!(beside().await, Some(Broken::NotAsNoted(20)));
    let theirs = Head { organization: OrganizationId::new(Uuid::from_u128(9)), ..noted.clone() };
    assert_eq!(audit::verify(&US, store, Some(&theirs)).await.unwrap().broken, None);
}

async fn a_row_after_the_end_is_found(store: &Store) {
    fill(store, 0..5).await;
    let end = audit::verify(&US, store, None).await.unwrap().head;
    fill(store, 5..8).await;
    let text = end.to_string();
    let (_, hash) = text.rsplit_once(':').unwrap();
    let set_back = format!("UPDATE audit_heads SET seq = 5, hash = {}", blob(store, hash));
    tamper(store, &set_back).await;
    assert_eq!(verified(store).await, (5, Some(Broken::Added(6))));
}

fn blob(store: &Store, hex: &str) -> String {
    match store.engine {
        crate::Engine::Sqlite(_) => format!("x'{hex}'"),
        crate::Engine::Postgres(_) => format!("decode('{hex}', 'hex')"),
    }
}

fn at(second: i64) -> Timestamp {
    NOW.saturating_add(SignedDuration::from_secs(second)).unwrap()
}

/// Lets go of what is from before then, and tells it as number `number`.
async fn let_go(store: &Store, before: i64, number: u32) -> Option<LetGo> {
    let system = System::in_background();
    let what = audit::oldest(&system, store, &US, at(before)).await.unwrap()?;
    store.write_alone(letting_go(&what, number)).await.unwrap();
    Some(what)
}

fn letting_go(what: &LetGo, number: u32) -> Batch {
    let target = Target { kind: "audit_event".to_owned(), id: what.through.to_string() };
    let told = AuditEvent { action: Action::AuditForgotten, target: Some(target), ..event(number) };
    let mut batch = Batch::default();
    audit::let_go_with(&System::in_background(), &mut batch, &US, (what, told));
    batch
}

async fn delete_left(store: &Store, most: i64) -> usize {
    let (system, mut batches) = (System::in_background(), 0);
    while audit::has_left(&system, store, &US).await.unwrap() {
        let mut batch = Batch::default();
        audit::delete_with(&system, &mut batch, &US, most);
        store.write(batch).await.unwrap();
        batches += 1;
    }
    batches
}

async fn the_beginning_may_go_and_the_rest_is_still_verified(store: &Store) {
    for number in 0..20 {
        fill(store, number..number + 1).await;
    }
    let noted = audit::verify(&US, store, None).await.unwrap().head;
    let what = let_go(store, 8, 30).await.unwrap();
    assert_eq!((what.after, what.through, what.events()), (0, 8, 8));
    assert_eq!((what.from, what.until), (at(0), at(7)));
    // From then on they do not count; the rows go after it, some at a time.
    let found = audit::verify(&US, store, Some(&noted)).await.unwrap();
    assert_eq!((found.events, found.let_go, found.broken), (13, 8, None));
    assert_eq!((found.from, found.until), (Some(at(8)), Some(at(30))));
    assert_eq!(delete_left(store, 3).await, 3);
    assert_eq!(audit::after(&US, store, 0, 100).await.unwrap()[0].seq, 9);
    assert_eq!(verified(store).await, (13, None));
    assert_eq!(audit::oldest(&System::in_background(), store, &US, at(8)).await.unwrap(), None);
    assert_eq!(let_go(store, 20, 31).await.unwrap().events(), 12);
    assert_eq!(delete_left(store, 100).await, 1);
    assert_eq!(verified(store).await, (2, None));
    let old = Head { seq: 19, ..noted.clone() };
    assert_eq!(audit::verify(&US, store, Some(&old)).await.unwrap().broken, Some(Broken::NotedIsGone(20)));
    assert_eq!(audit::verify(&US, store, Some(&noted)).await.unwrap().broken, None, "the very place where it was cut");
    let wrong = Head { hash: vec![7; 32], ..noted };
    assert_eq!(audit::verify(&US, store, Some(&wrong)).await.unwrap().broken, Some(Broken::NotAsNoted(20)));
}

async fn what_is_old_stays_behind_what_is_not(store: &Store) {
    // One was told late, of what was long ago.
    for number in [0, 1, 9, 2, 3] {
        fill(store, number..number + 1).await;
    }
    assert_eq!(let_go(store, 5, 30).await.unwrap().through, 2);
    assert_eq!(let_go(store, 5, 31).await, None);
}

/// Two processes, or the same batch written twice after a COMMIT whose answer was lost.
async fn the_beginning_goes_once(store: &Store) {
    fill(store, 0..20).await;
    let what = audit::oldest(&System::in_background(), store, &US, at(100)).await.unwrap().unwrap();
    let both = (0..2).map(|number| store.write_alone(letting_go(&what, 30 + number)));
    let done: Vec<_> = join_all(both).await.into_iter().map(|done| done.map_err(|error| error.code())).collect();
    assert!(done.contains(&Ok(())) && done.contains(&Err("audit_moved")), "{done:?}");
    let number = if done[0].is_ok() { 30 } else { 31 };
    store.write_alone(letting_go(&what, number)).await.unwrap();
    assert_eq!(verified(store).await, (1, None), "it is told once");
    let again = store.write_alone(letting_go(&what, 32)).await;
    assert_eq!(again.unwrap_err().code(), "audit_moved");
}

async fn a_beginning_that_nobody_tells_of_is_found(store: &Store) {
    fill(store, 0..20).await;
    tamper(
        store,
        "UPDATE audit_heads SET forgotten_seq = 7, forgotten_hash = (SELECT hash FROM audit_events WHERE seq = 7); \
         DELETE FROM audit_events WHERE seq <= 7",
    )
    .await;
    assert_eq!(verified(store).await, (13, Some(Broken::NotTold(7))));
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
    let both = By::ActorInTeam(person(1), TeamId::new(Uuid::from_u128(1)));
    assert_eq!(find(by(both)).await, newest(&|number| did(number, 1) && number % 2 == 1));
    let (since, until) = (at(10), at(20));
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
    a_row_that_was_altered_is_found,
    whoever_did_it_can_not_be_added_to,
    rows_that_were_taken_out_are_found,
    rows_that_changed_places_are_found,
    an_end_that_was_cut_off_is_found,
    a_row_after_the_end_is_found,
    the_beginning_may_go_and_the_rest_is_still_verified,
    what_is_old_stays_behind_what_is_not,
    the_beginning_goes_once,
    a_beginning_that_nobody_tells_of_is_found,
    a_list_is_of_what_is_asked_for,
);

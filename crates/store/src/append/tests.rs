use futures_util::future::join_all;
use jiff::Timestamp;
use retinue_model::budget::Subject;
use retinue_model::event::{Data, Event, Name};
use retinue_model::message::{Message, Role};
use retinue_model::principal::LOCAL_USER;
use retinue_model::run::{Outcome, Run, Status, Usage};
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::thread::Thread;
use retinue_model::usage::{Amount, Month, Taken};
use retinue_model::{AgentId, MessageId, Principal, RunId, ThreadId};
use uuid::Uuid;

use crate::budget::{self, Reservation};
use crate::{Batch, Pen, Scope, Store, Tenant, event, message, run, scratch, thread, usage};

const MINE: Scope = Scope::of(Principal::local_user());
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn uuid(kind: u8, number: u32) -> Uuid {
    Uuid::from_u128(0x0194_0000_0000_7000 << 64 | u128::from(kind) << 56 | u128::from(number))
}

fn thread_id(number: u32) -> ThreadId {
    ThreadId::new(uuid(1, number))
}

fn run_id(number: u32) -> RunId {
    RunId::new(uuid(2, number))
}

fn said(thread: u32, number: u32, by: Option<RunId>) -> Message {
    let role = if by.is_some() { Role::Assistant } else { Role::User };
    let (id, content) = (MessageId::new(uuid(3, number)), format!("message {number}"));
    Message { id, thread_id: thread_id(thread), run_id: by, role, content, created_at: NOW }
}

fn event(run: u32, seq: i64) -> Event {
    Event::new(run_id(run), seq, Name::MessageDelta, &Data::Delta { text: "x" }, NOW).unwrap()
}

/// A new thread.
fn created(number: u32) -> Batch {
    let (id, agent_id) = (thread_id(number), AgentId::new(uuid(4, 1)));
    let mut batch = Batch::default();
    let thread =
        Thread { id, team_id: DEFAULT_TEAM, title: None, agent_id, model: None, created_at: NOW, updated_at: NOW };
    thread::insert_with(&MINE, &mut batch, &thread);
    batch
}

/// A run on a thread, with what it answers and its first event.
fn started(thread: u32, number: u32) -> Batch {
    started_within(thread, number, None)
}

/// The same, within a budget.
fn started_within(thread: u32, number: u32, reservation: Option<&Reservation>) -> Batch {
    let mut batch = Batch::default();
    let input = said(thread, number, None);
    thread::touch_with(&MINE, &mut batch, input.thread_id, NOW);
    message::insert_with(&MINE, &mut batch, &input);
    let run = Run {
        id: run_id(number),
        thread_id: input.thread_id,
        input_message_id: input.id,
        agent_id: AgentId::new(uuid(4, 1)),
        agent_version: Some(1),
        api_key_id: None,
        model: "test".to_owned(),
        status: Status::Running,
        error: None,
        usage: None,
        created_at: NOW,
        started_at: Some(NOW),
        finished_at: None,
    };
    let pen = run::insert_with(&MINE, &mut batch, &run, reservation);
    batch.event(&pen, event(number, 1));
    batch
}

/// The end of a run, with its answer and its last event.
fn finished(thread: u32, number: u32, at: Timestamp) -> Batch {
    let mut batch = Batch::default();
    let usage = Usage { input_tokens: 1, output_tokens: 2 };
    let pen = Pen::of(MINE, run_id(number));
    run::finish_with(&pen, &mut batch, (&Outcome::Completed, Some(usage), Taken::Counted(usage)), at);
    message::insert_with(&MINE, &mut batch, &said(thread, 1_000_000 + number, Some(run_id(number))));
    batch.event(&pen, event(number, 2));
    batch
}

async fn write_all(store: &Store, batches: Vec<Batch>) -> Vec<Option<&'static str>> {
    let written = join_all(batches.into_iter().map(|batch| store.write(batch))).await;
    written.into_iter().map(|result| result.err().map(|error| error.code())).collect()
}

/// Some threads are not there: what is said in the others must not suffer, nor may anything be kept of what is refused.
async fn a_bad_batch_is_left_out_alone(store: &Store) {
    let is_missing = |number: u32| number.is_multiple_of(7);
    write_all(store, (0..200).filter(|number| !is_missing(*number)).map(created).collect()).await;
    let fates = write_all(store, (0..200).map(|number| started(number, number)).collect()).await;
    for (number, fate) in (0..200).zip(fates) {
        assert_eq!(fate, is_missing(number).then_some("not_found"), "{number}");
        let there = usize::from(!is_missing(number));
        assert_eq!(message::list(&MINE, store, thread_id(number), 0, 10).await.unwrap().len(), there, "{number}");
        assert_eq!(event::list(&MINE, store, run_id(number), 0, 10).await.unwrap().len(), there, "{number}");
        assert_eq!(run::get(&MINE, store, run_id(number)).await.unwrap().is_some(), !is_missing(number), "{number}");
    }
}

/// Many start a run on one thread at once: one does, and nothing that the others said is kept.
async fn one_of_many_begins(store: &Store) {
    write_all(store, vec![created(1)]).await;
    let fates = write_all(store, (0..50).map(|number| started(1, number)).collect()).await;
    assert_eq!(fates.iter().filter(|fate| fate.is_none()).count(), 1, "{fates:?}");
    assert!(fates.iter().flatten().all(|code| *code == "run_in_progress"), "{fates:?}");
    assert_eq!(message::list(&MINE, store, thread_id(1), 0, 100).await.unwrap().len(), 1);
}

/// What happens after a COMMIT whose answer was lost.
async fn a_batch_that_is_written_again_changes_nothing(store: &Store) {
    write_all(store, vec![created(1)]).await;
    for _ in 0..2 {
        assert_eq!(write_all(store, vec![started(1, 1)]).await, [None]);
    }
    for _ in 0..2 {
        assert_eq!(write_all(store, vec![finished(1, 1, NOW)]).await, [None]);
    }
    let run = run::get(&MINE, store, run_id(1)).await.unwrap().unwrap();
    assert_eq!((run.status, run.finished_at), (Status::Completed, Some(NOW)));
    let positions: Vec<_> = message::list(&MINE, store, thread_id(1), 0, 10).await.unwrap();
    assert_eq!(positions.iter().map(|placed| placed.position).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(event::list(&MINE, store, run_id(1), 0, 10).await.unwrap().len(), 2);
    // Another end is not the same one.
    let later = NOW + std::time::Duration::from_secs(1);
    assert_eq!(write_all(store, vec![finished(1, 1, later)]).await, [Some("run_ended")]);
}

const WITHIN: Subject = Subject::User(LOCAL_USER);

/// Each holds 10 tokens back of 100.
fn within() -> Reservation {
    Reservation { bounds: vec![(WITHIN, 100)], tokens: 10 }
}

async fn standing(store: &Store) -> (i64, i64) {
    let found = budget::get(&Tenant::default_organization(), store, WITHIN, Month::of(NOW)).await.unwrap();
    (found.used, found.reserved)
}

/// Many begin at once, and only as many do as there is something left for.
async fn no_more_begin_than_there_is_left_for(store: &Store) {
    write_all(store, (0..100).map(created).collect()).await;
    let fates =
        write_all(store, (0..100).map(|number| started_within(number, number, Some(&within()))).collect()).await;
    assert_eq!(fates.iter().filter(|fate| fate.is_none()).count(), 10, "{fates:?}");
    assert!(fates.iter().flatten().all(|code| *code == "user_budget_spent"), "{fates:?}");
    assert_eq!(standing(store).await, (0, 100));
    let began: Vec<u32> = (0..).zip(&fates).filter(|(_, fate)| fate.is_none()).map(|(number, _)| number).collect();
    write_all(store, began.iter().map(|number| finished(*number, *number, NOW)).collect()).await;
    assert_eq!(standing(store).await, (30, 0));
}

/// What was admitted stays so when it is written again, whatever was used meanwhile, and holds nothing back after its end.
async fn what_was_admitted_stays_so(store: &Store) {
    write_all(store, vec![created(1), created(2)]).await;
    let all = Reservation { bounds: vec![(WITHIN, 10)], tokens: 10 };
    for _ in 0..2 {
        assert_eq!(write_all(store, vec![started_within(1, 1, Some(&all))]).await, [None]);
        assert_eq!(standing(store).await, (0, 10));
    }
    assert_eq!(write_all(store, vec![started_within(2, 2, Some(&all))]).await, [Some("user_budget_spent")]);
    for _ in 0..2 {
        assert_eq!(write_all(store, vec![finished(1, 1, NOW)]).await, [None]);
        assert_eq!(standing(store).await, (3, 0));
    }
    assert_eq!(write_all(store, vec![started_within(1, 1, Some(&all))]).await, [None]);
    assert_eq!(standing(store).await, (3, 0));
    let used = usage::months(&MINE, store, i64::MAX, 10).await.unwrap();
    let amount = Amount { runs: 1, estimated_runs: 0, input_tokens: 1, output_tokens: 2 };
    assert_eq!(used, [(Month::of(NOW), amount)]);
}

macro_rules! on_both_engines {
    ($($test:ident),*) => {
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
    a_bad_batch_is_left_out_alone,
    one_of_many_begins,
    a_batch_that_is_written_again_changes_nothing,
    no_more_begin_than_there_is_left_for,
    what_was_admitted_stays_so
);

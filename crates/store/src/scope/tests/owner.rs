//! Conversations, with what is said, the runs that answer, and their events.

use retinue_model::event::{Data, Event, Name};
use retinue_model::message::{Message, Role};
use retinue_model::provider::Choice;
use retinue_model::run::{Outcome, Run, Status, Usage};
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::text::{Search, Title};
use retinue_model::thread::{Change, Thread};
use retinue_model::usage::Taken;
use retinue_model::{AgentId, MessageId, RunId, ThreadId};
use uuid::Uuid;

use super::{ADA, ADAS, BOB, BOBS, EVE, LATER, NOW, THEM, US, on_both, write};
use crate::{Pen, Scope, Store, event, message, run, search, thread, user};

pub(super) const ADAS_THREAD: ThreadId = ThreadId::new(Uuid::from_u128(1));
const BOBS_THREAD: ThreadId = ThreadId::new(Uuid::from_u128(2));
const SAID: MessageId = MessageId::new(Uuid::from_u128(3));
pub(super) const RUN: RunId = RunId::new(Uuid::from_u128(4));
pub(super) const TAKEN: Taken = Taken::Estimated(Usage { input_tokens: 5, output_tokens: 2 });

on_both! {
    a_conversation_is_its_owner_s
    what_is_said_is_the_owner_s
    a_run_is_its_owner_s
    events_are_their_owner_s
    a_search_finds_one_s_own
    conversations_do_not_change_hands_while_an_answer_is_under_way
    conversations_change_hands_by_their_owner
}

fn thread(id: ThreadId) -> Thread {
    Thread {
        id,
        team_id: DEFAULT_TEAM,
        title: None,
        agent_id: AgentId::new(Uuid::from_u128(7)),
        model: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn said(id: MessageId, thread_id: ThreadId) -> Message {
    Message { id, thread_id, run_id: None, role: Role::User, content: "plans".to_owned(), created_at: NOW }
}

fn planned(id: RunId) -> Run {
    Run {
        id,
        thread_id: ADAS_THREAD,
        input_message_id: SAID,
        agent_id: AgentId::new(Uuid::from_u128(7)),
        agent_version: Some(1),
        api_key_id: None,
        model: "test".to_owned(),
        status: Status::Queued,
        error: None,
        usage: None,
        created_at: NOW,
        started_at: None,
        finished_at: None,
    }
}

/// A conversation of another organization, and a run in it.
pub(super) fn elsewhere() -> (Thread, Run) {
    let id = ThreadId::new(Uuid::from_u128(50));
    (thread(id), Run { thread_id: id, ..planned(RunId::new(Uuid::from_u128(51))) })
}

/// Ada says something, and a run is to answer; Bob has a conversation of his own.
pub(super) async fn talk(store: &Store) {
    let all = |batch: &mut crate::Batch| {
        thread::insert_with(&ADAS, batch, &thread(ADAS_THREAD));
        thread::insert_with(&BOBS, batch, &thread(BOBS_THREAD));
        message::insert_with(&ADAS, batch, &said(SAID, ADAS_THREAD));
        let pen = run::insert_with(&ADAS, batch, &planned(RUN), None);
        let data = Data::Started { model: "test" };
        batch.event(&pen, Event::new(RUN, 1, Name::RunStarted, &data, NOW).unwrap());
    };
    assert_eq!(write(store, all).await, None);
}

async fn listed(scope: &Scope, store: &Store, after: Option<thread::Place>) -> Vec<ThreadId> {
    thread::list(scope, store, after, 10).await.unwrap().into_iter().map(|thread| thread.id).collect()
}

async fn a_conversation_is_its_owner_s(store: &Store) {
    talk(store).await;
    let first = thread::Place { updated_at: LATER, id: ADAS_THREAD };
    for (scope, own) in [(ADAS, ADAS_THREAD), (BOBS, BOBS_THREAD)] {
        assert_eq!(listed(&scope, store, None).await, [own]);
        assert_eq!(listed(&scope, store, Some(first)).await, [own]);
    }
    assert_eq!(thread::get(&BOBS, store, ADAS_THREAD).await.unwrap(), None);
    assert_eq!(thread::count_contents(&BOBS, store, ADAS_THREAD).await.unwrap(), (0, 0));
    assert_eq!(thread::count_contents(&ADAS, store, ADAS_THREAD).await.unwrap(), (1, 1));

    let title = || Title::new("Bob's").unwrap();
    let change = Change { title: Some(title()), agent_id: None, model: Choice::Unchanged };
    let changed = write(store, |batch| thread::change_with(&BOBS, batch, ADAS_THREAD, &change, LATER)).await;
    assert_eq!(changed, Some("not_found"));
    let touched = write(store, |batch| thread::touch_with(&BOBS, batch, ADAS_THREAD, LATER)).await;
    assert_eq!(touched, Some("not_found"));
    assert_eq!(write(store, |batch| thread::name_with(&BOBS, batch, ADAS_THREAD, title())).await, None);
    let deleted = write(store, |batch| thread::delete_with(&BOBS, batch, ADAS_THREAD)).await;
    assert_eq!(deleted, Some("not_found"));
    assert_eq!(thread::get(&ADAS, store, ADAS_THREAD).await.unwrap(), Some(thread(ADAS_THREAD)));
}

async fn what_is_said_is_the_owner_s(store: &Store) {
    talk(store).await;
    let smuggled = said(MessageId::new(Uuid::from_u128(30)), ADAS_THREAD);
    assert!(write(store, |batch| message::insert_with(&BOBS, batch, &smuggled)).await.is_some());
    assert_eq!(message::get(&BOBS, store, SAID).await.unwrap(), None);
    let all = async |scope: &Scope| {
        [
            message::list(scope, store, ADAS_THREAD, 0, 10).await.unwrap().len(),
            message::list_back(scope, store, ADAS_THREAD, i64::MAX, 10).await.unwrap().len(),
            message::inputs_back(scope, store, ADAS_THREAD, i64::MAX, 10).await.unwrap().len(),
        ]
    };
    assert_eq!((all(&BOBS).await, all(&ADAS).await), ([0, 0, 0], [1, 1, 1]));
    let is_last = async |scope: &Scope| message::is_last_input(scope, store, ADAS_THREAD, 0).await.unwrap();
    assert!(is_last(&BOBS).await && !is_last(&ADAS).await, "Bob hears of nothing that came later");
}

async fn a_run_is_its_owner_s(store: &Store) {
    talk(store).await;
    let finds = async |scope: &Scope| {
        [
            run::get(scope, store, RUN).await.unwrap().is_some(),
            run::pen(scope, store, RUN).await.unwrap().is_some(),
            run::active_of(scope, store, ADAS_THREAD).await.unwrap().is_some(),
            !run::of_inputs(scope, store, ADAS_THREAD, (1, 1), 5).await.unwrap().is_empty(),
        ]
    };
    assert_eq!((finds(&BOBS).await, finds(&ADAS).await), ([false; 4], [true; 4]));

    let forged = Pen::of(BOBS, RUN);
    let finish = |batch: &mut crate::Batch| run::finish_with(&forged, batch, (&Outcome::Completed, None, TAKEN), LATER);
    assert_eq!(write(store, finish).await, Some("run_ended"));
    assert_eq!(write(store, |batch| run::start_with(&forged, batch, LATER)).await, Some("run_ended"));
    assert_eq!(run::get(&ADAS, store, RUN).await.unwrap(), Some(planned(RUN)));

    // Once it has ended, nobody else tries again.
    let pen = Pen::of(ADAS, RUN);
    assert_eq!(
        write(store, |batch| run::finish_with(&pen, batch, (&Outcome::Completed, None, TAKEN), NOW)).await,
        None
    );
    let next = planned(RunId::new(Uuid::from_u128(40)));
    let again = write(store, |batch| run::require_latest_with(&BOBS, batch, &next, RUN)).await;
    assert_eq!(again, Some("not_the_latest_run"));
    let begin = |batch: &mut crate::Batch| {
        run::insert_with(&BOBS, batch, &next, None);
    };
    assert!(write(store, begin).await.is_some());
    assert_eq!(run::get(&ADAS, store, next.id).await.unwrap(), None);
}

async fn events_are_their_owner_s(store: &Store) {
    talk(store).await;
    let heard = async |scope: &Scope| {
        let all = event::list(scope, store, RUN, 0, 10).await.unwrap().len();
        (all, event::last(scope, store, RUN).await.unwrap().len())
    };
    assert_eq!((heard(&BOBS).await, heard(&ADAS).await), ((0, 0), (1, 1)));
}

async fn a_search_finds_one_s_own(store: &Store) {
    talk(store).await;
    let title = Title::new("Figures").unwrap();
    assert_eq!(write(store, |batch| thread::name_with(&ADAS, batch, ADAS_THREAD, title)).await, None);
    for words in ["plans", "figures"] {
        let words = Search::new(words).unwrap();
        let found = async |scope: &Scope| search::threads(scope, store, &words, None, 10).await.unwrap().len();
        assert_eq!((found(&BOBS).await, found(&ADAS).await), (0, 1), "{words:?}");
    }
}

/// Whoever says something in a conversation has it until the answer is there.
async fn conversations_do_not_change_hands_while_an_answer_is_under_way(store: &Store) {
    talk(store).await;
    let idle =
        async |tenant: crate::Tenant, id| write(store, |batch| user::require_idle_with(&tenant, batch, id)).await;
    assert_eq!((idle(US, ADA).await, idle(US, BOB).await), (Some("run_in_progress"), None));
    assert_eq!(idle(THEM, BOB).await, Some("run_in_progress"), "nobody of theirs");
    assert_eq!(listed(&ADAS, store, None).await, [ADAS_THREAD]);
}

async fn conversations_change_hands_by_their_owner(store: &Store) {
    talk(store).await;
    let count = async |tenant, user| user::count_threads(tenant, store, user).await.unwrap();
    assert_eq!((count(&US, ADA).await, count(&US, BOB).await, count(&US, EVE).await), (1, 1, 0));
    assert_eq!(count(&THEM, ADA).await, 0, "what is in one organization is nothing to another");
    let any = async |tenant, user| user::has_threads(tenant, store, user).await.unwrap();
    assert!(any(&US, ADA).await && any(&US, BOB).await && !any(&US, EVE).await && !any(&THEM, ADA).await);
    assert_eq!(write(store, |batch| user::hand_over_with(&THEM, batch, ADA, EVE)).await, None);
    assert_eq!(listed(&ADAS, store, None).await, [ADAS_THREAD]);
    assert_eq!(write(store, |batch| user::hand_over_with(&US, batch, ADA, EVE)).await, None);
    assert_eq!((count(&US, ADA).await, count(&US, BOB).await), (0, 1));
}

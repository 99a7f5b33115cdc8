//! What was used, and how much may be.

use retinue_model::agent::{Agent, Limits, Sharing};
use retinue_model::budget::{Budget, Subject};
use retinue_model::run::Outcome;
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::usage::{Amount, By, Month};
use retinue_model::{AgentId, RunId, Slug};
use uuid::Uuid;

use super::owner::{self, ADAS_THREAD, RUN, TAKEN, talk};
use super::{ADA, ADAS, BOB, BOBS, LATER, NOW, THEM, US, on_both, write};
use crate::budget::Reservation;
use crate::{Pen, Scope, Store, TeamScope, Tenant, agent, budget, run, thread, usage};

on_both! {
    what_is_used_is_its_owner_s
    what_goes_is_counted_for_its_owner
    a_budget_is_its_organization_s
    what_is_held_back_is_its_owner_s
    what_an_agent_was_told_is_the_owner_s
}

async fn used(scope: &Scope, store: &Store) -> Vec<Amount> {
    usage::months(scope, store, i64::MAX, 10).await.unwrap().into_iter().map(|(_, amount)| amount).collect()
}

/// How many entries the team has in the month.
async fn of_team(tenant: &Tenant, store: &Store, month: Month) -> usize {
    let team = TeamScope::granted(tenant, DEFAULT_TEAM);
    usage::of_team(&team, store, month, None, 10).await.unwrap().len()
}

async fn what_is_used_is_its_owner_s(store: &Store) {
    talk(store).await;
    let settle = async |scope| {
        write(store, |batch| usage::settle_with(&Pen::of(scope, RUN), batch, TAKEN, LATER)).await;
        (used(&ADAS, store).await.len(), used(&BOBS, store).await.len())
    };
    assert_eq!(settle(BOBS).await, (0, 0), "it is no run of Bob's");
    let month = Month::of(LATER);
    assert_eq!(of_team(&US, store, month).await, 0);
    let pen = Pen::of(ADAS, RUN);
    for _ in 0..2 {
        // The same once more counts once.
        let end = (&Outcome::Completed, None, TAKEN);
        assert_eq!(write(store, |batch| run::finish_with(&pen, batch, end, LATER)).await, None);
    }
    let amount = Amount { runs: 1, estimated_runs: 1, input_tokens: 5, output_tokens: 2 };
    assert_eq!((used(&ADAS, store).await, used(&BOBS, store).await), (vec![amount], vec![]));
    assert_eq!(used(&Scope::of_row(THEM.id(), ADA), store).await, []);
    let parts = async |scope: Scope, month| usage::of_owner(&scope, store, month, 10).await.unwrap();
    assert_eq!(parts(ADAS, month).await.iter().map(|part| part.amount).collect::<Vec<_>>(), [amount]);
    assert_eq!((parts(BOBS, month).await, parts(ADAS, month.before()).await), (vec![], vec![]));
    assert_eq!(parts(Scope::of_row(THEM.id(), ADA), month).await, []);
    let of = async |tenant, user, month| usage::of_user(&tenant, store, user, month, 10).await.unwrap().len();
    assert_eq!((of(US, ADA, month).await, of(US, BOB, month).await), (1, 0));
    assert_eq!((of(THEM, ADA, month).await, of(US, ADA, month.before()).await), (0, 0));
    let total = async |tenant: Tenant, by, month| {
        usage::totals(&tenant, store, (by, month), None, 10)
            .await
            .unwrap()
            .into_iter()
            .map(|total| total.amount)
            .collect()
    };
    for by in By::ALL {
        let (ours, theirs, earlier): (Vec<_>, Vec<_>, Vec<_>) =
            (total(US, by, month).await, total(THEM, by, month).await, total(US, by, month.before()).await);
        assert_eq!((ours, theirs, earlier), (vec![amount], vec![], vec![]), "{by:?}");
    }
    let entries = async |tenant: &Tenant, month| of_team(tenant, store, month).await;
    assert_eq!((entries(&US, month).await, entries(&THEM, month).await, entries(&US, month.before()).await), (1, 0, 0));
    let used = async |tenant: Tenant| budget::get(&tenant, store, Subject::User(ADA), month).await.unwrap().used;
    assert_eq!((used(US).await, used(THEM).await), (7, 0));
}

async fn what_goes_is_counted_for_its_owner(store: &Store) {
    talk(store).await;
    let settle = async |scope: Scope| {
        assert_eq!(write(store, |batch| usage::settle_thread_with(&scope, batch, ADAS_THREAD, LATER)).await, None);
        (used(&ADAS, store).await.len(), used(&BOBS, store).await.len())
    };
    assert_eq!(settle(BOBS).await, (0, 0));
    assert_eq!(of_team(&US, store, Month::of(LATER)).await, 0);
    assert_eq!(settle(ADAS).await, (1, 0));
    assert_eq!(write(store, |batch| thread::delete_with(&ADAS, batch, ADAS_THREAD)).await, None);
    settle(ADAS).await;
    assert_eq!(used(&ADAS, store).await, [Amount { runs: 1, estimated_runs: 1, input_tokens: 0, output_tokens: 0 }]);
}

async fn a_budget_is_its_organization_s(store: &Store) {
    let month = Month::of(LATER);
    let set = async |tenant: Tenant, subject, tokens| {
        let budget = Budget::Tokens(tokens);
        assert_eq!(write(store, |batch| budget::set_with(&tenant, batch, subject, (budget, LATER))).await, None);
    };
    let own = async |tenant: Tenant, subject| budget::get(&tenant, store, subject, month).await.unwrap().own;
    let (ada, bob, team) = (Subject::User(ADA), Subject::User(BOB), Subject::Team(DEFAULT_TEAM));
    set(US, ada, 5).await;
    set(US, team, 7).await;
    assert_eq!((own(US, ada).await, own(US, bob).await, own(THEM, ada).await), (Some(Budget::Tokens(5)), None, None));
    let of_run = async |scope: &Scope| budget::of_run(scope, store, DEFAULT_TEAM).await.unwrap();
    assert_eq!(of_run(&ADAS).await, (Some(Budget::Tokens(5)), Some(Budget::Tokens(7))));
    assert_eq!(of_run(&BOBS).await, (None, Some(Budget::Tokens(7))));
    assert_eq!(of_run(&Scope::of_row(THEM.id(), ADA)).await, (None, None));
    // Ada is in the default team, and Bob is in none.
    let of_teams = async |scope: &Scope| budget::of_teams(scope, store, month).await.unwrap().len();
    assert_eq!((of_teams(&ADAS).await, of_teams(&BOBS).await), (1, 0));
    assert_eq!(of_teams(&Scope::of_row(THEM.id(), ADA)).await, 0);
    set(THEM, ada, 9).await;
    assert_eq!((own(US, ada).await, own(THEM, ada).await), (Some(Budget::Tokens(5)), Some(Budget::Tokens(9))));
    assert_eq!(write(store, |batch| budget::clear_with(&THEM, batch, ada)).await, None);
    assert_eq!(own(US, ada).await, Some(Budget::Tokens(5)));
    assert_eq!(write(store, |batch| budget::clear_with(&US, batch, ada)).await, None);
    assert_eq!((own(US, ada).await, own(US, team).await), (None, Some(Budget::Tokens(7))));
}

/// What is used and held in another organization is nothing to ours, whosever it is.
async fn what_is_held_back_is_its_owner_s(store: &Store) {
    talk(store).await;
    let (ada, month) = (Subject::User(ADA), Month::of(LATER));
    let all = Reservation { bounds: vec![(ada, 7)], tokens: 100 };
    let reserved = async |tenant: Tenant| budget::get(&tenant, store, ada, month).await.unwrap().reserved;
    let reserve = async |pen: Pen| {
        assert_eq!(write(store, |batch| budget::reserve_with(&pen, batch, &all)).await, None);
        (reserved(US).await, reserved(THEM).await)
    };
    assert_eq!(reserve(Pen::of(BOBS, RUN)).await, (0, 0), "it is no run of Bob's");

    let elsewhere = Scope::of_row(THEM.id(), ADA);
    let begin = |batch: &mut crate::Batch| {
        let (thread, run) = owner::elsewhere();
        thread::insert_with(&elsewhere, batch, &thread);
        run::insert_with(&elsewhere, batch, &run, Some(&all));
    };
    assert_eq!(write(store, begin).await, None);
    assert_eq!((reserved(US).await, reserved(THEM).await), (0, 100));
    let admit = async |scope: Scope| {
        let pen = Pen::of(scope, RunId::new(Uuid::from_u128(99)));
        write(store, |batch| budget::admit_with(&pen, batch, &all, LATER)).await
    };
    assert_eq!((admit(ADAS).await, admit(elsewhere).await), (None, Some("user_budget_spent")));
    assert_eq!(reserve(Pen::of(ADAS, RUN)).await, (100, 100));
    assert_eq!(admit(ADAS).await, Some("user_budget_spent"));
    let end = (&Outcome::Completed, None, TAKEN);
    assert_eq!(write(store, |batch| run::finish_with(&Pen::of(ADAS, RUN), batch, end, LATER)).await, None);
    assert_eq!((reserved(US).await, reserved(THEM).await), (0, 100));
    assert_eq!(admit(ADAS).await, Some("user_budget_spent"), "all of it is used");
    let theirs = (&Outcome::Cancelled, None, TAKEN);
    let (_, run) = owner::elsewhere();
    assert_eq!(write(store, |batch| run::finish_with(&Pen::of(elsewhere, run.id), batch, theirs, NOW)).await, None);
    assert_eq!((reserved(THEM).await, admit(ADAS).await), (0, Some("user_budget_spent")));
}

async fn what_an_agent_was_told_is_the_owner_s(store: &Store) {
    talk(store).await;
    let new = Agent {
        id: AgentId::new(Uuid::from_u128(7)),
        team_id: DEFAULT_TEAM,
        maker_id: None,
        slug: Slug::new("helper").unwrap(),
        version: 1,
        name: "Helper".to_owned(),
        description: String::new(),
        instructions: "Keep it quiet.".to_owned(),
        model: None,
        limits: Limits::default(),
        sharing: Sharing::Team,
        remote_api: false,
        declared: false,
        created_at: NOW,
        updated_at: NOW,
    };
    assert_eq!(write(store, |batch| agent::insert_with(&US, batch, &new, None)).await, None);
    let told = async |scope| run::instructions(&Pen::of(scope, RUN), store).await.unwrap();
    assert_eq!((told(ADAS).await, told(BOBS).await), (Some("Keep it quiet.".to_owned()), None));
}

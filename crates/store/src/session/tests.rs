use retinue_model::principal::{DEFAULT_ORGANIZATION, LOCAL_USER};
use retinue_model::session::Method;

use super::*;
use crate::scratch::on_both;

const US: Tenant = Tenant::default_organization();
const SYSTEM: System = System::at_start();

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn id(number: u128) -> SessionId {
    SessionId::new(Uuid::from_u128(number))
}

async fn write(store: &Store, add: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::default();
    add(&mut batch);
    store.write(batch).await.unwrap();
}

/// A session that is over at that second, and ended at the other one.
fn session_with(batch: &mut Batch, number: u128, (expires, ended): (i64, Option<i64>)) {
    let session = Session {
        id: id(number),
        organization_id: DEFAULT_ORGANIZATION,
        user_id: LOCAL_USER,
        identity_id: None,
        method: Method::Password,
        user_agent: String::new(),
        address: String::new(),
        proved_at: None,
        created_at: at(0),
        last_seen_at: at(0),
        expires_at: at(expires),
    };
    insert_with(&US, batch, &session, Kept::default());
    if let Some(ended) = ended {
        end_for_with(&US, batch, (LOCAL_USER, session.id), at(ended));
    }
}

/// Which of these sessions are still written down, open or not.
async fn left(store: &Store, numbers: impl IntoIterator<Item = u128>) -> Vec<u128> {
    let mut left = Vec::new();
    for number in numbers {
        let ended_at = store.query_one(&sql::ENDED_AT, &params![id(number), LOCAL_USER], |_| Ok(())).await.unwrap();
        left.extend(ended_at.map(|()| number));
    }
    left
}

async fn is_deleted_once_it_is_over_for_long(store: &Store) {
    let sessions = |batch: &mut Batch| {
        let all = [(9, None), (10, None), (90, Some(9)), (90, Some(10)), (90, None)];
        (1..).zip(all).for_each(|(number, times)| session_with(batch, number, times));
        for second in [9, 10] {
            let told = Revocation { id: Uuid::from_u128(second), user: LOCAL_USER, session: Some(id(second)) };
            revoke_with(&US, batch, &told, at(i64::try_from(second).unwrap()));
        }
    };
    write(store, sessions).await;
    assert!(!has_old(&SYSTEM, store, at(9)).await.unwrap());
    write(store, |batch| delete_old_with(&SYSTEM, batch, at(9))).await;
    assert_eq!(left(store, 1..=5).await, [1, 2, 3, 4, 5]);
    assert!(has_old(&SYSTEM, store, at(10)).await.unwrap());
    write(store, |batch| delete_old_with(&SYSTEM, batch, at(10))).await;
    assert!(!has_old(&SYSTEM, store, at(10)).await.unwrap());
    assert_eq!(left(store, 1..=5).await, [2, 4, 5]);
    let told = revoked_since(&SYSTEM, store, at(0), 10).await.unwrap();
    assert_eq!(told.iter().map(|told| told.id.as_u128()).collect::<Vec<_>>(), [10]);
}

/// Each kind is found by itself, or some of it would stay.
async fn is_found_of_each_kind(store: &Store) {
    for number in 1..=3 {
        let one = |batch: &mut Batch| match number {
            1 => session_with(batch, 1, (1, None)),
            2 => session_with(batch, 2, (90, Some(1))),
            _ => {
                let told = Revocation { id: Uuid::from_u128(3), user: LOCAL_USER, session: None };
                revoke_with(&US, batch, &told, at(1));
            }
        };
        write(store, one).await;
        assert!(has_old(&SYSTEM, store, at(2)).await.unwrap(), "{number}");
        write(store, |batch| delete_old_with(&SYSTEM, batch, at(2))).await;
        assert!(!has_old(&SYSTEM, store, at(2)).await.unwrap(), "{number}");
    }
}

/// However many there are, nobody waits for all of them.
async fn is_deleted_some_at_a_time(store: &Store) {
    write(store, |batch| (0..1_001).for_each(|number| session_with(batch, number, (90, Some(1))))).await;
    write(store, |batch| delete_old_with(&SYSTEM, batch, at(2))).await;
    assert_eq!(left(store, 0..1_001).await.len(), 1);
}

on_both! {
    is_deleted_once_it_is_over_for_long
    is_found_of_each_kind
    is_deleted_some_at_a_time
}

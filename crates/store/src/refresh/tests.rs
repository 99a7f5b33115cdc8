use jiff::SignedDuration;
use retinue_model::IdentityId;
use retinue_model::identity::{Identity, Origin};
use retinue_model::principal::{DEFAULT_ORGANIZATION, LOCAL_USER};
use retinue_model::session::{Method, Session};

use super::*;
use crate::scratch::on_both;
use crate::session::Kept;
use crate::{identity, session};

const US: Tenant = Tenant::default_organization();
const ID: SessionId = SessionId::new(Uuid::from_u128(7));

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

async fn write(store: &Store, add: impl FnOnce(&mut Batch)) -> Option<&'static str> {
    let mut batch = Batch::default();
    add(&mut batch);
    store.write(batch).await.err().map(|error| error.code())
}

/// A session that is to be refreshed at second 10.
async fn insert(store: &Store) {
    let identity = Identity {
        id: IdentityId::new(Uuid::from_u128(8)),
        user_id: LOCAL_USER,
        provider: "sso".to_owned(),
        issuer: "https://idp.example.com".to_owned(),
        subject: "ada".to_owned(),
        email: None,
        email_verified: false,
        origin: Origin::SignIn,
        created_at: at(0),
        last_used_at: at(0),
    };
    let session = Session {
        id: ID,
        organization_id: DEFAULT_ORGANIZATION,
        user_id: LOCAL_USER,
        identity_id: Some(identity.id),
        method: Method::Oidc,
        user_agent: String::new(),
        address: String::new(),
        proved_at: None,
        created_at: at(0),
        last_seen_at: at(0),
        expires_at: at(1_000),
    };
    let kept = Kept { refresh_token: Some("first".into()), refresh_at: Some(at(10)), ..Kept::default() };
    let add = |batch: &mut Batch| {
        identity::insert_with(&US, batch, &identity);
        session::insert_with(&US, batch, &session, kept);
    };
    assert_eq!(write(store, add).await, None);
}

fn claim(id: u128, seconds: i64) -> Claim {
    Claim { id: Uuid::from_u128(id), session: ID, user: LOCAL_USER, at: at(seconds) }
}

async fn take(store: &Store, claim: Claim) -> Option<&'static str> {
    let stale = claim.at - SignedDuration::from_secs(60);
    write(store, |batch| claim_with(&US, batch, &claim, stale)).await
}

async fn answer(store: &Store, claim: Claim, token: &str, good: bool) {
    let answered = Answered {
        refresh_token: Some(token.to_owned()),
        id_token: None,
        refresh_at: claim.at + SignedDuration::from_secs(100),
        refreshed_at: good.then_some(claim.at),
    };
    assert_eq!(write(store, |batch| answered_with(&US, batch, &claim, answered)).await, None);
}

async fn token(store: &Store) -> (String, Timestamp) {
    let held = held(&US, store, &claim(1, 0)).await.unwrap().unwrap();
    (held.refresh_token.unwrap(), held.refreshed_at)
}

async fn one_asks_at_a_time(store: &Store) {
    insert(store).await;
    assert_eq!(take(store, claim(1, 9)).await, Some("refresh_claimed"), "it is not due");
    // Twice, as after a commit whose answer was lost.
    for _ in 0..2 {
        assert_eq!(take(store, claim(1, 10)).await, None);
    }
    assert_eq!(take(store, claim(2, 10)).await, Some("refresh_claimed"));
    assert_eq!(take(store, claim(2, 69)).await, Some("refresh_claimed"));
    assert_eq!(take(store, claim(2, 71)).await, None, "the first one never came back");
    answer(store, claim(1, 10), "late", true).await;
    assert_eq!(token(store).await, ("first".to_owned(), at(0)), "and does not count any more");
    for _ in 0..2 {
        answer(store, claim(2, 71), "second", true).await;
        assert_eq!(token(store).await, ("second".to_owned(), at(71)));
    }
    assert_eq!(take(store, claim(3, 72)).await, Some("refresh_claimed"), "it is not due again");
}

async fn what_is_no_good_answer_does_not_count_as_one(store: &Store) {
    insert(store).await;
    assert_eq!(take(store, claim(1, 10)).await, None);
    answer(store, claim(1, 10), "second", false).await;
    assert_eq!(token(store).await, ("second".to_owned(), at(0)));
}

on_both! {
    one_asks_at_a_time
    what_is_no_good_answer_does_not_count_as_one
}

use futures_util::future::join_all;
use retinue_model::OrganizationId;
use retinue_model::principal::LOCAL_USER;

use super::*;
use crate::scratch::on_both;

const US: Tenant = Tenant::default_organization();
const THEM: Tenant = Tenant::of_row(OrganizationId::new(Uuid::from_u128(2)));

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn email(text: &str) -> Email {
    Email::new(text).unwrap()
}

fn id(number: u8) -> OneTimeTokenId {
    OneTimeTokenId::new(Uuid::from_u128(u128::from(number)))
}

/// A token that is good for ten minutes.
fn token(number: u8, created: i64) -> OneTimeToken {
    OneTimeToken {
        id: id(number),
        user_id: Some(LOCAL_USER),
        purpose: Purpose::MagicLink,
        token_hash: [number; 32],
        code_hash: Some([number + 100; 32]),
        attempts: 0,
        address: email("ada@example.com"),
        created_at: at(created),
        expires_at: at(created + 600),
        used_at: None,
    }
}

async fn write(store: &Store, add: impl FnOnce(&mut Batch)) -> Option<&'static str> {
    let mut batch = Batch::default();
    add(&mut batch);
    store.write(batch).await.err().map(|error| error.code())
}

async fn insert(store: &Store, token: OneTimeToken) {
    // Twice, as after a commit whose answer was lost.
    for _ in 0..2 {
        assert_eq!(write(store, |batch| insert_with(&US, batch, &token)).await, None);
    }
}

async fn get(store: &Store, number: u8) -> Option<OneTimeToken> {
    by_hash(&US, store, Purpose::MagicLink, &[number; 32]).await.unwrap()
}

async fn is_found_by_what_it_is_for(store: &Store) {
    let invitation = OneTimeToken { user_id: None, code_hash: None, purpose: Purpose::Invitation, ..token(3, 9) };
    for token in [token(1, 0), token(2, 5), invitation.clone()] {
        insert(store, token).await;
    }
    assert_eq!(get(store, 1).await, Some(token(1, 0)));
    assert_eq!(get(store, 3).await, None, "a token for another purpose");
    assert_eq!(by_hash(&US, store, Purpose::Invitation, &[3; 32]).await.unwrap(), Some(invitation));
    assert_eq!(by_hash(&THEM, store, Purpose::MagicLink, &[1; 32]).await.unwrap(), None);
    let newest_for = async |tenant: &Tenant, address| {
        newest(tenant, store, Purpose::MagicLink, &email(address)).await.unwrap().map(|token| token.id)
    };
    assert_eq!(newest_for(&US, "ADA@example.com").await, Some(id(2)));
    assert_eq!(newest_for(&US, "eve@example.com").await, None);
    assert_eq!(newest_for(&THEM, "ada@example.com").await, None);
}

/// Of many who come at once, even in the same microsecond, one has it.
async fn is_spent_once(store: &Store) {
    insert(store, token(1, 0)).await;
    let spend = |by: u128| write(store, move |batch| spend_with(&US, batch, id(1), Uuid::from_u128(by), at(1)));
    let fates = join_all((1..=30).map(spend)).await;
    assert_eq!(fates.iter().filter(|fate| fate.is_none()).count(), 1, "{fates:?}");
    assert!(fates.iter().flatten().all(|code| *code == "token_spent"), "{fates:?}");
    let winner = fates.iter().position(Option::is_none).unwrap() as u128 + 1;
    // The one who has it may write that down again, as after a commit whose answer was lost.
    assert_eq!(spend(winner).await, None);
    assert_eq!(spend(winner + 1).await, Some("token_spent"));
    assert_eq!(get(store, 1).await.unwrap().used_at, Some(at(1)));
}

async fn is_not_spent_when_it_is_too_old_or_another_organization_s(store: &Store) {
    insert(store, token(1, 0)).await;
    let spend = async |tenant: Tenant, seconds| {
        write(store, |batch| spend_with(&tenant, batch, id(1), Uuid::from_u128(1), at(seconds))).await
    };
    assert_eq!(spend(US, 600).await, Some("token_spent"));
    assert_eq!(spend(THEM, 1).await, Some("token_spent"));
    assert_eq!(get(store, 1).await.unwrap().used_at, None);
    assert_eq!(spend(US, 599).await, None);
}

/// What a token opens is not written if the token is spent.
async fn takes_its_batch_along(store: &Store) {
    insert(store, token(1, 0)).await;
    let both = async |by, new| {
        write(store, |batch| {
            insert_with(&US, batch, &token(new, 2));
            spend_with(&US, batch, id(1), Uuid::from_u128(by), at(2));
        })
        .await
    };
    assert_eq!((both(1, 11).await, both(2, 12).await), (None, Some("token_spent")));
    assert!(get(store, 11).await.is_some());
    assert_eq!(get(store, 12).await, None);
}

/// However many try at once, there are five attempts.
async fn has_five_attempts_at_its_code(store: &Store) {
    insert(store, token(1, 0)).await;
    insert(store, OneTimeToken { code_hash: None, ..token(2, 0) }).await;
    let attempt = |number| write(store, move |batch| try_code_with(&US, batch, id(number), at(1)));
    let fates = join_all((0..50).map(|_| attempt(1))).await;
    assert_eq!(fates.iter().filter(|fate| fate.is_none()).count(), 5, "{fates:?}");
    assert!(fates.iter().flatten().all(|code| *code == "code_dead"), "{fates:?}");
    let tried = get(store, 1).await.unwrap();
    assert_eq!((tried.attempts, tried.takes_code(at(1)), tried.is_open(at(1))), (5, false, true));
    assert_eq!(attempt(2).await, Some("code_dead"), "there is no code");
    assert_eq!(write(store, |batch| spend_with(&US, batch, id(1), Uuid::nil(), at(1))).await, None, "the link works");
}

/// An attempt at a code is one at an open token of one's own organization.
async fn has_no_attempt_at_what_is_not_open(store: &Store) {
    insert(store, token(1, 0)).await;
    let attempt =
        async |tenant: Tenant, seconds| write(store, |batch| try_code_with(&tenant, batch, id(1), at(seconds))).await;
    assert_eq!((attempt(THEM, 1).await, attempt(US, 600).await), (Some("code_dead"), Some("code_dead")));
    assert_eq!(attempt(US, 599).await, None);
    assert_eq!(write(store, |batch| spend_with(&US, batch, id(1), Uuid::nil(), at(1))).await, None);
    assert_eq!(attempt(US, 2).await, Some("code_dead"));
    assert_eq!(get(store, 1).await.unwrap().attempts, 1);
}

/// What is closed is of one purpose, one address and one organization, and was open.
async fn is_not_closed_with_others(store: &Store) {
    insert(store, token(1, 0)).await;
    let close = async |tenant: Tenant, purpose, address: &str, seconds| {
        write(store, |batch| close_with(&tenant, batch, purpose, &email(address), at(seconds))).await
    };
    let (ada, link) = ("ada@example.com", Purpose::MagicLink);
    assert_eq!(close(THEM, link, ada, 1).await, None);
    assert_eq!(close(US, Purpose::PasswordReset, ada, 1).await, None);
    assert_eq!(close(US, link, "eve@example.com", 1).await, None);
    assert_eq!(get(store, 1).await.unwrap().used_at, None);
    assert_eq!((close(US, link, ada, 2).await, close(US, link, ada, 3).await), (None, None));
    assert_eq!(get(store, 1).await.unwrap().used_at, Some(at(2)), "when it was closed first");
}

/// What is closed with its user is of one purpose and one organization, whichever address it went to, and may leave one.
async fn is_closed_with_those_of_its_user(store: &Store) {
    let strangers = OneTimeToken { user_id: None, ..token(3, 0) };
    for token in [token(1, 0), OneTimeToken { address: email("lovelace@example.com"), ..token(2, 0) }, strangers] {
        insert(store, token).await;
    }
    let close = async |tenant: Tenant, what, how| {
        assert_eq!(write(store, |batch| close_of_user_with(&tenant, batch, what, how)).await, None);
    };
    let open = async || {
        join_all((1..=3).map(|number| get(store, number)))
            .await
            .iter()
            .flatten()
            .map(|token| token.used_at.is_none())
            .collect::<Vec<_>>()
    };
    close(THEM, (Purpose::MagicLink, LOCAL_USER), (None, at(1))).await;
    close(US, (Purpose::EmailChange, LOCAL_USER), (None, at(1))).await;
    assert_eq!(open().await, [true; 3]);
    close(US, (Purpose::MagicLink, LOCAL_USER), (Some(id(1)), at(2))).await;
    assert_eq!(open().await, [true, false, true]);
    close(US, (Purpose::MagicLink, LOCAL_USER), (None, at(3))).await;
    assert_eq!(open().await, [false, false, true]);
    assert_eq!(get(store, 2).await.unwrap().used_at, Some(at(2)), "when it was closed first");
}

async fn is_closed_and_deleted(store: &Store) {
    for token in [token(1, 0), token(2, 0), OneTimeToken { address: email("eve@example.com"), ..token(3, 0) }] {
        insert(store, token).await;
    }
    let closes = |batch: &mut Batch| {
        spend_with(&US, batch, id(1), Uuid::from_u128(1), at(1));
        close_with(&US, batch, Purpose::MagicLink, &email("Ada@example.com"), at(1));
    };
    for _ in 0..2 {
        assert_eq!(write(store, closes).await, None);
    }
    let spend =
        async |number| write(store, |batch| spend_with(&US, batch, id(number), Uuid::from_u128(2), at(2))).await;
    assert_eq!((spend(2).await, spend(3).await), (Some("token_spent"), None));

    insert(store, token(4, 1)).await;
    assert_eq!(write(store, |batch| delete_expired_with(&System::at_start(), batch, at(600))).await, None);
    let left: Vec<_> = join_all((1..=4).map(|number| get(store, number))).await;
    assert_eq!(left.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, false, true]);
}

on_both! {
    is_found_by_what_it_is_for
    is_spent_once
    is_not_spent_when_it_is_too_old_or_another_organization_s
    takes_its_batch_along
    has_five_attempts_at_its_code
    has_no_attempt_at_what_is_not_open
    is_not_closed_with_others
    is_closed_with_those_of_its_user
    is_closed_and_deleted
}

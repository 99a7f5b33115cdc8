use jiff::Timestamp;
use retinue_model::identity::Origin;
use retinue_model::principal::DEFAULT_ORGANIZATION;
use uuid::Uuid;

use super::*;
use crate::scratch::on_both;

const US: Tenant = Tenant::default_organization();
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const ADA: UserId = UserId::new(Uuid::from_u128(10));

/// Somebody with Ada's address.
async fn user(store: &Store, id: UserId, verified: bool) {
    let user = User {
        id,
        organization_id: DEFAULT_ORGANIZATION,
        name: "Ada".to_owned(),
        email: Some("Ada@example.com".to_owned()),
        email_verified: verified,
        organization_admin: false,
        disabled_at: None,
        created_at: NOW,
    };
    let key = Some("ada@example.com".to_owned());
    assert_eq!(write(store, |batch| user::insert_with(&US, batch, &user, key)).await, None);
}

fn identity(number: u8, provider: &str, email: Option<&str>) -> Identity {
    Identity {
        id: id(number),
        user_id: ADA,
        provider: provider.to_owned(),
        issuer: format!("https://{provider}.example.com"),
        subject: format!("subject {number}"),
        email: email.map(str::to_owned),
        email_verified: email.is_some(),
        origin: Origin::Email,
        created_at: NOW,
        last_used_at: NOW,
    }
}

fn id(number: u8) -> IdentityId {
    IdentityId::new(Uuid::from_u128(u128::from(number)))
}

async fn write(store: &Store, add: impl FnOnce(&mut Batch)) -> Option<&'static str> {
    let mut batch = Batch::default();
    add(&mut batch);
    store.write(batch).await.err().map(|error| error.code())
}

async fn link(store: &Store, identity: &Identity) -> Option<&'static str> {
    write(store, |batch| link_with(&US, batch, identity, "ada@example.com")).await
}

async fn subjects(store: &Store) -> Vec<String> {
    of_user(&US, store, ADA).await.unwrap().into_iter().map(|identity| identity.subject).collect()
}

async fn one_of_a_provider_is_linked_to_the_one_who_has_its_address(store: &Store) {
    let address = Some("ada@example.com");
    user(store, ADA, false).await;
    assert_eq!(link(store, &identity(1, "sso", address)).await, Some("link_changed"), "nobody has it verified");
    user(store, UserId::new(Uuid::from_u128(11)), true).await;
    assert_eq!(link(store, &identity(1, "sso", address)).await, Some("link_changed"), "somebody else has it");
    assert!(subjects(store).await.is_empty());
}

async fn of_two_at_once_one_is_linked(store: &Store) {
    user(store, ADA, true).await;
    let address = Some("ada@example.com");
    // Twice, as after a commit whose answer was lost.
    for _ in 0..2 {
        assert_eq!(link(store, &identity(1, "sso", address)).await, None);
    }
    assert_eq!(link(store, &identity(2, "sso", address)).await, Some("link_changed"), "somebody else of that provider");
    assert_eq!(link(store, &identity(3, "other", address)).await, None);
    assert_eq!(subjects(store).await, ["subject 1", "subject 3"]);
    user(store, UserId::new(Uuid::from_u128(11)), true).await;
    assert_eq!(link(store, &identity(4, "third", address)).await, Some("link_changed"), "two have the address");
}

async fn what_is_left_must_be_there_when_one_is_removed(store: &Store) {
    user(store, ADA, true).await;
    for number in [1, 2] {
        let identity = identity(number, &format!("p{number}"), None);
        assert_eq!(write(store, |batch| insert_with(&US, batch, &identity)).await, None);
    }
    let scope = Scope::of_row(DEFAULT_ORGANIZATION, ADA);
    let remove = async |number, left: Left| {
        assert_eq!(write(store, |batch| delete_with(&scope, batch, id(number), left)).await, None);
        subjects(store).await.len()
    };
    let other = |number| Left { identity: Some(id(number)), ..Left::default() };
    assert_eq!(remove(1, Left::default()).await, 2, "nothing that works");
    assert_eq!(remove(1, other(1)).await, 2, "itself");
    assert_eq!(remove(1, other(9)).await, 2, "one that is not there");
    assert_eq!(remove(1, Left { password: true, link: true, ..Left::default() }).await, 2, "no address");
    assert_eq!(remove(1, other(2)).await, 1);
    assert_eq!(remove(2, other(1)).await, 1, "that one is gone");
}

on_both! {
    one_of_a_provider_is_linked_to_the_one_who_has_its_address
    of_two_at_once_one_is_linked
    what_is_left_must_be_there_when_one_is_removed
}

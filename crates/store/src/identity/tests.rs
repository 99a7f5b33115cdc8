use jiff::Timestamp;
use retinue_model::Email;
use retinue_model::credential::Credential;
use retinue_model::identity::Origin;
use retinue_model::principal::DEFAULT_ORGANIZATION;
use uuid::Uuid;

use super::*;
use crate::credential;
use crate::scratch::on_both;

const US: Tenant = Tenant::default_organization();
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const ADA: UserId = UserId::new(Uuid::from_u128(10));

fn trusted() -> Trusted {
    Trusted::new([("trusted", "https://trusted.example.com"), ("too", "https://too.example.com")])
}

/// Somebody with Ada's address, of which a provider says so.
async fn vouched(store: &Store, number: u8, provider: &str) {
    let id = if number == 0 { ADA } else { UserId::new(Uuid::from_u128(u128::from(number))) };
    user(store, id, true).await;
    let identity = Identity { user_id: id, ..identity(100 + number, provider, Some("ADA@example.com")) };
    assert_eq!(write(store, |batch| insert_with(&US, batch, &identity)).await, None);
}

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
    write(store, |batch| link_with(&US, batch, identity, &trusted())).await
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
    vouched(store, 0, "trusted").await;
    let address = Some("ada@example.com");
    // Twice, as after a commit whose answer was lost.
    for _ in 0..2 {
        assert_eq!(link(store, &identity(1, "sso", address)).await, None);
    }
    assert_eq!(link(store, &identity(2, "sso", address)).await, Some("link_changed"), "somebody else of that provider");
    // Whoever has the address by nobody's word, or by that of somebody who is not trusted, is in nobody's way.
    user(store, UserId::new(Uuid::from_u128(11)), true).await;
    vouched(store, 12, "trust").await;
    assert_eq!(link(store, &identity(3, "other", address)).await, None);
    assert_eq!(subjects(store).await, ["subject 1", "subject 3", "subject 100"]);
    vouched(store, 13, "too").await;
    assert_eq!(link(store, &identity(4, "third", address)).await, Some("link_changed"), "two have the address");
}

async fn nobody_is_linked_by_a_word_that_does_not_count(store: &Store) {
    let (address, by) = (Some("ada@example.com"), trusted());
    let found = async || user::by_vouched_email(&US, store, "ada@example.com", &by).await.unwrap().len();
    vouched(store, 0, "trust").await;
    // Nor by that of a provider which had a trusted one's name before.
    let before = Identity { issuer: "https://before.example.com".to_owned(), ..identity(5, "trusted", address) };
    assert_eq!(write(store, |batch| insert_with(&US, batch, &before)).await, None);
    assert_eq!((link(store, &identity(1, "sso", address)).await, found().await), (Some("link_changed"), 0));
    let doubtful = Identity { email_verified: false, ..identity(2, "trusted", address) };
    let others = identity(3, "too", Some("other@example.com"));
    for identity in [doubtful, others] {
        assert_eq!(write(store, |batch| insert_with(&US, batch, &identity)).await, None);
    }
    assert_eq!((link(store, &identity(1, "sso", address)).await, found().await), (Some("link_changed"), 0));
    let address = Email::new("Ada@example.com").unwrap();
    let sent = Credential { user_id: ADA, address, password_hash: None, updated_at: NOW };
    assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &sent)).await, None);
    assert_eq!(
        (link(store, &identity(1, "sso", Some("ada@example.com"))).await, found().await),
        (Some("link_changed"), 0)
    );
    let verify = |batch: &mut Batch| user::verify_with(&US, batch, ADA, "ada@example.com".to_owned(), NOW);
    assert_eq!(write(store, verify).await, None);
    assert_eq!(found().await, 1, "a mail that went there was opened");
    assert_eq!(link(store, &identity(1, "sso", Some("ada@example.com"))).await, None);
}

async fn what_is_left_must_be_there_when_one_is_removed(store: &Store) {
    user(store, ADA, true).await;
    for number in [1, 2] {
        let identity = identity(number, &format!("p{number}"), None);
        assert_eq!(write(store, |batch| insert_with(&US, batch, &identity)).await, None);
    }
    let scope = Scope::of_row(DEFAULT_ORGANIZATION, ADA);
    let remove = async |number, left: Left| {
        let before = subjects(store).await.len();
        let told = write(store, |batch| delete_with(&scope, batch, id(number), left)).await;
        let now = subjects(store).await.len();
        assert_eq!(told, (now == before).then_some("last_way_in"));
        now
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
    nobody_is_linked_by_a_word_that_does_not_count
    what_is_left_must_be_there_when_one_is_removed
}

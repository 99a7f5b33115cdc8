use std::collections::BTreeSet;

use retinue_model::OrganizationId;
use retinue_model::principal::{DEFAULT_ORGANIZATION, LOCAL_USER};
use retinue_model::user::User;
use uuid::Uuid;

use super::*;
use crate::scratch::{self, on_both};
use crate::user;

on_both! { there_is_one_example_of_each_way }

const US: Tenant = Tenant::default_organization();
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const LATER: Timestamp = Timestamp::constant(1_800_000_060, 0);
const NOBODY: UserId = UserId::new(Uuid::from_u128(99));

fn email(text: &str) -> Email {
    Email::new(text).unwrap()
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}

fn credential(user_id: UserId, address: &str, password: Option<&str>) -> Credential {
    Credential { user_id, address: email(address), password_hash: password.map(hash), updated_at: NOW }
}

/// Writes what `add` adds; the code of what went wrong, if something did.
async fn write(store: &Store, add: impl FnOnce(&mut Batch)) -> Option<&'static str> {
    let mut batch = Batch::default();
    add(&mut batch);
    store.write(batch).await.err().map(|error| error.code())
}

async fn address_of(store: &Store, user: UserId) -> Option<String> {
    of_user(&US, store, user).await.unwrap().map(|found| found.credential.address.to_string())
}

async fn lives(store: &Store) {
    assert_eq!(by_address(&US, store, &email("ada@example.com")).await.unwrap(), None);
    let first = credential(LOCAL_USER, "Ada@Example.com", None);
    // Twice, as after a commit whose answer was lost.
    for _ in 0..2 {
        assert_eq!(write(store, |batch| set_password_with(&US, batch, &first)).await, None);
    }
    let found = by_address(&US, store, &email("aDA@example.COM")).await.unwrap().unwrap();
    let expected = Credential { address: email("ada@example.com"), ..first };
    assert_eq!(found, Found { credential: expected, address_verified: false, is_claimed: false, disabled_at: None });

    // Another password; the address stays.
    let second = Credential { updated_at: LATER, ..credential(LOCAL_USER, "other@example.com", Some("$one")) };
    assert_eq!(write(store, |batch| set_password_with(&US, batch, &second)).await, None);
    let found = of_user(&US, store, LOCAL_USER).await.unwrap().unwrap().credential;
    assert_eq!(found, Credential { address: email("ada@example.com"), ..second });

    // An upgrade that comes after a change changes nothing, and one that fits does not look like a change.
    let upgrade = |old: &'static str, new: &'static str| {
        move |batch: &mut Batch| confirm_password_with(&US, batch, LOCAL_USER, (&hash(old), &hash(new)))
    };
    assert_eq!(write(store, upgrade("$zero", "$stale")).await, Some("not_found"));
    for _ in 0..2 {
        assert_eq!(write(store, upgrade("$one", "$two")).await, None);
    }
    let found = of_user(&US, store, LOCAL_USER).await.unwrap().unwrap().credential;
    assert_eq!((found.password_hash, found.updated_at), (Some(hash("$two")), LATER));

    let change =
        |user| move |batch: &mut Batch| change_address_with(&US, batch, user, &email("Lovelace@example.com"), LATER);
    assert_eq!(write(store, change(LOCAL_USER)).await, None);
    assert_eq!(address_of(store, LOCAL_USER).await.as_deref(), Some("lovelace@example.com"));
    assert_eq!(write(store, change(NOBODY)).await, Some("not_found"));
}

/// Another organization finds nobody and changes nothing.
async fn stays_in_its_organization(store: &Store) {
    let mine = credential(LOCAL_USER, "ada@example.com", Some("$one"));
    let them = Tenant::of_row(OrganizationId::new(Uuid::from_u128(2)));
    assert_eq!(write(store, |batch| set_password_with(&them, batch, &mine)).await, Some("not_found"));
    assert_eq!(write(store, |batch| set_password_with(&US, batch, &mine)).await, None);
    assert_eq!(
        write(store, |batch| set_password_with(&US, batch, &credential(NOBODY, "x@example.com", None))).await,
        Some("not_found")
    );

    assert_eq!(by_address(&them, store, &email("ada@example.com")).await.unwrap(), None);
    assert_eq!(of_user(&them, store, LOCAL_USER).await.unwrap(), None);
    let (old, new) = (hash("$one"), hash("$theirs"));
    assert_eq!(
        write(store, |batch| confirm_password_with(&them, batch, LOCAL_USER, (&old, &new))).await,
        Some("not_found")
    );
    let theirs = email("eve@example.com");
    let change = |batch: &mut Batch| change_address_with(&them, batch, LOCAL_USER, &theirs, NOW);
    assert_eq!(write(store, change).await, Some("not_found"));
    assert_eq!(of_user(&US, store, LOCAL_USER).await.unwrap().unwrap().credential, mine);
}

async fn there_is_one_example_of_each_way(store: &Store) {
    let kept = [
        (1, Some("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$QUFB")),
        (2, Some("$pbkdf2-sha256$i=1000,l=32$c2FsdA$QkJC")),
        (3, Some("$argon2id$v=19$m=8,t=1,p=1$c2Fs$QUE")),
        (4, None),
        (5, Some("no PHC string")),
        (6, Some("$pbkdf2-sha256$i=9$c2FsdA$QkJC")),
    ];
    let id = |number| UserId::new(Uuid::from_u128(number));
    let add = |batch: &mut Batch| {
        for (number, hash) in kept {
            user::insert_with(&US, batch, &User { id: id(number), ..person() }, None);
            set_password_with(&US, batch, &credential(id(number), &format!("{number}@example.com"), hash));
        }
        user::disable_with(&US, batch, id(6), NOW);
    };
    assert_eq!(write(store, add).await, None);
    let found = examples(&System::at_start(), store).await.unwrap();
    let found: Vec<_> = found.iter().map(PasswordHash::as_str).collect();
    assert_eq!(found[0].split('$').nth(1), Some("argon2id"), "the most frequent one comes first");
    assert_eq!(found[1..].iter().collect::<BTreeSet<_>>(), [&kept[1].1.unwrap(), &kept[4].1.unwrap()].into());
}

fn person() -> User {
    User {
        id: NOBODY,
        organization_id: DEFAULT_ORGANIZATION,
        name: "Somebody".to_owned(),
        email: None,
        email_verified: false,
        organization_admin: false,
        disabled_at: None,
        created_at: NOW,
    }
}

#[tokio::test]
async fn lives_on_sqlite() {
    lives(&scratch::sqlite().await.2).await;
}

#[tokio::test]
async fn stays_in_its_organization_on_sqlite() {
    stays_in_its_organization(&scratch::sqlite().await.2).await;
}

#[tokio::test]
async fn one_address_is_one_person_s() {
    let (_folder, location, store) = scratch::sqlite().await;
    let other = UserId::new(Uuid::from_u128(7));
    let crate::Location::Sqlite(path) = location else { unreachable!("it is a file") };
    let insert = "INSERT INTO users (id, organization_id, name, email_verified, organization_admin, created_at, updated_at, disabled_at) \
        SELECT ?1, organization_id, 'Eve', 1, 0, 0, 0, 5 FROM users";
    rusqlite::Connection::open(path).unwrap().execute(insert, [other.uuid()]).unwrap();
    for (user, address, said) in [
        (LOCAL_USER, "ada@example.com", None),
        (other, "ADA@example.com", Some("address_taken")),
        (other, "eve@example.com", None),
    ] {
        let new = credential(user, address, None);
        assert_eq!(write(&store, |batch| set_password_with(&US, batch, &new)).await, said, "{address}");
    }
    let address = email("Ada@example.com");
    let taken = write(&store, |batch| change_address_with(&US, batch, other, &address, NOW)).await;
    assert_eq!(taken, Some("address_taken"));
    let found = of_user(&US, &store, other).await.unwrap().unwrap();
    assert!(!found.address_verified, "nobody has opened a mail that went there");
    assert_eq!(found.disabled_at, Some(Timestamp::from_microsecond(5).unwrap()));
}

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn lives_on_postgres() {
    lives(&scratch::postgres().await.1).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn stays_in_its_organization_on_postgres() {
    stays_in_its_organization(&scratch::postgres().await.1).await;
}

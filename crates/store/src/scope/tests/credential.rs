//! Ways in by address.

use retinue_model::Email;
use retinue_model::credential::{Credential, PasswordHash};

use super::people::{address_of, email_of, hash, introduce};
use super::{ADA, BOB, EVE, LATER, NOW, THEM, US, on_both, write};
use crate::{Batch, Store, Tenant, credential, identity, user};

on_both! {
    a_password_is_one_person_s
    what_was_there_before_an_address_was_shown_goes_with_it_alone
    somebody_gets_in_by_address
}

async fn a_password_is_one_person_s(store: &Store) {
    for user in [ADA, BOB] {
        let same = Credential { password_hash: Some(hash("$one")), ..address_of(user) };
        assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &same)).await, None);
    }
    let password = async |user| {
        let found = credential::of_user(&US, store, user).await.unwrap().unwrap();
        assert_eq!(found.credential.user_id, user);
        found.credential.password_hash
    };
    let (one, two) = (hash("$one"), hash("$two"));
    let confirm =
        async |user| write(store, |batch| credential::confirm_password_with(&US, batch, user, (&one, &two))).await;
    assert_eq!((confirm(EVE).await, confirm(ADA).await), (Some("not_found"), None));
    assert_eq!((password(ADA).await, password(BOB).await), (Some(two.clone()), Some(one.clone())));
    for user in [ADA, BOB] {
        assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &address_of(user))).await, None);
    }
    let first = async |tenant: Tenant, user, hash: &PasswordHash| {
        write(store, |batch| credential::confirm_first_password_with(&tenant, batch, user, hash)).await
    };
    let not_found = Some("not_found");
    assert_eq!((first(THEM, ADA, &one).await, first(US, EVE, &one).await), (not_found, not_found));
    // Twice, as after a commit whose answer was lost.
    assert_eq!((first(US, ADA, &one).await, first(US, ADA, &one).await), (None, None));
    assert_eq!(
        (first(US, ADA, &two).await, password(ADA).await),
        (not_found, Some(one.clone())),
        "it is not the first"
    );
    assert_eq!(password(BOB).await, None);
    for user in [ADA, BOB] {
        let found = credential::by_address(&US, store, &email_of(user)).await.unwrap().unwrap();
        assert_eq!(found.credential.user_id, user);
    }
}

async fn what_was_there_before_an_address_was_shown_goes_with_it_alone(store: &Store) {
    introduce(store).await;
    for user in [ADA, BOB] {
        let with_password = Credential { password_hash: Some(hash("$one")), ..address_of(user) };
        assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &with_password)).await, None);
    }
    let left = async |user| {
        let password = credential::of_user(&US, store, user).await.unwrap().unwrap().credential.password_hash;
        (password.is_some(), identity::of_user(&US, store, user).await.unwrap().len())
    };
    let shut = async |tenant: Tenant, user, email: &Email| {
        assert_eq!(write(store, |batch| credential::shut_with(&tenant, batch, user, &email.key(), LATER)).await, None);
        (left(ADA).await, left(BOB).await)
    };
    let (all, nothing) = ((true, 1), (false, 0));
    assert_eq!(shut(THEM, ADA, &email_of(ADA)).await, (all, all), "in another organization");
    assert_eq!(shut(US, ADA, &email_of(BOB)).await, (all, all), "another's address");
    assert_eq!(shut(US, EVE, &email_of(ADA)).await, (all, all), "somebody else");
    let verify = async |whose| {
        write(store, |batch: &mut Batch| user::verify_with(&US, batch, BOB, email_of(whose).key(), NOW)).await
    };
    assert_eq!(verify(ADA).await, None);
    let is_shown = async |user| credential::of_user(&US, store, user).await.unwrap().unwrap().address_verified;
    assert_eq!((is_shown(ADA).await, is_shown(BOB).await), (false, false), "it is not his");
    assert_eq!(verify(BOB).await, None);
    assert_eq!((is_shown(ADA).await, is_shown(BOB).await), (false, true));
    assert_eq!(shut(US, BOB, &email_of(BOB)).await, (all, all), "it was shown before");
    assert_eq!(shut(US, ADA, &email_of(ADA)).await, (nothing, all));
}

async fn somebody_gets_in_by_address(store: &Store) {
    let lets_in = async |tenant: &Tenant, by_link| credential::lets_anybody_in(tenant, store, by_link).await.unwrap();
    assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &address_of(BOB))).await, None);
    assert!(!lets_in(&US, false).await && lets_in(&US, true).await, "without a password only by a link");
    let with_password = Credential { password_hash: Some(hash("$one")), ..address_of(BOB) };
    assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &with_password)).await, None);
    assert!(lets_in(&US, false).await && !lets_in(&THEM, false).await && !lets_in(&THEM, true).await);
    assert_eq!(write(store, |batch| user::disable_with(&US, batch, BOB, NOW)).await, None);
    assert!(!lets_in(&US, false).await && !lets_in(&US, true).await, "whoever is disabled is nobody");
}

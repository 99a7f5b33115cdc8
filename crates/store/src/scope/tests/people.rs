//! People and their ways in.

use retinue_model::credential::{Credential, PasswordHash};
use retinue_model::identity::{Identity, Origin};
use retinue_model::user::User;
use retinue_model::{Email, IdentityId, UserId};
use uuid::Uuid;

use super::{ADA, ADAS, BOB, BOBS, EVE, LATER, NOW, THEM, US, on_both, write};
use crate::identity::{Left, Trusted};
use crate::user::{Address, Description};
use crate::{Scope, Store, Tenant, credential, identity, user};

on_both! {
    people_are_their_organization_s
    an_administrator_is_one_of_their_organization
    the_last_administrator_is_known
    nobody_who_is_disabled_passes_for_enabled
    an_address_is_shown_by_whom_it_is_of
    an_identity_is_of_one_subject_at_one_provider
    the_last_way_in_is_one_s_own
    an_address_leads_to_the_one_who_has_it_at_that_moment
    whose_address_is_in_doubt_is_said
}

async fn people_are_their_organization_s(store: &Store) {
    let before = user::get(&US, store, ADA).await.unwrap();
    assert!(before.is_some());
    assert_eq!(user::get(&THEM, store, ADA).await.unwrap(), None);
    let listed = async |tenant| user::list(tenant, store, None, 10).await.unwrap().len();
    assert_eq!((listed(&US).await, listed(&THEM).await), (2, 1));
    let Some(User { name, email: Some(email), .. }) = user::get(&US, store, BOB).await.unwrap() else { panic!("Bob") };
    let found = async |tenant| {
        let by_name = user::by_name(tenant, store, &name, (None, 10)).await.unwrap();
        let by_email = user::by_email(tenant, store, &email, (None, 10)).await.unwrap();
        [by_name, by_email].map(|found| found.into_iter().any(|user| user.id == BOB))
    };
    assert_eq!((found(&US).await, found(&THEM).await), ([true; 2], [false; 2]));

    let theirs = Scope::of_row(THEM.id(), ADA);
    assert_eq!(write(store, |batch| user::rename_with(&theirs, batch, "x".to_owned(), NOW)).await, Some("not_found"));
    let described = described("x@example.com");
    let address = Address { email: None, key: None, verified: true };
    let tries = [
        write(store, |batch| user::describe_with(&THEM, batch, ADA, &described, NOW)).await,
        write(store, |batch| user::address_with(&THEM, batch, ADA, address, NOW)).await,
        write(store, |batch| user::disable_with(&THEM, batch, ADA, NOW)).await,
        write(store, |batch| user::enable_with(&THEM, batch, ADA, NOW)).await,
        write(store, |batch| user::make_admin_with(&THEM, batch, ADA, (true, NOW))).await,
    ];
    assert_eq!(tries, [Some("not_found"); 5]);
    assert_eq!(user::get(&US, store, ADA).await.unwrap(), before);
}

async fn an_administrator_is_one_of_their_organization(store: &Store) {
    let is = async |tenant: Tenant, id| write(store, |batch| user::require_admin_with(&tenant, batch, id)).await;
    let forbidden = Some("forbidden");
    assert_eq!((is(US, ADA).await, is(US, BOB).await, is(THEM, ADA).await), (forbidden, forbidden, forbidden));
    assert_eq!(write(store, |batch| user::make_admin_with(&US, batch, ADA, (true, NOW))).await, None);
    assert_eq!((is(US, ADA).await, is(US, BOB).await, is(THEM, ADA).await), (None, forbidden, forbidden));
    assert_eq!(write(store, |batch| user::make_admin_with(&US, batch, ADA, (false, NOW))).await, None);
    assert_eq!(is(US, ADA).await, forbidden);
}

/// Whoever is not of the organization, is shut out, or is oneself, is no other administrator.
async fn the_last_administrator_is_known(store: &Store) {
    let other =
        async |tenant: Tenant, id| write(store, |batch| user::require_other_admin_with(&tenant, batch, id)).await;
    let make = async |tenant: Tenant, id, admin| {
        assert_eq!(write(store, |batch| user::make_admin_with(&tenant, batch, id, (admin, NOW))).await, None);
    };
    make(US, ADA, true).await;
    make(THEM, EVE, true).await;
    assert_eq!(other(US, ADA).await, Some("last_admin"));
    make(US, BOB, true).await;
    assert_eq!((other(US, ADA).await, other(US, BOB).await), (None, None));
    assert_eq!(other(THEM, EVE).await, Some("last_admin"));
    assert_eq!(write(store, |batch| user::disable_with(&US, batch, BOB, NOW)).await, None);
    assert_eq!(other(US, ADA).await, Some("last_admin"));
    make(US, BOB, false).await;
    assert_eq!(other(US, BOB).await, None, "Ada is one");
}

async fn nobody_who_is_disabled_passes_for_enabled(store: &Store) {
    let enabled = async |tenant: Tenant| write(store, |batch| user::require_enabled_with(&tenant, batch, BOB)).await;
    assert_eq!((enabled(US).await, enabled(THEM).await), (None, Some("user_disabled")));
    assert_eq!(write(store, |batch| user::disable_with(&US, batch, BOB, NOW)).await, None);
    assert_eq!(enabled(US).await, Some("user_disabled"));
    assert!(user::get(&US, store, BOB).await.unwrap().unwrap().disabled_at.is_some(), "and stays so");
}

fn described(email: &str) -> Description {
    Description {
        name: "x".to_owned(),
        email: Some(email.to_owned()),
        email_key: Some(email.to_owned()),
        email_verified: false,
    }
}

async fn an_address_is_shown_by_whom_it_is_of(store: &Store) {
    let key = "bob@example.com";
    let by = Trusted::new([("trusted", "https://trusted.example.com")]);
    let vouched = async |tenant: &Tenant, key| user::by_vouched_email(tenant, store, key, &by).await.unwrap().len();
    let is_verified = async || user::get(&US, store, BOB).await.unwrap().unwrap().email_verified;
    let verify = async |tenant: Tenant, key: &str| {
        write(store, |batch| user::verify_with(&tenant, batch, BOB, key.to_owned(), LATER)).await
    };
    assert_eq!((verify(THEM, key).await, verify(US, "other@example.com").await), (None, None));
    assert!(!is_verified().await, "nobody has shown that it is Bob's");
    assert_eq!(verify(US, key).await, None);
    assert!(is_verified().await);
    assert_eq!(vouched(&US, key).await, 0, "by nobody's word");
    is_vouched_for(store, (&US, BOB), "other@example.com").await;
    assert_eq!(vouched(&US, key).await, 0, "of another address");
    assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &address_of(BOB))).await, None);
    assert_eq!(vouched(&US, key).await, 0, "no mail that went there was opened");
    assert_eq!((verify(THEM, key).await, vouched(&US, key).await), (None, 0));
    assert_eq!((verify(US, "other@example.com").await, vouched(&US, key).await), (None, 0));
    assert_eq!((verify(US, key).await, vouched(&US, key).await, vouched(&THEM, key).await), (None, 1, 0));
    namesake(store, key).await;
    assert_eq!(vouched(&US, key).await, 1, "nobody else's word counts");
    assert_eq!(vouched(&US, "namesake@example.com").await, 0, "they are not described with it");
    has_address(store, (&US, BOB), &email_of(BOB), false).await;
    assert_eq!(vouched(&US, key).await, 0, "it is in doubt");
}

pub(super) fn identity_of(user_id: UserId, subject: &str) -> Identity {
    Identity {
        id: IdentityId::new(user_id.uuid()),
        user_id,
        provider: "sso".to_owned(),
        issuer: "https://idp.example.com".to_owned(),
        subject: subject.to_owned(),
        email: None,
        email_verified: false,
        origin: Origin::SignIn,
        created_at: NOW,
        last_used_at: NOW,
    }
}

pub(super) async fn introduce(store: &Store) -> (Identity, Identity) {
    let (adas, bobs) = (identity_of(ADA, "ada"), identity_of(BOB, "bob"));
    let both = |batch: &mut crate::Batch| {
        identity::insert_with(&US, batch, &adas);
        identity::insert_with(&US, batch, &bobs);
    };
    assert_eq!(write(store, both).await, None);
    (adas, bobs)
}

async fn an_identity_is_of_one_subject_at_one_provider(store: &Store) {
    let (adas, bobs) = introduce(store).await;
    let found = async |tenant: &Tenant, provider, issuer, subject| {
        let found = identity::find(tenant, store, provider, (issuer, subject)).await.unwrap();
        found.map(|(identity, user)| (identity.user_id, user.id))
    };
    let issuer = "https://idp.example.com";
    assert_eq!(found(&US, "sso", issuer, "ada").await, Some((ADA, ADA)));
    assert_eq!(found(&US, "sso", issuer, "bob").await, Some((BOB, BOB)));
    for (tenant, provider, issuer, subject) in [
        (US, "other", issuer, "ada"),
        (US, "sso", "https://other.example.com", "ada"),
        (US, "sso", issuer, "eve"),
        (THEM, "sso", issuer, "ada"),
    ] {
        assert_eq!(found(&tenant, provider, issuer, subject).await, None, "{provider} {issuer} {subject}");
    }
    assert_eq!(identity::list(&ADAS, store).await.unwrap(), std::slice::from_ref(&adas));
    assert_eq!(identity::of_user(&US, store, BOB).await.unwrap(), [bobs]);
    assert_eq!(identity::of_user(&THEM, store, ADA).await.unwrap(), []);
    assert_eq!(write(store, |batch| identity::used_with(&THEM, batch, &adas)).await, Some("identity_gone"));
}

async fn the_last_way_in_is_one_s_own(store: &Store) {
    let (adas, bobs) = introduce(store).await;
    let delete = async |scope: Scope, id, left| {
        assert!(
            [None, Some("last_way_in")]
                .contains(&write(store, |batch| identity::delete_with(&scope, batch, id, left)).await)
        );
        identity::list(&ADAS, store).await.unwrap().len() + identity::list(&BOBS, store).await.unwrap().len()
    };
    let other = |id| Left { identity: Some(id), ..Left::default() };
    let by_link = Left { link: true, ..Left::default() };
    let by_password = Left { password: true, ..Left::default() };
    // Bob has another way in; Ada's is not his all the same.
    let second = Identity { id: IdentityId::new(Uuid::from_u128(50)), subject: "robert".to_owned(), ..bobs.clone() };
    assert_eq!(write(store, |batch| identity::insert_with(&US, batch, &second)).await, None);
    assert_eq!(delete(BOBS, adas.id, other(second.id)).await, 3);
    // That others have ways in helps nobody, be it an identity or an address; nor does what is removed itself.
    assert_eq!(delete(ADAS, adas.id, other(bobs.id)).await, 3);
    assert_eq!(delete(ADAS, adas.id, other(adas.id)).await, 3);
    let bobs_password = Credential { password_hash: Some(hash("$one")), ..address_of(BOB) };
    assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &bobs_password)).await, None);
    assert_eq!((delete(ADAS, adas.id, by_link).await, delete(ADAS, adas.id, by_password).await), (3, 3));
    assert_eq!(delete(BOBS, second.id, other(bobs.id)).await, 2, "the other one is left");
    // An address is a way in where people sign in so.
    assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &address_of(ADA))).await, None);
    assert_eq!(delete(ADAS, adas.id, by_password).await, 2, "it has no password");
    let with_password = Credential { password_hash: Some(hash("$two")), ..address_of(ADA) };
    assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &with_password)).await, None);
    assert_eq!(delete(ADAS, adas.id, Left::default()).await, 2, "nobody signs in so");
    assert_eq!(delete(ADAS, adas.id, by_link).await, 1);
}

/// Whether somebody's address is verified, as the others see it.
async fn is_verified(store: &Store, id: UserId) -> bool {
    user::get(&US, store, id).await.unwrap().unwrap().email_verified
}

/// Gives somebody an address.
async fn has_address(store: &Store, (tenant, id): (&Tenant, UserId), email: &Email, verified: bool) {
    let address = Address { email: Some(email.as_str().to_owned()), key: Some(email.key()), verified };
    assert_eq!(write(store, |batch| user::address_with(tenant, batch, id, address, NOW)).await, None);
}

/// By a provider that is trusted with addresses, somebody has this one.
async fn is_vouched_for(store: &Store, (tenant, id): (&Tenant, UserId), email: &str) {
    let number = 1_000 + id.uuid().as_u128() + u128::try_from(email.len()).unwrap();
    let subject = format!("subject {number}");
    let identity = Identity {
        id: IdentityId::new(Uuid::from_u128(number)),
        provider: "trusted".to_owned(),
        issuer: "https://trusted.example.com".to_owned(),
        email: Some(email.to_owned()),
        email_verified: true,
        ..identity_of(id, &subject)
    };
    assert_eq!(write(store, |batch| identity::insert_with(tenant, batch, &identity)).await, None);
}

/// Somebody else of whom it is said that this address is theirs, but by nobody whose word counts.
async fn namesake(store: &Store, key: &str) {
    let id = UserId::new(Uuid::from_u128(15));
    let user = User { email_verified: true, ..super::person(id, "namesake") };
    assert_eq!(write(store, |batch| user::insert_with(&US, batch, &user, Some(key.to_owned()))).await, None);
    is_vouched_for(store, (&US, id), "namesake@example.com").await;
    let doubtful = Identity {
        id: IdentityId::new(Uuid::from_u128(16)),
        provider: "trusted".to_owned(),
        issuer: "https://trusted.example.com".to_owned(),
        email: Some(key.to_owned()),
        ..identity_of(id, "doubtful")
    };
    assert_eq!(write(store, |batch| identity::insert_with(&US, batch, &doubtful)).await, None);
    let address = Email::new("namesake@example.com").unwrap();
    let verify = |batch: &mut crate::Batch| {
        credential::set_password_with(&US, batch, &Credential { address: address.clone(), ..address_of(id) });
        user::verify_with(&US, batch, id, address.key(), NOW);
    };
    assert_eq!(write(store, verify).await, None);
}

async fn an_address_leads_to_the_one_who_has_it_at_that_moment(store: &Store) {
    let (changed, bobs_address) = (Some("link_changed"), email_of(BOB));
    let trusted = Trusted::new([("trusted", "https://trusted.example.com")]);
    let link = async |tenant: &Tenant, number: u128, key: &str| {
        let (id, email) = (IdentityId::new(Uuid::from_u128(number)), Some(key.to_owned()));
        let identity = Identity { id, email, ..identity_of(BOB, "robert") };
        write(store, |batch| identity::link_with(tenant, batch, &identity, &trusted)).await
    };
    let key = bobs_address.key();
    has_address(store, (&US, BOB), &bobs_address, true).await;
    assert_eq!(link(&US, 70, &key).await, changed, "by nobody's word");
    assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &address_of(BOB))).await, None);
    assert_eq!(link(&US, 70, &key).await, changed, "no mail that went there was opened");
    let moves = async |to: &Email| {
        assert_eq!(write(store, |batch| credential::change_address_with(&US, batch, BOB, to, NOW)).await, None);
    };
    moves(&Email::new("elsewhere@example.com").unwrap()).await;
    assert_eq!(link(&US, 70, &key).await, changed, "a mail that went elsewhere was opened");
    moves(&bobs_address).await;
    has_address(store, (&US, BOB), &bobs_address, false).await;
    assert_eq!(link(&US, 70, &key).await, changed, "it is in doubt");
    has_address(store, (&US, BOB), &bobs_address, true).await;
    is_vouched_for(store, (&US, BOB), "robert@example.com").await;
    assert_eq!(link(&THEM, 70, &key).await, changed, "in another organization");
    assert_eq!(link(&US, 70, "robert@example.com").await, changed, "another address");
    assert_eq!(write(store, |batch| user::disable_with(&US, batch, BOB, NOW)).await, None);
    assert_eq!(link(&US, 70, &key).await, changed, "whoever is disabled");
    assert_eq!(write(store, |batch| user::enable_with(&US, batch, BOB, NOW)).await, None);
    // Whoever else is there stands in nobody's way: with another address, elsewhere, or with nothing but their own word;
    // nor does another's identity at the same provider.
    has_address(store, (&US, ADA), &email_of(ADA), true).await;
    is_vouched_for(store, (&US, ADA), &key).await;
    has_address(store, (&THEM, EVE), &bobs_address, true).await;
    is_vouched_for(store, (&THEM, EVE), &key).await;
    let pretender = super::person(UserId::new(Uuid::from_u128(14)), "pretender");
    assert_eq!(write(store, |batch| user::insert_with(&US, batch, &pretender, Some(key.clone()))).await, None);
    is_vouched_for(store, (&US, pretender.id), &key).await;
    assert_eq!(write(store, |batch| identity::insert_with(&US, batch, &identity_of(ADA, "ada"))).await, None);
    namesake(store, &key).await;
    assert_eq!(link(&US, 70, &key).await, None);
    assert_eq!(identity::list(&BOBS, store).await.unwrap().len(), 2);
    assert_eq!(identity::list(&ADAS, store).await.unwrap().len(), 2);
}

async fn whose_address_is_in_doubt_is_said(store: &Store) {
    introduce(store).await;
    for user in [ADA, BOB] {
        has_address(store, (&US, user), &email_of(user), true).await;
    }
    let doubt = async |scope: Scope, user| {
        let key = email_of(user).key();
        assert_eq!(write(store, |batch| identity::doubt_with(&scope, batch, key, LATER)).await, None);
        (is_verified(store, ADA).await, is_verified(store, BOB).await)
    };
    let foreign = Scope::of_row(THEM.id(), ADA);
    assert_eq!(doubt(foreign, ADA).await, (true, true), "in another organization");
    assert_eq!(doubt(BOBS, ADA).await, (true, true), "another's address");
    // What others bring forward vouches for nobody.
    let vouches = |user_id, number, verified| Identity {
        id: IdentityId::new(Uuid::from_u128(number)),
        subject: number.to_string(),
        email: Some("Ada@example.com".to_owned()),
        email_verified: verified,
        ..identity_of(user_id, "")
    };
    assert_eq!(write(store, |batch| identity::insert_with(&US, batch, &vouches(ADA, 60, true))).await, None);
    assert_eq!(doubt(ADAS, ADA).await, (true, true), "another identity says so");
    let left = Left { password: true, ..Left::default() };
    let password = Credential { password_hash: Some(hash("$one")), ..address_of(ADA) };
    assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &password)).await, None);
    let id = IdentityId::new(Uuid::from_u128(60));
    assert_eq!(write(store, |batch| identity::delete_with(&ADAS, batch, id, left)).await, None);
    let verify = |batch: &mut crate::Batch| user::verify_with(&US, batch, ADA, email_of(ADA).key(), NOW);
    assert_eq!(write(store, verify).await, None);
    assert_eq!(doubt(ADAS, ADA).await, (true, true), "they opened a mail that went there");
    let elsewhere = Email::new("ada@example.org").unwrap();
    assert_eq!(write(store, |batch| credential::change_address_with(&US, batch, ADA, &elsewhere, NOW)).await, None);
    for said in [vouches(BOB, 61, true), vouches(ADA, 62, false)] {
        assert_eq!(write(store, |batch| identity::insert_with(&US, batch, &said)).await, None);
    }
    let bobs = Credential { address: email_of(ADA), ..address_of(BOB) };
    assert_eq!(write(store, |batch| credential::set_password_with(&US, batch, &bobs)).await, None);
    let verify = |batch: &mut crate::Batch| user::verify_with(&US, batch, BOB, email_of(ADA).key(), NOW);
    assert_eq!(write(store, verify).await, None);
    assert_eq!(doubt(ADAS, ADA).await, (false, true));
}

pub(super) fn email_of(user: UserId) -> Email {
    let name = if user == ADA { "ada" } else { "bob" };
    Email::new(&format!("{name}@example.com")).unwrap()
}

pub(super) fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}

pub(super) fn address_of(user_id: UserId) -> Credential {
    Credential { user_id, address: email_of(user_id), password_hash: None, updated_at: NOW }
}

//! Whoever's scope it is, no statement reaches what is another's: three people, two of one organization, and each function
//! of the store asked on behalf of somebody whom it does not concern.

mod credential;
mod offboarding;
mod owner;
mod people;
mod session;
mod usage;

use jiff::Timestamp;
use retinue_model::principal::{DEFAULT_ORGANIZATION, LOCAL_USER};
use retinue_model::user::User;
use retinue_model::{OrganizationId, UserId};
use uuid::Uuid;

use super::{Scope, Tenant};
use crate::value::params;
use crate::{Batch, Statement, Store, user};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const LATER: Timestamp = Timestamp::constant(1_800_000_060, 0);

const US: Tenant = Tenant::default_organization();
const THEM: Tenant = Tenant::of_row(OrganizationId::new(Uuid::from_u128(2)));

/// Whose things they are, somebody of the same organization, and somebody of another one.
const ADA: UserId = LOCAL_USER;
const BOB: UserId = UserId::new(Uuid::from_u128(12));
const EVE: UserId = UserId::new(Uuid::from_u128(13));

const ADAS: Scope = Scope::of_row(DEFAULT_ORGANIZATION, ADA);
const BOBS: Scope = Scope::of_row(DEFAULT_ORGANIZATION, BOB);

static ADD_ORGANIZATION: Statement = statement("INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)");

const fn statement(text: &'static str) -> Statement {
    Statement { name: "tests", sqlite: text, postgres: text }
}

/// Writes what `add` adds; the code of what went wrong, if something did.
async fn write(store: &Store, add: impl FnOnce(&mut Batch)) -> Option<&'static str> {
    let mut batch = Batch::default();
    add(&mut batch);
    store.write(batch).await.err().map(|error| error.code())
}

fn person(id: UserId, name: &str) -> User {
    User {
        id,
        organization_id: DEFAULT_ORGANIZATION,
        name: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        email_verified: false,
        organization_admin: false,
        disabled_at: None,
        created_at: NOW,
    }
}

/// Ada is there from the beginning; the others come in.
async fn gather(store: &Store) {
    let all = |batch: &mut Batch| {
        batch.write(&ADD_ORGANIZATION, params![THEM.id(), "Them", NOW]);
        user::insert_with(&US, batch, &person(BOB, "bob"), Some("bob@example.com".to_owned()));
        user::insert_with(&THEM, batch, &person(EVE, "eve"), Some("eve@example.com".to_owned()));
    };
    assert_eq!(write(store, all).await, None);
}

macro_rules! on_both {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let (_folder, _, store) = crate::scratch::sqlite().await;
                super::super::gather(&store).await;
                super::$test(&store).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            #[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
            async fn $test() {
                let (_, store) = crate::scratch::postgres().await;
                super::super::gather(&store).await;
                super::$test(&store).await;
            })*
        }
    };
}
use on_both;

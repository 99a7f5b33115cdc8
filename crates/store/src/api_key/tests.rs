use retinue_model::principal::{DEFAULT_ORGANIZATION, LOCAL_USER};
use retinue_model::team::DEFAULT_TEAM;

use super::*;
use crate::scratch::on_both;

const US: Tenant = Tenant::default_organization();

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

async fn write(store: &Store, add: impl FnOnce(&mut Batch)) -> Option<&'static str> {
    let mut batch = Batch::default();
    add(&mut batch);
    store.write(batch).await.err().map(|error| error.code())
}

on_both! {
    a_key_is_revoked_once
}

async fn a_key_is_revoked_once(store: &Store) {
    let key = ApiKey {
        id: ApiKeyId::new(uuid::Uuid::from_u128(7)),
        organization_id: DEFAULT_ORGANIZATION,
        user_id: LOCAL_USER,
        team_id: DEFAULT_TEAM,
        name: "a key".to_owned(),
        prefix: "rtn_abc".to_owned(),
        scopes: KeyScopes::stored("threads:read"),
        created_at: at(0),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    };
    let bounds = Bounds { most: 10, most_made: (at(-10), 10) };
    assert_eq!(write(store, |batch| insert_with(&US, batch, &key, ([7; 32], bounds))).await, None);
    let revoke = |seconds| move |batch: &mut Batch| revoke_with(&US, batch, (key.id, LOCAL_USER), at(seconds));
    assert_eq!(write(store, revoke(1)).await, None);
    assert_eq!(write(store, revoke(1)).await, None, "the same once more");
    assert_eq!(write(store, revoke(2)).await, Some("api_key_revoked"));
    assert_eq!(get(&US, store, key.id).await.unwrap().unwrap().revoked_at, Some(at(1)));
}

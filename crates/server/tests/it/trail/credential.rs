//! That a program showed what this server does not take, told in the trail, within a bound.

use std::sync::Arc;

use reqwest::Method;
use retinue_app::Auth;
use retinue_model::api_key::KeyText;
use retinue_model::audit::Action;
use retinue_testkit::{IdentityProvider, TestApp, with_people_on_both_engines};

use super::watch::{Watch, is_refused};
use crate::api_key::key;
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    what_is_shown_and_not_taken_is_told,
    what_is_no_key_costs_no_query,
    a_key_that_is_turned_off_is_told,
}

async fn shows(app: &TestApp, (name, value): (&str, &str)) {
    let response = app.request(Method::GET, "/api/threads").header(name, value).send().await.unwrap();
    assert_eq!(response.status(), 401, "{name}: {value}");
}

async fn what_is_shown_and_not_taken_is_told(app: TestApp, _: IdentityProvider) {
    let mut watch = Watch::over(&app).await;
    let whole = KeyText::of_bits([7; 32]).expose().to_owned();
    let swapped = whole.replacen(&whole[20..21], if &whole[20..21] == "A" { "B" } else { "A" }, 1);
    for (name, value, via, reason) in [
        ("authorization", format!("Bearer {}", &whole[..52]), "api_key", "key_malformed"),
        ("authorization", format!("Bearer {swapped}"), "api_key", "key_malformed"),
        ("x-api-key", "rtn_".to_owned(), "api_key", "key_malformed"),
        ("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.c2VjcmV0".to_owned(), "bearer", "credential_kind_disabled"),
        ("x-api-key", "sk-secret".to_owned(), "bearer", "credential_kind_disabled"),
        ("authorization", "Bearer".to_owned(), "bearer", "invalid_request"),
        ("authorization", format!("Token {whole}"), "bearer", "invalid_request"),
    ] {
        if let Some(secret) = value.split(' ').next_back().filter(|text| text.len() > 8) {
            watch.hides(secret);
        }
        shows(&app, (name, &value)).await;
        let refused = watch.one(Action::CredentialRefused).await;
        is_refused(&refused, via, reason);
        assert_eq!((refused.target, refused.user_id, refused.details), (None, None, None), "{value}");
    }
    for _ in 0..20 {
        shows(&app, ("authorization", &format!("Bearer {swapped}"))).await;
    }
    assert_eq!(watch.told().await.len(), 7, "ten of a reason in a minute, with the three before");
    watch.is_whole().await;
}

async fn what_is_no_key_costs_no_query(app: TestApp, _: IdentityProvider) {
    let shown = [("x-api-key", "rtn_none"), ("x-api-key", "sk-other"), ("authorization", "Bearer")];
    for _ in 0..10 {
        for credential in shown {
            shows(&app, credential).await;
        }
    }
    // The watch for sessions that ended elsewhere asks now and then.
    let mut least = u64::MAX;
    for _ in 0..8 {
        let before = app.app.statements_run();
        for credential in shown {
            shows(&app, credential).await;
        }
        least = least.min(app.app.statements_run() - before);
    }
    assert_eq!(least, 0);
}

async fn a_key_that_is_turned_off_is_told(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "viewer").await;
    let (text, _) = key(&ada, &ops, &["threads:read"]).await;
    let auth = Auth { takes_keys: false, ..app.app.auth().clone() };
    let app = app.restart_letting_in(Arc::new(move |_| auth.clone())).await;
    let mut watch = Watch::over(&app).await;
    watch.hides(&text);
    shows(&app, ("x-api-key", &text)).await;
    let refused = watch.one(Action::CredentialRefused).await;
    is_refused(&refused, "api_key", "credential_kind_disabled");
    assert_eq!(refused.target, None, "it is not looked up");
}

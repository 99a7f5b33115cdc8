//! Links and codes that somebody has and that must not count. Their rows are written by the test, so that no mail is needed.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use retinue_app::Clock as _;
use retinue_app::local::Registration;
use retinue_app::secret::Token;
use retinue_model::one_time_token::{OneTimeToken, Purpose};
use retinue_model::{Email, UserId};
use retinue_store::{Batch, Store, Tenant, one_time_token};
use retinue_testkit::{CountingRng, Database, Person, TestApp, until, with_addresses_on_both_engines};
use serde_json::{Value, json};

use super::{ADA, PASSWORD};

const ANOTHER: &str = "another good one";

with_addresses_on_both_engines! {
    no_link_lets_anybody_in_who_is_disabled,
    no_link_counts_that_went_to_an_address_of_before,
    no_link_makes_a_user_where_nobody_registers,
    a_code_that_is_wrong_lets_nobody_in,
    a_password_set_by_a_link_ends_all_sessions,
    another_password_ends_other_sessions_and_older_links,
    all_that_is_too_old_is_deleted,
}

/// The token of a link that went out a moment ago.
async fn sent(app: &TestApp, purpose: Purpose, user: Option<UserId>, address: &str) -> String {
    let (token, now) = (Token::new(&CountingRng::apart()), app.clock.now());
    let store = Store::open_beside(app.database.location()).await.unwrap();
    let row = OneTimeToken {
        id: format!("ott_{:026}", purpose as u8).parse().unwrap(),
        user_id: user,
        purpose,
        token_hash: token.hash(),
        code_hash: (purpose == Purpose::MagicLink).then_some([7; 32]),
        attempts: 0,
        address: Email::new(address).unwrap(),
        created_at: now,
        expires_at: now + SignedDuration::from_mins(15),
        used_at: None,
    };
    let mut batch = Batch::default();
    one_time_token::insert_with(&Tenant::default_organization(), &mut batch, &row);
    store.write(batch).await.unwrap();
    token.expose()
}

/// What somebody hears who shows this: status and code.
async fn shows(app: &TestApp, path: &str, shown: Value) -> (u16, String) {
    let stranger = Person::stranger(app);
    let (status, answer) = stranger.post(path, &shown).await;
    assert_eq!(stranger.session_cookie().is_empty(), status != 200, "{status} {answer}");
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

async fn resets(app: &TestApp, token: &str) -> (u16, String) {
    shows(app, "/auth/password-reset/verify", json!({"token": token, "password": ANOTHER})).await
}

async fn signs_in(app: &TestApp, token: &str) -> (u16, String) {
    shows(app, "/auth/magic-link/verify", json!({"token": token})).await
}

fn spent() -> (u16, String) {
    (409, "token_spent".to_owned())
}

async fn no_link_lets_anybody_in_who_is_disabled(app: TestApp) {
    let ada = app.add_user(ADA, Some(PASSWORD)).await;
    app.administration().await.disable(&ada).await.unwrap();
    let link = sent(&app, Purpose::MagicLink, Some(ada.id), ADA).await;
    assert_eq!(signs_in(&app, &link).await, (403, "user_disabled".to_owned()));
    let reset = sent(&app, Purpose::PasswordReset, Some(ada.id), ADA).await;
    assert_eq!(resets(&app, &reset).await, (403, "user_disabled".to_owned()));
    app.administration().await.enable(&ada).await.unwrap();
    assert_eq!(Person::stranger(&app).sign_in_with(ADA, PASSWORD).await.status(), 303, "all is as it was");
}

async fn no_link_counts_that_went_to_an_address_of_before(app: TestApp) {
    let ada = app.add_user(ADA, Some(PASSWORD)).await;
    let link = sent(&app, Purpose::MagicLink, Some(ada.id), "ada@old.example.com").await;
    assert_eq!(signs_in(&app, &link).await, spent());
    let reset = sent(&app, Purpose::PasswordReset, Some(ada.id), "ada@old.example.com").await;
    assert_eq!(resets(&app, &reset).await, spent());
}

async fn no_link_makes_a_user_where_nobody_registers(app: TestApp) {
    let link = sent(&app, Purpose::MagicLink, None, "new@example.com").await;
    assert_eq!(signs_in(&app, &link).await, spent());
    assert!(app.administration().await.list().await.unwrap().is_empty());
}

async fn a_code_that_is_wrong_lets_nobody_in(app: TestApp) {
    let ada = app.add_user(ADA, None).await;
    let link = sent(&app, Purpose::MagicLink, Some(ada.id), ADA).await;
    let typed = json!({"email": ADA, "code": "0000-0000"});
    assert_eq!(shows(&app, "/auth/magic-link/verify", typed).await, (400, "code_wrong".to_owned()));
    assert_eq!(signs_in(&app, &link).await.0, 200, "the link beside it is good");
}

async fn a_password_set_by_a_link_ends_all_sessions(app: TestApp) {
    let ada = app.add_user(ADA, Some(PASSWORD)).await;
    // Not for the first time: that would end them anyway.
    app.database.ask("UPDATE credentials SET address_verified_at = updated_at").await;
    let thief = Person::stranger(&app);
    assert_eq!(thief.sign_in_with(ADA, PASSWORD).await.status(), 303);
    let reset = sent(&app, Purpose::PasswordReset, Some(ada.id), ADA).await;
    assert_eq!(signs_in(&app, &reset).await, spent(), "it is no link to sign in");
    assert_eq!(resets(&app, &reset).await.0, 200);
    assert_eq!(thief.status(Method::GET, "/api/threads").await, 401);
    assert_eq!(resets(&app, &reset).await, spent());
}

async fn another_password_ends_other_sessions_and_older_links(app: TestApp) {
    let ada = app.add_user(ADA, Some(PASSWORD)).await;
    let (desk, phone) = (Person::stranger(&app), Person::stranger(&app));
    for person in [&desk, &phone] {
        assert_eq!(person.sign_in_with(ADA, PASSWORD).await.status(), 303);
    }
    let reset = sent(&app, Purpose::PasswordReset, Some(ada.id), ADA).await;
    let change = async |current: &str| {
        let form = [("current_password", current), ("password", ANOTHER)];
        desk.submit("/account/password", &form).await.status().as_u16()
    };
    assert_eq!(change("something else").await, 400, "whoever finds a browser open does not keep what they find");
    assert_eq!(phone.status(Method::GET, "/api/threads").await, 200);
    assert_eq!(change(PASSWORD).await, 303);
    assert_eq!(desk.status(Method::GET, "/api/threads").await, 200);
    assert_eq!(phone.status(Method::GET, "/api/threads").await, 401);
    assert_eq!(resets(&app, &reset).await, spent());
}

/// However many strangers had written down.
async fn all_that_is_too_old_is_deleted(app: TestApp) {
    let (rng, now) = (CountingRng::apart(), app.clock.now());
    let store = Store::open_beside(app.database.location()).await.unwrap();
    let mut batch = Batch::default();
    for number in 0..2_100 {
        let row = OneTimeToken {
            id: format!("ott_{number:026}").parse().unwrap(),
            user_id: None,
            purpose: Purpose::MagicLink,
            token_hash: Token::new(&rng).hash(),
            code_hash: None,
            attempts: 0,
            address: Email::new("nobody@example.com").unwrap(),
            created_at: now - SignedDuration::from_mins(20),
            expires_at: now - SignedDuration::from_mins(5),
            used_at: None,
        };
        one_time_token::insert_with(&Tenant::default_organization(), &mut batch, &row);
    }
    store.write(batch).await.unwrap();
    drop(store);
    // Each start begins with it.
    let app = app.restart().await;
    until("all of them are gone", Duration::from_secs(10), async || {
        (app.database.ask("SELECT COUNT(*) FROM one_time_tokens").await == ["0"]).then_some(())
    })
    .await;
}

/// Nothing listens at this port: that a mail would go out is enough to know.
#[tokio::test]
async fn an_address_is_changed_by_whoever_knows_the_password() {
    let app = TestApp::local_with(Database::sqlite(), Registration::Closed, Some(1)).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    let ada = Person::stranger(&app);
    assert_eq!(ada.sign_in_with(ADA, PASSWORD).await.status(), 303);
    let ask = async |current: &str| {
        let form = [("email", "lovelace@example.com"), ("current_password", current)];
        ada.submit("/account/email", &form).await.status().as_u16()
    };
    assert_eq!((ask("something else").await, ask(PASSWORD).await), (400, 200));
}

/// Who must be invited, or can't come at all, gets no mail.
#[tokio::test]
async fn a_mail_goes_out_only_where_somebody_may_register() {
    for (registration, status) in [(Registration::Open, 200), (Registration::Invite, 403), (Registration::Closed, 403)]
    {
        let app = TestApp::local_with(Database::sqlite(), registration, Some(1)).await;
        let asked = Person::stranger(&app).post("/auth/register", &json!({"email": "new@example.com"})).await;
        assert_eq!(asked.0, status, "{registration:?}: {}", asked.1);
    }
}

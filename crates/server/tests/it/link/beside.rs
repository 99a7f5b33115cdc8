//! What else a link does that is used, what is counted of one that is not, and to whom none goes.

use std::time::Duration;

use reqwest::Method;
use retinue_app::local::Registration;
use retinue_app::set_up;
use retinue_model::Email;
use retinue_model::one_time_token::Purpose;
use retinue_testkit::{Database, LetterBox, Person, TestApp, on_both_databases};
use serde_json::{Value, json};

use super::another_address::{begin, sent};
use super::{ADA, PASSWORD};

on_both_databases! {
    a_link_that_is_used_closes_those_beside_it,
    a_link_shows_that_an_address_is_ones_own,
    other_processes_hear_whose_address_was_shown,
    an_attempt_at_a_code_is_counted,
    guesses_at_codes_are_counted_by_account,
    mails_are_counted_by_address,
    mails_to_others_are_counted_by_whoever_sends_them,
    no_mail_goes_to_whoever_is_shut_out,
    the_console_shows_no_link_where_somebody_can_come_in,
}

async fn shows(app: &TestApp, path: &str, body: &Value) -> (u16, String) {
    let (status, answer) = Person::stranger(app).post(path, body).await;
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

fn spent() -> (u16, String) {
    (409, "token_spent".to_owned())
}

async fn a_link_that_is_used_closes_those_beside_it(database: Database) {
    let story = begin(database, 1).await;
    let verify = "/auth/magic-link/verify";
    let (one, other) = (sent(&story, Purpose::MagicLink, ADA).await, sent(&story, Purpose::MagicLink, ADA).await);
    assert_eq!(shows(&story.app, verify, &json!({"token": one})).await.0, 200);
    assert_eq!(shows(&story.app, verify, &json!({"token": other})).await, spent());
    let page = Person::stranger(&story.app).open(&format!("{verify}?token={one}")).await;
    assert_eq!(page.status(), 409, "its page says that it is used");

    let link = sent(&story, Purpose::MagicLink, ADA).await;
    let (one, other) =
        (sent(&story, Purpose::PasswordReset, ADA).await, sent(&story, Purpose::PasswordReset, ADA).await);
    let reset = async |token: &str| {
        let body = json!({"token": token, "password": "another good one"});
        shows(&story.app, "/auth/password-reset/verify", &body).await
    };
    assert_eq!(reset(&one).await.0, 200);
    assert_eq!(reset(&other).await, spent());
    assert_eq!(shows(&story.app, verify, &json!({"token": link})).await, spent());
}

async fn a_link_shows_that_an_address_is_ones_own(database: Database) {
    let story = begin(database, 1).await;
    let grace = story.app.administration().await.find("grace@example.com").await.unwrap();
    let is_verified = async |email: &str| story.app.administration().await.find(email).await.unwrap().email_verified;
    assert!(!is_verified(ADA).await);
    let link = sent(&story, Purpose::MagicLink, ADA).await;
    assert_eq!(shows(&story.app, "/auth/magic-link/verify", &json!({"token": link})).await.0, 200);
    assert!(is_verified(ADA).await && !is_verified("grace@example.com").await);
    let reset =
        super::another_address::sent_to(&story.app, (Purpose::PasswordReset, grace.id), "grace@example.com").await;
    let body = json!({"token": reset, "password": "another good one"});
    assert_eq!(shows(&story.app, "/auth/password-reset/verify", &body).await.0, 200);
    assert!(is_verified("grace@example.com").await);
}

/// Sessions that they know may be an administrator's from now on.
async fn other_processes_hear_whose_address_was_shown(database: Database) {
    let story = begin(database, 1).await;
    // By id: of each person only the newest is there.
    let heard = async || story.app.database.ask("SELECT id FROM revocations ORDER BY id").await;
    let before = heard().await;
    let link = sent(&story, Purpose::MagicLink, ADA).await;
    assert_eq!(shows(&story.app, "/auth/magic-link/verify", &json!({"token": link})).await.0, 200);
    let after = heard().await;
    assert_ne!(after, before);
    let link = sent(&story, Purpose::MagicLink, ADA).await;
    assert_eq!(shows(&story.app, "/auth/magic-link/verify", &json!({"token": link})).await.0, 200);
    assert_eq!(heard().await, after, "nothing is new");
}

fn guess(number: u32) -> Value {
    json!({"email": ADA, "code": format!("0000-{number:04}")})
}

async fn an_attempt_at_a_code_is_counted(database: Database) {
    let story = begin(database, 1).await;
    let (status, _) = Person::stranger(&story.app).post("/auth/magic-link", &json!({"email": ADA})).await;
    assert_eq!(status, 200);
    let attempts = async || story.app.database.ask("SELECT attempts FROM one_time_tokens").await.remove(0);
    for number in 1..=3 {
        assert_eq!(shows(&story.app, "/auth/magic-link/verify", &guess(number)).await.1, "code_wrong");
        assert_eq!(attempts().await, number.to_string());
    }
}

async fn guesses_at_codes_are_counted_by_account(database: Database) {
    let story = begin(database, 1).await;
    for number in 0..5 {
        assert_eq!(shows(&story.app, "/auth/magic-link/verify", &guess(number)).await.0, 400);
    }
    assert_eq!(shows(&story.app, "/auth/magic-link/verify", &guess(5)).await, (429, "too_many_attempts".to_owned()));
}

async fn mails_are_counted_by_address(database: Database) {
    let story = begin(database, 1).await;
    for path in ["/auth/magic-link", "/auth/password-reset"] {
        let mut statuses = Vec::new();
        for _ in 0..5 {
            statuses.push(shows(&story.app, path, &json!({"email": format!("{}@example.com", path.len())})).await.0);
        }
        assert_eq!(statuses, [200, 200, 200, 200, 429], "{path}");
    }
    let form = [("email", "lovelace@example.com"), ("current_password", PASSWORD)];
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(story.ada.submit("/account/email", &form).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429]);
}

async fn mails_to_others_are_counted_by_whoever_sends_them(database: Database) {
    let story = begin(database, 1).await;
    let mut statuses = Vec::new();
    for number in 0..6 {
        let address = format!("stranger{number}@example.com");
        let form = [("email", &*address), ("current_password", PASSWORD)];
        statuses.push(story.ada.submit("/account/email", &form).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429, 429]);
    let others = shows(&story.app, "/auth/magic-link", &json!({"email": "grace@example.com"})).await;
    assert_eq!(others.0, 200, "nobody else has to wait for that");
}

async fn no_mail_goes_to_whoever_is_shut_out(database: Database) {
    let letters = LetterBox::open().await;
    let story = begin(database, letters.port()).await;
    let grace = story.app.administration().await.find("grace@example.com").await.unwrap();
    story.app.administration().await.disable(&grace).await.unwrap();
    for path in ["/auth/magic-link", "/auth/password-reset"] {
        for email in ["grace@example.com", ADA] {
            assert_eq!(shows(&story.app, path, &json!({"email": email})).await.0, 200);
        }
    }
    let mailer = story.app.app.auth().local.clone().unwrap().mail.unwrap();
    mailer.close(Duration::from_secs(10)).await;
    let whom: Vec<_> = letters.rest().await.into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(whom, [ADA, ADA]);
}

async fn the_console_shows_no_link_where_somebody_can_come_in(database: Database) {
    let (app, _provider) = TestApp::with_both_ways(database).await;
    assert_eq!(set_up::offer(&app.app).await.unwrap(), None, "people sign in at a provider");
    let app = TestApp::local_with(Database::sqlite(), Registration::Invite, None).await;
    assert!(set_up::offer(&app.app).await.unwrap().is_some());
    let email = Email::new("ivy@example.com").unwrap();
    let (one, other) =
        (app.administration().await.invite(&email).await, app.administration().await.invite(&email).await);
    let accept = async |token: &str| {
        shows(&app, "/auth/register", &json!({"token": token, "name": "Ivy", "password": PASSWORD})).await
    };
    assert_eq!(accept(&one.unwrap()).await.0, 201);
    assert_eq!(accept(&other.unwrap()).await, spent(), "an invitation that was used closes the others");
    assert_eq!(set_up::offer(&app.app).await.unwrap(), None);
    assert_eq!(Person::stranger(&app).status(Method::GET, "/auth/me").await, 401);
}

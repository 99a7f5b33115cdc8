//! What whoever has the machine does beside a running server: whom they mean, and what they may not do.

use std::time::Duration;

use retinue_app::Auth;
use retinue_app::administration::NewUser;
use retinue_model::Email;
use retinue_testkit::{Database, Person, TestApp, on_both_databases, until, with_passwords};
use serde_json::json;

use crate::linking::{comes, has};

on_both_databases! {
    an_address_is_whose_it_was_shown_to_be,
    conversations_are_handed_over_to_whoever_may_come_in,
    conversations_are_handed_over_between_answers,
    whoever_is_made_an_administrator_is_one_until_that_is_taken_back,
}

const PASSWORD: &str = "correct horse battery staple";
const CORPORATE: &str = "alice@corp.example";

/// `sso`, where people say of their addresses what they like, and `other`, which is trusted.
async fn an_address_is_whose_it_was_shown_to_be(database: Database) {
    let rules = |auth: &mut Auth| {
        auth.providers[1].link_by_email = true;
        auth.local = Some(with_passwords());
    };
    let (app, [sso, other]) = TestApp::with_providers_and_auth(database, rules).await;
    let mallory = comes(&app, ("sso", &sso), "mallory", has(CORPORATE, true)).await.id().await;
    let administration = app.administration().await;
    let found = async |named: &str| {
        administration.find(named).await.map(|user| user.id.to_string()).map_err(|error| error.code())
    };
    assert_eq!(found(CORPORATE).await, Err("not_found"), "whoever merely says so");
    assert_eq!(found(&mallory).await.as_ref(), Ok(&mallory));

    let alice = app.add_user(CORPORATE, None).await.id.to_string();
    assert_eq!(found("Alice@corp.example").await.as_ref(), Ok(&alice), "who signs in with it");

    comes(&app, ("other", &other), "another", has(CORPORATE, true)).await;
    assert_eq!(found(CORPORATE).await, Err("user_ambiguous"), "one signs in with it, and another has shown it");
    assert_eq!(found(&alice).await.as_ref(), Ok(&alice));
}

async fn conversations_are_handed_over_to_whoever_may_come_in(database: Database) {
    let app = TestApp::local(database).await;
    let ada = app.add_user("ada@example.com", None).await;
    let administration = app.administration().await;
    administration.disable(&ada).await.unwrap();
    let ada = administration.find("ada@example.com").await.unwrap();
    assert_eq!(administration.transfer_threads(&ada).await.unwrap_err().code(), "user_disabled");
    administration.enable(&ada).await.unwrap();
    let ada = administration.find("ada@example.com").await.unwrap();
    assert_eq!(administration.transfer_threads(&ada).await.unwrap(), 0);
}

async fn conversations_are_handed_over_between_answers(database: Database) {
    let app = TestApp::start(database).await;
    let administration = app.administration().await;
    let email = Email::new("ada@example.com").unwrap();
    let ada = administration.add(NewUser { name: None, email, admin: false, password: None }).await.unwrap();
    let (idle, busy) = (app.thread().await, app.thread().await);
    let run = app.say(&busy, "How many?").await;
    assert_eq!(administration.transfer_threads(&ada).await.unwrap_err().code(), "run_in_progress");
    app.get(&format!("/api/threads/{idle}")).await;
    app.model.next().await.answer("Seven.").await;
    assert_eq!(app.ended(&run).await["status"], json!("completed"));
    assert_eq!(administration.transfer_threads(&ada).await.unwrap(), 2);
    app.send(reqwest::Method::GET, &format!("/api/threads/{idle}"), &json!({}), 404).await;
}

/// A conversation that begins while others are handed over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn postgres_no_conversation_is_handed_over_whose_answer_began_a_moment_ago() {
    let app = TestApp::start(Database::postgres().await).await;
    let administration = app.administration().await;
    let email = Email::new("ada@example.com").unwrap();
    let ada = administration.add(NewUser { name: None, email, admin: false, password: None }).await.unwrap();
    app.thread().await;
    // Whoever hands over comes as far as it can without the people's rows.
    let people = app.database.lock_rows_softly("users").await;
    let transfer = tokio::spawn(async move { administration.transfer_threads(&ada).await });
    until("it waits", Duration::from_secs(10), async || (app.database.waiting().await == 1).then_some(())).await;
    let busy = app.thread().await;
    let run = app.say(&busy, "How many?").await;
    drop(people);
    assert_eq!(transfer.await.unwrap().unwrap_err().code(), "run_in_progress");
    app.model.next().await.answer("Seven.").await;
    assert_eq!(app.ended(&run).await["status"], json!("completed"));
    app.get(&format!("/api/threads/{busy}")).await;
}

async fn whoever_is_made_an_administrator_is_one_until_that_is_taken_back(database: Database) {
    let app = TestApp::local(database).await;
    let administration = app.administration().await;
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let (ada, grace) = (Person::stranger(&app), app.add_user("grace@example.com", None).await);
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    let is = async |admin: bool| {
        // It is heard within a second, or twice that on a busy machine.
        until(&format!("she runs the installation: {admin}"), Duration::from_secs(2), async || {
            let me = ada.get("/auth/me").await;
            (me["principal"]["organization_admin"] == json!(admin)).then_some(())
        })
        .await;
    };
    let now = async || administration.find("ada@example.com").await.unwrap();
    let revoke = async || administration.revoke_admin(&now().await).await.map_err(|error| error.code());
    is(false).await;
    assert_eq!(revoke().await, Err("not_admin"));
    administration.grant_admin(&now().await).await.unwrap();
    is(true).await;
    assert_eq!(revoke().await, Err("last_admin"));
    administration.grant_admin(&grace).await.unwrap();
    administration.disable(&grace).await.unwrap();
    assert_eq!(revoke().await, Err("last_admin"), "the other one is shut out");
    administration.enable(&grace).await.unwrap();
    assert_eq!(revoke().await, Ok(()));
    is(false).await;
}

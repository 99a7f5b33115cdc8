//! What changes how somebody signs in, or what they have, is written for nobody whose session ended a moment before, or who
//! was shut out then.

use std::sync::Arc;
use std::time::Duration;

use retinue_app::{Caller, Context, Visit, identity, own_credential, run, user};
use retinue_model::one_time_token::Purpose;
use retinue_model::provider::Choice;
use retinue_model::run::Status;
use retinue_model::text::Input;
use retinue_model::{Email, Password};
use retinue_store::Location;
use retinue_testkit::{Database, Person, TestApp, on_both_databases, until};

use crate::link::another_address::{NEW, begin, sent};
use crate::link::{ADA, PASSWORD};
use crate::linking::{comes, has};

on_both_databases! {
    another_password_is_set_for_nobody_who_is_out,
    a_first_password_is_set_for_nobody_who_is_out,
    a_link_to_another_address_is_written_for_nobody_who_is_out,
    an_address_is_changed_for_nobody_who_is_out,
    an_identity_is_removed_for_nobody_who_is_out,
    conversations_from_before_go_to_nobody_who_is_out,
    what_began_while_its_credential_ended_is_stopped,
}

const ANOTHER: &str = "another good password";

/// Somebody's request that was let in already.
async fn let_in(app: &TestApp, person: &Person) -> Context {
    let visit = Visit::new(app.app.clone(), Arc::from("a request"), Caller::default());
    visit.authenticate(Some(&person.session_cookie())).await.unwrap()
}

/// Puts everybody out in one way and in the other, each time before what was asked for is done, and lets them in again.
async fn is_refused(app: &TestApp, act: impl AsyncFn() -> retinue_model::Result<()>) {
    for (table, column, code) in [("sessions", "ended_at", "session_ended"), ("users", "disabled_at", "user_disabled")]
    {
        app.database.ask(&format!("UPDATE {table} SET {column} = created_at")).await;
        assert_eq!(act().await.map_err(|error| error.code()), Err(code));
        app.database.ask(&format!("UPDATE {table} SET {column} = NULL")).await;
    }
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

async fn opens(app: &TestApp, password: &str) -> bool {
    Person::stranger(app).sign_in_with(ADA, password).await.status() == 303
}

async fn another_password_is_set_for_nobody_who_is_out(database: Database) {
    let story = begin(database, 1).await;
    let ctx = let_in(&story.app, &story.ada).await;
    let act = async || own_credential::change_password(&ctx, password(PASSWORD), password(ANOTHER)).await;
    is_refused(&story.app, act).await;
    assert!(opens(&story.app, PASSWORD).await && !opens(&story.app, ANOTHER).await);
    act().await.unwrap();
    assert!(opens(&story.app, ANOTHER).await, "whoever is in may");
}

async fn a_first_password_is_set_for_nobody_who_is_out(database: Database) {
    let story = begin(database, 1).await;
    story.app.database.ask("UPDATE credentials SET password_hash = NULL").await;
    let ctx = let_in(&story.app, &story.ada).await;
    let act = async || own_credential::change_password(&ctx, password(""), password(ANOTHER)).await;
    is_refused(&story.app, act).await;
    assert!(!opens(&story.app, ANOTHER).await);
    act().await.unwrap();
    assert!(opens(&story.app, ANOTHER).await, "whoever is in may");
}

async fn a_link_to_another_address_is_written_for_nobody_who_is_out(database: Database) {
    let story = begin(database, 1).await;
    let ctx = let_in(&story.app, &story.ada).await;
    let links = async || story.app.database.ask("SELECT address FROM one_time_tokens").await;
    let act = async || own_credential::ask_to_change_address(&ctx, password(PASSWORD), Email::new(NEW).unwrap()).await;
    is_refused(&story.app, act).await;
    assert!(links().await.is_empty());
    act().await.unwrap();
    assert_eq!(links().await, [NEW], "whoever is in may");
}

async fn an_address_is_changed_for_nobody_who_is_out(database: Database) {
    let story = begin(database, 1).await;
    let ctx = let_in(&story.app, &story.ada).await;
    let token = sent(&story, Purpose::EmailChange, NEW).await;
    let addresses = async || story.app.database.ask("SELECT address FROM credentials ORDER BY address").await;
    let act = async || own_credential::change_address(&ctx, &token).await.map(drop);
    is_refused(&story.app, act).await;
    assert_eq!(addresses().await, [ADA, "grace@example.com"]);
    act().await.unwrap();
    assert_eq!(addresses().await, ["grace@example.com", NEW], "whoever is in may");
}

async fn an_identity_is_removed_for_nobody_who_is_out(database: Database) {
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    let ada = comes(&app, ("sso", &sso), "ada", has(ADA, true)).await;
    other.introduce("ada there", has("ada@example.org", true));
    assert_eq!(ada.add_identity("other", &other).await.status(), 303);
    let second = ada.get("/api/identities").await["data"][1]["id"].as_str().unwrap().parse().unwrap();
    let ctx = let_in(&app, &ada).await;
    let subjects = async || app.database.ask("SELECT subject FROM identities ORDER BY subject").await;
    let act = async || identity::remove(&ctx, second).await;
    is_refused(&app, act).await;
    assert_eq!(subjects().await, ["ada", "ada there"]);
    act().await.unwrap();
    assert_eq!(subjects().await, ["ada"], "whoever is in may");
}

async fn conversations_from_before_go_to_nobody_who_is_out(database: Database) {
    let (app, sso) = TestApp::with_provider(database).await;
    let admin = Person::signed_in(&app, &sso, "admin").await;
    let ctx = let_in(&app, &admin).await;
    let act = async || user::take_over(&ctx).await;
    is_refused(&app, act).await;
    act().await.unwrap();
}

/// Both saw that there was none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_first_passwords_at_once_one_counts() {
    let story = begin(Database::sqlite(), 1).await;
    let (app, ada) = (&story.app, &story.ada);
    app.database.ask("UPDATE credentials SET password_hash = NULL").await;
    let Location::Sqlite(file) = app.database.location() else { unreachable!() };
    let elsewhere = rusqlite::Connection::open(file).unwrap();
    elsewhere.busy_timeout(Duration::from_secs(10)).unwrap();
    elsewhere.execute_batch("BEGIN IMMEDIATE").unwrap();
    let passwords = app.app.auth().local.clone().unwrap().passwords;
    let before = passwords.count();
    let sets =
        async |password: &str| ada.submit("/account/password", &[("password", password)]).await.status().as_u16();
    let (one, other, ()) = tokio::join!(sets(PASSWORD), sets(ANOTHER), async {
        until("both are hashed", Duration::from_secs(20), async || (passwords.count() == before + 2).then_some(()))
            .await;
        elsewhere.execute_batch("ROLLBACK").unwrap();
    });
    assert_eq!((one.min(other), one.max(other)), (303, 400));
    assert_eq!((opens(app, PASSWORD).await, opens(app, ANOTHER).await), (one == 303, other == 303));
}

/// Whoever ends it looks for runs to stop, and may do so a moment before one is there.
async fn what_began_while_its_credential_ended_is_stopped(database: Database) {
    let story = begin(database, 1).await;
    let id = story.ada.thread().await.parse().unwrap();
    let ctx = let_in(&story.app, &story.ada).await;
    assert_eq!(story.ada.post("/auth/logout", &serde_json::json!({})).await.0, 200);
    let new = run::NewRun { input: Input::new("Go on").unwrap(), agent_id: None, model: Choice::Unchanged };
    let begun = run::start(&ctx, id, new).await.unwrap();
    let ended = async || (run::get(&ctx, begun.id).await.unwrap().status == Status::Cancelled).then_some(());
    until("it is stopped", Duration::from_secs(5), ended).await;
}

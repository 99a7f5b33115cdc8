//! Whoever hangs up while something is done changes nothing of it: what follows from a commit is done too, such as the mail
//! that warns of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::poll;
use reqwest::Method;
use retinue_app::credential::{self, Typed};
use retinue_app::link::{self, Accepted, Proof};
use retinue_app::local::Registration;
use retinue_app::place::Place;
use retinue_app::set_up::{self, First};
use retinue_app::{Caller, Visit, own_credential};
use retinue_model::one_time_token::Purpose;
use retinue_model::{Email, Password};
use retinue_testkit::{Database, Person, TestApp, on_both_databases, until};

use super::another_address::{NEW, begin, sent};
use super::{ADA, PASSWORD};

on_both_databases! {
    whoever_changes_the_address_can_t_keep_the_warning_back,
    whoever_comes_by_a_link_takes_their_place,
    whoever_signs_in_with_a_password_takes_their_place,
    a_password_is_set_by_a_link,
    an_invitation_is_accepted,
    the_first_administrator_is_set_up,
}

const WAIT: Duration = Duration::from_secs(20);

fn visit(app: &TestApp) -> Visit {
    Visit::new(app.app.clone(), Arc::from("a request"), Caller::default())
}

/// Begins it, and is gone, most often before it is done.
async fn hang_up_on<T>(work: impl Future<Output = T>) {
    let mut work = Box::pin(work);
    drop(poll!(&mut work));
}

/// The place of somebody's browser, which they agree to leave.
async fn place_of(app: &TestApp, person: &Person) -> Place {
    let ctx = visit(app).authenticate(Some(&person.session_cookie())).await.unwrap();
    Place { instead_of: Some(ctx.principal().user_id()), current: Some(ctx) }
}

async fn is_out(person: &Person) {
    until("the session before is over", WAIT, async || {
        (person.status(Method::GET, "/auth/me").await == 401).then_some(())
    })
    .await;
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

/// Hangs up on what sets a password, with which somebody gets in, sooner or later.
async fn gets_in_after<T>(app: &TestApp, (email, password): (&str, &str), work: impl Future<Output = T>) {
    let kept = async || app.database.ask("SELECT password_hash FROM credentials ORDER BY address").await;
    let before = kept().await;
    hang_up_on(work).await;
    until("a password is set", WAIT, async || (kept().await != before).then_some(())).await;
    assert_eq!(Person::stranger(app).sign_in_with(email, password).await.status(), 303);
}

async fn whoever_changes_the_address_can_t_keep_the_warning_back(database: Database) {
    let mails = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let story = begin(database, mails.local_addr().unwrap().port()).await;
    let token = sent(&story, Purpose::EmailChange, NEW).await;
    let ctx = visit(&story.app).authenticate(Some(&story.ada.session_cookie())).await.unwrap();
    hang_up_on(own_credential::change_address(&ctx, &token)).await;
    tokio::time::timeout(WAIT, mails.accept()).await.expect("no mail goes out").unwrap();
}

async fn whoever_comes_by_a_link_takes_their_place(database: Database) {
    let story = begin(database, 1).await;
    // Not for the first time: that would end all sessions anyway.
    story.app.database.ask("UPDATE credentials SET address_verified_at = updated_at").await;
    let link = sent(&story, Purpose::MagicLink, ADA).await;
    let place = place_of(&story.app, &story.ada).await;
    hang_up_on(link::sign_in(&visit(&story.app), Proof::Token(link), place)).await;
    is_out(&story.ada).await;
}

async fn whoever_signs_in_with_a_password_takes_their_place(database: Database) {
    let story = begin(database, 1).await;
    let typed = Typed { email: Email::new(ADA).unwrap(), password: password(PASSWORD) };
    let current = place_of(&story.app, &story.ada).await.current;
    hang_up_on(credential::sign_in(&visit(&story.app), typed, current)).await;
    is_out(&story.ada).await;
}

async fn a_password_is_set_by_a_link(database: Database) {
    let story = begin(database, 1).await;
    let reset = sent(&story, Purpose::PasswordReset, ADA).await;
    let new = password("another good one");
    let visit = visit(&story.app);
    let work = link::reset(&visit, &reset, new, Place::default());
    gets_in_after(&story.app, (ADA, "another good one"), work).await;
}

async fn an_invitation_is_accepted(database: Database) {
    let app = TestApp::local_with(database, Registration::Invite, None).await;
    let token = app.administration().await.invite(&Email::new(NEW).unwrap()).await.unwrap();
    let said = Accepted { name: "Ada".to_owned(), password: password(PASSWORD) };
    let visit = visit(&app);
    gets_in_after(&app, (NEW, PASSWORD), link::accept(&visit, &token, said, Place::default())).await;
}

async fn the_first_administrator_is_set_up(database: Database) {
    let app = TestApp::local(database).await;
    let link = set_up::offer(&app.app).await.unwrap().unwrap();
    let (_, token) = link.split_once("token=").unwrap();
    let first = First { name: "Ada".to_owned(), email: Email::new(ADA).unwrap(), password: password(PASSWORD) };
    let visit = visit(&app);
    gets_in_after(&app, (ADA, PASSWORD), set_up::finish(&visit, token, first, None)).await;
}

//! What changes of accounts, by their owners and by whoever has the machine.

use retinue_app::local::Registration;
use retinue_app::{Auth, set_up};
use retinue_model::Email;
use retinue_model::audit::{Action, Actor, AuditEvent};
use retinue_model::one_time_token::Purpose;
use retinue_testkit::{Database, Person, TestApp, on_both_databases};
use serde_json::{Value, json};

use super::watch::{Watch, is_by, is_by_the_operator, is_on, is_refused};
use crate::link::another_address::sent_to;

const ADA: &str = "ada@example.com";
const NEW: &str = "lovelace@example.com";
const PASSWORD: &str = "correct horse battery staple";
const OTHER: &str = "another good password";

on_both_databases! {
    who_comes_in_by_address_is_told,
    a_password_that_is_set_is_told,
    another_address_is_told,
    what_the_operator_does_is_told,
    what_is_refused_to_the_operator_is_not_told,
    the_first_administrator_is_told,
    conversations_that_are_handed_over_are_told,
}

fn details(event: &AuditEvent) -> Value {
    serde_json::from_str(event.details.as_deref().unwrap_or("{}")).unwrap()
}

/// Ada can sign in; nothing listens where mail would go.
async fn start(database: Database) -> (TestApp, retinue_model::user::User) {
    let app = TestApp::local_with(database, Registration::Invite, Some(1)).await;
    let ada = app.add_user(ADA, Some(PASSWORD)).await;
    (app, ada)
}

async fn session(person: &Person) -> String {
    person.get("/api/sessions").await["data"][0]["id"].as_str().unwrap().to_owned()
}

async fn enters(app: &TestApp, password: &str) -> Person {
    let person = Person::stranger(app);
    assert_eq!(person.sign_in_with(ADA, password).await.status(), 303);
    person
}

async fn who_comes_in_by_address_is_told(database: Database) {
    let (app, user) = start(database).await;
    let mut watch = Watch::over(&app).await;
    watch.hides("battery");
    let ada = enters(&app, PASSWORD).await;
    is_by(&ada, &watch.one(Action::SignedIn).await, "password", ("session", &session(&ada).await)).await;
    for email in [ADA, "nobody@example.com"] {
        let typed = json!({ "email": email, "password": "wrong battery" });
        assert_eq!(Person::stranger(&app).post("/auth/login", &typed).await.0, 401);
        let refused = watch.one(Action::SignInRefused).await;
        is_refused(&refused, "password", "wrong_credentials");
        let masked = Email::new(email).unwrap().masked();
        assert_eq!((details(&refused), refused.user_id), (json!({ "account": masked }), None), "the same for all");
    }
    let (link, browser) = (sent_to(&app, (Purpose::MagicLink, user.id), ADA).await, Person::stranger(&app));
    watch.hides(&link);
    assert_eq!(browser.post("/auth/magic-link/verify", &json!({ "token": link })).await.0, 200);
    // Ada was the first to open a mail: what opened her account before counts no more.
    let [ended, opened] = watch.all([Action::SessionEnded, Action::SignedIn]).await;
    assert_eq!(details(&ended), json!({ "which": "others", "why": "address_shown" }));
    is_by(&browser, &opened, "link", ("session", &session(&browser).await)).await;
    assert_eq!(Person::stranger(&app).post("/auth/magic-link/verify", &json!({ "token": link })).await.0, 409);
    is_refused(&watch.one(Action::SignInRefused).await, "link", "token_spent");
    let again = sent_to(&app, (Purpose::MagicLink, user.id), ADA).await;
    assert_eq!(Person::stranger(&app).post("/auth/magic-link/verify", &json!({ "token": again })).await.0, 200);
    watch.one(Action::SignedIn).await;
    let invited = Email::new("grace@example.com").unwrap();
    let token = app.administration().await.invite(&invited).await.unwrap();
    watch.told().await;
    watch.hides(&token);
    let new = json!({ "token": token, "name": "Grace", "password": PASSWORD });
    assert_eq!(Person::stranger(&app).post("/auth/register", &new).await.0, 201);
    watch.all([Action::UserCreated, Action::SignedIn]).await;
}

async fn a_password_that_is_set_is_told(database: Database) {
    let (app, user) = start(database).await;
    let ada = enters(&app, PASSWORD).await;
    let (id, mut watch) = (user.id.to_string(), Watch::over(&app).await);
    watch.hides("good");
    watch.hides("argon2id");
    let change = async |current: &str, new: &str| {
        ada.submit("/account/password", &[("current_password", current), ("password", new)]).await.status().as_u16()
    };
    assert_eq!(change("wrong", OTHER).await, 400);
    watch.one(Action::AccessRefused).await;
    assert_eq!(change(PASSWORD, OTHER).await, 303);
    is_by(&ada, &watch.one(Action::PasswordSet).await, "session", ("user", &id)).await;
    let (link, browser) = (sent_to(&app, (Purpose::PasswordReset, user.id), ADA).await, Person::stranger(&app));
    let reset = async |password: &str| {
        browser.post("/auth/password-reset/verify", &json!({ "token": link, "password": password })).await.0
    };
    assert_eq!(reset("short").await, 400);
    watch.nothing().await;
    assert_eq!(reset("yet another good one").await, 200);
    let [set, opened] = watch.all([Action::PasswordSet, Action::SignedIn]).await;
    is_by(&browser, &set, "link", ("user", &id)).await;
    is_by(&browser, &opened, "link", ("session", &session(&browser).await)).await;
    watch.is_whole().await;
}

async fn another_address_is_told(database: Database) {
    let (app, user) = start(database).await;
    let ada = enters(&app, PASSWORD).await;
    let link = sent_to(&app, (Purpose::EmailChange, user.id), NEW).await;
    let mut watch = Watch::over(&app).await;
    watch.hides(&link);
    let verify = async || ada.post("/auth/email-change/verify", &json!({ "token": link })).await.0;
    assert_eq!(verify().await, 204);
    let changed = watch.one(Action::AddressChanged).await;
    is_by(&ada, &changed, "session", ("user", &user.id.to_string())).await;
    assert_eq!(details(&changed), json!({ "from": "a…@example.com", "to": "l…@example.com" }));
    assert_eq!(verify().await, 409);
    watch.nothing().await;
}

async fn what_the_operator_does_is_told(database: Database) {
    let (app, ada) = start(database).await;
    let administration = app.administration().await;
    administration.grant_admin(&ada).await.unwrap();
    let mut watch = Watch::over(&app).await;
    watch.hides("argon2id");
    let grace = app.add_user("grace@example.com", Some(PASSWORD)).await;
    let mut told = vec![watch.one(Action::UserCreated).await];
    administration.disable(&grace).await.unwrap();
    told.push(watch.one(Action::UserDisabled).await);
    administration.enable(&grace).await.unwrap();
    told.push(watch.one(Action::UserEnabled).await);
    administration.set_password(&grace, app.hash(OTHER).await).await.unwrap();
    told.push(watch.one(Action::PasswordSet).await);
    administration.grant_admin(&grace).await.unwrap();
    told.push(watch.one(Action::AdminGranted).await);
    let grace = administration.find("grace@example.com").await.unwrap();
    administration.revoke_admin(&grace).await.unwrap();
    told.push(watch.one(Action::AdminRevoked).await);
    for event in told {
        is_by_the_operator(&event);
        is_on(&event, ("user", &grace.id.to_string()));
        assert_eq!(event.user_id, Some(grace.id));
    }
    watch.is_whole().await;
}

async fn what_is_refused_to_the_operator_is_not_told(database: Database) {
    let (app, ada) = start(database).await;
    let administration = app.administration().await;
    administration.grant_admin(&ada).await.unwrap();
    let ada = administration.find(ADA).await.unwrap();
    let mut watch = Watch::over(&app).await;
    assert_eq!(administration.revoke_admin(&ada).await.unwrap_err().code(), "last_admin");
    let gone = retinue_model::user::User { id: "usr_00000000000000000000000077".parse().unwrap(), ..ada.clone() };
    assert_eq!(administration.enable(&gone).await.unwrap_err().code(), "not_found");
    assert_eq!(administration.grant_admin(&gone).await.unwrap_err().code(), "not_found");
    let new = || retinue_app::administration::NewUser {
        name: None,
        email: Email::new(ADA).unwrap(),
        admin: false,
        password: None,
    };
    assert_eq!(administration.add(new()).await.unwrap_err().code(), "address_taken");
    watch.nothing().await;
    // Nor is anything of what goes beside that in one commit left out.
    let (refused, done) = tokio::join!(administration.add(new()), administration.disable(&ada));
    assert!(refused.is_err() && done.is_ok());
    watch.one(Action::UserDisabled).await;
    watch.is_whole().await;
}

async fn the_first_administrator_is_told(database: Database) {
    let app = TestApp::local(database).await;
    let mut watch = Watch::over(&app).await;
    let link = set_up::offer(&app.app).await.unwrap().unwrap();
    let (_, token) = link.split_once("token=").unwrap();
    watch.hides(token);
    let form = |token| [("token", token), ("name", "Boss"), ("email", ADA), ("password", PASSWORD)];
    assert_eq!(Person::stranger(&app).submit("/set-up", &form("rtl_x")).await.status(), 409);
    is_refused(&watch.one(Action::SignInRefused).await, "link", "set_up_spent");
    let boss = Person::stranger(&app);
    assert_eq!(boss.submit("/set-up", &form(token)).await.status(), 303);
    let [made, opened] = watch.all([Action::UserCreated, Action::SignedIn]).await;
    assert_eq!(details(&made)["organization_admin"], true);
    is_by(&boss, &opened, "link", ("session", &session(&boss).await)).await;
}

async fn conversations_that_are_handed_over_are_told(database: Database) {
    let app = TestApp::start(database).await;
    app.conversation("Hello", "Hi").await;
    let local = |url: &str| Auth {
        mode: retinue_app::auth::Mode::Local,
        local: Some(retinue_testkit::with_passwords()),
        ..Auth::single_user(url.to_owned())
    };
    let app = app.restart_letting_in(std::sync::Arc::new(local)).await;
    let user = app.add_user(ADA, Some(PASSWORD)).await;
    let ada = enters(&app, PASSWORD).await;
    let (administration, mut watch) = (app.administration().await, Watch::over(&app).await);
    assert_eq!(ada.submit("/account/take-over", &[]).await.status(), 403);
    watch.one(Action::AccessRefused).await;
    administration.grant_admin(&user).await.unwrap();
    watch.one(Action::AdminGranted).await;
    assert_eq!(ada.submit("/account/take-over", &[]).await.status(), 303);
    let taken = watch.one(Action::ThreadsTransferred).await;
    is_by(&ada, &taken, "session", ("user", "usr_00000000000000000000000001")).await;
    assert_eq!((details(&taken), taken.user_id), (json!({ "threads": 1 }), Some(user.id)));
    assert_eq!(administration.transfer_threads(&user).await.unwrap(), 0);
    let handed = watch.one(Action::ThreadsTransferred).await;
    is_by_the_operator(&handed);
    assert_eq!((handed.actor, handed.user_id), (Actor::Operator, Some(user.id)));
}

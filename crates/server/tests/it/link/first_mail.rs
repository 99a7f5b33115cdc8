//! Whoever opens the first mail that went to an address has the account alone: whoever made it, or was given it, may have
//! named the address of somebody else. Links are written by the test, so that no mail is needed.

use reqwest::Method;
use retinue_app::Auth;
use retinue_app::admin::Declared;
use retinue_app::local::Registration;
use retinue_app::set_up;
use retinue_model::UserId;
use retinue_model::one_time_token::Purpose;
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, on_both_databases, with_passwords};
use serde_json::{Value, json};

use super::PASSWORD;
use super::another_address::{NEW, sent_to};
use crate::linking::{comes, has};

on_both_databases! {
    whoever_was_invited_in_somebodys_place_is_out_when_that_one_comes,
    whoever_set_up_the_server_with_somebodys_address_is_out_when_that_one_comes,
    whoever_was_given_somebodys_address_is_out_when_that_one_comes,
    identities_of_before_open_nothing_when_the_password_is_set_anew,
    what_opens_an_account_stays_once_its_address_was_shown,
    what_opens_an_account_stays_where_a_provider_vouches_for_its_address,
    others_hear_of_an_address_that_was_shown_though_nobody_is_out_for_it,
}

const CEO: &str = "ceo@example.com";
const OTHER: &str = "another good one";

async fn user_of(app: &TestApp, email: &str) -> UserId {
    app.administration().await.find(email).await.unwrap().id
}

/// Opens a link that went to the address a moment ago.
async fn opens(app: &TestApp, purpose: Purpose, email: &str) -> Person {
    let token = sent_to(app, (purpose, user_of(app, email).await), email).await;
    let path = match purpose {
        Purpose::PasswordReset => "/auth/password-reset/verify",
        _ => "/auth/magic-link/verify",
    };
    let person = Person::stranger(app);
    let (status, answer) = person.post(path, &json!({"token": token, "password": OTHER})).await;
    assert_eq!(status, 200, "{answer}");
    person
}

async fn runs_it(person: &Person) -> bool {
    person.get("/auth/me").await["principal"]["organization_admin"] == json!(true)
}

async fn gets_in(app: &TestApp, password: &str) -> bool {
    Person::stranger(app).sign_in_with(CEO, password).await.status() == 303
}

async fn is_out(person: &Person) -> bool {
    person.status(Method::GET, "/auth/me").await == 401
}

fn named(auth: &mut Auth) {
    auth.admins = vec![Declared::VerifiedEmail(CEO.to_owned())];
}

fn with_an_address(auth: &mut Auth) {
    named(auth);
    auth.local = Some(with_passwords());
}

/// At `sso` people say of their addresses what they like.
async fn start(database: Database) -> (TestApp, [IdentityProvider; 2]) {
    TestApp::with_providers_and_auth(database, |auth| {
        with_an_address(auth);
        auth.providers[1].link_by_email = true;
    })
    .await
}

/// The link was printed, and reached somebody else.
async fn whoever_was_invited_in_somebodys_place_is_out_when_that_one_comes(database: Database) {
    let (app, [sso, _]) = TestApp::with_providers_and_auth(database, |auth: &mut Auth| {
        with_an_address(auth);
        auth.local.iter_mut().for_each(|local| local.registration = Registration::Invite);
    })
    .await;
    let token = app.administration().await.invite(&CEO.to_owned().try_into().unwrap()).await.unwrap();
    let mallory = Person::stranger(&app);
    let said = json!({"token": token, "name": "CEO", "password": PASSWORD});
    assert_eq!(mallory.post("/auth/register", &said).await.0, 201);
    sso.introduce("mallory", has("mallory@example.com", true));
    assert_eq!(mallory.add_identity("sso", &sso).await.status(), 303);
    let change = sent_to(&app, (Purpose::EmailChange, user_of(&app, CEO).await), NEW).await;
    assert!(!runs_it(&mallory).await);

    let ceo = opens(&app, Purpose::MagicLink, CEO).await;
    assert!(runs_it(&ceo).await);
    assert!(is_out(&mallory).await && !gets_in(&app, PASSWORD).await);
    let by_identity = comes(&app, ("sso", &sso), "mallory", has("mallory@example.com", true)).await;
    assert_ne!(by_identity.id().await, ceo.id().await);
    let (status, answer) = ceo.post("/auth/email-change/verify", &json!({"token": change})).await;
    assert_eq!((status, &answer["code"]), (409, &json!("token_spent")));
    // Whoever has it now sets a password of their own.
    assert_eq!(ceo.submit("/account/password", &[("password", OTHER)]).await.status(), 303);
    assert!(gets_in(&app, OTHER).await);
}

async fn whoever_set_up_the_server_with_somebodys_address_is_out_when_that_one_comes(database: Database) {
    let app = TestApp::local(database).await;
    let link = set_up::offer(&app.app).await.unwrap().unwrap();
    let (_, token) = link.split_once("token=").unwrap();
    let first = Person::stranger(&app);
    let form = [("token", token), ("name", "First"), ("email", CEO), ("password", PASSWORD)];
    assert_eq!(first.submit("/set-up", &form).await.status(), 303);
    let ceo = opens(&app, Purpose::MagicLink, CEO).await;
    assert!(runs_it(&ceo).await, "the account is the same");
    assert!(is_out(&first).await && !gets_in(&app, PASSWORD).await);
}

/// Whoever runs the server gives a password to somebody who merely says that the address is theirs.
async fn whoever_was_given_somebodys_address_is_out_when_that_one_comes(database: Database) {
    let (app, [sso, _]) = start(database).await;
    let mallory = comes(&app, ("sso", &sso), "mallory", has(CEO, true)).await;
    let administration = app.administration().await;
    let user = administration.find(&mallory.id().await).await.unwrap();
    administration.set_password(&user, app.hash(PASSWORD).await).await.unwrap();
    let mallory = comes(&app, ("sso", &sso), "mallory", has(CEO, true)).await;
    let ceo = opens(&app, Purpose::MagicLink, CEO).await;
    assert!(runs_it(&ceo).await && is_out(&mallory).await && !gets_in(&app, PASSWORD).await);
    let mallory = comes(&app, ("sso", &sso), "mallory", has(CEO, true)).await;
    assert_ne!(mallory.id().await, ceo.id().await);
    assert!(!runs_it(&mallory).await);
}

async fn identities_of_before_open_nothing_when_the_password_is_set_anew(database: Database) {
    let (app, [sso, other]) = start(database).await;
    app.add_user(CEO, Some(PASSWORD)).await;
    let mallory = Person::stranger(&app);
    assert_eq!(mallory.sign_in_with(CEO, PASSWORD).await.status(), 303);
    for (name, provider) in [("sso", &sso), ("other", &other)] {
        provider.introduce("mallory", has("mallory@example.com", true));
        assert_eq!(mallory.add_identity(name, provider).await.status(), 303);
    }
    let ceo = opens(&app, Purpose::PasswordReset, CEO).await;
    assert!(runs_it(&ceo).await && is_out(&mallory).await && gets_in(&app, OTHER).await);
    assert_eq!(ceo.get("/api/identities").await["data"], json!([]));
    let mallory = comes(&app, ("sso", &sso), "mallory", has("mallory@example.com", true)).await;
    assert_ne!(mallory.id().await, ceo.id().await);
}

async fn subjects(person: &Person) -> Vec<Value> {
    let found = person.get("/api/identities").await;
    found["data"].as_array().unwrap().iter().map(|identity| identity["subject"].clone()).collect()
}

async fn what_opens_an_account_stays_once_its_address_was_shown(database: Database) {
    let (app, [sso, _]) = start(database).await;
    app.add_user(CEO, None).await;
    let ceo = opens(&app, Purpose::MagicLink, CEO).await;
    assert_eq!(ceo.submit("/account/password", &[("password", PASSWORD)]).await.status(), 303);
    sso.introduce("ceo there", has("ceo@example.org", true));
    assert_eq!(ceo.add_identity("sso", &sso).await.status(), 303);
    let phone = opens(&app, Purpose::MagicLink, CEO).await;
    assert!(!is_out(&ceo).await && gets_in(&app, PASSWORD).await);
    assert_eq!(subjects(&phone).await, ["ceo there"]);
    let phone = opens(&app, Purpose::PasswordReset, CEO).await;
    assert_eq!(subjects(&phone).await, ["ceo there"]);
}

async fn what_opens_an_account_stays_where_a_provider_vouches_for_its_address(database: Database) {
    let (app, sso) = TestApp::with_provider_and_auth(database, with_an_address).await;
    let ceo = comes(&app, ("sso", &sso), "ceo", has("CEO@example.com", true)).await;
    let administration = app.administration().await;
    let user = administration.find(CEO).await.unwrap();
    administration.set_password(&user, app.hash(PASSWORD).await).await.unwrap();
    assert!(is_out(&ceo).await);
    let ceo = comes(&app, ("sso", &sso), "ceo", has("CEO@example.com", true)).await;
    let phone = opens(&app, Purpose::MagicLink, CEO).await;
    assert!(!is_out(&ceo).await && gets_in(&app, PASSWORD).await && runs_it(&phone).await);
    assert_eq!(subjects(&phone).await, ["ceo"]);
}

/// She signs in with an address of which nobody knew anything, and then a provider vouched for it: what opened her account stays,
/// and what a session says of her is another.
async fn others_hear_of_an_address_that_was_shown_though_nobody_is_out_for_it(database: Database) {
    let (app, sso) = TestApp::with_provider_and_auth(database, with_an_address).await;
    app.add_user(CEO, Some(PASSWORD)).await;
    let ceo = Person::stranger(&app);
    assert_eq!(ceo.sign_in_with(CEO, PASSWORD).await.status(), 303);
    sso.introduce("ceo", has(CEO, true));
    assert_eq!(ceo.add_identity("sso", &sso).await.status(), 303);
    app.database.ask("DELETE FROM revocations").await;
    opens(&app, Purpose::MagicLink, CEO).await;
    assert!(!is_out(&ceo).await && runs_it(&ceo).await);
    assert_eq!(app.database.ask("SELECT COUNT(*) FROM revocations").await, ["1"]);
}

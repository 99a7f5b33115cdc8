//! Who runs the installation, where `auth.admins` names an address: whoever has it by the word of somebody who is trusted
//! with addresses. And what is theirs to take.

use std::sync::Arc;

use reqwest::Method;
use retinue_app::admin::Declared;
use retinue_app::auth::Mode;
use retinue_app::{Auth, set_up};
use retinue_model::credential::PasswordHash;
use retinue_model::one_time_token::Purpose;
use retinue_model::user::User;
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, location, on_both_databases, with_passwords};
use serde_json::json;

use crate::link::another_address::sent_to;
use crate::linking::{comes, has};

on_both_databases! {
    the_only_provider_is_believed_what_it_verified,
    of_several_providers_the_trusted_are_believed,
    what_a_trusted_provider_says_of_another_address_proves_nothing,
    an_address_to_sign_in_with_proves_nothing_of_another,
    an_address_to_sign_in_with_proves_nothing_until_a_mail_was_opened,
    an_address_that_was_shown_proves_nothing_of_another,
    what_was_here_before_is_offered_to_the_first_administrator,
    what_was_here_before_is_for_whoever_is_an_administrator_at_that_moment,
}

const BOSS: &str = "boss@example.com";
const PASSWORD: &str = "correct horse battery staple";

fn named(auth: &mut Auth) {
    auth.admins = vec![Declared::VerifiedEmail(BOSS.to_owned())];
}

/// `sso`, where people say of their addresses what they like, and `other`, which is trusted.
async fn start(database: Database) -> (TestApp, IdentityProvider, IdentityProvider) {
    let rules = |auth: &mut Auth| {
        named(auth);
        auth.local = Some(with_passwords());
        auth.providers[1].link_by_email = true;
    };
    let (app, [sso, other]) = TestApp::with_providers_and_auth(database, rules).await;
    (app, sso, other)
}

async fn runs_it(person: &Person) -> bool {
    person.get("/auth/me").await["principal"]["organization_admin"] == json!(true)
}

async fn the_only_provider_is_believed_what_it_verified(database: Database) {
    let (app, sso) = TestApp::with_provider_and_auth(database, named).await;
    assert!(runs_it(&comes(&app, ("sso", &sso), "boss", has("Boss@Example.com", true)).await).await);
    for (subject, email, verified) in [("unverified", BOSS, false), ("other", "other@example.com", true)] {
        assert!(!runs_it(&comes(&app, ("sso", &sso), subject, has(email, verified)).await).await, "{subject}");
    }
}

async fn of_several_providers_the_trusted_are_believed(database: Database) {
    let (app, sso, other) = start(database).await;
    assert!(!runs_it(&comes(&app, ("sso", &sso), "mallory", has(BOSS, true)).await).await);
    assert!(runs_it(&comes(&app, ("other", &other), "boss", has(BOSS, true)).await).await);
}

/// Somebody says at one provider that the address is theirs, and adds an identity of a trusted one that does not say so.
async fn what_a_trusted_provider_says_of_another_address_proves_nothing(database: Database) {
    let (app, sso, other) = start(database).await;
    let mallory = comes(&app, ("sso", &sso), "mallory", has(BOSS, true)).await;
    for (subject, claims) in [("theirs", has("mallory@example.com", true)), ("unverified", has(BOSS, false))] {
        other.introduce(subject, claims);
        assert_eq!(mallory.add_identity("other", &other).await.status(), 303);
        assert!(!runs_it(&mallory).await, "{subject}");
    }
    // Once the trusted one says so, it is.
    other.introduce("boss", has(BOSS, true));
    assert_eq!(mallory.add_identity("other", &other).await.status(), 303);
    assert!(runs_it(&mallory).await);
}

/// Whoever runs the server gives somebody a password, with the address that they have at that moment.
async fn given_a_password(app: &TestApp, person: &Person) -> User {
    let administration = app.administration().await;
    let user = administration.find(&person.id().await).await.unwrap();
    administration.set_password(&user, PasswordHash::new("$argon2id$".to_owned())).await.unwrap();
    user
}

async fn an_address_to_sign_in_with_proves_nothing_of_another(database: Database) {
    let (app, sso, _) = start(database).await;
    let mallory = comes(&app, ("sso", &sso), "mallory", has("mallory@example.com", true)).await;
    given_a_password(&app, &mallory).await;
    let mallory = comes(&app, ("sso", &sso), "mallory", has(BOSS, true)).await;
    assert_eq!(mallory.get("/auth/me").await["user"]["email"], json!(BOSS));
    assert!(!runs_it(&mallory).await);
}

/// Whoever runs the server gives a password to somebody whose address only an untrusted provider called verified. Then it is
/// shown by whoever has it, and not by them.
async fn an_address_to_sign_in_with_proves_nothing_until_a_mail_was_opened(database: Database) {
    let (app, sso, _) = start(database).await;
    let mallory = comes(&app, ("sso", &sso), "mallory", has(BOSS, true)).await;
    let user = given_a_password(&app, &mallory).await;
    let mallory = comes(&app, ("sso", &sso), "mallory", has(BOSS, true)).await;
    assert!(!runs_it(&mallory).await);
    let (link, boss) = (sent_to(&app, (Purpose::MagicLink, user.id), BOSS).await, Person::stranger(&app));
    assert_eq!(boss.post("/auth/magic-link/verify", &json!({"token": link})).await.0, 200);
    assert!(runs_it(&boss).await);
    let mallory = comes(&app, ("sso", &sso), "mallory", has(BOSS, true)).await;
    assert!(!runs_it(&mallory).await, "it was somebody else who showed it");
}

/// Mallory shows an address of her own, and her provider says that she has the boss's.
async fn an_address_that_was_shown_proves_nothing_of_another(database: Database) {
    let (app, sso, _) = start(database).await;
    let mallory = comes(&app, ("sso", &sso), "mallory", has("mallory@example.com", true)).await;
    let user = given_a_password(&app, &mallory).await;
    let mallory = comes(&app, ("sso", &sso), "mallory", has("mallory@example.com", true)).await;
    let link = sent_to(&app, (Purpose::EmailChange, user.id), "mallory@example.org").await;
    let shown = mallory.post("/auth/email-change/verify", &json!({"token": link})).await;
    assert_eq!(shown.0, 204, "{}", shown.1);
    let mallory = comes(&app, ("sso", &sso), "mallory", has(BOSS, true)).await;
    assert_eq!(mallory.id().await, user.id.to_string());
    assert!(!runs_it(&mallory).await);
}

/// Nobody signed in at first, and from a restart on people do.
async fn what_was_here_before_is_offered_to_the_first_administrator(database: Database) {
    let app = TestApp::start(database).await;
    let (thread, _) = app.conversation("Hello", "Hi").await;
    let is_told = async |person: &Person| {
        let [home, account] = [person.open("/").await, person.open("/account").await];
        let (home, account) = (home.text().await.unwrap(), account.text().await.unwrap());
        let told = account.contains("id=\"left\"") && account.contains("action=\"/account/take-over\"");
        assert_eq!(home.contains("href=\"/account#left\""), told, "{home}");
        told
    };
    assert!(!is_told(&Person::stranger(&app)).await, "they are still one's own");

    let local =
        |url: &str| Auth { mode: Mode::Local, local: Some(with_passwords()), ..Auth::single_user(url.to_owned()) };
    let app = app.restart_letting_in(Arc::new(local)).await;
    let link = set_up::offer(&app.app).await.unwrap().unwrap();
    let (_, token) = link.split_once("token=").unwrap();
    let admin = Person::stranger(&app);
    let form = [("token", token), ("name", "Boss"), ("email", BOSS), ("password", PASSWORD)];
    assert_eq!(location(&admin.submit("/set-up", &form).await), "/");
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let ada = Person::stranger(&app);
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    assert!(is_told(&admin).await && !is_told(&ada).await);
    assert_eq!(ada.submit("/account/take-over", &[]).await.status(), 403);
    for person in [&admin, &ada] {
        assert_eq!(person.get("/api/threads").await["data"], json!([]));
    }
    assert_eq!(admin.submit("/account/take-over", &[]).await.status(), 303);
    assert_eq!(admin.get("/api/threads").await["data"][0]["id"], json!(thread));
    assert!(admin.open(&format!("/threads/{thread}")).await.text().await.unwrap().contains("Hello"));
    assert_eq!(ada.status(Method::GET, &format!("/api/threads/{thread}")).await, 404);
    assert!(!is_told(&admin).await);
}

/// What is known of a session in memory may be a moment old.
async fn what_was_here_before_is_for_whoever_is_an_administrator_at_that_moment(database: Database) {
    let (app, sso) = TestApp::with_provider(database).await;
    Person::signed_in(&app, &sso, "ada").await;
    app.database.ask("UPDATE users SET organization_admin = (1 = 1) WHERE name = 'ada'").await;
    let (declared, made) = (Person::signed_in(&app, &sso, "admin").await, Person::signed_in(&app, &sso, "ada").await);
    let takes_over = async |person: &Person| person.submit("/account/take-over", &[]).await.status().as_u16();
    assert!(runs_it(&declared).await && runs_it(&made).await);
    app.database.ask("UPDATE users SET organization_admin = (1 = 0)").await;
    app.database.ask("UPDATE identities SET subject = 'nobody' WHERE subject = 'admin'").await;
    assert!(runs_it(&declared).await && runs_it(&made).await, "nobody has told the program");
    assert_eq!((takes_over(&declared).await, takes_over(&made).await), (403, 403));
    app.database.ask("UPDATE users SET organization_admin = (1 = 1) WHERE name = 'ada'").await;
    assert_eq!(takes_over(&made).await, 303, "whom another one made an administrator is one too");
}

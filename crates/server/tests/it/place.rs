//! Links that are opened where somebody else is signed in: they take nobody's place who was not asked.

use std::time::Duration;

use reqwest::Method;
use retinue_app::Clock as _;
use retinue_app::local::Registration;
use retinue_app::secret::Token;
use retinue_store::Location;
use retinue_testkit::{CountingRng, Database, Person, TestApp, on_both_databases};
use serde_json::{Value, json};

on_both_databases! {
    whoever_was_invited_takes_nobodys_place_who_was_not_asked,
    a_link_takes_nobodys_place_who_was_not_asked,
    ones_own_link_takes_ones_own_place,
}

const PASSWORD: &str = "correct horse battery staple";

/// A program on which Ada is signed in, and Grace could.
async fn start(database: Database) -> (TestApp, Person) {
    let app = TestApp::local_with(database, Registration::Invite, None).await;
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    app.add_user("grace@example.com", Some(PASSWORD)).await;
    let ada = Person::stranger(&app);
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    (app, ada)
}

/// What a mail to whoever is called so would have in it; one about another address went there.
pub(crate) async fn mailed(app: &TestApp, purpose: &str, name: &str) -> String {
    let token = Token::new(&CountingRng::apart());
    let hash = token.hash();
    let half = |at: usize| u128::from_be_bytes(hash[at..at + 16].try_into().unwrap());
    let hash = format!("{:032x}{:032x}", half(0), half(16));
    let now = app.clock.now();
    let later = now + Duration::from_mins(15);
    let (id, hash, [now, later]) = match app.database.location() {
        Location::Sqlite(_) => {
            ("randomblob(16)", format!("x'{hash}'"), [now, later].map(|time| time.as_microsecond().to_string()))
        }
        Location::Postgres { .. } => (
            "gen_random_uuid()",
            format!("decode('{hash}', 'hex')"),
            [now, later].map(|time| format!("'{time}'::timestamptz")),
        ),
    };
    let insert = format!(
        "INSERT INTO one_time_tokens (id, organization_id, user_id, purpose, token_hash, attempts, address, created_at, \
         expires_at) SELECT {id}, u.organization_id, u.id, '{purpose}', {hash}, 0, \
         CASE WHEN '{purpose}' = 'email_change' THEN 'new.' || c.address ELSE c.address END, {now}, {later} \
         FROM credentials c JOIN users u ON u.id = c.user_id WHERE u.name = '{name}'"
    );
    app.database.ask(&insert).await;
    token.expose()
}

async fn name(person: &Person) -> Value {
    person.get("/auth/me").await["user"]["name"].clone()
}

/// The page names who is signed in, and its button agrees.
async fn asks(page: reqwest::Response, status: u16, id: &str) {
    let (found, text) = (page.status().as_u16(), page.text().await.unwrap());
    assert_eq!(found, status, "{text}");
    assert!(text.contains("You are signed in here as ada"), "{text}");
    assert!(text.contains(&format!(r#"name="instead_of" value="{id}""#)), "{text}");
}

async fn whoever_was_invited_takes_nobodys_place_who_was_not_asked(database: Database) {
    let (app, ada) = start(database).await;
    let id = ada.id().await;
    let token = app.administration().await.invite(&"ivy@example.com".to_owned().try_into().unwrap()).await.unwrap();
    asks(ada.open(&format!("/auth/register?token={token}")).await, 200, &id).await;
    let form = [("token", token.as_str()), ("name", "Ivy"), ("password", PASSWORD)];
    asks(ada.submit("/auth/register", &form).await, 409, &id).await;
    let mut said = json!({"token": token, "name": "Ivy", "password": PASSWORD});
    let (status, problem) = ada.post("/auth/register", &said).await;
    assert_eq!((status, &problem["code"]), (409, &json!("signed_in_as_other")));
    said["instead_of"] = json!("usr_01h455vb4pex5vsknk084sn02q");
    assert_eq!(ada.post("/auth/register", &said).await.0, 409, "that is somebody else");
    assert_eq!(name(&ada).await, "ada");
    let before = ada.again_at(&app);
    said["instead_of"] = json!(id);
    assert_eq!(ada.post("/auth/register", &said).await.0, 201);
    assert_eq!(name(&ada).await, "Ivy");
    assert_eq!(before.status(Method::GET, "/auth/me").await, 401, "Ada is signed out");
}

async fn a_link_takes_nobodys_place_who_was_not_asked(database: Database) {
    let (app, ada) = start(database).await;
    let id = ada.id().await;
    for (purpose, path) in
        [("password_reset", "/auth/password-reset/verify"), ("magic_link", "/auth/magic-link/verify")]
    {
        let token = mailed(&app, purpose, "grace").await;
        asks(ada.open(&format!("{path}?token={token}")).await, 200, &id).await;
        let form = [("token", token.as_str()), ("password", "another good one")];
        asks(ada.submit(path, &form).await, 409, &id).await;
        let (status, problem) = ada.post(path, &json!({"token": token, "password": "another good one"})).await;
        assert_eq!((status, &problem["code"]), (409, &json!("signed_in_as_other")), "{path}");
        assert_eq!(name(&ada).await, "ada");
        // Nothing was used up: where nobody is signed in, nobody is asked.
        let elsewhere = Person::stranger(&app);
        let page = elsewhere.open(&format!("{path}?token={token}")).await.text().await.unwrap();
        assert!(!page.contains("instead_of") && !page.contains("signed in here"), "{page}");
        let before = ada.again_at(&app);
        let agreed = [form[0], form[1], ("instead_of", id.as_str())];
        assert_eq!(ada.submit(path, &agreed).await.status(), 303, "{path}");
        assert_eq!(name(&ada).await, "grace");
        assert_eq!(before.status(Method::GET, "/auth/me").await, 401);
        assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    }
}

async fn ones_own_link_takes_ones_own_place(database: Database) {
    let (app, ada) = start(database).await;
    // Not for the first time: that would end all sessions anyway.
    app.database.ask("UPDATE credentials SET address_verified_at = updated_at").await;
    let token = mailed(&app, "magic_link", "ada").await;
    assert_eq!(ada.submit("/auth/magic-link/verify", &[("token", &token)]).await.status(), 303);
    assert_eq!((name(&ada).await, ada.get("/api/sessions").await["data"].as_array().unwrap().len()), (json!("ada"), 1));
}

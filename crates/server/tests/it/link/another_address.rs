//! Links to another address: whose they are, and until when they count. Their rows are written by the test, so that no mail
//! is needed; nothing listens where mail would go.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::SignedDuration;
use reqwest::Method;
use retinue_app::Clock as _;
use retinue_app::local::Registration;
use retinue_app::secret::Token;
use retinue_model::one_time_token::{OneTimeToken, Purpose};
use retinue_model::{Email, UserId};
use retinue_store::{Batch, Store, Tenant, one_time_token};
use retinue_testkit::{CountingRng, Database, Person, TestApp, on_both_databases};
use serde_json::json;

use super::{ADA, PASSWORD};

pub(crate) const NEW: &str = "lovelace@example.com";
const VERIFY: &str = "/auth/email-change/verify";

on_both_databases! {
    whoever_merely_gets_the_mail_gives_nobody_an_address,
    whoever_asked_signs_in_and_comes_back_to_the_link,
    a_link_counts_until_the_account_is_taken_back,
    of_several_links_the_newest_counts,
}

pub(crate) struct Story {
    pub(crate) app: TestApp,
    pub(crate) ada: Person,
    user: UserId,
}

/// Ada is signed in; mail goes to this port.
pub(crate) async fn begin(database: Database, mails: u16) -> Story {
    let app = TestApp::local_with(database, Registration::Closed, Some(mails)).await;
    let user = app.add_user(ADA, Some(PASSWORD)).await.id;
    app.add_user("grace@example.com", Some(PASSWORD)).await;
    let ada = enters(&app, ADA, PASSWORD).await;
    Story { app, ada, user }
}

async fn enters(app: &TestApp, email: &str, password: &str) -> Person {
    let person = Person::stranger(app);
    assert_eq!(person.sign_in_with(email, password).await.status(), 303);
    person
}

/// The token of a link to Ada that went out a moment ago.
pub(crate) async fn sent(story: &Story, purpose: Purpose, address: &str) -> String {
    sent_to(&story.app, (purpose, story.user), address).await
}

/// The token of a link that went out a moment ago.
pub(crate) async fn sent_to(app: &TestApp, (purpose, user): (Purpose, UserId), address: &str) -> String {
    static WRITTEN: AtomicU64 = AtomicU64::new(1);
    let (token, now) = (Token::new(&CountingRng::apart()), app.clock.now());
    let row = OneTimeToken {
        id: format!("ott_{:026}", WRITTEN.fetch_add(1, Ordering::Relaxed)).parse().unwrap(),
        user_id: Some(user),
        purpose,
        token_hash: token.hash(),
        code_hash: None,
        attempts: 0,
        address: Email::new(address).unwrap(),
        created_at: now,
        expires_at: now + SignedDuration::from_mins(15),
        used_at: None,
    };
    let mut batch = Batch::default();
    one_time_token::insert_with(&Tenant::default_organization(), &mut batch, &row);
    Store::open_beside(app.database.location()).await.unwrap().write(batch).await.unwrap();
    token.expose()
}

async fn confirms(person: &Person, token: &str) -> (u16, String) {
    let (status, answer) = person.post(VERIFY, &json!({"token": token})).await;
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

async fn address_of(person: &Person) -> String {
    person.get("/auth/me").await["user"]["email"].as_str().unwrap().to_owned()
}

/// Somebody asks for a change to an address that is not theirs: its owner opens the mail, and presses the button.
async fn whoever_merely_gets_the_mail_gives_nobody_an_address(database: Database) {
    let story = begin(database, 1).await;
    let token = sent(&story, Purpose::EmailChange, NEW).await;
    let path = format!("{VERIFY}?token={token}");
    let stranger = Person::stranger(&story.app);
    assert_eq!(confirms(&stranger, &token).await, (401, "not_signed_in".to_owned()));
    assert_eq!(stranger.submit(VERIFY, &[("token", &token)]).await.headers()["location"], "/sign-in");
    let grace = enters(&story.app, "grace@example.com", PASSWORD).await;
    assert_eq!(confirms(&grace, &token).await, (409, "link_of_other_account".to_owned()));
    let page = grace.open(&path).await;
    assert_eq!(page.status(), 409);
    let page = page.text().await.unwrap();
    assert!(page.contains("another account") && !page.contains("<form") && !page.contains(ADA), "{page}");
    assert_eq!(address_of(&story.ada).await, ADA);
    assert_eq!(address_of(&grace).await, "grace@example.com");
    assert_eq!(confirms(&story.ada, &token).await.0, 204, "the link is not used up");
    assert_eq!(address_of(&story.ada).await, NEW);
    let user = story.app.administration().await.find(&story.user.to_string()).await.unwrap();
    assert!(user.email_verified, "whoever has it opened the link");
}

async fn whoever_asked_signs_in_and_comes_back_to_the_link(database: Database) {
    let story = begin(database, 1).await;
    let token = sent(&story, Purpose::EmailChange, NEW).await;
    let (path, phone) = (format!("{VERIFY}?token={token}"), Person::stranger(&story.app));
    let led = phone.open(&path).await;
    let place = led.headers()["location"].to_str().unwrap().to_owned();
    let place = reqwest::Url::parse(&story.app.url(&place)).unwrap();
    let wanted = place.query_pairs().find(|(name, _)| name == "return_to").unwrap().1.into_owned();
    assert_eq!(wanted, path);
    let form = [("email", ADA), ("password", PASSWORD), ("return_to", wanted.as_str())];
    assert_eq!(phone.submit("/auth/login", &form).await.headers()["location"].to_str().unwrap(), path);
    let page = phone.open(&path).await.text().await.unwrap();
    assert!(page.contains(&format!("ada, who signs in as {ADA}, does so as {NEW} from now on")), "{page}");
    assert_eq!(phone.submit(VERIFY, &[("token", &token)]).await.headers()["location"], "/account");
    assert_eq!(address_of(&phone).await, NEW);
}

/// Whoever asked for it may be somebody who found a browser open, or had the password.
async fn a_link_counts_until_the_account_is_taken_back(database: Database) {
    const OTHER: &str = "another good one";
    let story = begin(database, 1).await;
    let (app, ada) = (&story.app, &story.ada);
    let spent = async |person: &Person, token: &str, what: &str| {
        assert_eq!(confirms(person, token).await, (409, "token_spent".to_owned()), "{what}");
        assert_eq!(address_of(person).await, ADA, "{what}");
    };

    let token = sent(&story, Purpose::EmailChange, NEW).await;
    let form = [("current_password", PASSWORD), ("password", OTHER)];
    assert_eq!(ada.submit("/account/password", &form).await.status(), 303);
    spent(ada, &token, "another password").await;

    let token = sent(&story, Purpose::EmailChange, NEW).await;
    assert_eq!(ada.submit("/account/sessions/end-others", &[]).await.status(), 303);
    spent(ada, &token, "all other sessions ended").await;

    let token = sent(&story, Purpose::EmailChange, NEW).await;
    let reset = sent(&story, Purpose::PasswordReset, ADA).await;
    let set = json!({"token": reset, "password": PASSWORD});
    assert_eq!(ada.post("/auth/password-reset/verify", &set).await.0, 200);
    spent(ada, &token, "a password set by mail").await;

    let administration = app.administration().await;
    let user = administration.find(&story.user.to_string()).await.unwrap();
    let (change, link) = (sent(&story, Purpose::EmailChange, NEW).await, sent(&story, Purpose::MagicLink, ADA).await);
    administration.set_password(&user, app.hash(OTHER).await).await.unwrap();
    spent(&enters(app, ADA, OTHER).await, &change, "a password set by whoever has the machine").await;
    let stranger = Person::stranger(app);
    assert_eq!(stranger.post("/auth/magic-link/verify", &json!({"token": link})).await.0, 409);

    let token = sent(&story, Purpose::EmailChange, NEW).await;
    administration.disable(&user).await.unwrap();
    administration.enable(&user).await.unwrap();
    spent(&enters(app, ADA, OTHER).await, &token, "shut out, and let in again").await;
}

async fn of_several_links_the_newest_counts(database: Database) {
    let story = begin(database, 1).await;
    let token = sent(&story, Purpose::EmailChange, "typo@example.com").await;
    let form = [("email", "ada@example.org"), ("current_password", PASSWORD)];
    assert_eq!(story.ada.submit("/account/email", &form).await.status(), 200);
    assert_eq!(confirms(&story.ada, &token).await, (409, "token_spent".to_owned()), "a newer one was asked for");

    let (one, other) =
        (sent(&story, Purpose::EmailChange, NEW).await, sent(&story, Purpose::EmailChange, "typo@example.com").await);
    assert_eq!(confirms(&story.ada, &one).await.0, 204);
    assert_eq!(confirms(&story.ada, &other).await, (409, "token_spent".to_owned()), "the address is another now");
    assert_eq!(address_of(&story.ada).await, NEW);
    assert_eq!(story.ada.status(Method::GET, "/account").await, 200);
}

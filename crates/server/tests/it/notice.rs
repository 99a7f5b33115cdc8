//! What people are told by mail when the ways change by which they sign in.

use std::io::Write as _;
use std::process::{Command, Stdio};

use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use retinue_app::auth::Auth;
use retinue_app::local::Registration;
use retinue_app::set_up;
use retinue_model::Email;
use retinue_model::one_time_token::Purpose;
use retinue_testkit::{Database, IdentityProvider, LetterBox, Person, Program, TestApp, on_both_databases, with_mail};
use serde_json::json;

use crate::link::another_address::{begin, sent, sent_to};
use crate::linking::{comes, has};

on_both_databases! {
    whoever_adds_or_removes_an_identity_is_told,
    whoever_an_address_led_to_is_told_once,
    whose_password_is_changed_is_told,
    whose_password_is_set_by_a_link_is_told,
    whoever_is_invited_is_told,
    the_first_administrator_is_told,
    what_the_first_mail_takes_away_is_said_before_and_after,
}

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// With mail, and two providers whose word on addresses is taken.
async fn with_providers(database: Database) -> (TestApp, [IdentityProvider; 2], LetterBox) {
    let letters = LetterBox::open().await;
    let port = letters.port();
    let rules = move |auth: &mut Auth| {
        auth.local = Some(with_mail(&auth.public_url, port));
        auth.providers.iter_mut().for_each(|provider| provider.link_by_email = true);
    };
    let (app, providers) = TestApp::with_providers_and_auth(database, rules).await;
    (app, providers, letters)
}

/// The next mail is to somebody, and says this.
async fn is_told(letters: &LetterBox, whom: &str, words: &str) {
    let mail = letters.next().await;
    assert_eq!(mail.to, [whom]);
    assert_eq!(mail.subject(), "How you sign in to Retinue was changed");
    let text = mail.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(words) && !text.contains(PASSWORD), "{text}");
}

/// No mail is on its way, and none has come.
async fn no_more_is_told(app: &TestApp, letters: &LetterBox) {
    let mailer = app.app.auth().local.clone().unwrap().mail.unwrap();
    mailer.close(std::time::Duration::from_secs(10)).await;
    let more = letters.rest().await;
    assert!(more.is_empty(), "{more:?}");
}

async fn whoever_adds_or_removes_an_identity_is_told(database: Database) {
    let (app, [sso, other], letters) = with_providers(database).await;
    let ada = comes(&app, ("sso", &sso), "ada", has(ADA, true)).await;
    other.introduce("ada there", has("private@example.org", true));
    assert_eq!(ada.add_identity("other", &other).await.status(), 303);
    is_told(&letters, ADA, "One can sign in to your Retinue account with an identity of “Example” now").await;
    let ids = ada.get("/api/identities").await;
    let added = ids["data"].as_array().unwrap().iter().find(|one| one["provider"] == json!("other")).unwrap();
    let path = format!("/api/identities/{}", added["id"].as_str().unwrap());
    assert_eq!(ada.status(Method::DELETE, &path).await, 204);
    is_told(&letters, ADA, "An identity of “Example” was removed from your Retinue account").await;
    no_more_is_told(&app, &letters).await;
}

/// Nobody who was there before need have done it.
async fn whoever_an_address_led_to_is_told_once(database: Database) {
    let (app, [sso, other], letters) = with_providers(database).await;
    let ada = comes(&app, ("sso", &sso), "ada", has(ADA, true)).await;
    for _ in 0..2 {
        let there = comes(&app, ("other", &other), "ada there", has(ADA, true)).await;
        assert_eq!(there.id().await, ada.id().await);
    }
    is_told(&letters, ADA, "One can sign in to your Retinue account with an identity of “Example” now").await;
    no_more_is_told(&app, &letters).await;
}

async fn whose_password_is_changed_is_told(database: Database) {
    let letters = LetterBox::open().await;
    let story = begin(database, letters.port()).await;
    let form = [("current_password", PASSWORD), ("password", "another good one")];
    assert_eq!(story.ada.submit("/account/password", &form).await.status(), 303);
    is_told(&letters, ADA, "A password was set for your Retinue account").await;
    no_more_is_told(&story.app, &letters).await;
}

async fn whose_password_is_set_by_a_link_is_told(database: Database) {
    let letters = LetterBox::open().await;
    let story = begin(database, letters.port()).await;
    let link = sent(&story, Purpose::MagicLink, ADA).await;
    let stranger = Person::stranger(&story.app);
    assert_eq!(stranger.post("/auth/magic-link/verify", &json!({"token": link})).await.0, 200);
    is_told(&letters, ADA, "your account there is yours alone").await;
    let link = sent(&story, Purpose::MagicLink, ADA).await;
    assert_eq!(stranger.post("/auth/magic-link/verify", &json!({"token": link})).await.0, 200, "that changes nothing");
    let reset = json!({"token": sent(&story, Purpose::PasswordReset, ADA).await, "password": "another good one"});
    assert_eq!(stranger.post("/auth/password-reset/verify", &reset).await.0, 200);
    is_told(&letters, ADA, "A password was set for your Retinue account").await;
    no_more_is_told(&story.app, &letters).await;
}

async fn whoever_is_invited_is_told(database: Database) {
    let letters = LetterBox::open().await;
    let app = TestApp::local_with(database, Registration::Invite, Some(letters.port())).await;
    let token = app.administration().await.invite(&Email::new(ADA).unwrap()).await.unwrap();
    let said = json!({"token": token, "name": "Ada", "password": PASSWORD});
    assert_eq!(Person::stranger(&app).post("/auth/register", &said).await.0, 201);
    is_told(&letters, ADA, "A password was set for your Retinue account").await;
    no_more_is_told(&app, &letters).await;
}

async fn the_first_administrator_is_told(database: Database) {
    let letters = LetterBox::open().await;
    let app = TestApp::local_with(database, Registration::Closed, Some(letters.port())).await;
    let link = set_up::offer(&app.app).await.unwrap().unwrap();
    let (_, token) = link.split_once("token=").unwrap();
    let form = [("token", token), ("name", "Ada"), ("email", ADA), ("password", PASSWORD)];
    assert_eq!(Person::stranger(&app).submit("/set-up", &form).await.status(), 303);
    is_told(&letters, ADA, "A password was set for your Retinue account").await;
    no_more_is_told(&app, &letters).await;
}

/// Ada runs the server, who set it up with a password, and asks for a link by mail.
async fn what_the_first_mail_takes_away_is_said_before_and_after(database: Database) {
    let letters = LetterBox::open().await;
    let app = TestApp::local_with(database, Registration::Closed, Some(letters.port())).await;
    let ada = app.add_user(ADA, Some(PASSWORD)).await;
    let stranger = Person::stranger(&app);
    for (purpose, page, loses) in [
        (Purpose::PasswordReset, "/auth/password-reset/verify", true),
        (Purpose::MagicLink, "/auth/magic-link/verify", true),
        (Purpose::MagicLink, "/auth/magic-link/verify", false),
    ] {
        if !loses {
            is_told(&letters, ADA, "your account there is yours alone").await;
        }
        let token = sent_to(&app, (purpose, ada.id), ADA).await;
        let shown = stranger.open(&format!("{page}?token={token}")).await.text().await.unwrap();
        let says =
            shown.contains("you show that ada@example.com is yours") && shown.contains("of before count no more");
        assert_eq!(says, loses, "{page}: {shown}");
        if purpose == Purpose::MagicLink {
            assert_eq!(stranger.post(page, &json!({"token": token})).await.0, 200);
        }
    }
    assert_eq!(Person::stranger(&app).sign_in_with(ADA, PASSWORD).await.status(), 401);
    no_more_is_told(&app, &letters).await;
}

/// Whoever has so many mails sent that there is no room may be the one of whom somebody is to hear.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_nobody_could_be_told_stands_in_the_log() {
    // Takes connections, and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[auth]\nmode = \"local\"\n[auth.local]\nregistration = \"open\"\n\
         [mail]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"retinue@example.com\"\n",
        silent.local_addr().unwrap().port()
    );
    std::fs::write(folder.path().join("retinue.toml"), file).unwrap();
    let mut add = Command::new(env!("CARGO_BIN_EXE_retinue"));
    add.args(["user", "add", ADA]).current_dir(folder.path()).env_clear().stdin(Stdio::piped());
    let mut add = add.spawn().unwrap();
    add.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(add.wait().unwrap().success());
    let mut server = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path()).start().await;
    let ada = Person::at(format!("http://{}", server.address()));
    assert_eq!(ada.sign_in_with(ADA, PASSWORD).await.status(), 303);
    let registers = async |number: usize| {
        let request =
            ada.request(Method::POST, "/auth/register").header("x-forwarded-for", format!("192.0.2.{}", number % 20));
        ada.send(request.json(&json!({"email": format!("new{number}@example.com")}))).await.status().as_u16()
    };
    let statuses = stream::iter(0..1_050).map(registers).buffered(20).collect::<Vec<_>>().await;
    assert_eq!(statuses.last(), Some(&503), "there is no room left");
    let form = [("current_password", PASSWORD), ("password", "another good one")];
    assert_eq!(ada.submit("/account/password", &form).await.status(), 303);
    server.says("nobody was told that a way to sign in was changed", 1).await;
}

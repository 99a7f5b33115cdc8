//! Asking a provider whether somebody may still come in, with what it gave out for that.

use std::time::Duration;

use reqwest::Method;
use retinue_store::Location;
use retinue_testkit::identity_provider::{Reply, Signer};
use retinue_testkit::{Database, IdentityProvider, Person, SigningKey, TestApp, until, with_people_on_both_engines};
use serde_json::json;
use tokio::time::timeout;

with_people_on_both_engines! {
    a_provider_is_asked_once_however_many_requests_come,
    what_a_provider_gives_out_anew_is_used_the_next_time,
    a_session_that_the_provider_takes_back_ends_with_its_streams,
    a_session_that_only_a_stream_uses_is_asked_about_too,
    a_provider_that_does_not_answer_ends_nothing,
    a_provider_that_does_not_answer_is_left_alone,
    a_provider_that_does_not_answer_for_a_day_ends_the_session,
    whoever_comes_while_the_provider_is_asked_waits_for_the_answer,
    a_provider_that_another_process_asks_is_not_asked_too,
    what_a_provider_gives_out_is_kept_while_its_keys_are_not_known,
    an_address_that_the_provider_changes_is_another_here_too,
    a_refusal_of_the_server_itself_ends_nothing,
    a_refresh_that_gives_somebody_else_ends_the_session,
    a_session_without_a_refresh_token_is_not_asked_about,
    what_a_provider_gave_out_can_not_be_read_in_the_database,
}

const MINUTE: Duration = Duration::from_mins(1);

async fn is_in(person: &Person) -> bool {
    let status = person.status(Method::GET, "/api/threads").await;
    assert!(status == 200 || status == 401, "{status}");
    status == 200
}

/// The refresh tokens that came to the provider, in order.
fn shown(provider: &IdentityProvider) -> Vec<String> {
    let asked = provider.asked("/token");
    asked.iter().filter_map(|asked| asked.parameters.get("refresh_token").cloned()).collect()
}

async fn a_provider_is_asked_once_however_many_requests_come(app: TestApp, provider: IdentityProvider) {
    let ada = std::sync::Arc::new(Person::signed_in(&app, &provider, "ada").await);
    app.clock.advance(14 * MINUTE);
    assert!(is_in(&ada).await && shown(&provider).is_empty(), "it is not time yet");
    for round in 1..=3 {
        app.clock.advance(16 * MINUTE);
        let all: Vec<_> = (0..20)
            .map(|_| {
                let ada = std::sync::Arc::clone(&ada);
                tokio::spawn(async move { is_in(&ada).await })
            })
            .collect();
        for one in all {
            assert!(one.await.unwrap(), "nobody is turned away meanwhile");
        }
        until("it is asked", Duration::from_secs(5), async || (shown(&provider).len() == round).then_some(())).await;
        assert!(is_in(&ada).await);
        assert_eq!(shown(&provider).len(), round);
    }
}

async fn what_a_provider_gives_out_anew_is_used_the_next_time(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    for _ in 0..3 {
        app.clock.advance(16 * MINUTE);
        assert!(is_in(&ada).await);
    }
    // Some give out none: the one before goes on counting.
    provider.set(|script| script.token_answer = json!({"refresh_token": null}));
    app.clock.advance(16 * MINUTE);
    assert!(is_in(&ada).await);
    let last = shown(&provider).last().unwrap().clone();
    provider.set(|script| script.keep_refresh_token(&last));
    app.clock.advance(16 * MINUTE);
    assert!(is_in(&ada).await);
    let mut shown = shown(&provider);
    assert_eq!(shown[4], last);
    shown.truncate(4);
    shown.dedup();
    assert_eq!(shown.len(), 4, "each was shown once: {shown:?}");
}

/// Waits until a stream ends.
async fn ends(mut events: retinue_testkit::EventStream) {
    let end = async { while events.next().await.is_some() {} };
    timeout(Duration::from_secs(3), end).await.expect("the stream goes on");
}

async fn a_session_that_the_provider_takes_back_ends_with_its_streams(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let phone = Person::signed_in(&app, &provider, "ada").await;
    let run = ada.say(&ada.thread().await, "Hello").await;
    let _answer = app.model.next().await.begin();
    let events = ada.follow(&run).await;
    let before = provider.asked("/token").len();
    provider.revoke();
    assert!(is_in(&ada).await && provider.asked("/token").len() == before);
    app.clock.advance(16 * MINUTE);
    assert!(!is_in(&ada).await);
    ends(events).await;
    assert!(!is_in(&phone).await);
    let page = ada.open("/").await;
    assert_eq!(page.headers()["location"], "/sign-in?ended=1");
    assert_eq!(app.database.ask("SELECT refresh_token FROM sessions WHERE refresh_token IS NOT NULL").await.len(), 0);
}

async fn a_session_that_only_a_stream_uses_is_asked_about_too(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let run = ada.say(&ada.thread().await, "Hello").await;
    let answer = app.model.next().await.begin();
    let mut events = ada.follow(&run).await;
    app.clock.advance(16 * MINUTE);
    until("the provider is asked", Duration::from_secs(5), async || (shown(&provider).len() == 1).then_some(())).await;
    answer.say("still here").await;
    events.until("message.delta").await;
    provider.revoke();
    app.clock.advance(16 * MINUTE);
    ends(events).await;
    assert_eq!(shown(&provider).len(), 2);
}

async fn a_provider_that_does_not_answer_ends_nothing(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    provider.stop().await;
    app.clock.advance(16 * MINUTE);
    assert!(is_in(&ada).await);
    app.clock.advance(2 * MINUTE);
    assert!(is_in(&ada).await);
    provider.start_again().await;
    for fault in [
        Reply::Json(503, json!({"error": "temporarily_unavailable"})),
        Reply::Json(500, json!({})),
        Reply::Text("text/html", "<h1>Bad gateway</h1>".to_owned()),
        Reply::Redirect("https://evil.example/".to_owned()),
    ] {
        provider.reply("/token", fault);
        app.clock.advance(2 * MINUTE);
        assert!(is_in(&ada).await);
    }
    provider.set(|script| script.replies.clear());
    // It is asked again, a minute after it could not tell, and what it gave out first still counts.
    app.clock.advance(2 * MINUTE);
    let before = shown(&provider).len();
    assert!(is_in(&ada).await);
    assert_eq!(shown(&provider).len(), before + 1);
    provider.revoke();
    app.clock.advance(16 * MINUTE);
    assert!(!is_in(&ada).await, "and then it may say no");
}

async fn a_provider_that_does_not_answer_is_left_alone(app: TestApp, provider: IdentityProvider) {
    let [desk, phone] =
        [Person::signed_in(&app, &provider, "ada").await, Person::signed_in(&app, &provider, "ada").await];
    app.clock.advance(16 * MINUTE);
    provider.stop().await;
    assert!(is_in(&desk).await);
    provider.start_again().await;
    assert!(is_in(&phone).await);
    assert!(shown(&provider).is_empty(), "it did not answer others a moment ago");
    app.clock.advance(2 * MINUTE);
    assert!(is_in(&desk).await && is_in(&phone).await);
    assert_eq!(shown(&provider).len(), 2);
}

async fn a_provider_that_does_not_answer_for_a_day_ends_the_session(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    app.clock.advance(16 * MINUTE);
    assert!(is_in(&ada).await);
    provider.reply("/token", Reply::Json(503, json!({})));
    for _ in 0..3 {
        app.clock.advance(7 * 60 * MINUTE);
        assert!(is_in(&ada).await, "it said so less than a day ago");
    }
    provider.set(|script| script.replies.clear());
    app.clock.advance(2 * MINUTE);
    assert!(is_in(&ada).await);
    // So does a server that is not accepted there any more.
    provider.reply("/token", Reply::Json(401, json!({"error": "invalid_client"})));
    app.clock.advance(23 * 60 * MINUTE);
    assert!(is_in(&ada).await, "it said so once more");
    app.clock.advance(60 * MINUTE);
    assert!(!is_in(&ada).await);
    let kept = app.database.ask("SELECT refresh_token FROM sessions WHERE refresh_token IS NOT NULL").await;
    assert!(kept.is_empty());
}

async fn whoever_comes_while_the_provider_is_asked_waits_for_the_answer(app: TestApp, provider: IdentityProvider) {
    let ada = std::sync::Arc::new(Person::signed_in(&app, &provider, "ada").await);
    assert!(is_in(&ada).await);
    app.clock.advance(16 * MINUTE);
    provider.hold("/token");
    let all: Vec<_> = (0..20)
        .map(|_| {
            let ada = std::sync::Arc::clone(&ada);
            tokio::spawn(async move { is_in(&ada).await })
        })
        .collect();
    provider.held("/token", 1).await;
    provider.revoke();
    provider.release("/token");
    for one in all {
        assert!(!one.await.unwrap(), "nobody is let in before it is known");
    }
    assert_eq!(shown(&provider).len(), 1);
}

/// Another process took the right to ask a moment ago; it may be waiting for the answer, or be gone.
async fn a_provider_that_another_process_asks_is_not_asked_too(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    app.clock.advance(16 * MINUTE);
    // It was due a minute ago.
    let (now, id) = match app.database.location() {
        Location::Sqlite(_) => ("refresh_at + 60000000", "randomblob(16)"),
        Location::Postgres { .. } => ("refresh_at + interval '1 minute'", "gen_random_uuid()"),
    };
    app.database.ask(&format!("UPDATE sessions SET refresh_claimed_at = {now}, refresh_claim = {id}")).await;
    for _ in 0..3 {
        assert!(is_in(&ada).await, "nobody waits for another process");
    }
    app.clock.advance(Duration::from_secs(58));
    assert!(is_in(&ada).await && shown(&provider).is_empty());
    app.clock.advance(Duration::from_secs(3));
    assert!(is_in(&ada).await);
    assert_eq!(shown(&provider).len(), 1, "whoever does not answer for a minute has lost it");
    assert!(is_in(&ada).await);
    assert_eq!(shown(&provider).len(), 1, "and that was the answer");
}

async fn what_a_provider_gives_out_is_kept_while_its_keys_are_not_known(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let late = SigningKey::other_rsa("published late");
    provider.set(|script| script.signer = Signer::Other(late.clone()));
    app.clock.advance(16 * MINUTE);
    assert!(is_in(&ada).await, "nobody knows the key yet");
    provider.set(|script| script.keys.push(late.clone()));
    provider.reply("/keys", Reply::Json(503, json!({})));
    app.clock.advance(2 * MINUTE);
    assert!(is_in(&ada).await, "the keys can't be read");
    provider.set(|script| script.replies.clear());
    app.clock.advance(2 * MINUTE);
    assert!(is_in(&ada).await);
    let shown = shown(&provider);
    assert_eq!(shown.len(), 3);
    assert!(shown[0] != shown[1] && shown[1] != shown[2], "{shown:?}");
    app.clock.advance(16 * MINUTE);
    assert!(is_in(&ada).await, "what was given out last counts");
}

/// Ada's address, here and at her identity, and whether it is verified.
async fn addresses(app: &TestApp, ada: &Person) -> (String, String, bool) {
    let identity = &ada.get("/api/identities").await["data"][0];
    let verified = app.database.ask("SELECT CAST(email_verified AS INTEGER) FROM users WHERE name = 'ada'").await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&ada.get("/auth/me").await["user"]["email"]), text(&identity["email"]), verified == ["1"])
}

async fn an_address_that_the_provider_changes_is_another_here_too(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let said = |email: &str, verified: bool| (email.to_owned(), email.to_owned(), verified);
    for (claims, expected) in [
        (json!({"email": "new@example.com", "email_verified": true}), said("new@example.com", true)),
        (json!({"email": "new@example.com", "email_verified": false}), said("new@example.com", false)),
        (json!({"email": "newer@example.com"}), said("new@example.com", false)),
        (json!({}), said("new@example.com", false)),
        (
            json!({"name": "Somebody", "email": "ada@example.com", "email_verified": true}),
            said("ada@example.com", true),
        ),
    ] {
        provider.introduce("ada", claims.clone());
        app.clock.advance(16 * MINUTE);
        assert!(is_in(&ada).await);
        assert_eq!(addresses(&app, &ada).await, expected, "{claims}");
    }
    assert_eq!(ada.get("/auth/me").await["user"]["name"], "ada", "people may have chosen their name");
}

async fn a_refusal_of_the_server_itself_ends_nothing(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    for error in ["invalid_client", "unauthorized_client"] {
        provider.reply("/token", Reply::Json(401, json!({"error": error})));
        app.clock.advance(16 * MINUTE);
        assert!(is_in(&ada).await, "{error}");
    }
}

async fn a_refresh_that_gives_somebody_else_ends_the_session(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    provider.greet("grace");
    app.clock.advance(16 * MINUTE);
    assert!(!is_in(&ada).await);
}

async fn a_session_without_a_refresh_token_is_not_asked_about(app: TestApp, provider: IdentityProvider) {
    provider.set(|script| script.token_answer = json!({"refresh_token": null}));
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let before = provider.asked("/token").len();
    app.clock.advance(60 * MINUTE);
    assert!(is_in(&ada).await);
    assert_eq!(provider.asked("/token").len(), before);
}

async fn what_a_provider_gave_out_can_not_be_read_in_the_database(app: TestApp, provider: IdentityProvider) {
    let secrets = ["refresh token that nobody may read", "refresh token that came later"];
    provider.set(|script| script.token_answer = json!({"refresh_token": secrets[0]}));
    let ada = Person::signed_in(&app, &provider, "ada").await;
    provider.set(|script| script.token_answer = json!({"refresh_token": secrets[1]}));
    provider.set(|script| script.keep_refresh_token(secrets[0]));
    app.clock.advance(16 * MINUTE);
    assert!(is_in(&ada).await);
    assert_eq!(shown(&provider), [secrets[0]]);
    let all = app.database.everything().await;
    let is_there = |words: &str| all.windows(words.len()).any(|found| found == words.as_bytes());
    assert!(is_there("ada@example.com"), "the search finds what is there");
    for secret in secrets {
        assert!(!is_there(secret));
    }
    // A JWT begins so: the ID token is encrypted too, and cookies are not kept at all.
    assert!(!is_there("eyJ"));
    assert!(!is_there(&ada.session_cookie()[..40]));
}

/// However many sessions of one provider wait for its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_hangs_holds_up_no_other() {
    let (app, [sso, other]) = TestApp::with_providers(Database::sqlite(), |_| {}).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(Person::signed_in(&app, &sso, "ada").await);
    }
    let grace = Person::stranger(&app);
    other.greet("grace");
    assert_eq!(grace.sign_in_at("other", &other).await.status(), 303);
    app.clock.advance(16 * MINUTE);
    sso.hold("/token");
    let crowd: Vec<_> = crowd.into_iter().map(|person| tokio::spawn(async move { is_in(&person).await })).collect();
    sso.held("/token", 32).await;
    assert!(is_in(&grace).await);
    assert_eq!(shown(&other).len(), 1, "the other provider was asked, and has answered");
    sso.release("/token");
    for one in crowd {
        assert!(one.await.unwrap());
    }
}

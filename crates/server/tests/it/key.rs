//! Keys of the instance that count no more: what they signed ends.

use std::time::Duration;

use reqwest::Method;
use retinue_app::key::{self, KeyRing};
use retinue_testkit::{CountingRng, Database, IdentityProvider, Person, TestApp, until, with_people_on_both_engines};
use tokio::time::timeout;

with_people_on_both_engines! {
    streams_and_sessions_end_with_the_keys_that_are_forgotten,
    streams_end_with_a_key_and_sessions_of_others_go_on,
    whoever_waits_for_their_provider_when_their_key_goes_stays_out,
}

/// What ends with a key ends so fast.
const SOON: Duration = Duration::from_secs(2);

async fn open_sessions(app: &TestApp) -> Vec<String> {
    app.database.ask("SELECT method FROM sessions WHERE ended_at IS NULL").await
}

async fn streams_and_sessions_end_with_the_keys_that_are_forgotten(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let run = ada.say(&ada.thread().await, "Hello").await;
    let mut events = ada.follow(&run).await;
    key::take(&app.app, app.keys()).await.unwrap();
    assert_eq!(open_sessions(&app).await, ["oidc"], "the same keys once more end nothing");
    key::take(&app.app, app.foreign_keys()).await.unwrap();
    let end = async { while events.next().await.is_some() {} };
    timeout(SOON, end).await.expect("the stream ends");
    assert!(open_sessions(&app).await.is_empty());
    let kept = app.database.ask("SELECT refresh_token FROM sessions WHERE refresh_token IS NOT NULL").await;
    assert!(kept.is_empty(), "nobody could read it");
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 401);
    let again = Person::signed_in(&app, &provider, "ada").await;
    assert_eq!(again.status(Method::GET, "/auth/me").await, 200);
}

/// The keys of before with a new one, and the new one alone.
fn rotated(app: &TestApp) -> [KeyRing; 2] {
    let now = retinue_app::Clock::now(&*app.clock);
    let rng = CountingRng::beginning_at(5_000);
    let both = app.keys().rotated(&rng, now, now - jiff::SignedDuration::from_hours(720)).unwrap();
    let newest: String = both.text().split_inclusive('\n').take(2).collect();
    [both, KeyRing::parse(&newest).unwrap()]
}

async fn streams_end_with_a_key_and_sessions_of_others_go_on(app: TestApp, provider: IdentityProvider) {
    let [both, newest] = rotated(&app);
    let old = Person::signed_in(&app, &provider, "ada").await;
    let run = old.say(&old.thread().await, "Hello").await;
    let mut events = old.follow(&run).await;
    key::take(&app.app, both).await.unwrap();
    let new = Person::signed_in(&app, &provider, "grace").await;
    assert_eq!(old.status(Method::GET, "/auth/me").await, 200, "the key before still counts");
    key::take(&app.app, newest).await.unwrap();
    let end = async { while events.next().await.is_some() {} };
    timeout(SOON, end).await.expect("the stream ends");
    assert_eq!(old.status(Method::GET, "/auth/me").await, 401);
    assert_eq!(new.status(Method::GET, "/auth/me").await, 200);
}

/// The cookie was checked already.
async fn whoever_waits_for_their_provider_when_their_key_goes_stays_out(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let run = ada.say(&ada.thread().await, "Hello").await;
    let [both, newest] = rotated(&app);
    key::take(&app.app, both).await.unwrap();
    app.clock.advance(Duration::from_mins(15));
    provider.hold("/token");
    let request = ada.send(ada.request(Method::GET, &format!("/api/runs/{run}/events")));
    let (answer, ()) = tokio::join!(request, async {
        provider.held("/token", 1).await;
        key::take(&app.app, newest).await.unwrap();
        provider.release("/token");
    });
    assert_eq!(answer.status(), 401, "nobody would end this stream any more");
}

/// The same while the session is still being read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn whoever_is_on_the_way_in_when_their_key_goes_stays_out() {
    let (app, provider) = TestApp::with_provider(Database::postgres().await).await;
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let run = ada.say(&ada.thread().await, "Hello").await;
    let [both, newest] = rotated(&app);
    key::take(&app.app, both).await.unwrap();

    // What is in memory is too old by then: it is read again.
    app.clock.advance(Duration::from_secs(61));
    let sessions = app.database.lock_table("sessions").await;
    let request = ada.send(ada.request(Method::GET, &format!("/api/runs/{run}/events")));
    let (answer, ()) = tokio::join!(request, async {
        until("it waits", Duration::from_secs(10), async || (app.database.waiting().await == 1).then_some(())).await;
        key::take(&app.app, newest).await.unwrap();
        drop(sessions);
    });
    assert_eq!(answer.status(), 401, "nobody would end this stream any more");
}

//! Sessions: how long they last, and how fast they end, whoever ends them.

use std::time::{Duration, Instant};

use reqwest::Method;
use retinue_app::key::KeyRing;
use retinue_testkit::{
    Answer, CountingRng, Database, EventStream, IdentityProvider, Person, TestApp, location, until,
    with_people_on_both_engines,
};
use serde_json::{Value, json};
use tokio::time::timeout;

with_people_on_both_engines! {
    a_session_that_is_not_used_ends_with_its_streams,
    a_session_ends_in_the_end_however_much_it_is_used,
    people_see_where_they_are_signed_in,
    a_session_that_is_ended_elsewhere_ends_at_once_with_its_streams,
    all_other_sessions_end_at_once,
    no_request_gets_through_after_the_end_was_confirmed,
    a_session_of_somebody_else_is_not_there,
    signing_in_again_ends_the_session_before,
    what_another_process_ends_ends_here,
    whoever_another_process_shuts_out_is_out_here,
    what_is_over_is_not_ended_again,
    an_end_that_nobody_told_of_is_seen_after_a_minute,
    who_somebody_is_by_another_process_is_seen_here,
    keys_are_replaced_without_signing_anybody_out,
    of_what_is_over_for_a_day_nothing_is_left,
}

const HOUR: Duration = Duration::from_hours(1);
/// What is ended here ends at once, or so soon on a busy machine; how fast: see `ends`.
const AT_ONCE: Duration = Duration::from_secs(1);
/// What ends by time, or elsewhere, is found out within a second; then it must be read.
const SOON: Duration = Duration::from_secs(2);

async fn is_in(person: &Person) -> bool {
    let status = person.status(Method::GET, "/api/threads").await;
    assert!(status == 200 || status == 401, "{status}");
    status == 200
}

/// Whoever listens to an answer that is never finished.
struct Listener {
    events: EventStream,
    answer: Answer,
}

impl Listener {
    async fn of(app: &TestApp, person: &Person) -> Self {
        let thread = person.thread().await;
        let run = person.say(&thread, "Hello").await;
        let answer = app.model.next().await.begin();
        answer.say("word").await;
        let mut events = person.follow(&run).await;
        events.until("message.delta").await;
        Self { events, answer }
    }

    /// Waits until they hear nothing more; not for longer than `patience`.
    async fn until_cut_off(mut self, patience: Duration) {
        let end = async { while self.events.next().await.is_some() {} };
        timeout(patience, end).await.unwrap_or_else(|_| panic!("the stream goes on after {patience:?}"));
    }

    /// Whether they are still connected: what is said reaches them.
    async fn hears(&mut self) -> bool {
        self.answer.say(" more").await;
        loop {
            match self.events.next().await {
                Some(event) if event.name == "message.delta" => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }
}

async fn a_session_that_is_not_used_ends_with_its_streams(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    for _ in 0..3 {
        app.clock.advance(71 * HOUR);
        assert!(is_in(&ada).await, "it was used within 72 hours");
    }
    let listener = Listener::of(&app, &ada).await;
    app.clock.advance(73 * HOUR);
    listener.until_cut_off(SOON).await;
    assert!(!is_in(&ada).await);
    let page = ada.open("/account").await;
    assert_eq!(location(&page), "/sign-in?return_to=%2Faccount&ended=1");
    assert!(ada.open("/sign-in?ended=1").await.text().await.unwrap().contains("Your session has ended"));
    // It is not shown to whoever signs in again.
    let again = Person::signed_in(&app, &provider, "ada").await;
    assert_eq!(again.get("/api/sessions").await["data"].as_array().unwrap().len(), 1);
}

async fn a_session_ends_in_the_end_however_much_it_is_used(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    for _ in 0..10 {
        app.clock.advance(70 * HOUR);
        assert!(is_in(&ada).await);
    }
    let listener = Listener::of(&app, &ada).await;
    app.clock.advance(21 * HOUR);
    listener.until_cut_off(SOON).await;
    assert!(!is_in(&ada).await, "721 hours are over");
}

async fn people_see_where_they_are_signed_in(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let phone = Person::stranger(&app);
    provider.greet("ada");
    let back = provider.visit(&phone.begin("/auth/login").await);
    let path = format!("{}?{}", back.path(), back.query().unwrap());
    let agent = format!("Mozilla/5.0 (iPhone) Safari/605 {}", "x".repeat(1000));
    let request = phone.request(Method::GET, &path).header("user-agent", &agent);
    assert_eq!(phone.send(request.header("x-forwarded-for", "192.0.2.7")).await.status(), 303);
    let sessions = ada.get("/api/sessions").await;
    let found: Vec<_> = sessions["data"].as_array().unwrap().iter().collect();
    assert_eq!((found.len(), &found[0]["current"], &found[1]["current"]), (2, &json!(false), &json!(true)));
    assert_eq!((&found[0]["address"], &found[1]["address"]), (&json!("192.0.2.7"), &json!("127.0.0.1")));
    assert_eq!(found[0]["user_agent"].as_str().unwrap(), &agent[..200]);
    let page = ada.open("/account").await.text().await.unwrap();
    assert!(page.contains("Safari on iPhone") && page.contains("192.0.2.7"), "{page}");
    assert!(!sessions.to_string().contains(&ada.session_cookie()));
}

/// The id of the session that a person uses.
async fn current(person: &Person) -> String {
    let sessions = person.get("/api/sessions").await;
    let is_current = |session: &&Value| session["current"] == json!(true);
    let found = sessions["data"].as_array().unwrap().iter().find(is_current).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

async fn a_session_that_is_ended_elsewhere_ends_at_once_with_its_streams(app: TestApp, provider: IdentityProvider) {
    let desk = Person::signed_in(&app, &provider, "ada").await;
    let mut own = Listener::of(&app, &desk).await;
    for by_page in [false, true] {
        let phone = Person::signed_in(&app, &provider, "ada").await;
        let listener = Listener::of(&app, &phone).await;
        let id = current(&phone).await;
        if by_page {
            assert_eq!(desk.submit(&format!("/account/sessions/{id}/end"), &[]).await.status(), 303);
        } else {
            assert_eq!(desk.status(Method::DELETE, &format!("/api/sessions/{id}")).await, 204);
        }
        let ended = Instant::now();
        assert!(!is_in(&phone).await);
        listener.until_cut_off(AT_ONCE.saturating_sub(ended.elapsed())).await;
        assert_eq!(desk.get("/api/sessions").await["data"].as_array().unwrap().len(), 1);
    }
    assert!(is_in(&desk).await && own.hears().await, "nothing else ended");
}

async fn all_other_sessions_end_at_once(app: TestApp, provider: IdentityProvider) {
    let [desk, phone, tablet] = [
        Person::signed_in(&app, &provider, "ada").await,
        Person::signed_in(&app, &provider, "ada").await,
        Person::signed_in(&app, &provider, "ada").await,
    ];
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let listener = Listener::of(&app, &phone).await;
    assert_eq!(desk.submit("/account/sessions/end-others", &[]).await.status(), 303);
    assert!(!is_in(&phone).await && !is_in(&tablet).await);
    listener.until_cut_off(AT_ONCE).await;
    assert!(is_in(&desk).await && is_in(&grace).await);
}

async fn no_request_gets_through_after_the_end_was_confirmed(app: TestApp, provider: IdentityProvider) {
    let desk = Person::signed_in(&app, &provider, "ada").await;
    for _ in 0..5 {
        let phone = Person::signed_in(&app, &provider, "ada").await;
        let path = format!("/api/sessions/{}", current(&phone).await);
        // They ask all the time, so that it is read again and again while it ends.
        let ask = async || while is_in(&phone).await {};
        let end = desk.status(Method::DELETE, &path);
        let (status, ..) = tokio::join!(end, ask(), ask(), ask(), ask());
        assert_eq!(status, 204);
        for _ in 0..5 {
            assert!(!is_in(&phone).await);
        }
    }
}

async fn a_session_of_somebody_else_is_not_there(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let admin = Person::signed_in(&app, &provider, "admin").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let id = current(&ada).await;
    for id in [id.as_str(), "ses_01h455vb4pex5vsknk084sn02q", "ses_", "x", "%00", &"a".repeat(300)] {
        for person in [&grace, &admin] {
            assert_eq!(person.status(Method::DELETE, &format!("/api/sessions/{id}")).await, 404, "{id}");
            assert_eq!(person.submit(&format!("/account/sessions/{id}/end"), &[]).await.status(), 404, "{id}");
        }
    }
    assert!(is_in(&ada).await && is_in(&grace).await && is_in(&admin).await);
}

async fn signing_in_again_ends_the_session_before(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let listener = Listener::of(&app, &ada).await;
    let before = ada.again_at(&app);
    assert_eq!(ada.sign_in(&provider, "ada", "/").await.status(), 303);
    assert_ne!(ada.session_cookie(), before.session_cookie());
    assert!(is_in(&ada).await && !is_in(&before).await);
    listener.until_cut_off(AT_ONCE).await;
    assert_eq!(ada.get("/api/sessions").await["data"].as_array().unwrap().len(), 1);
    // As somebody else too: the browser changes hands.
    let before = ada.again_at(&app);
    assert_eq!(ada.sign_in(&provider, "grace", "/").await.status(), 303);
    assert_eq!(ada.get("/auth/me").await["user"]["name"], "grace");
    assert!(!is_in(&before).await);
}

/// What another process writes that ends Ada's sessions.
const END: &str = "UPDATE sessions SET ended_at = last_seen_at \
    WHERE user_id IN (SELECT id FROM users WHERE name = 'ada')";
const REVOKE: &str = "INSERT INTO revocations (id, organization_id, user_id, session_id, created_at) \
    SELECT id, organization_id, user_id, id, last_seen_at FROM sessions \
    WHERE user_id IN (SELECT id FROM users WHERE name = 'ada')";
const DISABLE: &str = "UPDATE users SET disabled_at = updated_at WHERE name = 'ada'";
const REVOKE_ALL: &str = "INSERT INTO revocations (id, organization_id, user_id, session_id, created_at) \
    SELECT id, organization_id, id, NULL, updated_at FROM users WHERE name = 'ada'";

async fn end_elsewhere(app: &TestApp, provider: &IdentityProvider, statements: [&str; 2]) -> Person {
    let ada = Person::signed_in(app, provider, "ada").await;
    let grace = Person::signed_in(app, provider, "grace").await;
    let listener = Listener::of(app, &ada).await;
    let mut other = Listener::of(app, &grace).await;
    assert!(is_in(&ada).await);
    for statement in statements {
        app.database.ask(statement).await;
    }
    until("it ends here too", SOON, async || (!is_in(&ada).await).then_some(())).await;
    listener.until_cut_off(AT_ONCE).await;
    assert!(is_in(&grace).await && other.hears().await);
    ada
}

async fn what_another_process_ends_ends_here(app: TestApp, provider: IdentityProvider) {
    let ada = end_elsewhere(&app, &provider, [END, REVOKE]).await;
    assert_eq!(ada.sign_in(&provider, "ada", "/").await.status(), 303);
    assert!(is_in(&ada).await, "they may come back");
}

async fn whoever_another_process_shuts_out_is_out_here(app: TestApp, provider: IdentityProvider) {
    let ada = end_elsewhere(&app, &provider, [DISABLE, REVOKE_ALL]).await;
    let back = ada.sign_in(&provider, "ada", "/").await;
    assert_eq!(back.status(), 403);
    assert!(back.text().await.unwrap().contains("user_disabled"));
    assert!(!is_in(&ada).await);
}

async fn what_is_over_is_not_ended_again(app: TestApp, provider: IdentityProvider) {
    let desk = Person::signed_in(&app, &provider, "ada").await;
    let phone = Person::signed_in(&app, &provider, "ada").await;
    let path = format!("/api/sessions/{}", current(&phone).await);
    let told = async || app.database.ask("SELECT COUNT(*) FROM revocations").await;
    let before = told().await;
    assert_eq!(desk.status(Method::DELETE, "/api/sessions/ses_01h455vb4pex5vsknk084sn02q").await, 404);
    assert_eq!(told().await, before);
    assert_eq!(desk.status(Method::DELETE, &path).await, 204);
    let after = told().await;
    assert_ne!(after, before);
    for _ in 0..3 {
        assert_eq!(desk.status(Method::DELETE, &path).await, 204);
    }
    assert_eq!(told().await, after, "each would make all processes look again");
}

async fn an_end_that_nobody_told_of_is_seen_after_a_minute(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let phone = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let listener = Listener::of(&app, &ada).await;
    let mut other = Listener::of(&app, &grace).await;
    assert!(is_in(&phone).await);
    app.database.ask(END).await;
    app.clock.advance(Duration::from_mins(1));
    assert!(!is_in(&phone).await);
    listener.until_cut_off(SOON).await;
    assert!(is_in(&grace).await && other.hears().await);
}

async fn who_somebody_is_by_another_process_is_seen_here(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let name = async || ada.get("/auth/me").await["user"]["name"].clone();
    assert_eq!(name().await, "ada");
    app.database.ask("UPDATE users SET name = 'Ada Lovelace' WHERE name = 'ada'").await;
    app.database.ask(&REVOKE_ALL.replace("'ada'", "'Ada Lovelace'")).await;
    until("the name is seen", SOON, async || (name().await == "Ada Lovelace").then_some(())).await;
    // Whoever changes it here tells the others.
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let told = async || app.database.ask("SELECT COUNT(*) FROM revocations").await;
    let before = told().await;
    assert_eq!(grace.submit("/account/name", &[("name", "Grace Hopper")]).await.status(), 303);
    assert_ne!(told().await, before);
}

async fn keys_are_replaced_without_signing_anybody_out(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::stranger(&app);
    provider.greet("grace");
    let back = provider.visit(&grace.begin("/auth/login").await);
    let now = retinue_app::Clock::now(&*app.clock);
    let rng = CountingRng::beginning_at(5_000);
    let both = app.keys().rotated(&rng, now, now - jiff::SignedDuration::from_hours(720)).unwrap();
    let text = both.text();
    assert_eq!(both.len(), 2);
    app.app.set_keys(both);
    assert!(is_in(&ada).await, "the key before still counts");
    assert_eq!(grace.come_back(&back).await.status(), 303, "for what was begun with it, too");
    assert_eq!(ada.get("/auth/me").await["user"]["name"], "ada");
    // Another key is in front, and the first one is needed no more.
    app.clock.advance(HOUR);
    let now = retinue_app::Clock::now(&*app.clock);
    let later = KeyRing::parse(&text).unwrap().rotated(&rng, now, now).unwrap();
    assert_eq!(later.len(), 2);
    app.app.set_keys(later);
    assert!(!is_in(&ada).await && is_in(&grace).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn nobody_who_is_shut_out_at_that_moment_gets_in_on_postgres() {
    let (app, provider) = TestApp::with_provider(Database::postgres().await).await;
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let phone = Person::stranger(&app);
    let lock = app.database.lock_rows("users").await;
    let shut_out = async {
        until("the sign-in waits", SOON, async || (app.database.waiting().await > 0).then_some(())).await;
        lock.batch_execute(&format!("{DISABLE}; {REVOKE_ALL}; {END}; COMMIT")).await.unwrap();
    };
    let (back, ()) = tokio::join!(phone.sign_in(&provider, "ada", "/"), shut_out);
    assert_eq!(back.status(), 403);
    assert_eq!(app.database.ask("SELECT id FROM sessions WHERE ended_at IS NULL").await, [""; 0]);
    until("it ends here too", SOON, async || (!is_in(&ada).await).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_forged_cookie_is_refused_without_asking_postgres() {
    let (database, line) = Database::postgres().await.on_a_line().await;
    let (app, provider) = TestApp::with_provider(database).await;
    let (ada, forger) = (Person::signed_in(&app, &provider, "ada").await, Person::stranger(&app));
    let cookie = ada.session_cookie();
    app.app.set_keys(app.foreign_keys());
    let elsewhere = Person::signed_in(&app, &provider, "ada").await.session_cookie();
    app.app.set_keys(app.keys());
    line.cut();
    for forged in [&cookie[..cookie.len() - 3], elsewhere.as_str(), "x", "a.b.c"] {
        forger.cookies(|cookies| drop(cookies.insert("retinue-session".to_owned(), forged.to_owned())));
        assert_eq!(forger.status(Method::GET, "/api/threads").await, 401, "{forged}");
    }
    // Whoever is really signed in is not told that they are not, nor that they are signed out.
    let status = async |method: Method, path: &str| ada.status(method, path).await;
    until("nothing is known for certain", Duration::from_secs(20), async || {
        (status(Method::GET, "/auth/me").await == 503).then_some(())
    })
    .await;
    assert_eq!(status(Method::POST, "/auth/logout").await, 503);
    assert_eq!(ada.session_cookie(), cookie);
    line.mend();
    until("PostgreSQL is back", Duration::from_secs(20), async || {
        (status(Method::GET, "/api/threads").await == 200).then_some(())
    })
    .await;
    line.cut();
    app.clock.advance(721 * HOUR);
    assert_eq!(status(Method::GET, "/api/threads").await, 401, "its time is over, which its cookie says itself");
}

/// However often somebody signs in, each time in place of the session before.
async fn of_what_is_over_for_a_day_nothing_is_left(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    for wait in [HOUR, 2 * HOUR, 22 * HOUR] {
        app.clock.advance(wait);
        assert_eq!(ada.sign_in(&provider, "ada", "/").await.status(), 303);
    }
    // Each start begins with it.
    let app = app.restart().await;
    let ada = ada.again_at(&app);
    until("the oldest is deleted", Duration::from_secs(10), async || {
        (app.database.ask("SELECT method FROM sessions").await.len() == 3).then_some(())
    })
    .await;
    assert!(is_in(&ada).await);
    app.clock.advance(25 * HOUR);
    let app = app.restart().await;
    until("the others are too", Duration::from_secs(10), async || {
        (app.database.ask("SELECT method FROM sessions").await.len() == 1).then_some(())
    })
    .await;
    assert!(is_in(&ada.again_at(&app)).await);
}

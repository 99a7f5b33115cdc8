//! All connections are cut, silent or ended by the server, in the middle of an answer too.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode};
use retinue_testkit::events::text_of;
use retinue_testkit::{EventStream, ReceivedEvent, TestApp, until};
use serde_json::{Value, json};

use super::{LIMIT, assert_well, assert_whole, assistant, messages, start, user};

const SECONDS: Duration = Duration::from_secs(10);

/// Breaks something in the middle of an answer, lets a reader come back after it, and checks that each event came once.
async fn break_in_mid_answer(app: &TestApp, breaks: impl AsyncFnOnce()) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Count").await;
    let mut reader = app.follow(&run, None).await;
    let answer = app.model.next().await.begin();
    let mut seen: Vec<ReceivedEvent> = vec![reader.until("run.started").await];
    answer.say("one ").await;
    seen.push(reader.until("message.delta").await);
    drop(reader);

    breaks().await;
    answer.say("two ").await;
    let rest = come_back(app, &run, seen[1].id.unwrap());
    let (rest, ()) = tokio::join!(rest, async {
        answer.say("three").await;
        answer.finish().await;
    });
    seen.extend(rest);
    assert_whole(&seen);
    assert_eq!(app.get(&format!("/api/runs/{run}")).await["status"], "completed");
    assert_eq!(text_of(&seen), "one two three");
    let kept = messages(app, &thread).await;
    assert_eq!(kept, [user("Count"), assistant("one two three")], "what was shown is what is kept");
    assert_eq!(app.follow(&run, None).await.rest().await, seen);
}

/// Reads a run's events after number `last` as a browser does: it comes back when its connection ends or is refused.
async fn come_back(app: &TestApp, run: &str, mut last: i64) -> Vec<ReceivedEvent> {
    let mut events: Vec<ReceivedEvent> = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !events.last().is_some_and(|event| event.name.starts_with("run.")) {
        assert!(Instant::now() < deadline, "the run does not end: {events:?}");
        let request = app.request(Method::GET, &format!("/api/runs/{run}/events")).header("last-event-id", last);
        let response = request.send().await.unwrap();
        if response.status() == StatusCode::OK {
            events.extend(EventStream::new(response).rest().await);
        } else {
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        last = events.last().map_or(last, |event| event.id.unwrap());
    }
    events
}

/// What needs the database.
const REQUESTS: [(Method, &str); 3] =
    [(Method::GET, "/api/threads"), (Method::GET, "/readyz"), (Method::POST, "/api/threads")];

/// Checks that what needs the database is refused, plainly and in time. What would write comes last, when it is known that
/// nothing can be written.
async fn assert_refused_in_time(app: &TestApp) {
    for (method, path) in REQUESTS {
        assert_one_refused_in_time(app.request(method, path).json(&json!({"title": "Refused"}))).await;
    }
    assert_eq!(app.get("/healthz").await["status"], "ok");
}

async fn assert_one_refused_in_time(request: RequestBuilder) {
    let begun = Instant::now();
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", response.url());
    assert!(begun.elapsed() < LIMIT + Duration::from_secs(1), "{} took {:?}", response.url(), begun.elapsed());
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "database_unavailable", "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn whoever_is_the_first_to_meet_a_silence_is_refused_in_time() {
    let (app, line) = start(4, LIMIT).await;
    for (method, path) in REQUESTS {
        app.ready().await;
        line.hold();
        // A new thread may be there afterwards: that is not known when it is refused.
        assert_one_refused_in_time(app.request(method, path).json(&json!({"title": "Unknown"}))).await;
        line.release();
    }
    assert_well(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn an_answer_survives_the_cut_of_all_connections() {
    let (app, line) = start(4, SECONDS).await;
    break_in_mid_answer(&app, async || line.reset()).await;
    assert_well(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn an_answer_survives_a_restart_of_postgres() {
    let (app, _line) = start(4, SECONDS).await;
    break_in_mid_answer(&app, async || app.database.end_sessions().await).await;
    assert_well(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn an_answer_survives_connections_that_fall_silent() {
    let (app, line) = start(4, LIMIT).await;
    break_in_mid_answer(&app, async || line.strand()).await;
    assert_well(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn an_answer_survives_a_short_outage() {
    let (app, line) = start(4, LIMIT).await;
    break_in_mid_answer(&app, async || {
        line.hold();
        assert_refused_in_time(&app).await;
        line.release();
    })
    .await;
    assert_well(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_silent_database_is_said_in_time_and_serves_again_by_itself() {
    let (app, line) = start(2, LIMIT).await;
    let (thread, _) = app.conversation("Hello", "Hi").await;
    for _ in 0..2 {
        line.hold();
        assert_refused_in_time(&app).await;
        line.release();
        app.ready().await;
        assert_eq!(messages(&app, &thread).await, [user("Hello"), assistant("Hi")]);
    }
    assert_well(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_database_that_refuses_connections_serves_again_by_itself() {
    let (app, line) = start(2, LIMIT).await;
    line.cut();
    assert_refused_in_time(&app).await;
    line.mend();
    assert_well(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_slow_database_is_only_slow() {
    let (app, line) = start(2, SECONDS).await;
    line.delay(Duration::from_millis(20));
    let (thread, run) = app.conversation("Hello", "Hi").await;
    assert_whole(&app.follow(&run, None).await.rest().await);
    assert_eq!(messages(&app, &thread).await, [user("Hello"), assistant("Hi")]);
    app.send(Method::PATCH, &format!("/api/threads/{thread}"), &json!({"title": "Slow"}), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_read_that_is_kept_waiting_is_refused_and_given_up_by_postgres_too() {
    let (app, _line) = start(4, LIMIT).await;
    let thread = app.thread().await;
    let path = format!("/api/threads/{thread}");
    app.get(&path).await;
    let sessions = app.database.sessions().await;
    let lock = app.database.lock_table("threads").await;
    // More than there are connections.
    for _ in 0..3 {
        let begun = Instant::now();
        let problem = app.send(Method::GET, &path, &json!({}), 503).await;
        assert_eq!(problem["code"], "database_too_slow");
        assert!(begun.elapsed() < LIMIT * 2, "it took {:?}", begun.elapsed());
    }
    until("what nobody waits for is given up", Duration::from_secs(5), async || {
        (app.database.waiting().await == 0).then_some(())
    })
    .await;
    app.get("/readyz").await;
    assert_eq!(app.database.sessions().await, sessions, "they go on");

    drop(lock);
    assert_well(&app).await;
}

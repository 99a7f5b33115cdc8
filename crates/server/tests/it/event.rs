//! `/api/runs/{id}/events`

use reqwest::{Method, StatusCode};
use retinue_testkit::events::text_of;
use retinue_testkit::{TestApp, on_both_engines};
use serde_json::json;

on_both_engines! {
    events_are_the_same_live_and_later,
    a_reader_resumes_after_its_last_event,
    many_readers_get_the_same_events,
    a_reader_who_left_stops_nothing,
    rendered_html_comes_beside_the_text,
    a_stream_says_first_when_to_come_back,
    a_slow_reader_misses_nothing,
    a_slow_reader_of_what_was_deleted_is_let_go,
}

async fn events_are_the_same_live_and_later(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let live = app.follow(&run, None).await;
    let answer = app.model.next().await.begin();
    for word in ["one ", "two ", "three"] {
        answer.say(word).await;
    }
    answer.finish().await;
    let live = live.rest().await;
    let later = app.follow(&run, None).await.rest().await;
    assert_eq!(live, later);
    let names: Vec<_> = live.iter().map(|event| event.name.as_str()).collect();
    assert_eq!((names[0], names[1]), ("run.started", "message.delta"));
    assert_eq!(names[names.len() - 2..], ["message.completed", "run.completed"]);
    let ids: Vec<_> = live.iter().map(|event| event.id.unwrap()).collect();
    assert_eq!(ids, (1..=i64::try_from(ids.len()).unwrap()).collect::<Vec<_>>(), "numbered without gaps");
    assert_eq!(text_of(&live), "one two three");
    assert_eq!(live[live.len() - 2].data["message"]["content"], "one two three");
}

async fn a_reader_resumes_after_its_last_event(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let answer = app.model.next().await.begin();
    answer.say("one ").await;
    let mut first = app.follow(&run, None).await;
    let seen = first.until("message.delta").await;
    drop(first);
    answer.say("two ").await;
    let second = app.follow(&run, seen.id).await;
    answer.say("three").await;
    answer.finish().await;
    let rest = second.rest().await;
    assert_eq!(rest[0].id, seen.id.map(|id| id + 1));
    assert_eq!(text_of(&rest), "two three");
    let last = rest.last().unwrap().id;
    for known in [last, last.map(|id| id + 40)] {
        let again = app.follow(&run, known).await.rest().await;
        assert_eq!(again.len(), 1, "whoever knows all, or what a crash took, is told how it ended");
        assert_eq!((again[0].name.as_str(), again[0].id), ("run.completed", last));
    }
    for wrong in ["x", "-1", "1.5", "99999999999999999999"] {
        let response = app.request(Method::GET, &format!("/api/runs/{run}/events")).header("last-event-id", wrong);
        let response = response.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
}

async fn many_readers_get_the_same_events(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let mut readers = Vec::new();
    let answer = app.model.next().await.begin();
    for word in 0..20 {
        readers.push(app.follow(&run, None).await);
        answer.say(&format!("{word} ")).await;
    }
    answer.finish().await;
    let mut all = Vec::new();
    for reader in readers {
        all.push(reader.rest().await);
    }
    assert!(all.iter().all(|events| *events == all[0]));
    assert_eq!(text_of(&all[0]).split_whitespace().count(), 20);
}

async fn a_reader_who_left_stops_nothing(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let mut reader = app.follow(&run, None).await;
    let answer = app.model.next().await.begin();
    answer.say("one ").await;
    reader.until("message.delta").await;
    drop(reader);
    answer.say("two").await;
    answer.finish().await;
    assert_eq!(app.ended(&run).await["status"], "completed");
}

async fn rendered_html_comes_beside_the_text(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let answer = app.model.next().await.begin();
    answer.say("# Title\n\nSome *words* and <script>alert(1)</script>\n\n").await;
    answer.say("- a list").await;
    answer.finish().await;
    app.ended(&run).await;
    let response = app.request(Method::GET, &format!("/api/runs/{run}/events?rendered=true")).send().await.unwrap();
    let events = retinue_testkit::EventStream::new(response).rest().await;
    let (mut settled, mut open) = (String::new(), String::new());
    for event in events.iter().filter(|event| event.name == "message.rendered") {
        assert_eq!(event.id, None, "what is not stored has no number");
        if event.data["reset"] == json!(true) {
            settled.clear();
        }
        settled.push_str(event.data["settled"].as_str().unwrap());
        event.data["open"].as_str().unwrap().clone_into(&mut open);
    }
    let html = settled + open.as_str();
    assert!(
        html.contains("<h3>Title</h3>") && html.contains("<em>words</em>") && html.contains("<li>a list</li>"),
        "{html}"
    );
    assert!(!html.contains("<script"), "{html}");
    let plain: Vec<_> = events.into_iter().filter(|event| event.id.is_some()).collect();
    assert_eq!(plain, app.follow(&run, None).await.rest().await, "the stored events come all the same");
}

async fn a_stream_says_first_when_to_come_back(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let exchange = app.model.next().await;
    let mut response = app.request(Method::GET, &format!("/api/runs/{run}/events")).send().await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    exchange.answer("Hi").await;
    let rest = response.text().await.unwrap();
    let all = String::from_utf8(first.to_vec()).unwrap() + rest.as_str();
    assert!(all.starts_with("retry: 1000\n\nid: 1\n"), "{all}");
    assert_eq!(all.matches("retry:").count(), 1, "{all}");
}

async fn a_slow_reader_misses_nothing(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let slow = app.follow(&run, None).await;
    let answer = app.model.next().await.begin();
    let piece = "x".repeat(4_000);
    for _ in 0..200 {
        answer.say(&piece).await;
    }
    answer.finish().await;
    // Nobody has read a byte of it, and the run is over.
    assert_eq!(app.ended(&run).await["status"], "completed");
    assert_eq!(text_of(&slow.rest().await).len(), 800_000);
}

async fn a_slow_reader_of_what_was_deleted_is_let_go(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let ctx = app.app.local_context("test".into());
    let mut slow = retinue_app::event::follow(&ctx, run.parse().unwrap(), 0).await.unwrap();
    let mut quick = app.follow(&run, None).await;
    let answer = app.model.next().await.begin();
    // Far more than is kept in memory, so that the slow reader would have to read the table.
    let mut seen = 0;
    while seen < 60 {
        answer.say(&"x".repeat(300)).await;
        seen = quick.until("message.delta").await.id.unwrap();
    }
    app.send(Method::DELETE, &format!("/api/threads/{thread}"), &json!({}), 204).await;
    let next = tokio::time::timeout(std::time::Duration::from_secs(10), slow.next()).await;
    assert!(next.expect("the reader goes round and round").unwrap().is_none());
    app.get("/healthz").await;
}

//! `/api/threads`

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{TestApp, UnderWay, on_both_engines};
use serde_json::{Value, json};

on_both_engines! {
    a_thread_is_created_read_changed_and_deleted,
    lists_are_paged_newest_first_without_gaps,
    what_was_said_is_found,
    search_is_paged_and_takes_no_syntax,
    deleting_takes_everything_below,
    deleting_stops_the_answer_under_way,
    chosen_agents_and_models_must_exist,
}

async fn a_thread_is_created_read_changed_and_deleted(app: TestApp) {
    let created = app.send(Method::POST, "/api/threads", &json!({"title": "  Plans  "}), 201).await;
    assert_eq!(created["title"], "Plans");
    let path = format!("/api/threads/{}", created["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await, created);

    let changed = app.send(Method::PATCH, &path, &json!({"title": "Better plans", "model": "other-model"}), 200).await;
    assert_eq!((&changed["title"], &changed["model"]), (&json!("Better plans"), &json!("other-model")));
    assert!(changed["updated_at"].as_str() > created["updated_at"].as_str());
    let same = app.send(Method::PATCH, &path, &json!({}), 200).await;
    assert_eq!(same, changed, "what is left out stays, and nothing happened");
    for title in ["", "a\nb", &"x".repeat(201)] {
        assert_eq!(app.send(Method::PATCH, &path, &json!({ "title": title }), 400).await["code"], "invalid_title");
    }
    let reset = app.send(Method::PATCH, &path, &json!({"model": null}), 200).await;
    assert_eq!(reset["model"], Value::Null, "null goes back to the agent's own");

    app.send(Method::DELETE, &path, &json!({}), 204).await;
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let gone = app.send(method, &path, &json!({"title": "x"}), 404).await;
        assert_eq!(gone["code"], "not_found");
    }
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|thread| thread["id"].as_str().unwrap().to_owned()).collect()
}

async fn lists_are_paged_newest_first_without_gaps(app: TestApp) {
    let mut created = Vec::new();
    for _ in 0..7 {
        created.push(app.thread().await);
    }
    created.reverse();
    let mut seen = Vec::new();
    let mut path = "/api/threads?limit=3".to_owned();
    loop {
        let page = app.get(&path).await;
        seen.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        // What is new does not move what is still to come.
        app.thread().await;
        path = format!("/api/threads?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, created);
    assert_eq!(ids(&app.get("/api/threads?limit=7").await).len(), 7);
}

async fn what_was_said_is_found(app: TestApp) {
    let (cats, _) = app.conversation("Tell me about cats", "They purr, and host.name stays.").await;
    let (dogs, _) = app.conversation("Tell me about dogs", "They bark: a/b and foo_bar.").await;
    let find = async |words: &str| ids(&app.get(&format!("/api/threads?q={words}")).await);
    assert_eq!(find("purr").await, [cats.as_str()], "in an answer");
    assert_eq!(find("DOGS").await, [dogs.as_str()], "whatever the case");
    assert_eq!(find("tell+about").await, [dogs.as_str(), cats.as_str()], "all words, newest first");
    assert_eq!(find("bar").await, [dogs.as_str()], "words are cut at punctuation");
    assert_eq!(find("name").await, [cats.as_str()]);
    assert_eq!(find("pur").await, [cats.as_str()], "the last word may be a beginning");
    assert!(find("purr+bark").await.is_empty(), "all the words in one message");

    app.send(Method::PATCH, &format!("/api/threads/{cats}"), &json!({"title": "Felines"}), 200).await;
    assert_eq!(find("felines").await, [cats.as_str()], "a new title is found");
    let found = app.get("/api/threads?q=purr").await;
    assert!(found["data"][0]["excerpt"].as_str().unwrap().contains("They purr"), "{found}");
}

async fn search_is_paged_and_takes_no_syntax(app: TestApp) {
    for title in ["one AND two", "one OR three", "one NOT four"] {
        app.send(Method::POST, "/api/threads", &json!({ "title": title }), 201).await;
    }
    let first = app.get("/api/threads?q=one&limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/api/threads?q=one&limit=2&cursor={cursor}")).await;
    assert_eq!((ids(&first).len(), ids(&second).len()), (2, 1));
    assert_eq!(second["next_cursor"], Value::Null);
    for (syntax, hits) in [
        ("one+NOT+two", 0),
        ("one+OR+three", 1),
        ("%22one", 3),
        ("one*", 3),
        ("title:one", 0),
        ("(one", 3),
        ("%27%3B--one", 3),
    ] {
        assert_eq!(ids(&app.get(&format!("/api/threads?q={syntax}")).await).len(), hits, "{syntax}");
    }
}

async fn deleting_takes_everything_below(app: TestApp) {
    let (thread, run) = app.conversation("Hello", "secretword").await;
    app.send(Method::DELETE, &format!("/api/threads/{thread}"), &json!({}), 204).await;
    for path in
        [format!("/api/threads/{thread}/messages"), format!("/api/runs/{run}"), format!("/api/runs/{run}/events")]
    {
        assert_eq!(app.send(Method::GET, &path, &json!({}), 404).await["code"], "not_found", "{path}");
    }
    assert!(ids(&app.get("/api/threads?q=secretword").await).is_empty());
}

async fn deleting_stops_the_answer_under_way(app: TestApp) {
    let UnderWay { thread, answer, mut events, .. } = app.under_way("Go on for ever", "and ever").await;
    app.send(Method::DELETE, &format!("/api/threads/{thread}"), &json!({}), 204).await;
    answer.closed().await;
    // The reader is let go too.
    while events.next().await.is_some() {}
    tokio::time::timeout(Duration::from_secs(5), app.app.shut_down()).await.unwrap();
}

async fn chosen_agents_and_models_must_exist(app: TestApp) {
    let nobody = "agt_01h455vb4pex5vsknk084sn02q";
    let refused = app.send(Method::POST, "/api/threads", &json!({ "agent_id": nobody }), 400).await;
    assert_eq!(refused["code"], "agent_unknown");
    let refused = app.send(Method::POST, "/api/threads", &json!({"model": "no-such"}), 400).await;
    assert_eq!(refused["code"], "model_unknown");
    assert!(ids(&app.get("/api/threads").await).is_empty(), "nothing was half-written");
}

//! The answer to a COMMIT is lost: it was done, and nobody knows.

use reqwest::Method;
use retinue_testkit::events::text_of;
use retinue_testkit::{Database, Happening, Person, TestApp};
use serde_json::json;

use super::{LIMIT, assert_well, assert_whole, assistant, messages, say_until_taken, start, user};

const SECONDS: std::time::Duration = std::time::Duration::from_secs(10);

/// A run is started while something goes wrong, which is answered with `status`; then the thread takes the next message.
async fn assert_started_once(app: &TestApp, goes_wrong: Vec<Happening>, status: u16) {
    let thread = app.thread().await;
    let path = format!("/api/threads/{thread}/runs");
    let response = app.request(Method::POST, &path).json(&json!({"input": "Hello"})).send().await.unwrap();
    for wrong in goes_wrong {
        wrong.wait().await;
    }
    assert_eq!(response.status(), status);
    if status == 201 {
        app.model.next().await.answer("Hi").await;
    }

    let next = say_until_taken(app, &thread, "Next").await;
    let asked = app.model.next().await;
    let told: Vec<_> = asked.messages().into_iter().skip(1).filter(|(role, _)| role == "user").collect();
    let told: Vec<_> = told.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(told.join("\n\n"), "Hello\n\nNext", "what was said is there, and once");
    asked.answer("Done").await;
    assert_eq!(app.ended(&next).await["status"], "completed");
    let of_person = messages(app, &thread).await.into_iter().filter(|(role, _)| role == "user");
    assert_eq!(of_person.collect::<Vec<_>>(), [user("Hello"), user("Next")]);
    let unfinished = app.database.ask("SELECT id FROM runs WHERE finished_at IS NULL").await;
    assert_eq!(unfinished, [""; 0], "no run is left in between");
    assert!(app.model.is_quiet().await);
    assert_well(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_start_whose_commit_is_not_answered_is_there_once() {
    let (app, line) = start(4, SECONDS).await;
    assert_started_once(&app, vec![line.lose_commit_of(b"run.started")], 201).await;
}

/// It is written again by a session that went with the identity.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn an_identity_whose_removal_is_not_answered_is_gone_and_that_is_said() {
    let (database, line) = Database::postgres().await.bounded(4, SECONDS).on_a_line().await;
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    let ada = Person::signed_in(&app, &sso, "ada").await;
    other.greet("ada there");
    assert_eq!(ada.add_identity("other", &other).await.status(), 303);
    let first = ada.get("/api/identities").await["data"][0]["id"].as_str().unwrap().to_owned();
    let lost = line.lose_commit_of(b"DELETE FROM identities");
    assert_eq!(ada.status(Method::DELETE, &format!("/api/identities/{first}")).await, 204);
    lost.wait().await;
    assert_eq!(app.database.ask("SELECT subject FROM identities").await, ["ada there"]);
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_start_that_is_cut_anywhere_is_there_once() {
    let (app, line) = start(4, SECONDS).await;
    for words in ["BEGIN", "Hello", "run.started", "COMMIT"] {
        let thread = app.thread().await;
        let lost = line.lose(words.as_bytes());
        let run = say_until_taken(&app, &thread, "Hello").await;
        lost.wait().await;
        app.model.next().await.answer("Hi").await;
        assert_whole(&app.follow(&run, None).await.rest().await);
        assert_eq!(messages(&app, &thread).await, [user("Hello"), assistant("Hi")], "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_start_that_is_not_answered_in_time_is_there_once_and_ends() {
    let (app, line) = start(4, LIMIT).await;
    // More often than it is tried within the limit: then it is not known whether it was taken.
    let lost = (0..6).map(|_| line.lose_commit_of(b"run.started")).collect();
    assert_started_once(&app, lost, 503).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn an_end_whose_commit_is_not_answered_is_there_once() {
    let (app, line) = start(4, SECONDS).await;
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let reader = app.follow(&run, None).await;
    let answer = app.model.next().await.begin();
    answer.say("One, two, ").await;
    // More often than it is tried before the first pause.
    let lost: Vec<_> = (0..7).map(|_| line.lose_commit_of(b"run.completed")).collect();
    answer.say("three").await;
    answer.finish().await;
    for lost in lost {
        lost.wait().await;
    }

    let shown = reader.rest().await;
    assert_whole(&shown);
    assert_eq!(app.get(&format!("/api/runs/{run}")).await["status"], "completed");
    let app = app.restart().await;
    assert_eq!(app.follow(&run, None).await.rest().await, shown, "what was shown is what is kept");
    assert_eq!(app.get("/api/usage").await["data"][0]["runs"], 1, "it is counted once");
    assert_eq!(text_of(&shown), "One, two, three");
    assert_eq!(messages(&app, &thread).await, [user("Hello"), assistant("One, two, three")]);
    assert_well(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn pieces_whose_commit_is_not_answered_are_there_once() {
    let (app, line) = start(4, SECONDS).await;
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let reader = app.follow(&run, None).await;
    let answer = app.model.next().await.begin();
    for word in ["alpha ", "beta ", "gamma "] {
        let lost = line.lose_commit_of(word.trim().as_bytes());
        answer.say(word).await;
        lost.wait().await;
    }
    answer.finish().await;
    let shown = reader.rest().await;
    assert_whole(&shown);
    assert_eq!(text_of(&shown), "alpha beta gamma ");
    assert_eq!(app.follow(&run, None).await.rest().await, shown);
    assert_eq!(messages(&app, &thread).await, [user("Hello"), assistant("alpha beta gamma ")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_change_or_deletion_whose_commit_is_not_answered_can_be_asked_for_again() {
    let (app, line) = start(4, SECONDS).await;
    let thread = app.thread().await;
    let path = format!("/api/threads/{thread}");
    let lost = line.lose_commit_of(b"Another title");
    let change = app.request(Method::PATCH, &path).json(&json!({"title": "Another title"})).send().await.unwrap();
    lost.wait().await;
    assert!([200, 503].contains(&change.status().as_u16()), "{}", change.status());
    app.ready().await;
    assert_eq!(app.get(&path).await["title"], "Another title");
    let again = app.send(Method::PATCH, &path, &json!({"title": "Another title"}), 200).await;
    assert_eq!(again["title"], "Another title");

    let id: retinue_model::ThreadId = thread.parse().unwrap();
    let lost = line.lose_commit_of(id.uuid().as_bytes());
    let deletion = app.request(Method::DELETE, &path).send().await.unwrap();
    lost.wait().await;
    assert!([204, 503].contains(&deletion.status().as_u16()), "{}", deletion.status());
    app.ready().await;
    // It is gone.
    app.send(Method::DELETE, &path, &json!({}), 404).await;
    app.send(Method::GET, &path, &json!({}), 404).await;
    assert_well(&app).await;
}

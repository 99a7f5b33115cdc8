//! Runs: start, fail, stop, try again, interrupted.

use reqwest::Method;
use retinue_testkit::{Database, Options, TestApp, UnderWay, on_both_engines};
use serde_json::{Value, json};

on_both_engines! {
    an_answer_is_kept_with_what_it_cost,
    the_model_is_told_the_conversation,
    a_second_run_is_refused_while_one_is_under_way,
    two_tabs_posting_at_once_begin_one_run,
    a_stopped_answer_keeps_its_text_and_closes_the_connection,
    a_failed_answer_says_why_and_keeps_its_text,
    trying_again_answers_the_same_message,
    the_newest_answer_is_the_last_one_whatever_the_clock_says,
    a_crash_leaves_interrupted_runs_with_their_text,
    a_stop_of_the_server_interrupts_and_keeps,
    a_defect_ends_its_run_as_a_crash_would,
    another_agent_and_model_answer_from_then_on,
}

async fn an_answer_is_kept_with_what_it_cost(app: TestApp) {
    let (thread, run) = app.conversation("What is the capital of Australia?", "Canberra.").await;
    let run = app.get(&format!("/api/runs/{run}")).await;
    assert_eq!(run["status"], "completed");
    assert_eq!(run["usage"], json!({"input_tokens": 7, "output_tokens": 3}));
    assert_eq!((&run["model"], &run["error"]), (&json!("test-model"), &Value::Null));
    let thread = app.get(&format!("/api/threads/{thread}")).await;
    assert_eq!(thread["title"], "What is the capital of Australia?");
    let messages = app.get(&format!("/api/threads/{}/messages", thread["id"].as_str().unwrap())).await;
    assert_eq!(messages["data"][1]["content"], "Canberra.");
    assert_eq!(messages["data"][1]["run_id"], run["id"]);
}

async fn the_model_is_told_the_conversation(app: TestApp) {
    let (thread, _) = app.conversation("One", "Eins").await;
    app.say(&thread, "Two").await;
    let exchange = app.model.next().await;
    let messages = exchange.messages();
    assert_eq!(messages[0].0, "system");
    let said: Vec<_> = messages[1..].iter().map(|(role, text)| (role.as_str(), text.as_str())).collect();
    assert_eq!(said, [("user", "One"), ("assistant", "Eins"), ("user", "Two")]);
    assert_eq!(exchange.request["model"], "test-model");
    exchange.answer("Zwei").await;
}

async fn a_second_run_is_refused_while_one_is_under_way(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "First").await;
    let exchange = app.model.next().await;
    let path = format!("/api/threads/{thread}/runs");
    let refused = app.send(Method::POST, &path, &json!({"input": "Second"}), 409).await;
    assert_eq!(refused["code"], "run_in_progress");
    exchange.answer("Done").await;
    app.ended(&run).await;
    let messages = app.get(&format!("/api/threads/{thread}/messages")).await;
    assert_eq!(messages["data"].as_array().unwrap().len(), 2, "what was refused left nothing behind");
}

async fn two_tabs_posting_at_once_begin_one_run(app: TestApp) {
    for _ in 0..10 {
        let thread = app.thread().await;
        let path = format!("/api/threads/{thread}/runs");
        let post = || app.request(Method::POST, &path).json(&json!({"input": "Hello"})).send();
        let (a, b, c) = tokio::join!(post(), post(), post());
        let mut statuses = [a, b, c].map(|response| response.unwrap().status().as_u16());
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409]);
        app.model.next().await.answer("Hi").await;
        let messages = app.get(&format!("/api/threads/{thread}/messages")).await;
        let inputs = messages["data"].as_array().unwrap().iter().filter(|message| message["role"] == "user").count();
        assert_eq!(inputs, 1);
    }
    assert!(app.model.is_quiet().await, "the model was asked once a thread");
}

async fn a_stopped_answer_keeps_its_text_and_closes_the_connection(app: TestApp) {
    let UnderWay { run, answer, mut events, .. } = app.under_way("Tell me a story", "Once upon a time").await;
    let cancelled = app.send(Method::POST, &format!("/api/runs/{run}/cancel"), &json!({}), 200).await;
    assert_eq!(cancelled["status"], "cancelled", "the answer to a cancel shows the end");
    answer.closed().await;
    let completed = events.until("message.completed").await;
    assert_eq!(completed.data["message"]["content"], "Once upon a time");
    events.until("run.cancelled").await;
    let again = app.send(Method::POST, &format!("/api/runs/{run}/cancel"), &json!({}), 200).await;
    assert_eq!(again, cancelled, "a run that has ended stays as it is");
}

async fn a_failed_answer_says_why_and_keeps_its_text(app: TestApp) {
    let UnderWay { thread, run, answer, .. } = app.under_way("Hello", "Half an ans").await;
    answer.cut();
    let failed = app.ended(&run).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("model_protocol")), "{failed}");
    let messages = app.get(&format!("/api/threads/{thread}/messages")).await;
    assert_eq!(messages["data"][1]["content"], "Half an ans");

    let run = app.say(&thread, "Again").await;
    app.model.next().await.refuse(401, &json!({"error": {"message": "Incorrect API key provided: sk-secret"}}));
    let failed = app.ended(&run).await;
    assert_eq!(failed["error"]["code"], "model_unauthorized");
    let events = app.follow(&run, None).await.rest().await;
    assert_eq!(events.last().unwrap().name, "run.failed");
    assert_eq!(events.last().unwrap().data["error"], failed["error"], "readers and the run say the same");
}

async fn trying_again_answers_the_same_message(app: TestApp) {
    let (thread, first) = app.conversation("Question", "Bad answer").await;
    let run = app.send(Method::POST, &format!("/api/runs/{first}/retry"), &json!({}), 201).await;
    let exchange = app.model.next().await;
    let told = exchange.messages();
    assert_eq!(told.last().unwrap(), &("user".to_owned(), "Question".to_owned()));
    assert!(told.iter().all(|(_, text)| text != "Bad answer"), "the answer that was not wanted is not repeated");
    exchange.answer("Good answer").await;
    app.ended(run["id"].as_str().unwrap()).await;

    let stale = app.send(Method::POST, &format!("/api/runs/{first}/retry"), &json!({}), 409).await;
    assert_eq!(stale["code"], "not_the_latest_run");
    app.say(&thread, "Next").await;
    let told = app.model.next().await.messages();
    let texts: Vec<_> = told[1..].iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["Question", "Good answer", "Next"], "the newest answer counts");
}

async fn the_newest_answer_is_the_last_one_whatever_the_clock_says(app: TestApp) {
    let (thread, mut run) = app.conversation("Question", "Answer 0").await;
    for number in 1..=12 {
        app.clock.set_back(std::time::Duration::from_hours(1));
        let next = app.send(Method::POST, &format!("/api/runs/{run}/retry"), &json!({}), 201).await;
        app.model.next().await.answer(&format!("Answer {number}")).await;
        next["id"].as_str().unwrap().clone_into(&mut run);
        app.ended(&run).await;
    }
    let page = app.request(Method::GET, &format!("/threads/{thread}")).header("accept", "text/html");
    let page = page.send().await.unwrap().text().await.unwrap();
    let places: Vec<_> = (0..=12).map(|number| page.find(&format!("Answer {number}<"))).collect();
    assert!(places[..3].iter().all(Option::is_none), "only the newest ten are shown: {places:?}");
    assert!(places[3..].is_sorted_by(|one, next| one.is_some() && one < next), "oldest first: {places:?}");
}

async fn a_crash_leaves_interrupted_runs_with_their_text(app: TestApp) {
    let UnderWay { thread, run, answer, mut events } = app.under_way("Hello", "So far").await;
    // The next piece is committed after the one before.
    answer.say(" and further").await;
    events.until("message.delta").await;
    drop(events);
    let app = app.restart().await;
    let interrupted = app.get(&format!("/api/runs/{run}")).await;
    assert_eq!(interrupted["status"], "interrupted");
    let messages = app.get(&format!("/api/threads/{thread}/messages")).await;
    assert!(messages["data"][1]["content"].as_str().unwrap().starts_with("So far"));
    let again = app.send(Method::POST, &format!("/api/runs/{run}/retry"), &json!({}), 201).await;
    app.model.next().await.answer("Whole").await;
    assert_eq!(app.ended(again["id"].as_str().unwrap()).await["status"], "completed");
}

async fn a_defect_ends_its_run_as_a_crash_would(app: TestApp) {
    let UnderWay { thread, run, answer, events } = app.under_way("Hello", "So far").await;
    app.clock.break_once();
    answer.say(" and no further").await;
    let last = events.rest().await.pop().unwrap();
    assert_eq!(last.name, "run.interrupted", "who follows is told the end");
    answer.closed().await;
    assert_eq!(app.ended(&run).await["status"], "interrupted");
    let messages = app.get(&format!("/api/threads/{thread}/messages")).await;
    assert_eq!(messages["data"][1]["content"], "So far");
    let next = app.say(&thread, "Are you there?").await;
    app.model.next().await.answer("Yes").await;
    assert_eq!(app.ended(&next).await["status"], "completed");
}

async fn a_stop_of_the_server_interrupts_and_keeps(app: TestApp) {
    let UnderWay { thread, answer, mut events, .. } = app.under_way("Hello", "Half").await;
    let stopping = app.app.clone();
    let stop = tokio::spawn(async move { stopping.shut_down().await });
    events.until("run.interrupted").await;
    answer.closed().await;
    stop.await.unwrap();
    let refused = app.send(Method::POST, &format!("/api/threads/{thread}/runs"), &json!({"input": "More"}), 503).await;
    assert_eq!(refused["code"], "shutting_down");
    assert_eq!(app.send(Method::GET, "/readyz", &json!({}), 503).await["code"], "shutting_down");
    let messages = app.get(&format!("/api/threads/{thread}/messages")).await;
    assert_eq!(messages["data"][1]["content"], "Half");
}

async fn another_agent_and_model_answer_from_then_on(app: TestApp) {
    let agents = app.get("/api/agents").await;
    let second = agents["data"][1]["id"].as_str().unwrap();
    let thread = app.thread().await;
    let path = format!("/api/threads/{thread}/runs");
    let new = json!({"input": "Hi", "agent_id": second, "model": "other-model"});
    let run = app.send(Method::POST, &path, &new, 201).await;
    let exchange = app.model.next().await;
    assert_eq!(exchange.messages()[0].1, "You are the second one.");
    assert_eq!(exchange.request["model"], "other-model");
    exchange.answer("Hello").await;
    app.ended(run["id"].as_str().unwrap()).await;
    let thread = app.get(&format!("/api/threads/{thread}")).await;
    assert_eq!((thread["agent_id"].as_str(), thread["model"].as_str()), (Some(second), Some("other-model")));
}

#[tokio::test]
async fn more_runs_than_allowed_wait_in_the_queue() {
    let options = Options { max_concurrent_runs: 1, ..Options::default() };
    let app = TestApp::start_with(Database::sqlite(), options).await;
    let (one, two, three) = (app.thread().await, app.thread().await, app.thread().await);
    let first = app.say(&one, "First").await;
    let exchange = app.model.next().await;
    let second = app.say(&two, "Second").await;
    let third = app.say(&three, "Third").await;
    assert_eq!(app.get(&format!("/api/runs/{second}")).await["status"], "queued");
    assert!(app.model.is_quiet().await);
    // One that waits can be stopped.
    let stopped = app.send(Method::POST, &format!("/api/runs/{third}/cancel"), &json!({}), 200).await;
    assert_eq!(stopped["status"], "cancelled");
    exchange.answer("1").await;
    app.ended(&first).await;
    app.model.next().await.answer("2").await;
    let second = app.ended(&second).await;
    assert_eq!(second["status"], "completed");
    assert!(second["started_at"].as_str() > second["created_at"].as_str());
}

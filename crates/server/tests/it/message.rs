//! `/api/threads/{id}/messages`

use reqwest::Method;
use retinue_testkit::{TestApp, on_both_engines};
use serde_json::Value;

on_both_engines! {
    messages_are_listed_in_order_and_paged,
    a_message_is_of_one_conversation,
}

async fn messages_are_listed_in_order_and_paged(app: TestApp) {
    let (thread, _) = app.conversation("first", "one").await;
    for (input, answer) in [("second", "two"), ("third", "three")] {
        let run = app.say(&thread, input).await;
        app.model.next().await.answer(answer).await;
        app.ended(&run).await;
    }
    let mut said = Vec::new();
    let mut path = format!("/api/threads/{thread}/messages?limit=4");
    loop {
        let page = app.get(&path).await;
        let text = |message: &Value| {
            format!("{}: {}", message["role"].as_str().unwrap(), message["content"].as_str().unwrap())
        };
        said.extend(page["data"].as_array().unwrap().iter().map(text));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/threads/{thread}/messages?limit=4&cursor={cursor}");
    }
    assert_eq!(
        said,
        ["user: first", "assistant: one", "user: second", "assistant: two", "user: third", "assistant: three"]
    );
}

/// Also where both are one's own.
async fn a_message_is_of_one_conversation(app: TestApp) {
    let (thread, _) = app.conversation("How many?", "Seven.").await;
    let (other, _) = app.conversation("How often?", "Once.").await;
    let messages = app.get(&format!("/api/threads/{thread}/messages")).await;
    let id = messages["data"][0]["id"].as_str().unwrap();
    let status = async |thread: &str| {
        app.request(Method::GET, &format!("/threads/{thread}/turns/{id}")).send().await.unwrap().status().as_u16()
    };
    assert_eq!((status(&thread).await, status(&other).await), (200, 404));
}

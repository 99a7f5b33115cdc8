//! What is asked again, how often, and after which pause.

use std::time::Duration;

use retinue_model::message::Role;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::fake::{Fake, STREAM_HEAD, answer, client, event, hear, hear_from, refusal, reply, request, said};

#[tokio::test(start_paused = true)]
async fn a_server_that_is_broken_for_a_moment_is_asked_again() {
    let fake = Fake::replying([refusal(503, "Loading model"), String::new(), answer(&["Hi"])]).await;
    let heard = hear_from(&fake).await;
    assert_eq!(heard.text(), "Hi");
    assert!(heard.outcome.is_ok());
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn retries_end() {
    for broken in [refusal(500, "boom"), refusal(429, "slow down"), String::new(), STREAM_HEAD.to_owned()] {
        let fake = Fake::replying([broken.clone()]).await;
        let start = Instant::now();
        assert!(hear_from(&fake).await.outcome.is_err());
        assert_eq!(fake.requests().len(), 3, "{broken}");
        // Half a second and a second at most, for the pauses.
        assert!(start.elapsed() <= Duration::from_secs(2), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_stay_wrong_is_asked_once() {
    for wrong in [
        refusal(400, "no"),
        refusal(401, "no"),
        refusal(404, "no"),
        refusal(429, "insufficient_quota"),
        refusal(400, "maximum context length"),
        reply(200, "content-type: text/html\r\n", "<html>"),
        reply(302, "location: /\r\n", ""),
    ] {
        let fake = Fake::replying([wrong.clone()]).await;
        assert!(hear_from(&fake).await.outcome.is_err());
        assert_eq!(fake.requests().len(), 1, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_respected_up_to_half_a_minute() {
    for (header, least, most) in [("retry-after: 20\r\n", 20_000, 21_000), ("retry-after-ms: 2500\r\n", 2500, 3500)] {
        let fake = Fake::replying([reply(429, header, "{}"), answer(&["Hi"])]).await;
        let start = Instant::now();
        assert_eq!(hear_from(&fake).await.text(), "Hi");
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(least) && waited <= Duration::from_millis(most), "{waited:?}");
        assert_eq!(fake.requests().len(), 2);
    }
    let fake = Fake::replying([reply(429, "retry-after: 300\r\n", "{}"), answer(&["Hi"])]).await;
    let start = Instant::now();
    let heard = hear_from(&fake).await;
    assert_eq!(heard.failure().code, "model_rate_limited");
    assert!(heard.failure().message.contains("Try again in 5 minutes."), "{}", heard.failure().message);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_in_a_stream_before_any_text_is_asked_again() {
    let error = "data: {\"error\":{\"message\":\"Provider returned error\",\"code\":502}}\n\n";
    let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let fake = Fake::replying([format!("{STREAM_HEAD}{role}{error}"), answer(&["Hi"])]).await;
    assert_eq!(hear_from(&fake).await.text(), "Hi");
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn options_that_a_server_refuses_are_left_out() {
    let fake = Fake::replying([
        refusal(400, "Unknown field: stream_options"),
        refusal(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        answer(&["Hi"]),
    ])
    .await;
    let mut asked = request(&fake.base_url());
    asked.max_output_tokens = Some(77);
    asked.limits.retries = 0;
    assert_eq!(hear(&client(), asked).await.text(), "Hi");
    let bodies = fake.bodies();
    let options =
        |n: usize| ["stream_options", "max_tokens", "max_completion_tokens"].map(|name| !bodies[n][name].is_null());
    assert_eq!(options(0), [true, true, false]);
    assert_eq!(options(1), [false, true, false]);
    assert_eq!(options(2), [false, false, true]);
    assert_eq!(bodies[2]["max_completion_tokens"], 77);

    let stubborn = Fake::replying([refusal(400, "Unknown field: stream_options")]).await;
    assert_eq!(hear_from(&stubborn).await.failure().code, "model_error");
    assert_eq!(stubborn.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_too_long_is_halved_twice() {
    let fake = Fake::replying([refusal(400, "This model's maximum context length is 10 tokens.")]).await;
    let mut asked = request(&fake.base_url());
    asked.conversation = (0..8)
        .flat_map(|n| [said(Role::User, &format!("question {n}")), said(Role::Assistant, &format!("answer {n}"))])
        .chain([said(Role::User, "the last")])
        .collect();
    assert_eq!(hear(&client(), asked).await.failure().code, "model_context_too_long");
    let bodies = fake.bodies();
    let messages = |body: &Value| body["messages"].as_array().unwrap().clone();
    assert_eq!(bodies.iter().map(|body| messages(body).len()).collect::<Vec<_>>(), [18, 10, 6]);
    for body in &bodies {
        assert_eq!(messages(body)[0]["role"], "system");
        assert_eq!(messages(body)[1]["role"], "user");
        assert_eq!(messages(body).last().unwrap()["content"], "the last");
    }
}

#[tokio::test]
async fn only_what_fits_is_sent() {
    let fake = Fake::replying([answer(&["Hi"])]).await;
    let mut asked = request(&fake.base_url());
    asked.context_tokens = 600;
    asked.conversation = (0..50)
        .flat_map(|_| [said(Role::User, &"word ".repeat(20)), said(Role::Assistant, &"word ".repeat(20))])
        .chain([said(Role::User, "the last")])
        .collect();
    assert_eq!(hear(&client(), asked).await.text(), "Hi");
    let messages = fake.bodies()[0]["messages"].as_array().unwrap().clone();
    assert!(messages.len() > 5 && messages.len() < 30, "{}", messages.len());
    assert_eq!(messages[1]["role"], "user");
    assert_eq!(messages.last().unwrap()["content"], "the last");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_before_any_text_is_made_again() {
    let fake = Fake::script(|number, mut socket| async move {
        if number == 0 {
            // A head and half a chunk.
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n: hm").await;
        } else {
            let _ = socket.write_all(answer(&["Hi"]).as_bytes()).await;
        }
    })
    .await;
    assert_eq!(hear_from(&fake).await.text(), "Hi");
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_again_after_text() {
    let fake =
        Fake::replying([format!("{STREAM_HEAD}{}data: {{\"error\":{{\"code\":503}}}}\n\n", event("Once"))]).await;
    let heard = hear_from(&fake).await;
    assert_eq!((heard.text().as_str(), heard.failure().code.as_str()), ("Once", "model_error"));
    assert_eq!(fake.requests().len(), 1);
}

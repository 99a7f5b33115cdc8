//! Good answers in the forms that servers give them.

use std::time::Duration;

use retinue_agent::{Backend, run};
use retinue_model::message::Role;
use retinue_model::run::Usage;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::fake::{
    Fake, STREAM_HEAD, answer, client, endpoint, event, finish, hear, hear_from, read_request, reply, request, said,
};

#[tokio::test]
async fn a_question_is_sent_and_its_answer_read() {
    let fake = Fake::replying([answer(&["Grüße", ", ", "Welt"])]).await;
    let mut asked = request(&fake.base_url());
    asked.conversation = vec![said(Role::User, "a"), said(Role::Assistant, "b"), said(Role::User, "c")];
    let heard = hear(&client(), asked).await;
    assert_eq!(heard.text(), "Grüße, Welt");
    assert_eq!(heard.outcome.unwrap(), Some(Usage { input_tokens: 5, output_tokens: 2 }));
    let sent = fake.requests().concat();
    assert!(sent.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("authorization: Bearer sk-very-secret\r\n"));
    assert!(sent.contains("content-type: application/json\r\n"));
    assert_eq!(
        fake.bodies(),
        [json!({
            "model": "test-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
                {"role": "user", "content": "c"},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
        })]
    );
}

#[tokio::test]
async fn an_answer_byte_by_byte_is_the_same() {
    let fake = Fake::script(|_, mut socket| async move {
        socket.set_nodelay(true).unwrap();
        for byte in answer(&["🦀 Grüße", "\u{0}!"]).as_bytes().chunks(1) {
            socket.write_all(byte).await.unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    let heard = hear_from(&fake).await;
    assert_eq!(heard.text(), "🦀 Grüße\u{fffd}!");
    assert!(heard.outcome.is_ok());
}

#[tokio::test]
async fn half_a_character_per_chunk_is_put_together() {
    let fake = Fake::script(|_, mut socket| async move {
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        let body = format!("{}{}data: [DONE]\n\n", event("ééé字字🦀🦀"), finish("stop"));
        let mut from = 0;
        // Every chunk but the last ends inside a character, as far as there are any.
        for to in (1..=body.len()).filter(|to| !body.is_char_boundary(*to) || *to == body.len()) {
            let chunk = &body.as_bytes()[from..to];
            let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            socket.write_all(&framed).await.unwrap();
            tokio::task::yield_now().await;
            from = to;
        }
        socket.write_all(b"0\r\n\r\n").await.unwrap();
    })
    .await;
    assert_eq!(hear_from(&fake).await.text(), "ééé字字🦀🦀");
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let body = r#"{"object":"chat.completion","choices":[{"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;
    let fake = Fake::replying([reply(200, "content-type: application/json\r\n", body)]).await;
    let heard = hear_from(&fake).await;
    assert_eq!(heard.text(), "Hi");
    assert_eq!(heard.outcome.unwrap(), None);
}

#[tokio::test]
async fn an_end_without_done_is_fine_after_a_finish_reason() {
    let fake = Fake::replying([format!("{STREAM_HEAD}{}{}", event("Hi"), finish("stop"))]).await;
    let heard = hear_from(&fake).await;
    assert_eq!(heard.text(), "Hi");
    assert!(heard.outcome.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_ends_after_a_finish_reason_is_not_waited_for() {
    let fake = Fake::script(|_, mut socket| async move {
        let _ = socket.write_all(format!("{STREAM_HEAD}{}{}", event("Hi"), finish("stop")).as_bytes()).await;
        std::future::pending::<()>().await;
    })
    .await;
    let start = Instant::now();
    assert!(hear_from(&fake).await.outcome.is_ok());
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_connection_is_used_again_after_an_answer() {
    let fake = Fake::script(|_, mut socket| async move {
        loop {
            let body = answer(&["Hi"]).split_once("\r\n\r\n").unwrap().1.to_owned();
            let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len());
            socket.write_all(format!("{head}{body}\r\n").as_bytes()).await.unwrap();
            // The last chunk comes late, as it does from servers that write it on its own.
            tokio::time::sleep(Duration::from_millis(20)).await;
            socket.write_all(b"0\r\n\r\n").await.unwrap();
            if read_request(&mut socket).await.is_empty() {
                return;
            }
        }
    })
    .await;
    let client = client();
    for _ in 0..3 {
        assert!(hear(&client, request(&fake.base_url())).await.outcome.is_ok());
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(fake.requests().len(), 1, "one connection for all questions");
}

#[tokio::test(start_paused = true)]
async fn the_first_text_comes_at_once_and_the_rest_in_pieces() {
    let fake = Fake::script(|_, mut socket| async move {
        socket.write_all(STREAM_HEAD.as_bytes()).await.unwrap();
        for _ in 0..100 {
            socket.write_all(event("token ").as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        socket.write_all(finish("stop").as_bytes()).await.unwrap();
    })
    .await;
    let heard = hear_from(&fake).await;
    assert_eq!(heard.text(), "token ".repeat(100));
    assert_eq!(heard.deltas[0], "token ");
    // 500 ms of tokens, one delta every 50 ms.
    assert!((8..=13).contains(&heard.deltas.len()), "{:?}", heard.deltas);
}

#[tokio::test]
async fn the_list_of_models_is_read() {
    let list = r#"{"object":"list","data":[{"id":"a","max_model_len":4096},{"id":"b"}]}"#;
    let fake = Fake::replying([reply(200, "content-type: application/json\r\n", list)]).await;
    let models = client().list_models(&endpoint(&fake.base_url())).await.unwrap();
    assert_eq!(models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(models[0].context_tokens, Some(4096));
    assert!(fake.requests()[0].starts_with("GET /v1/models HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_list_that_is_refused_says_why() {
    for (reply, code) in [
        (reply(401, "", ""), "model_unauthorized"),
        (reply(200, "content-type: text/html\r\n", "<html>"), "model_protocol"),
        (reply(302, "location: /login\r\n", ""), "model_protocol"),
        (reply(404, "", "404 page not found"), "model_protocol"),
        (reply(500, "", "oops"), "model_error"),
    ] {
        let fake = Fake::replying([reply]).await;
        assert_eq!(client().list_models(&endpoint(&fake.base_url())).await.unwrap_err().code, code);
    }
}

#[tokio::test(start_paused = true)]
async fn the_echo_model_answers_without_a_server() {
    let mut asked = request("http://127.0.0.1:9");
    asked.backend = Backend::Echo { advice: "Set `OPENAI_BASE_URL`.".to_owned() };
    let heard = hear(&client(), asked.clone()).await;
    assert!(heard.text().contains("> Hello?"));
    assert!(heard.text().ends_with("Set `OPENAI_BASE_URL`."));
    assert!(heard.deltas.len() > 3);
    assert_eq!(heard.outcome.unwrap(), None);

    asked.limits.max_output_bytes = 30;
    assert_eq!(hear(&client(), asked).await.failure().code, "output_too_long");
}

#[test]
fn a_stream_can_be_made_outside_a_runtime_and_sent() {
    fn is_send<T: Send + 'static>(value: T) -> T {
        value
    }
    let steps = is_send(run(&client(), request("http://127.0.0.1:9")));
    drop(steps);
}

//! Every failure has its code, and words that help.

use std::time::Duration;

use retinue_model::run::Failure;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::fake::{Fake, STREAM_HEAD, answer, client, event, finish, hear, hear_from, refusal, reply, request};

/// The failure of a run that is never asked again.
async fn failure_of(reply: String) -> Failure {
    let fake = Fake::replying([reply]).await;
    let mut asked = request(&fake.base_url());
    asked.limits.retries = 0;
    hear(&client(), asked).await.outcome.unwrap_err()
}

#[tokio::test]
async fn what_servers_refuse_with_has_its_code_and_advice() {
    for (reply, code, words) in [
        (
            refusal(401, "Incorrect API key provided: sk-very-secret."),
            "model_unauthorized",
            "refused the API key (401)",
        ),
        (refusal(403, "no"), "model_unauthorized", "(403)"),
        (refusal(404, "The model `test-model` does not exist"), "model_unknown", "does not know the model test-model"),
        (refusal(429, "slow down"), "model_rate_limited", "too many requests"),
        (refusal(429, "insufficient_quota"), "model_rate_limited", "no credit left"),
        (
            refusal(400, "This model's maximum context length is 10 tokens"),
            "model_context_too_long",
            "Start a new conversation",
        ),
        (refusal(400, "flagged by our content management policy"), "model_refused", "content filter"),
        (refusal(400, "something \u{7} odd"), "model_error", "It said: “something odd”"),
        (refusal(500, "boom"), "model_error", "has a problem (500)"),
        (reply(502, "content-type: text/html\r\n", "<html>nginx</html>"), "model_error", "(502)"),
        (reply(404, "content-type: text/html\r\n", "<html>nginx</html>"), "model_protocol", "usually ends in /v1"),
        (
            reply(307, "location: https://elsewhere.example/v1?key=1\r\n", ""),
            "model_protocol",
            "redirects to https://elsewhere.example/v1,",
        ),
        (reply(200, "content-type: text/html\r\n", "Welcome"), "model_protocol", "web page"),
        (reply(200, "", "\n <!DOCTYPE html>"), "model_protocol", "web page"),
        (reply(200, "content-encoding: gzip\r\n", "no gzip at all"), "model_protocol", "compressed"),
        (reply(200, "", "data: what?\n\n"), "model_protocol", "not OpenAI's chat format"),
        (reply(200, "", "{\"error\":\"model 'x' not found\"}"), "model_error", "model 'x' not found"),
        (reply(200, "", ""), "model_protocol", "cut off"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), "model_protocol", "proper HTTP"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned(), "model_protocol", "proper HTTP"),
        (String::new(), "model_unreachable", "closed the connection without an answer"),
        (format!("{STREAM_HEAD}{}", finish("length")), "output_too_long", "reached the model's output limit"),
        (format!("{STREAM_HEAD}{}", finish("content_filter")), "model_refused", "content filter"),
    ] {
        let failure = failure_of(reply.clone()).await;
        assert_eq!(failure.code, code, "{reply}\n{}", failure.message);
        assert!(failure.message.contains(words), "{reply}\n{}", failure.message);
    }
}

#[tokio::test]
async fn without_a_key_the_words_say_to_set_one() {
    let fake = Fake::replying([refusal(401, "no")]).await;
    let mut asked = request(&fake.base_url());
    asked.backend = retinue_agent::Backend::OpenAi(retinue_agent::Endpoint::new(&fake.base_url(), None).unwrap());
    let heard = hear(&client(), asked).await;
    assert_eq!(heard.failure().code, "model_unauthorized");
    assert!(heard.failure().message.contains("Set OPENAI_API_KEY"));
    assert!(!fake.requests()[0].contains("authorization"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Fake::replying([answer(&["stolen"])]).await;
    let fake =
        Fake::replying([reply(308, &format!("location: {}/chat/completions\r\n", elsewhere.base_url()), "")]).await;
    assert_eq!(hear_from(&fake).await.failure().code, "model_protocol");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn servers_that_can_t_be_reached_are_named_with_the_reason() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = plain.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = plain.accept().await.unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\nplain HTTP").await.unwrap();
    });
    for (base_url, words) in [
        (format!("http://{closed}/v1"), format!("{closed} can't be reached: the connection was refused")),
        (
            "http://no-such-host.invalid/v1".to_owned(),
            "no-such-host.invalid:80 can't be reached: its name was not found".to_owned(),
        ),
        (format!("https://{http}/v1"), format!("{http} can't be reached: it does not speak TLS")),
    ] {
        let mut asked = request(&base_url);
        asked.limits.retries = 0;
        let failure = hear(&client(), asked).await.outcome.unwrap_err();
        assert_eq!(failure.code, "model_unreachable", "{}", failure.message);
        assert!(failure.message.contains(&words), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_keeps_what_was_said() {
    let events = format!("{}{}", event("Once upon"), event(" a time"));
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{events}\r\n", events.len());
    for cut in [
        format!("{STREAM_HEAD}{events}"),
        format!("{STREAM_HEAD}{events}data: {{\"choi"),
        chunked.clone(),
        format!("{chunked}ff\r\ndata: "),
    ] {
        let fake = Fake::replying([cut]).await;
        let heard = hear_from(&fake).await;
        assert_eq!(heard.text(), "Once upon a time");
        assert_eq!(heard.failure().code, "model_protocol");
        assert!(heard.failure().message.contains("cut off"), "{}", heard.failure().message);
        assert_eq!(fake.requests().len(), 1, "nothing is asked again after text was given out");
    }
}

#[tokio::test]
async fn an_error_in_the_stream_ends_it_after_its_text() {
    let error = "data: {\"error\":{\"message\":\"GPU on fire\",\"code\":500}}\n\n";
    let fake = Fake::replying([format!("{STREAM_HEAD}{}{error}{}", event("Once"), event("more"))]).await;
    let heard = hear_from(&fake).await;
    assert_eq!(heard.text(), "Once");
    assert_eq!(heard.failure().code, "model_error");
    assert!(heard.failure().message.contains("GPU on fire"));
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_given_up() {
    let silent = Fake::script(|_, socket| async move {
        let _open = socket;
        std::future::pending::<()>().await;
    })
    .await;
    let start = Instant::now();
    let heard = hear_from(&silent).await;
    assert_eq!(heard.failure().code, "model_timeout");
    assert!(
        heard.failure().message.contains("did not begin to answer within 2 minutes"),
        "{}",
        heard.failure().message
    );
    assert!(start.elapsed() >= Duration::from_mins(2) && start.elapsed() < Duration::from_secs(150));

    let stalled = Fake::script(|_, mut socket| async move {
        socket.write_all(format!("{STREAM_HEAD}{}", event("Once")).as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let start = Instant::now();
    let heard = hear_from(&stalled).await;
    assert_eq!(heard.text(), "Once");
    assert_eq!(heard.failure().code, "model_timeout");
    assert!(heard.failure().message.contains("nothing came for 90 seconds"), "{}", heard.failure().message);
    assert!(start.elapsed() >= Duration::from_secs(90) && start.elapsed() < Duration::from_mins(2));
}

//! A server of scripted bytes, and short ways to ask it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use retinue_agent::{Backend, Client, Endpoint, Limits, Request, Spoken, Step, Timeouts, run};
use retinue_model::message::Role;
use retinue_model::run::{Failure, Usage};
use secrecy::SecretString;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const KEY: &str = "sk-very-secret";

/// A server; it runs as long as the test's runtime.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// For each connection, reads one request and lets `script` go on with the socket; it gets the request's number, from 0.
    pub(crate) async fn script<F, Fut>(script: F) -> Self
    where
        F: Fn(usize, TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read_request(&mut socket).await;
                let number = log.lock().unwrap().len();
                log.lock().unwrap().push(request);
                tokio::spawn(script(number, socket));
            }
        });
        Self { address, requests }
    }

    /// Answers request after request with `replies`, the last of them for ever, and closes the connection each time.
    pub(crate) async fn replying<R: Into<Vec<u8>>>(replies: impl IntoIterator<Item = R>) -> Self {
        let replies: Vec<Arc<[u8]>> = replies.into_iter().map(|reply| Arc::from(reply.into())).collect();
        Self::script(move |number, mut socket| {
            let reply = Arc::clone(&replies[number.min(replies.len() - 1)]);
            async move {
                let _ = socket.write_all(&reply).await;
            }
        })
        .await
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The whole requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The JSON bodies of the requests so far.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let body = |request: &String| serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        self.requests().iter().map(body).collect()
    }
}

/// Reads a request with its body, if it has one.
pub(crate) async fn read_request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                return text.into_owned();
            }
        }
        if socket.read_buf(&mut request).await.unwrap_or_default() == 0 {
            return String::from_utf8_lossy(&request).into_owned();
        }
    }
}

/// An HTTP answer that ends with its connection.
pub(crate) fn reply(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Whatever\r\nconnection: close\r\n{headers}\r\n{body}")
}

/// An error as OpenAI puts it.
pub(crate) fn refusal(status: u16, message: &str) -> String {
    let body = serde_json::json!({"error": {"message": message, "type": "t", "code": null}});
    reply(status, "content-type: application/json\r\n", &body.to_string())
}

pub(crate) const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// An event with a piece of text.
pub(crate) fn event(text: &str) -> String {
    format!(
        "data: {}\n\n",
        serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
    )
}

pub(crate) fn finish(reason: &str) -> String {
    format!("data: {}\n\n", serde_json::json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

/// A good answer of these pieces.
pub(crate) fn answer(pieces: &[&str]) -> String {
    let events: String = pieces.iter().map(|text| event(text)).collect();
    format!(
        "{STREAM_HEAD}{events}{}data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":2}}}}\n\ndata: [DONE]\n\n",
        finish("stop")
    )
}

pub(crate) fn client() -> Client {
    Client::new(Timeouts::default()).unwrap()
}

pub(crate) fn endpoint(base_url: &str) -> Endpoint {
    Endpoint::new(base_url, Some(SecretString::from(KEY))).unwrap()
}

pub(crate) fn said(role: Role, text: &str) -> Spoken {
    Spoken { role, text: text.to_owned() }
}

pub(crate) fn request(base_url: &str) -> Request {
    Request {
        backend: Backend::OpenAi(endpoint(base_url)),
        upstream_model: "test-model".to_owned(),
        instructions: "Be brief.".to_owned(),
        conversation: vec![said(Role::User, "Hello?")],
        context_tokens: 8192,
        max_output_tokens: None,
        limits: Limits::default(),
        jitter: 42,
    }
}

/// What a run gave: its deltas, and how it ended.
pub(crate) struct Heard {
    pub(crate) deltas: Vec<String>,
    /// What was counted of an answer that failed.
    pub(crate) counted: Option<Usage>,
    pub(crate) outcome: Result<Option<Usage>, Failure>,
}

impl Heard {
    pub(crate) fn text(&self) -> String {
        self.deltas.concat()
    }

    pub(crate) fn failure(&self) -> &Failure {
        self.outcome.as_ref().unwrap_err()
    }
}

/// Runs to the end, and checks that there is exactly one.
pub(crate) async fn hear(client: &Client, request: Request) -> Heard {
    let mut steps = std::pin::pin!(run(client, request));
    let (mut deltas, mut counted) = (Vec::new(), None);
    let outcome = loop {
        match steps.next().await.expect("a run ends with an outcome") {
            Ok(Step::Delta(text)) => {
                assert!(!text.is_empty());
                deltas.push(text);
            }
            Ok(Step::Counted { usage }) => counted = Some(usage),
            Ok(Step::Finished { usage }) => break Ok(usage),
            Err(failure) => break Err(failure),
        }
    };
    assert!(steps.next().await.is_none(), "nothing comes after the outcome");
    if let Err(failure) = &outcome {
        assert!(!failure.message.contains(KEY), "{}", failure.message);
    }
    Heard { deltas, counted, outcome }
}

pub(crate) async fn hear_from(fake: &Fake) -> Heard {
    hear(&client(), request(&fake.base_url())).await
}

//! A server that speaks OpenAI's streamed chat completions and says exactly what the test tells it to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// The server. It listens until the test ends.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    exchanges: Mutex<mpsc::UnboundedReceiver<Exchange>>,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Exchange {
    /// The body of the request.
    pub request: Value,
    /// Its `Authorization` header.
    pub authorization: Option<String>,
    respond: oneshot::Sender<Response>,
}

/// A streamed answer under way.
#[derive(Debug)]
pub struct Answer {
    pieces: mpsc::Sender<Bytes>,
}

type Queue = Arc<mpsc::UnboundedSender<Exchange>>;

impl ModelServer {
    /// Starts to listen, with one model named `test-model`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (queue, exchanges) = mpsc::unbounded_channel();
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .with_state(Arc::new(queue));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, exchanges: Mutex::new(exchanges) }
    }

    /// `http://127.0.0.1:…/v1`
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The next request; fails the test if none comes within 20 seconds.
    pub async fn next(&self) -> Exchange {
        let mut exchanges = self.exchanges.lock().await;
        timeout(PATIENCE, exchanges.recv()).await.expect("the model was not asked").unwrap()
    }

    /// The next request, however long it takes to come.
    pub async fn next_or_wait(&self) -> Exchange {
        self.exchanges.lock().await.recv().await.unwrap()
    }

    /// Whether nobody has asked since the last [`ModelServer::next`].
    pub async fn is_quiet(&self) -> bool {
        self.exchanges.lock().await.is_empty()
    }
}

async fn models() -> Response {
    axum::Json(json!({"object": "list", "data": [{"id": "test-model", "object": "model"}]})).into_response()
}

async fn complete(State(queue): State<Queue>, headers: HeaderMap, body: axum::Json<Value>) -> Response {
    let (respond, response) = oneshot::channel();
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    drop(queue.send(Exchange { request: body.0, authorization, respond }));
    response.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

impl Exchange {
    /// The texts of the messages that were sent, with their roles.
    #[must_use]
    pub fn messages(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = self.request["messages"].as_array().unwrap();
        messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
    }

    /// Answers with an error or anything else that is no stream.
    pub fn refuse(self, status: u16, body: &Value) {
        let response = (StatusCode::from_u16(status).unwrap(), axum::Json(body.clone())).into_response();
        drop(self.respond.send(response));
    }

    /// Begins a streamed answer.
    #[must_use]
    pub fn begin(self) -> Answer {
        let (pieces, queue) = mpsc::channel::<Bytes>(64);
        let body = stream::unfold(queue, |mut queue| async move {
            queue.recv().await.map(|piece| (Ok::<_, Infallible>(piece), queue))
        });
        let response = ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response();
        drop(self.respond.send(response));
        Answer { pieces }
    }

    /// Answers with these words and ends well.
    pub async fn answer(self, text: &str) {
        let answer = self.begin();
        answer.say(text).await;
        answer.finish().await;
    }
}

impl Answer {
    /// Says a piece of text.
    pub async fn say(&self, text: &str) {
        self.send(&json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})).await;
    }

    /// Ends well: 7 tokens in, 3 out.
    pub async fn finish(self) {
        self.finish_counting(7, 3).await;
    }

    /// Ends well, with so many tokens in and out.
    pub async fn finish_counting(self, input: u64, output: u64) {
        self.send(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})).await;
        self.send(&json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}})).await;
        self.send_raw("data: [DONE]\n\n").await;
    }

    /// Ends because it may not be longer, with so many tokens in and out.
    pub async fn run_out_counting(self, input: u64, output: u64) {
        self.send(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})).await;
        self.send(&json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}})).await;
        self.send_raw("data: [DONE]\n\n").await;
    }

    /// Ends well, and says nothing of tokens.
    pub async fn finish_without_counting(self) {
        self.send(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})).await;
        self.send_raw("data: [DONE]\n\n").await;
    }

    /// Ends in the middle.
    pub fn cut(self) {
        drop(self);
    }

    /// Resolves when the client has closed the connection; fails the test if it does not within 20 seconds.
    pub async fn closed(&self) {
        timeout(PATIENCE, self.pieces.closed()).await.expect("the connection to the model stayed open");
    }

    /// Whether the client has closed the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.pieces.is_closed()
    }

    async fn send(&self, chunk: &Value) {
        self.send_raw(&format!("data: {chunk}\n\n")).await;
    }

    async fn send_raw(&self, text: &str) {
        // The client may have gone: that is for the test to notice.
        drop(self.pieces.send(Bytes::from(text.to_owned())).await);
    }
}

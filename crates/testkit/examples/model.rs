//! A model's server for measurements: OpenAI's streamed chat completions at a steady rate, on one core.
//!
//! `model ADDRESS` lists the model `bench`. What a person said last says how it answers, such as
//! `rate=20 tokens=400 delay=50`: tokens per second, how many, and milliseconds to the first. Each token is its number
//! and the microsecond at which it was sent, `17:1234567890 `.

use std::error::Error;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until};

#[path = "common/stamp.rs"]
mod stamp;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
/// The largest request.
const MAX_REQUEST: usize = 4 << 20;

const LIST: &str = r#"{"object":"list","data":[{"id":"bench","object":"model","created":1,"owned_by":"bench"}]}"#;
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const LAST: &str = concat!(
    r#"data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
    "\n\ndata: [DONE]\n\n",
);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: model ADDRESS")?;
    let listener = listen(&address)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // Whoever goes away in the middle of an answer ends only its own connection.
        tokio::spawn(async move { serve(stream).await.unwrap_or_default() });
    }
}

fn listen(address: &str) -> Result<TcpListener, Box<dyn Error>> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address.parse()?)?;
    Ok(socket.listen(BACKLOG)?)
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut received = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut received).await? {
        if request.starts_with(b"POST ") {
            speak(&mut stream, &Manner::of(&request)).await?;
        } else {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length";
            stream.write_all(format!("{head}: {}\r\n\r\n{LIST}", LIST.len()).as_bytes()).await?;
            return Ok(());
        }
    }
    Ok(())
}

/// The next request, head and body; none when the connection ends or the request is none.
async fn read_request(stream: &mut TcpStream, received: &mut Vec<u8>) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = request_end(received)
            && received.len() >= end
        {
            return Ok(Some(received.drain(..end).collect()));
        }
        if received.len() > MAX_REQUEST || stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

/// Where the first request ends, once its head is there.
fn request_end(received: &[u8]) -> Option<usize> {
    let head = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    Some(head + length.map_or(0, |length| length.trim().parse().unwrap_or(0)))
}

/// How an answer is spoken.
struct Manner {
    rate: u64,
    tokens: u64,
    delay: Duration,
}

impl Manner {
    fn of(request: &[u8]) -> Self {
        let text = String::from_utf8_lossy(request);
        let number = |key: &str, otherwise: u64| {
            let rest = text.rfind(key).map_or("", |at| &text[at + key.len()..]);
            let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
            digits.parse().unwrap_or(otherwise)
        };
        Self {
            rate: number("rate=", 20).clamp(1, 1_000_000),
            tokens: number("tokens=", 20),
            delay: Duration::from_millis(number("delay=", 0)),
        }
    }
}

async fn speak(stream: &mut TcpStream, manner: &Manner) -> std::io::Result<()> {
    let begin = Instant::now() + manner.delay;
    stream.write_all(STREAM.as_bytes()).await?;
    let period = Duration::from_nanos(1_000_000_000 / manner.rate);
    let mut due = begin;
    for number in 0..manner.tokens {
        sleep_until(due).await;
        due += period;
        let event = format!(
            r#"data: {{"id":"1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{{"index":0,"delta":{{"content":"{number}:{} "}},"finish_reason":null}}]}}"#,
            stamp::micros()
        );
        let chunk = format!("{:x}\r\n{event}\n\n\r\n", event.len() + 2);
        stream.write_all(chunk.as_bytes()).await?;
    }
    let last = format!("{:x}\r\n{LAST}\r\n0\r\n\r\n", LAST.len());
    stream.write_all(last.as_bytes()).await
}

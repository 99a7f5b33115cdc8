//! As much of HTTP/1.1 as a client of these two servers needs.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;

/// The most that an answer may have.
const MAX_ANSWER: usize = 16 << 20;

/// A connection that is kept.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends a request; a body is JSON.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: &str) -> Outcome<()> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        Ok(self.stream.write_all(request.as_bytes()).await?)
    }

    /// The body of an answer that has a length.
    pub(crate) async fn body(&mut self) -> Outcome<String> {
        let head = self.head().await?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.ok_or("an answer without content-length")?.trim().parse()?;
        while self.received.len() < length {
            self.more().await?;
        }
        let body = String::from_utf8(self.received.drain(..length).collect())?;
        if !head.starts_with("http/1.1 20") {
            return Err(format!("{} {body}", head.lines().next().unwrap_or_default()).into());
        }
        Ok(body)
    }

    /// An answer's head, in lower case. What was received after it is left.
    pub(crate) async fn head(&mut self) -> Outcome<String> {
        loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.received.drain(..end + 4).collect();
                return Ok(String::from_utf8(head)?.to_ascii_lowercase());
            }
            self.more().await?;
        }
    }

    /// What was received of a body so far.
    pub(crate) fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    async fn more(&mut self) -> Outcome<()> {
        if self.received.len() > MAX_ANSWER || self.stream.read_buf(&mut self.received).await? == 0 {
            return Err("an answer broke off".into());
        }
        Ok(())
    }
}

/// The first value of a JSON text's member that is a string without escapes.
pub(crate) fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let start = json.find(&format!("\"{name}\":\""))? + name.len() + 4;
    json[start..].split('"').next()
}

/// The ids of conversations, as many as are wanted.
pub(crate) async fn conversations(address: &str, count: usize) -> Outcome<Vec<String>> {
    let mut connection = Connection::open(address).await?;
    let (mut ids, mut path) = (Vec::new(), String::from("/api/threads?limit=200"));
    while ids.len() < count {
        connection.send("GET", &path, "").await?;
        let page = connection.body().await?;
        ids.extend(page.split("\"id\":\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        match member(&page, "next_cursor") {
            Some(cursor) => path = format!("/api/threads?limit=200&cursor={cursor}"),
            None => break,
        }
    }
    if ids.len() < count {
        return Err(format!("there are {} conversations, and {count} are needed", ids.len()).into());
    }
    ids.truncate(count);
    Ok(ids)
}

//! Single requests to a server on this machine.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result};

/// The longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
pub(crate) struct Answer {
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    /// As it was sent, and so compressed if that was asked for.
    pub(crate) body: Vec<u8>,
    /// Bytes on the wire.
    pub(crate) length: usize,
}

impl Answer {
    pub(crate) fn is_ok(&self) -> bool {
        self.head.starts_with("http/1.1 2")
    }
}

/// Asks over a connection of its own.
pub(crate) fn ask(address: &str, method: &str, path: &str, encoding: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = if method == "POST" { "{}" } else { "" };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: text/html, */*\r\n\
         accept-encoding: {encoding}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    let end =
        received.windows(4).position(|four| four == b"\r\n\r\n").context("an answer without an end of its head")?;
    let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
    Ok(Answer { head, length: received.len(), body: received.split_off(end + 4) })
}

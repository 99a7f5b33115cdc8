//! A mail server in the test's own process, which takes every mail and keeps it: for tests that can do without one that
//! others wrote.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::Mail;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running one, which ends with the test's runtime.
#[derive(Debug)]
pub struct LetterBox {
    port: u16,
    came: Mutex<UnboundedReceiver<Mail>>,
}

impl LetterBox {
    /// Opens one, on loopback.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (told, came) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(take(connection, told.clone()));
            }
        });
        Self { port, came: Mutex::new(came) }
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Takes out the next mail, in the order they came. Waits for it; fails the test if it does not come.
    pub async fn next(&self) -> Mail {
        timeout(PATIENCE, self.came.lock().await.recv()).await.expect("no mail comes").unwrap()
    }

    /// Takes out all that have come and were not taken out yet.
    pub async fn rest(&self) -> Vec<Mail> {
        let mut came = self.came.lock().await;
        std::iter::from_fn(|| came.try_recv().ok()).collect()
    }
}

/// Takes one mail, as far as one comes. It is kept before that is said.
async fn take(connection: TcpStream, told: UnboundedSender<Mail>) {
    let (read, mut write) = connection.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut mail = Mail { from: String::new(), to: Vec::new(), user: None, raw: Vec::new() };
    let mut is_text = false;
    if write.write_all(b"220 here\r\n").await.is_err() {
        return;
    }
    while let Ok(Some(line)) = lines.next_line().await {
        if is_text && line != "." {
            mail.raw.extend_from_slice(line.strip_prefix('.').unwrap_or(&line).as_bytes());
            mail.raw.extend_from_slice(b"\r\n");
            continue;
        }
        if is_text && told.send(mail.clone()).is_err() {
            return;
        }
        is_text = line == "DATA";
        let address = |line: &str| line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        match line.split_once(':').map(|(command, _)| command) {
            Some("MAIL FROM") => mail.from = address(&line),
            Some("RCPT TO") => mail.to.push(address(&line)),
            _ => {}
        }
        let answer: &[u8] = if is_text { b"354 go on\r\n" } else { b"250 well\r\n" };
        if write.write_all(answer).await.is_err() {
            return;
        }
    }
}

//! A mail server that does what a test wants to see survived.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How one connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The mail is taken.
    Taken,
    /// Nothing is ever said.
    Silent,
    /// 421 for a greeting.
    NotNow,
    /// The connection is closed at once.
    Closed,
    /// 550 to the recipient, with the address in it.
    NoSuchUser,
    /// 451 after the message.
    Greylisted,
    /// No answer after the message.
    SilentAtTheEnd,
    /// The mail is taken, and the connection broken instead of a good-bye.
    Rude,
    /// What no mail server says.
    Nonsense,
}

/// The server. It ends with the test's runtime.
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    /// Each message that was taken.
    pub(super) taken: UnboundedReceiver<String>,
    /// Each connection, when it begins.
    pub(super) connections: UnboundedReceiver<Fate>,
}

impl Stub {
    /// Each connection has its fate; the last one's is that of all after it.
    pub(super) async fn start(fates: &[Fate]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, messages) = unbounded_channel();
        let (began, connections) = unbounded_channel();
        let fates = Arc::new(Mutex::new(fates.to_vec()));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let fate = {
                    let mut fates = fates.lock().unwrap();
                    if fates.len() > 1 { fates.remove(0) } else { fates[0] }
                };
                let _ = began.send(fate);
                tokio::spawn(serve(stream, fate, taken.clone()));
            }
        });
        Self { address, taken: messages, connections }
    }
}

async fn serve(stream: TcpStream, fate: Fate, taken: UnboundedSender<String>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let greeting = match fate {
        Fate::Silent => std::future::pending().await,
        Fate::Closed => return None,
        Fate::NotNow => "421 4.3.2 try later\r\n",
        Fate::Nonsense => "HTTP/1.1 400 Bad Request\r\n\r\n",
        _ => "220 stub\r\n",
    };
    stream.write_all(greeting.as_bytes()).await.ok()?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-stub\r\n250 8BITMIME\r\n".to_owned(),
            "RCPT" if fate == Fate::NoSuchUser => format!("550 5.1.1 no such user: {}\r\n", line.trim()),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                let message = message(&mut stream).await?;
                match fate {
                    Fate::Greylisted => "451 4.7.1 come back later\r\n".to_owned(),
                    Fate::SilentAtTheEnd => std::future::pending().await,
                    _ => {
                        taken.send(message).ok()?;
                        "250 taken\r\n".to_owned()
                    }
                }
            }
            "QUIT" if fate == Fate::Rude => return None,
            _ => "250 ok\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn message(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut message = String::new();
    while !message.ends_with("\r\n.\r\n") {
        if stream.read_line(&mut message).await.ok()? == 0 {
            return None;
        }
    }
    Some(message)
}

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::*;

const MAIL: &str = "From: Retinue <retinue@example.com>\r\nTo: ada@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
    References: <a@example.com>\r\n <b@example.com>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/alternative; boundary=x\r\n\r\n\
    --x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    Sch=C3=B6n=\r\n!\r\n--x\r\nContent-Type: text/html\r\n\r\n<b>Fine</b>\r\n--x--\r\n";

struct Sender(BufStream<TcpStream>);

impl Sender {
    async fn connect(sink: &SmtpSink) -> Self {
        let mut sender = Self(BufStream::new(TcpStream::connect(("127.0.0.1", sink.port())).await.unwrap()));
        assert_eq!(sender.answer().await, "220");
        assert_eq!(sender.say("EHLO localhost").await, "250");
        sender
    }

    /// The code of the answer.
    async fn say(&mut self, line: &str) -> String {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            if line.as_bytes()[3] == b' ' {
                return line[..3].to_owned();
            }
        }
    }

    async fn send(&mut self, to: &[&str]) {
        assert_eq!(self.say("MAIL FROM:<retinue@example.com>").await, "250");
        for to in to {
            assert_eq!(self.say(&format!("RCPT TO:<{to}>")).await, "250");
        }
        assert_eq!(self.say("DATA").await, "354");
        assert_eq!(self.say(&format!("{MAIL}.")).await, "250");
    }
}

#[tokio::test]
#[ignore = "needs the SMTP sink; `cargo xtask test` provides it"]
async fn a_mail_is_kept_as_it_came() {
    let sink = SmtpSink::start().await;
    let mut sender = Sender::connect(&sink).await;
    sender.send(&["ada@example.com", "grace@example.com"]).await;
    sender.send(&["grace@example.com"]).await;
    assert_eq!(sink.waiting(), 2);
    let mail = sink.next().await;
    assert_eq!((mail.from.as_str(), mail.raw.as_slice()), ("retinue@example.com", MAIL.as_bytes()));
    assert_eq!((mail.to, mail.user), (vec!["ada@example.com".to_owned(), "grace@example.com".to_owned()], None));
    let mail = sink.next().await;
    assert_eq!((mail.to.len(), sink.waiting()), (1, 0));
    assert_eq!((mail.subject(), mail.text()), ("Grüße".to_owned(), "Schön!".to_owned()));
    assert_eq!(mail.html().as_deref(), Some("<b>Fine</b>"));
    assert_eq!(mail.header("references").as_deref(), Some("<a@example.com> <b@example.com>"));
}

#[tokio::test]
#[ignore = "needs the SMTP sink; `cargo xtask test` provides it"]
async fn it_takes_mail_only_from_whom_and_for_whom_it_was_told_to() {
    let options = SinkOptions {
        login: Some(("retinue".to_owned(), "secret".to_owned())),
        refused: vec!["nobody@example.com".to_owned()],
        ..SinkOptions::default()
    };
    let sink = SmtpSink::with(options).await;
    let mut sender = Sender::connect(&sink).await;
    assert_eq!(sender.say("MAIL FROM:<retinue@example.com>").await, "530");
    let plain = |password: &str| format!("AUTH PLAIN {}", STANDARD.encode(format!("\0retinue\0{password}")));
    assert_eq!(sender.say(&plain("wrong")).await, "535");
    assert_eq!(sender.say(&plain("secret")).await, "235");
    sender.send(&["ada@example.com"]).await;
    assert_eq!(sink.next().await.user.as_deref(), Some("retinue"));
    assert_eq!(sender.say("MAIL FROM:<retinue@example.com>").await, "250");
    assert_eq!(sender.say("RCPT TO:<nobody@example.com>").await, "550");
}

use jiff::Timestamp;
use proptest::prelude::*;
use retinue_model::{Email, Slug};

use super::stub::{Fate, Stub};
use super::*;
use crate::notice::Change;
use crate::scratch::{CountingRng, Fixed, Standing};
use crate::secret::ShortCode;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const LINK: &str =
    "https://retinue.example.com/auth/magic-link/verify?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn email(text: &str) -> Email {
    Email::new(text).unwrap()
}

fn settings(host: &str, port: u16, tls: Tls) -> Settings {
    Settings {
        host: host.to_owned(),
        port,
        tls,
        root_certificate: None,
        account: None,
        from: Sender::parse("Retinue <no-reply@example.com>").unwrap(),
        site: "retinue.example.com".to_owned(),
    }
}

fn mailer_to(settings: Settings, patience: Patience) -> Result<Mailer> {
    Mailer::with_patience(settings, Arc::new(Standing(NOW)), Arc::new(CountingRng::default()), patience)
}

/// A mailer that does not wait for long, and its server.
async fn mailer(fates: &[Fate]) -> (Mailer, Stub) {
    const PAUSES: [Duration; 3] = [Duration::from_millis(1); 3];
    let stub = Stub::start(fates).await;
    let patience = Patience { attempt: Duration::from_millis(200), pauses: &PAUSES };
    let mailer = mailer_to(settings("127.0.0.1", stub.address.port(), Tls::None), patience).unwrap();
    (mailer, stub)
}

fn magic_link() -> Letter {
    Letter::MagicLink { link: LINK.to_owned(), code: ShortCode::new(&Fixed(7)), good_for: Duration::from_mins(15) }
}

fn mail() -> Mail {
    Mail { to: email("ada@example.com"), letter: magic_link() }
}

fn letters() -> [Letter; 11] {
    let (link, good_for) = ("https://retinue.example.com/x".to_owned(), Duration::from_hours(1));
    [
        magic_link(),
        Letter::PasswordReset { link: link.clone(), good_for },
        Letter::EmailChange {
            link: link.clone(),
            name: "Ada Lovelace".to_owned(),
            from: email("ada@example.com"),
            good_for,
        },
        Letter::EmailChanged { to: email("lovelace@example.net") },
        Letter::WaysChanged { change: Change::PasswordSet },
        Letter::WaysChanged { change: Change::IdentityAdded("Example SSO".to_owned()) },
        Letter::WaysChanged { change: Change::IdentityRemoved("Example SSO".to_owned()) },
        Letter::WaysChanged { change: Change::OthersShutOut },
        Letter::Invitation { link: link.clone(), good_for: Duration::from_hours(7 * 24) },
        Letter::TeamInvitation {
            link: link.clone(),
            team: ("Code review".to_owned(), Slug::of_name("Code review", "team")),
            by: Some("Ada Lovelace".to_owned()),
            good_for: Duration::from_hours(7 * 24),
        },
        Letter::AlreadyRegistered { link },
    ]
}

fn built(mail: &Mail) -> String {
    let from = Sender::parse("Retinue <no-reply@example.com>").unwrap();
    let envelope = message::build(mail, (&from, "retinue.example.com"), NOW, &Fixed(0xab)).unwrap();
    String::from_utf8(envelope.bytes).unwrap()
}

#[test]
fn what_the_letters_say() {
    let shown = letters().map(|letter| {
        format!("{}\nSubject: {}\n\n{}", letter.purpose(), letter.subject(), letter.text("retinue.example.com"))
    });
    insta::assert_snapshot!("letters", shown.join("\n----\n"));
}

#[test]
fn what_a_message_looks_like() {
    insta::assert_snapshot!("message", built(&mail()).replace("\r\n", "\n"));
}

#[test]
fn every_letter_is_plain_and_has_its_link_on_a_line() {
    for letter in letters() {
        let (link, message) = (letter.link().map(str::to_owned), built(&Mail { to: email("ada@example.com"), letter }));
        assert!(message.lines().all(|line| line.len() < 998), "{message}");
        assert!(!message.replace("\r\n", "").contains(['\r', '\n']), "{message}");
        if let (Some(link), true) = (link, message.contains("7bit")) {
            assert_eq!(message.lines().filter(|line| **line == link).count(), 1, "{message}");
        }
    }
}

#[test]
fn nothing_that_is_no_link_is_sent() {
    let from = Sender::parse("no-reply@example.com").unwrap();
    let long = format!("https://retinue.example.com/{}", "x".repeat(1_000));
    for link in [
        "",
        "retinue.example.com",
        "javascript:alert(1)",
        "https://a b",
        "https://a\r\n.\r\nMAIL FROM",
        "https://é",
        &long,
    ] {
        let mail = Mail { letter: Letter::AlreadyRegistered { link: link.to_owned() }, ..mail() };
        assert!(message::build(&mail, (&from, "x"), NOW, &Fixed(0)).is_err(), "{link:?}");
    }
}

#[test]
fn a_sender_is_an_address_with_or_without_a_name() {
    for good in [
        "a@example.com",
        " a@example.com ",
        "Retinue <a@example.com>",
        "\"The, Team\" <a@example.com>",
        "<a@example.com>",
        "Zoë <a@example.com>",
    ] {
        assert!(Sender::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "Retinue",
        "Retinue <>",
        "a@example.com\r\nBcc: eve@example.com",
        "R\r\nBcc: x <a@example.com>",
        "<a@example.com",
        "a@example.com, b@example.com",
    ] {
        assert_eq!(Sender::parse(bad).unwrap_err().code(), "invalid_mail_from", "{bad:?}");
    }
}

#[test]
fn neither_links_nor_passwords_are_shown_to_whoever_debugs() {
    let mut settings = settings("127.0.0.1", 25, Tls::None);
    settings.account = Some(Account { username: "retinue".to_owned(), password: "hunter2".into() });
    let shown = format!("{:?} {settings:?} {:?}", mail(), mailer_to(settings.clone(), Patience::default()).unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("token=") && !shown.contains("ada@"), "{shown}");
}

#[test]
fn mail_goes_without_tls_to_this_machine_only() {
    let new = |host: &str, tls| mailer_to(settings(host, 25, tls), Patience::default()).err().map(|error| error.code());
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(new(host, Tls::None), None, "{host}");
    }
    for host in ["mail.example.com", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", "0.0.0.0", ""] {
        assert_eq!(new(host, Tls::None), Some("mail_tls_required"), "{host}");
    }
    let mut missing = settings("mail.example.com", 587, Tls::StartTls);
    missing.root_certificate = Some("no such file".into());
    assert_eq!(mailer_to(missing, Patience::default()).unwrap_err().code(), "invalid_mail_certificate");
    assert_eq!((Tls::default(), Tls::StartTls.port(), Tls::Implicit.port()), (Tls::StartTls, 587, 465));
}

#[tokio::test]
async fn a_mail_arrives() {
    let (mailer, mut stub) = mailer(&[Fate::Taken]).await;
    mailer.has_room().unwrap();
    mailer.send(mail(), "r1".into());
    let message = stub.taken.recv().await.unwrap();
    assert!(message.contains("\r\nTo: ada@example.com\r\n") && message.contains(LINK), "{message}");
    mailer.close(Duration::from_secs(5)).await;
    assert!(stub.taken.try_recv().is_err());
}

/// Whatever passes is tried again, and the mail arrives once.
#[tokio::test]
async fn what_passes_is_tried_again() {
    for fate in [Fate::Silent, Fate::NotNow, Fate::Closed, Fate::Greylisted, Fate::SilentAtTheEnd, Fate::Nonsense] {
        let (mailer, mut stub) = mailer(&[fate, fate, Fate::Taken]).await;
        mailer.send(mail(), "r1".into());
        stub.taken.recv().await.unwrap();
        mailer.close(Duration::from_secs(5)).await;
        assert!(stub.taken.try_recv().is_err(), "{fate:?}");
        let connections: Vec<_> = std::iter::from_fn(|| stub.connections.try_recv().ok()).collect();
        assert_eq!(connections, [fate, fate, Fate::Taken]);
    }
}

#[tokio::test]
async fn what_stays_is_given_up() {
    for (fate, attempts) in [(Fate::NoSuchUser, 1), (Fate::NotNow, 4), (Fate::Closed, 4)] {
        let (mailer, mut stub) = mailer(&[fate]).await;
        mailer.send(mail(), "r1".into());
        mailer.close(Duration::from_secs(5)).await;
        let connections = std::iter::from_fn(|| stub.connections.try_recv().ok()).count();
        assert_eq!((connections, stub.taken.try_recv().is_err()), (attempts, true), "{fate:?}");
    }
}

/// The mail was taken; that the server hangs up then is no reason to send it twice.
#[tokio::test]
async fn a_rude_end_sends_no_mail_twice() {
    let (mailer, mut stub) = mailer(&[Fate::Rude]).await;
    mailer.send(mail(), "r1".into());
    mailer.close(Duration::from_secs(5)).await;
    assert!(stub.taken.try_recv().is_ok() && stub.taken.try_recv().is_err());
}

/// A server without STARTTLS gets neither the password nor the mail.
#[tokio::test]
async fn nothing_goes_out_in_the_clear_where_tls_is_wanted() {
    let mut stub = Stub::start(&[Fate::Taken]).await;
    let mut settings = settings("127.0.0.1", stub.address.port(), Tls::StartTls);
    settings.account = Some(Account { username: "retinue".to_owned(), password: "hunter2".into() });
    let mailer = mailer_to(settings, Patience::default()).unwrap();
    mailer.send(mail(), "r1".into());
    mailer.close(Duration::from_secs(30)).await;
    assert!(stub.taken.try_recv().is_err());
    assert_eq!(std::iter::from_fn(|| stub.connections.try_recv().ok()).count(), 1, "it is not tried again");
}

/// A server that hangs holds up neither whoever sends nor the end.
#[tokio::test]
async fn a_server_that_hangs_holds_up_nobody() {
    let stub = Stub::start(&[Fate::Silent]).await;
    let patience = Patience { attempt: Duration::from_hours(1), pauses: &[] };
    let mailer = mailer_to(settings("127.0.0.1", stub.address.port(), Tls::None), patience).unwrap();
    for _ in 0..MAX_WAITING {
        mailer.has_room().unwrap();
        mailer.send(mail(), "r1".into());
    }
    // What is too much is refused, and dropped without harm where nobody asked before.
    assert_eq!(mailer.has_room().unwrap_err().code(), "mail_too_busy");
    mailer.send(mail(), "r2".into());
    assert_eq!(mailer.0.tasks.len(), MAX_WAITING);
    mailer.close(Duration::from_millis(1)).await;
    assert!(mailer.0.tasks.is_empty());
    assert_eq!(mailer.has_room().unwrap_err().code(), "shutting_down");
    mailer.send(mail(), "r3".into());
    assert!(mailer.0.tasks.is_empty());
}

/// What the log says of a refusal has none of the server's words: they repeat the address.
#[tokio::test]
async fn a_refusal_is_told_by_its_codes() {
    let (mailer, _stub) = mailer(&[Fate::NoSuchUser]).await;
    let from = Sender::parse("no-reply@example.com").unwrap();
    let envelope = message::build(&mail(), (&from, "x"), NOW, &Fixed(0)).unwrap();
    let fault = mailer.0.smtp.send(&envelope, Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(fault.to_string(), "the mail server refused it, with 550 5.1.1");
}

proptest! {
    /// Whatever we take for an address, a mail can be written to, and goes to it alone.
    #[test]
    fn every_address_can_be_written_to(text in "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\\.[a-z0-9]{1,5}){0,2}@[a-z0-9]{1,10}(-[a-z0-9]{1,4})?\\.[a-z]{2,5}") {
        let to = email(&text);
        let from = Sender::parse("no-reply@example.com").unwrap();
        let envelope = message::build(&Mail { to, letter: magic_link() }, (&from, "x"), NOW, &Fixed(0)).unwrap();
        let to: Vec<_> = envelope.route.to().iter().map(ToString::to_string).collect();
        prop_assert_eq!(to, [text]);
    }
}

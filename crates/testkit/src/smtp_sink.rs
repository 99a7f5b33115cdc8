//! A mail server that others wrote, as a process of its own, which keeps what it gets. Tests that start one lie in a module of
//! its name: see docs/testing.md.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mail_parser::{Message, MessageParser};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::part::{self, Part};
use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running one, which ends with this value.
#[derive(Debug)]
pub struct SmtpSink {
    _process: Part,
    port: u16,
    folder: TempDir,
    /// How many mails were taken out of it.
    taken: AtomicU32,
}

/// What it demands, and how it behaves.
#[derive(Clone, Debug, Default)]
pub struct SinkOptions {
    /// User and password without which it takes nothing.
    pub login: Option<(String, String)>,
    /// The TLS without which it takes nothing.
    pub tls: Option<SinkTls>,
    /// Addresses that it takes no mail for (550).
    pub refused: Vec<String>,
    /// How long it thinks about each mail.
    pub delay: Duration,
}

/// How it speaks TLS.
#[derive(Clone, Debug)]
pub struct SinkTls {
    /// A PEM file: the certificate, and those between it and the root.
    pub certificate: PathBuf,
    /// A PEM file: its private key.
    pub key: PathBuf,
    /// From the first byte; else after STARTTLS.
    pub implicit: bool,
}

/// A mail that came.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The sender in the envelope.
    pub from: String,
    /// The recipients in the envelope.
    pub to: Vec<String>,
    /// Who logged in to send it.
    pub user: Option<String>,
    /// Header and body as they came.
    pub raw: Vec<u8>,
}

impl SmtpSink {
    /// Starts one that takes everything, on loopback.
    pub async fn start() -> Self {
        Self::with(SinkOptions::default()).await
    }

    /// Starts one that does not.
    pub async fn with(options: SinkOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wishes = json!({
            "folder": folder.path(),
            "auth": options.login.map(|(user, password)| json!({"user": user, "password": password})),
            "tls": options.tls.map(|tls| {
                json!({"certificate": tls.certificate, "key": tls.key, "implicit": tls.implicit})
            }),
            "refuse": options.refused,
            "delay": options.delay.as_secs_f64(),
        });
        let process = Part::start(part::python("RETINUE_TEST_SMTP_SINK"), &wishes).await;
        let port = process.said().parse().unwrap();
        Self { _process: process, port, folder, taken: AtomicU32::default() }
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How many mails came that were not taken out yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let first = self.taken.load(Ordering::Relaxed) + 1;
        (first..u32::MAX).take_while(|number| self.envelope(*number).exists()).count()
    }

    /// Takes out the next mail, in the order they came. Waits for it; fails the test if it does not come.
    pub async fn next(&self) -> Mail {
        let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        // It appears when all of the mail is there.
        let envelope = self.envelope(number);
        let kept = until("a mail", PATIENCE, async || std::fs::read(&envelope).ok()).await;
        let kept: Value = serde_json::from_slice(&kept).unwrap();
        Mail {
            from: kept["mail_from"].as_str().unwrap().to_owned(),
            to: kept["rcpt_tos"].as_array().unwrap().iter().map(|to| to.as_str().unwrap().to_owned()).collect(),
            user: kept["user"].as_str().map(str::to_owned),
            raw: std::fs::read(envelope.with_extension("eml")).unwrap(),
        }
    }

    fn envelope(&self, number: u32) -> PathBuf {
        self.folder.path().join(format!("{number:06}.json"))
    }
}

impl Mail {
    /// Its subject, decoded; empty if there is none.
    #[must_use]
    pub fn subject(&self) -> String {
        self.parsed().subject().unwrap_or_default().to_owned()
    }

    /// Its text, decoded: of several forms the plain one.
    #[must_use]
    pub fn text(&self) -> String {
        self.parsed().body_text(0).unwrap_or_default().into_owned()
    }

    /// Its HTML, decoded; None if it has no part that is HTML.
    #[must_use]
    pub fn html(&self) -> Option<String> {
        let parsed = self.parsed();
        let is_html = parsed.html_part(0)?.is_text_html();
        is_html.then(|| parsed.body_html(0).unwrap_or_default().into_owned())
    }

    /// A header as it came, without its folds; None if there is none of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let parsed = self.parsed();
        let raw = parsed.header_raw(name)?;
        Some(raw.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn parsed(&self) -> Message<'_> {
        MessageParser::default().parse(&self.raw).unwrap()
    }
}

#[cfg(test)]
mod tests;

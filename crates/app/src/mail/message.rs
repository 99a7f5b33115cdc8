//! From a letter to the bytes of a message (RFC 5322).

use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::Timestamp;
use lettre::address::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, SinglePart};
use retinue_model::{Email, Error, Result};

use crate::Rng;
use crate::mail::Letter;

/// The longest line of a message (RFC 5322, section 2.1.1), and with that the longest link.
const MAX_LINE_BYTES: usize = 998;

/// A mail to one person.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Whom it is for.
    pub to: Email,
    /// What it says.
    pub letter: Letter,
}

/// Whom mails are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    name: Option<String>,
    address: Email,
}

impl Sender {
    /// `retinue@example.com` or `Retinue <retinue@example.com>`.
    ///
    /// # Errors
    /// `invalid_mail_from`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::invalid(
                "invalid_mail_from",
                format!(
                    "Mail can't be from {text:?}: {why} Write retinue@example.com or Retinue <retinue@example.com>."
                ),
            )
        };
        if text.chars().any(char::is_control) {
            return Err(wrong("it is more than one line."));
        }
        let named = text.trim().strip_suffix('>').and_then(|text| text.split_once('<'));
        let (name, address) =
            named.map_or((None, text), |(name, address)| (Some(name.trim().trim_matches('"')), address));
        let address = Email::new(address).map_err(|error| wrong(error.detail()))?;
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self { name, address })
    }

    fn to_mailbox(&self) -> Result<Mailbox> {
        Ok(Mailbox::new(self.name.clone(), to_address(&self.address)?))
    }
}

fn to_address(email: &Email) -> Result<Address> {
    Address::new(email.local_part(), email.domain()).map_err(Error::internal)
}

/// A message, and where it goes.
pub(super) struct Envelope {
    pub(super) route: lettre::address::Envelope,
    pub(super) bytes: Vec<u8>,
}

/// Writes a mail as a message of this time.
///
/// # Errors
/// `internal_error` if the link is none.
pub(super) fn build(mail: &Mail, (from, site): (&Sender, &str), now: Timestamp, rng: &dyn Rng) -> Result<Envelope> {
    if let Some(link) = mail.letter.link() {
        check_link(link)?;
    }
    let message = Message::builder()
        .from(from.to_mailbox()?)
        .to(Mailbox::new(None, to_address(&mail.to)?))
        .subject(mail.letter.subject())
        .date(SystemTime::from(now))
        .message_id(Some(message_id(from.address.domain(), rng)))
        // RFC 3834: nobody's absence answers this. The other one says so to Exchange.
        .raw_header(header("Auto-Submitted", "auto-generated")?)
        .raw_header(header("X-Auto-Response-Suppress", "All")?)
        .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body(&mail.letter.text(site))?))
        .map_err(Error::internal)?;
    Ok(Envelope { route: message.envelope().clone(), bytes: message.formatted() })
}

/// As it is, if it can be: whoever looks at the raw message sees the link whole.
fn body(text: &str) -> Result<Body> {
    let text = text.replace('\n', "\r\n");
    if text.is_ascii() && text.lines().all(|line| line.len() <= MAX_LINE_BYTES) {
        // Lettre itself would take lines over 76 bytes apart.
        return Ok(Body::dangerous_pre_encoded(text.into_bytes(), ContentTransferEncoding::SevenBit));
    }
    let encoded = Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable);
    encoded.map_err(|_| Error::internal("a mail's text does not fit its encoding"))
}

fn header(name: &str, value: &str) -> Result<HeaderValue> {
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(Error::internal)?;
    Ok(HeaderValue::new(name, value.to_owned()))
}

/// Unique, and says nothing but the sender's domain.
fn message_id(domain: &str, rng: &dyn Rng) -> String {
    let mut random = [0; 16];
    rng.fill(&mut random);
    let mut id = String::from("<");
    for byte in random {
        // Writing to a string does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    id + "@" + domain + ">"
}

/// A link is one line of visible ASCII.
fn check_link(link: &str) -> Result<()> {
    let is_url = link.starts_with("https://") || link.starts_with("http://");
    let is_line = link.len() <= MAX_LINE_BYTES && link.bytes().all(|byte| byte.is_ascii_graphic());
    if is_url && is_line { Ok(()) } else { Err(Error::internal("the link of a mail is none, or too long")) }
}

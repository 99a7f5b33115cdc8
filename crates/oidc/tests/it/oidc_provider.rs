//! Signing in and out at a real provider, with a client of each kind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use retinue_oidc::{
    AssertionAudience, AssertionKey, Callback, ClientAuthentication, Config, EndSession, Issuer, Level, Moment,
    Options, Provider, SignIn,
};
use retinue_testkit::SigningKey;
use secrecy::SecretString;
use serde_json::json;

use crate::stage::{REDIRECT_URI, code};
use crate::visitor::Visitor;

const SECRET: &str = "a secret: +%&=";
const SIGNED_OUT: &str = "https://retinue.example.com/";

/// The provider's process, which ends with this value.
struct Running {
    process: Child,
    /// Open to the end: the process dies when it can't say something.
    _said: BufReader<ChildStdout>,
    issuer: String,
    client_key: SigningKey,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn start(logout_uri: &str) -> Running {
    let script = std::env::var_os("RETINUE_TEST_OIDC_PROVIDER").expect("`cargo xtask test` sets it");
    let client_key = SigningKey::new("mine", "ES256");
    let wishes = json!({
        "redirect_uri": REDIRECT_URI, "signed_out_uri": SIGNED_OUT, "logout_uri": logout_uri, "secret": SECRET,
        "client_key": client_key.jwk(),
    });
    let mut process = Command::new("node")
        .arg(script)
        .arg(wishes.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut issuer = String::new();
    let mut said = BufReader::new(process.stdout.take().unwrap());
    said.read_line(&mut issuer).unwrap();
    Running { process, _said: said, issuer: issuer.trim().to_owned(), client_key }
}

impl Running {
    fn client(&self, client_id: &str) -> Provider {
        let secret = || SecretString::from(SECRET.to_owned());
        let mut config = Config::new("real", Issuer::new(&self.issuer).unwrap(), client_id, REDIRECT_URI);
        config.authentication = match client_id {
            "basic" => ClientAuthentication::SecretBasic(secret()),
            "post" => ClientAuthentication::SecretPost(secret()),
            "signing" => {
                let pem = self.client_key.private_pem().into();
                let key = AssertionKey::from_pem(&pem, Some("mine".to_owned()), AssertionAudience::Issuer).unwrap();
                ClientAuthentication::PrivateKeyJwt(key)
            }
            _ => ClientAuthentication::None,
        };
        Provider::new(config).unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "a real provider has a real clock")]
fn moment() -> Moment<'static> {
    Moment { now: Timestamp::now(), random: &|bytes| aws_lc_rs::rand::fill(bytes).unwrap() }
}

async fn sign_in(provider: &Provider, visitor: &mut Visitor) -> SignIn {
    let begun = provider.begin(moment(), Options::default()).await.unwrap();
    let back = visitor.led_away(&begun.url).await;
    assert!(back.as_str().starts_with(REDIRECT_URI), "{back}");
    let callback = Callback::parse(back.query().unwrap()).unwrap();
    provider.finish(moment(), callback, begun.pending).await.unwrap()
}

#[tokio::test]
#[ignore = "needs oidc-provider"]
async fn clients_of_each_kind_sign_somebody_in() {
    let running = start("http://127.0.0.1:1/");
    for client_id in ["public", "basic", "post", "signing"] {
        let provider = running.client(client_id);
        let signed_in = sign_in(&provider, &mut Visitor::new()).await;
        assert_eq!(signed_in.person.subject, "ada", "{client_id}");
        assert_eq!(signed_in.person.email.as_deref(), Some("ada@example.com"), "{client_id}");
        assert!(signed_in.person.email_verified && signed_in.session.is_some(), "{client_id}");
        let problems: Vec<_> = provider.diagnose(moment()).await;
        let problems: Vec<_> = problems.iter().filter(|finding| finding.level == Level::Problem).collect();
        assert!(problems.is_empty(), "{client_id}: {problems:?}");
    }
}

#[tokio::test]
#[ignore = "needs oidc-provider"]
async fn somebody_who_is_removed_there_is_told_apart_from_an_outage() {
    let running = start("http://127.0.0.1:1/");
    let provider = running.client("public");
    let mut visitor = Visitor::new();
    let first = sign_in(&provider, &mut visitor).await.tokens.refresh_token.unwrap();
    let refreshed = provider.refresh(moment(), &first, "ada").await.unwrap();
    let second = refreshed.tokens.refresh_token.unwrap();
    assert_eq!(refreshed.person.unwrap().subject, "ada");
    visitor.read(&format!("{}/remove-ada", running.issuer)).await;
    assert_eq!(code(provider.refresh(moment(), &second, "ada").await), "oidc_refresh_revoked");
    drop(running);
    assert_eq!(code(provider.refresh(moment(), &second, "ada").await), "oidc_provider_unreachable");
}

#[tokio::test]
#[ignore = "needs oidc-provider"]
async fn signing_out_there_is_told_to_us() {
    let (address, told) = listen();
    let running = start(&address);
    let provider = running.client("basic");
    let mut visitor = Visitor::new();
    let signed_in = sign_in(&provider, &mut visitor).await;
    let end = EndSession {
        id_token: signed_in.tokens.id_token,
        return_to: Some(SIGNED_OUT.to_owned()),
        state: Some("x".to_owned()),
    };
    let url = provider.end_session_url(moment().now, end).await.unwrap().unwrap();
    let page = visitor.read(&url).await;
    let xsrf = page.split("name=\"xsrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a form");
    let confirm = format!("{}/session/end/confirm", running.issuer).parse().unwrap();
    let back = visitor.post(&confirm, &[("xsrf", xsrf), ("logout", "yes")]).await;
    assert_eq!(back.as_str(), format!("{SIGNED_OUT}?state=x"));
    let logout_token = tokio::task::spawn_blocking(|| told.join().unwrap()).await.unwrap();
    assert_eq!(retinue_oidc::claimed_issuer(&logout_token).unwrap(), running.issuer);
    let logged_out = provider.logged_out(&logout_token, moment().now).await.unwrap();
    assert_eq!(logged_out.session, signed_in.session);
    assert_eq!(logged_out.subject.as_deref(), Some("ada"));
}

/// An address that takes one logout token.
fn listen() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let told = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        let mut piece = [0; 4096];
        let length = |request: &str| {
            let (head, body) = request.split_once("\r\n\r\n")?;
            let head = head.to_ascii_lowercase();
            let announced: usize = head.split("content-length: ").nth(1)?.lines().next()?.parse().ok()?;
            (body.len() >= announced).then(|| body.to_owned())
        };
        loop {
            let read = stream.read(&mut piece).unwrap();
            assert_ne!(read, 0, "the request was cut off");
            request.push_str(std::str::from_utf8(&piece[..read]).unwrap());
            if let Some(body) = length(&request) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
                return body.strip_prefix("logout_token=").unwrap().to_owned();
            }
        }
    });
    (address, told)
}

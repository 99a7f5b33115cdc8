//! Signing in and out at a real provider, with a client of each kind.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use retinue_oidc::{EndSession, Options, Provider, SignIn};

use crate::real::{CLIENTS, Real, SIGNED_OUT, finish, moment, problems, tells_of_a_wrong_secret};
use crate::stage::code;
use crate::visitor::{Page, Visitor};

async fn sign_in(provider: &Provider, visitor: &mut Visitor) -> SignIn {
    let begun = provider.begin(moment(), Options::default()).await.unwrap();
    let back = visitor.led_away(&begun.url).await;
    finish(provider, &back, begun.pending).await.unwrap()
}

#[tokio::test]
#[ignore = "needs oidc-provider; `cargo xtask test` provides it"]
async fn clients_of_each_kind_sign_somebody_in() {
    // It names its sessions to those whom it can tell of their end.
    let real = Real::oidc_provider(false, Some("http://127.0.0.1:1/".to_owned())).await;
    for client_id in CLIENTS {
        let provider = real.client(client_id);
        let signed_in = sign_in(&provider, &mut Visitor::new()).await;
        assert_eq!(signed_in.person.subject, "ada", "{client_id}");
        assert_eq!(signed_in.person.email.as_deref(), Some("ada@example.com"), "{client_id}");
        assert!(signed_in.person.email_verified && signed_in.session.is_some(), "{client_id}");
        let problems = problems(&provider).await;
        assert!(problems.is_empty(), "{client_id}: {problems:?}");
    }
}

#[tokio::test]
#[ignore = "needs oidc-provider; `cargo xtask test` provides it"]
async fn an_operator_is_told_of_a_wrong_secret() {
    tells_of_a_wrong_secret(&Real::oidc_provider(false, None).await).await;
}

#[tokio::test]
#[ignore = "needs oidc-provider; `cargo xtask test` provides it"]
async fn somebody_who_is_removed_there_is_told_apart_from_an_outage() {
    let real = Real::oidc_provider(false, None).await;
    let provider = real.client("public");
    let first = sign_in(&provider, &mut Visitor::new()).await.tokens.refresh_token.unwrap();
    let refreshed = provider.refresh(moment(), &first, "ada").await.unwrap();
    let second = refreshed.tokens.refresh_token.unwrap();
    assert_eq!(refreshed.person.unwrap().subject, "ada");
    real.provider.remove("ada").await;
    assert_eq!(code(provider.refresh(moment(), &second, "ada").await), "oidc_refresh_revoked");
    drop(real);
    assert_eq!(code(provider.refresh(moment(), &second, "ada").await), "oidc_provider_unreachable");
}

#[tokio::test]
#[ignore = "needs oidc-provider; `cargo xtask test` provides it"]
async fn signing_out_there_is_told_to_us() {
    let (address, told) = listen();
    let real = Real::oidc_provider(false, Some(address)).await;
    let provider = real.client("basic");
    let mut visitor = Visitor::new();
    let signed_in = sign_in(&provider, &mut visitor).await;
    let end = EndSession { id_token: signed_in.tokens.id_token, return_to: Some(SIGNED_OUT.to_owned()) };
    let url = provider.end_session_url(moment().now, end).await.unwrap().unwrap();
    let page = visitor.arrive(&url).await.page();
    let form = format!("{}/session/end/confirm", real.provider.issuer()).parse().unwrap();
    let back = visitor.submit(&Page { url: form, ..page }, &[("logout", "yes")]).await.away();
    assert_eq!(back.as_str(), SIGNED_OUT);
    let logout_token = tokio::task::spawn_blocking(|| told.join().unwrap()).await.unwrap();
    assert_eq!(retinue_oidc::claimed_issuer(&logout_token).unwrap(), real.provider.issuer());
    let logged_out = provider.logged_out(&logout_token, moment().now).await.unwrap();
    assert_eq!(logged_out.session, signed_in.session);
    assert_eq!(logged_out.subject.as_deref(), Some("ada"));
}

#[tokio::test]
#[ignore = "needs oidc-provider; `cargo xtask test` provides it"]
async fn where_it_asks_one_says_who_one_is() {
    let real = Real::oidc_provider(true, None).await;
    let provider = real.client(real.provider.client_id());
    let begun = provider.begin(moment(), Options::default()).await.unwrap();
    let mut visitor = Visitor::new();
    let page = visitor.arrive(&begun.url).await.page();
    let page = visitor.submit(&page, &[("login", "nobody")]).await.page();
    let back = visitor.submit(&page, &[("login", "grace")]).await.away();
    let signed_in = finish(&provider, &back, begun.pending).await.unwrap();
    assert_eq!(signed_in.person.subject, "grace");
    assert_eq!(signed_in.person.email.as_deref(), Some("grace@example.com"));
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

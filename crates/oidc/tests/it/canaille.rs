//! Signing in and out at Canaille, through its own pages.

use retinue_oidc::{EndSession, Options, Pending, Provider, SignIn};
use serde_json::json;

use crate::real::{CLIENTS, Real, SIGNED_OUT, finish, moment, problems, tells_of_a_wrong_secret};
use crate::stage::code;
use crate::visitor::{Arrival, Visitor};

/// Says who one is, on two pages.
async fn log_in(visitor: &mut Visitor, url: &str, login: &str, password: &str) -> Arrival {
    let page = visitor.arrive(url).await.page();
    let page = visitor.submit(&page, &[("login", login)]).await.page();
    visitor.submit(&page, &[("password", password)]).await
}

async fn sign_in(provider: &Provider, visitor: &mut Visitor, login: &str) -> SignIn {
    let begun = provider.begin(moment(), Options::default()).await.unwrap();
    let back = log_in(visitor, &begun.url, login, login).await.away();
    finish(provider, &back, begun.pending).await.unwrap()
}

#[tokio::test]
#[ignore = "needs Canaille; `cargo xtask test` provides it"]
async fn clients_of_each_kind_sign_somebody_in() {
    let real = Real::canaille().await;
    for client_id in CLIENTS {
        let provider = real.client(client_id);
        let signed_in = sign_in(&provider, &mut Visitor::new(), "ada").await;
        assert_eq!(signed_in.issuer, real.provider.issuer());
        assert_eq!(signed_in.person.subject, "ada", "{client_id}");
        assert_eq!(signed_in.person.name.as_deref(), Some("Ada Lovelace"), "{client_id}");
        assert_eq!(signed_in.person.email.as_deref(), Some("ada@example.com"), "{client_id}");
        // It says neither whether an address was verified nor which of its sessions this is.
        assert!(!signed_in.person.email_verified && signed_in.session.is_none(), "{client_id}");
        assert!(signed_in.authenticated_at.is_some(), "{client_id}");
        let problems = problems(&provider).await;
        assert!(problems.is_empty(), "{client_id}: {problems:?}");
    }
}

#[tokio::test]
#[ignore = "needs Canaille; `cargo xtask test` provides it"]
async fn an_operator_is_told_of_a_wrong_secret() {
    tells_of_a_wrong_secret(&Real::canaille().await).await;
}

#[tokio::test]
#[ignore = "needs Canaille; `cargo xtask test` provides it"]
async fn each_signs_in_as_themselves_and_with_their_own_password() {
    let real = Real::canaille().await;
    let provider = real.client("basic");
    let begun = provider.begin(moment(), Options::default()).await.unwrap();
    let page = log_in(&mut Visitor::new(), &begun.url, "grace@example.com", "ada").await.page();
    assert!(page.text.contains("name=\"password\""), "{}", page.text);
    let back = log_in(&mut Visitor::new(), &begun.url, "grace@example.com", "grace").await.away();
    assert_eq!(finish(&provider, &back, begun.pending).await.unwrap().person.subject, "grace");
}

#[tokio::test]
#[ignore = "needs Canaille; `cargo xtask test` provides it"]
async fn an_answer_is_good_for_its_own_sign_in_only_and_once() {
    let real = Real::canaille().await;
    let provider = real.client("public");
    let mut visitor = Visitor::new();
    sign_in(&provider, &mut visitor, "ada").await;
    let start = async || provider.begin(moment(), Options::default()).await.unwrap();

    let (begun, other) = (start().await, start().await);
    let back = visitor.led_away(&begun.url).await;
    assert_eq!(code(finish(&provider, &back, other.pending).await), "oidc_callback_state");
    assert_eq!(code(finish(&provider, &back, with("nonce", &begun.pending)).await), "oidc_token_nonce");
    assert_eq!(code(finish(&provider, &back, begun.pending).await), "oidc_code_refused");

    let begun = start().await;
    let back = visitor.led_away(&begun.url).await;
    assert_eq!(code(finish(&provider, &back, with("verifier", &begun.pending)).await), "oidc_code_refused");
}

/// A sign-in that is another one in this.
fn with(kept: &str, pending: &Pending) -> Pending {
    let mut pending = serde_json::to_value(pending).unwrap();
    pending[kept] = json!("a".repeat(43));
    serde_json::from_value(pending).unwrap()
}

#[tokio::test]
#[ignore = "needs Canaille; `cargo xtask test` provides it"]
async fn a_spent_refresh_token_a_locked_person_and_an_outage_are_told_apart() {
    let real = Real::canaille().await;
    let provider = real.client("basic");
    let first = sign_in(&provider, &mut Visitor::new(), "ada").await.tokens.refresh_token.unwrap();
    let refreshed = provider.refresh(moment(), &first, "ada").await.unwrap();
    let second = refreshed.tokens.refresh_token.unwrap();
    assert_eq!(code(provider.refresh(moment(), &first, "ada").await), "oidc_refresh_revoked");
    real.provider.remove("ada").await;
    // It says `invalid_request` of somebody who is locked out, and of a request that is wrong.
    assert_eq!(code(provider.refresh(moment(), &second, "ada").await), "oidc_provider_refused");
    drop(real);
    assert_eq!(code(provider.refresh(moment(), &second, "ada").await), "oidc_provider_unreachable");
}

#[tokio::test]
#[ignore = "needs Canaille; `cargo xtask test` provides it"]
async fn who_signs_out_there_is_asked_again() {
    let real = Real::canaille().await;
    let provider = real.client("basic");
    let mut visitor = Visitor::new();
    let signed_in = sign_in(&provider, &mut visitor, "ada").await;
    let again = provider.begin(moment(), Options::default()).await.unwrap();
    visitor.led_away(&again.url).await;
    let end = EndSession { id_token: signed_in.tokens.id_token, return_to: Some(SIGNED_OUT.to_owned()) };
    let url = provider.end_session_url(moment().now, end).await.unwrap().unwrap();
    assert_eq!(visitor.led_away(&url).await.as_str(), SIGNED_OUT);
    visitor.arrive(&again.url).await.page();
}

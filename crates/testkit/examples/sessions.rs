//! Sessions for measurements.
//!
//! `sessions check` prints what it takes to know who a request is of, in nanoseconds: the median, and the 99th percentile.
//! `sessions ADDRESS` prints the issuer of an identity provider, waits for a server at ADDRESS that lets people sign in there,
//! signs somebody in, prints their cookie, and stays until it is ended.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Client;
use retinue_app::{Caller, Clock, Visit};
use retinue_testkit::{Database, IdentityProvider, Person, TestApp};

const CHECKS: usize = 200_000;

struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the server that is measured has the machine's clock too")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).ok_or("usage: sessions check|ADDRESS")?.as_str() {
        "check" => check().await,
        address => sign_in(address).await,
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
async fn check() -> Result<(), Box<dyn Error>> {
    let (app, provider) = TestApp::with_provider(Database::sqlite()).await;
    let cookie = Person::signed_in(&app, &provider, "ada").await.session_cookie();
    let mut took = Vec::with_capacity(CHECKS);
    for _ in 0..CHECKS {
        let visit = Visit::new(app.app.clone(), "bench".into(), Caller::default());
        let began = Instant::now();
        let known = visit.authenticate(Some(&cookie)).await;
        took.push(began.elapsed().as_nanos());
        known?;
    }
    took.sort_unstable();
    println!("{} {}", took[CHECKS / 2], took[CHECKS / 100 * 99]);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is the result")]
async fn sign_in(address: &str) -> Result<(), Box<dyn Error>> {
    let provider = IdentityProvider::start(Arc::new(WallClock)).await;
    println!("{}", provider.issuer());
    let (http, ready) = (Client::builder().no_proxy().build()?, format!("http://{address}/readyz"));
    while !http.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let person = Person::at(format!("http://{address}"));
    person.sign_in(&provider, "ada", "/").await.error_for_status()?;
    println!("retinue-session={}", person.session_cookie());
    std::future::pending().await
}

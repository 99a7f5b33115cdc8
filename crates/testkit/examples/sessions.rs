//! Sessions for measurements.
//!
//! `sessions check` prints what it takes to know who a request is of, in nanoseconds: the median, and the 99th percentile.
//! `sessions ADDRESS` prints the issuer of an identity provider, waits for a server at ADDRESS that lets people sign in there,
//! signs somebody in, prints their cookie, and stays until it is ended.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, redirect};
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
    let http = Client::builder().no_proxy().redirect(redirect::Policy::none()).build()?;
    let begun = loop {
        match http.get(format!("http://{address}/auth/login")).send().await {
            Ok(response) if response.headers().contains_key(LOCATION) => break response,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let back = provider.visit(header(&begun, LOCATION.as_str())?);
    let signed_in = http.get(back).header(COOKIE, cookie(&begun, "signin")?).send().await?;
    println!("{}", cookie(&signed_in, "session")?);
    std::future::pending().await
}

fn header<'r>(response: &'r Response, name: &str) -> Result<&'r str, Box<dyn Error>> {
    Ok(response.headers().get(name).ok_or("a header is missing")?.to_str()?)
}

/// `name=value` of the cookie that is set and has this in its name.
fn cookie(response: &Response, part: &str) -> Result<String, Box<dyn Error>> {
    let set = response.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pair = set.filter_map(|cookie| cookie.split(';').next()).find(|pair| pair.contains(part));
    Ok(pair.ok_or("a cookie is missing")?.to_owned())
}

//! People with passwords, for measurements: `user-0@example.com` and so on, all with the password of `common/people.rs`.
//!
//! `people sign-ins ADDRESS` prints, for each of some rounds, the 99th percentile of what others wait while nobody signs in,
//! the same while everybody does at once, and how long that took; in milliseconds.
//! `people ends ADDRESS PROGRAM` prints, for each of some rounds, how long a stream goes on once the end of its session was
//! confirmed, and how long, once `PROGRAM user disable` has done its work, the next request still gets through and the
//! stream goes on; in milliseconds.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use retinue_testkit::{EventStream, Person};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::sleep;

#[path = "common/people.rs"]
mod people;

use people::{COUNT, PASSWORD};

const ROUNDS: usize = 5;
/// Others who ask all the time, and how long each waits in between.
const OTHERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);
const IDLE: Duration = Duration::from_secs(3);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sign-ins", address] => sign_ins(address).await,
        ["ends", address, program] => ends(address, program).await,
        _ => Err("usage: people sign-ins ADDRESS | people ends ADDRESS PROGRAM".into()),
    }
}

async fn sign_in(address: &str, number: usize) -> Person {
    let person = Person::at(format!("http://{address}"));
    let answer = person.sign_in_with(&format!("user-{number}@example.com"), PASSWORD).await;
    assert_eq!(answer.status(), 303, "user-{number} could not sign in");
    person
}

#[expect(clippy::print_stdout, reason = "this is the result")]
async fn sign_ins(address: &str) -> Result<()> {
    let others = others(address).await;
    for _ in 0..ROUNDS {
        let idle = waits_during(&others, sleep(IDLE)).await?;
        let began = Instant::now();
        let everybody = async {
            let all: Vec<_> = (0..COUNT).map(|number| sign_in(address, number)).collect();
            futures_util::future::join_all(all).await
        };
        let busy = waits_during(&others, everybody).await?;
        println!("{} {} {}", idle, busy, millis(began.elapsed()));
    }
    Ok(())
}

async fn others(address: &str) -> Vec<Arc<Person>> {
    let mut others = Vec::new();
    for number in 0..OTHERS {
        others.push(Arc::new(sign_in(address, number).await));
    }
    others
}

/// The 99th percentile of what others wait for an answer while something goes on.
async fn waits_during<T>(others: &[Arc<Person>], something: impl Future<Output = T>) -> Result<f64> {
    let done = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = others.iter().map(|other| tokio::spawn(ask(Arc::clone(other), Arc::clone(&done)))).collect();
    something.await;
    done.store(true, Ordering::Relaxed);
    let mut waits = Vec::new();
    for other in asking {
        waits.extend(other.await?);
    }
    waits.sort_unstable();
    Ok(millis(waits[waits.len() * 99 / 100]))
}

async fn ask(person: Arc<Person>, done: Arc<AtomicBool>) -> Vec<Duration> {
    let mut waits = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let began = Instant::now();
        assert_eq!(person.status(Method::GET, "/auth/me").await, 200);
        waits.push(began.elapsed());
        sleep(PAUSE).await;
    }
    waits
}

#[expect(clippy::print_stdout, reason = "this is the result")]
async fn ends(address: &str, program: &str) -> Result<()> {
    for number in 0..COUNT / 2 {
        let (desk, phone) = (sign_in(address, number).await, sign_in(address, number).await);
        let stream = listen(&phone).await;
        let id = current(&phone).await;
        assert_eq!(desk.status(Method::DELETE, &format!("/api/sessions/{id}")).await, 204);
        let ended = Instant::now();
        assert_eq!(phone.status(Method::GET, "/auth/me").await, 401, "a request got through");
        let here = until_over(stream, ended).await;

        let stream = listen(&desk).await;
        let user = format!("user-{number}@example.com");
        let status =
            Command::new(program).args(["user", "disable", &user]).stdout(std::process::Stdio::null()).status();
        assert!(status.await?.success(), "{user} could not be disabled");
        let ended = Instant::now();
        let stream = tokio::spawn(until_over(stream, ended));
        while desk.status(Method::GET, "/auth/me").await != 401 {
            sleep(PAUSE).await;
        }
        println!("{here} {} {}", millis(ended.elapsed()), stream.await?);
    }
    Ok(())
}

/// Follows an answer that takes minutes.
async fn listen(person: &Person) -> EventStream {
    let run = person.say(&person.thread().await, "rate=20 tokens=4000").await;
    let mut stream = person.follow(&run).await;
    stream.until("message.delta").await;
    stream
}

async fn current(person: &Person) -> String {
    let sessions = person.get("/api/sessions").await;
    let all = sessions["data"].as_array().cloned().unwrap_or_default();
    let current = all.iter().find(|session| session["current"] == Value::Bool(true));
    current.and_then(|session| session["id"].as_str()).unwrap_or_default().to_owned()
}

async fn until_over(mut stream: EventStream, since: Instant) -> f64 {
    while stream.next().await.is_some() {}
    millis(since.elapsed())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

//! How fast it acts when a key is revoked or a role is taken away, for measurements.
//!
//! `rights ADDRESS PROGRAM` prints, for each of some of the people of `common/people.rs`, how long a stream goes on once the key
//! that opened it was revoked here, how long requests with a key and its stream go on once `PROGRAM api-key revoke` has done its
//! work, and how long somebody may change an agent once `PROGRAM member set-role` has made them a viewer; in milliseconds.

use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use retinue_testkit::{EventStream, Person};
use serde_json::json;
use tokio::process::Command;
use tokio::time::sleep;

#[path = "common/people.rs"]
mod people;

use people::{COUNT, PASSWORD};

const PAUSE: Duration = Duration::from_millis(2);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is the result")]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, program] = args.as_slice() else { return Err("usage: rights ADDRESS PROGRAM".into()) };
    // The first half was shut out.
    for number in COUNT / 2..COUNT {
        let person = sign_in(address, number).await;
        let here = revoked_here(&person, address).await?;
        let (requests, stream) = revoked_elsewhere(&person, address, program).await?;
        let role = demoted_elsewhere(&person, number, program).await?;
        println!("{here} {requests} {stream} {role}");
    }
    Ok(())
}

async fn sign_in(address: &str, number: usize) -> Person {
    let person = Person::at(format!("http://{address}"));
    let answer = person.sign_in_with(&format!("user-{number}@example.com"), PASSWORD).await;
    assert_eq!(answer.status(), 303, "user-{number} could not sign in");
    person
}

/// A key, and a client that shows it.
struct Program {
    id: String,
    key: String,
    http: Client,
    base: String,
}

impl Program {
    async fn of(person: &Person, address: &str) -> Result<Self> {
        let team = person.get("/api/teams").await["data"][0]["id"].clone();
        let made =
            person.send_json(Method::POST, "/api/api-keys", &json!({ "team_id": team, "name": "bench" }), 201).await;
        let text = |field: &str| made[field].as_str().map(str::to_owned).ok_or("no key was made");
        let http = Client::builder().no_proxy().build()?;
        Ok(Self { id: text("id")?, key: text("key")?, http, base: format!("http://{address}") })
    }

    fn asks(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    async fn is_let_in(&self) -> Result<bool> {
        Ok(self.asks("/api/threads").send().await?.status() != StatusCode::UNAUTHORIZED)
    }

    /// Follows an answer that takes minutes.
    async fn listen(&self, person: &Person) -> Result<EventStream> {
        let run = person.say(&person.thread().await, "rate=20 tokens=4000").await;
        let mut stream =
            EventStream::new(self.asks(&format!("/api/runs/{run}/events")).send().await?.error_for_status()?);
        stream.until("message.delta").await;
        Ok(stream)
    }
}

async fn revoked_here(person: &Person, address: &str) -> Result<f64> {
    let program = Program::of(person, address).await?;
    let stream = program.listen(person).await?;
    assert_eq!(person.status(Method::DELETE, &format!("/api/api-keys/{}", program.id)).await, 204);
    let ended = Instant::now();
    assert!(!program.is_let_in().await?, "a request got through");
    Ok(until_over(stream, ended).await)
}

async fn revoked_elsewhere(person: &Person, address: &str, retinue: &str) -> Result<(f64, f64)> {
    let program = Program::of(person, address).await?;
    let stream = program.listen(person).await?;
    command(retinue, &["api-key", "revoke", &program.id]).await?;
    let ended = Instant::now();
    let stream = tokio::spawn(until_over(stream, ended));
    while program.is_let_in().await? {
        sleep(PAUSE).await;
    }
    Ok((millis(ended.elapsed()), stream.await?))
}

async fn demoted_elsewhere(person: &Person, number: usize, retinue: &str) -> Result<f64> {
    let user = format!("user-{number}@example.com");
    command(retinue, &["member", "set-role", &user, "editor", "--team", "default"]).await?;
    let team = person.get("/api/teams").await["data"][0]["id"].clone();
    let new = json!({ "team_id": team, "name": format!("Agent {number}"), "sharing": "team" });
    let agent = person.send_json(Method::POST, "/api/agents", &new, 201).await;
    let path = format!("/api/agents/{}", agent["id"].as_str().unwrap_or_default());
    command(retinue, &["member", "set-role", &user, "viewer", "--team", "default"]).await?;
    let ended = Instant::now();
    let changes = || person.send(person.request(Method::PATCH, &path).json(&json!({})));
    while changes().await.status() != StatusCode::FORBIDDEN {
        sleep(PAUSE).await;
    }
    Ok(millis(ended.elapsed()))
}

async fn command(program: &str, args: &[&str]) -> Result<()> {
    let status = Command::new(program).args(args).stdout(Stdio::null()).status().await?;
    if status.success() { Ok(()) } else { Err(format!("{program} {} failed", args.join(" ")).into()) }
}

async fn until_over(mut stream: EventStream, since: Instant) -> f64 {
    while stream.next().await.is_some() {}
    millis(since.elapsed())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

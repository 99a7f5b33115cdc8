//! `kill -9` at any moment: what was acknowledged is there afterwards, and no run is left in between.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use retinue_testkit::{Database, EventStream, ModelServer, Program};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

mod changes;

const KILLS: u32 = 200;
const CLIENTS: usize = 4;
/// What the model says, over and over; every answer is a beginning of it.
const WORDS: &str =
    "The quick brown fox jumps over the lazy dog and runs on through the night until the sun comes up again. ";

/// What clients were told is kept.
#[derive(Default)]
struct Promises {
    /// Run → its thread and what the person said.
    runs: HashMap<String, (String, String)>,
    /// Run → the whole answer, as the reader of the events saw it completed.
    completed: HashMap<String, String>,
}

impl Promises {
    /// Whether there is something to be lost.
    fn are_enough(&self) -> bool {
        self.runs.len() > 50 && self.completed.len() > 5
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_loses_nothing_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    kill_again_and_again(folder.path(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn kill_loses_nothing_on_postgres() {
    let database = Database::postgres().await;
    let retinue_store::Location::Postgres { url, .. } = database.location() else { unreachable!() };
    let folder = tempfile::tempdir().unwrap();
    kill_again_and_again(folder.path(), Some(url)).await;
}

async fn kill_again_and_again(folder: &Path, database: Option<&str>) {
    let model = Arc::new(ModelServer::start().await);
    let talking = tokio::spawn(talk(Arc::clone(&model)));
    let mut launcher = Program::new(env!("CARGO_BIN_EXE_retinue"), folder)
        .environment("OPENAI_BASE_URL", &model.base_url())
        .environment("RETINUE__PROVIDERS__OLLAMA", "false");
    if let Some(url) = database {
        launcher = launcher.environment("DATABASE_URL", url);
    }
    let promises = Arc::new(Mutex::new(Promises::default()));
    let client = Client::builder().no_proxy().build().unwrap();
    let mut life = life_of_a_run(&launcher, &client, &promises).await;
    for round in 0..2 * KILLS {
        if round >= KILLS {
            if promises.lock().await.are_enough() {
                break;
            }
            // The machine has become busier than it was.
            life += life / 100;
        }
        let mut program = launcher.start().await;
        let base = format!("http://{}", program.address());
        check_ended(&client, &base, &promises).await;
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(converse(client.clone(), base.clone(), Arc::clone(&promises)));
        }
        // Spread over the life of a run, a different moment each time.
        tokio::time::sleep(life * (round.wrapping_mul(0x9e37) % 1_000) / 1_000).await;
        program.kill().await;
        clients.shutdown().await;
    }
    let program = launcher.start().await;
    let base = format!("http://{}", program.address());
    let promises = promises.lock().await;
    assert!(promises.are_enough(), "the kills left too little time to test anything");
    for (run, (thread, input)) in &promises.runs {
        let completed = promises.completed.get(run);
        check_kept(&client, &base, Promise { run, thread, input, completed }).await;
    }
    talking.abort();
}

/// How long it takes on this machine, as busy as it is, until a conversation had an answer or two.
async fn life_of_a_run(launcher: &Program, client: &Client, promises: &Arc<Mutex<Promises>>) -> Duration {
    let mut program = launcher.start().await;
    let begun = Instant::now();
    let base = format!("http://{}", program.address());
    let talking = tokio::spawn(converse(client.clone(), base, Arc::clone(promises)));
    while promises.lock().await.completed.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let life = begun.elapsed() * 3 / 2;
    program.kill().await;
    talking.abort();
    life.max(Duration::from_millis(120))
}

/// Answers whoever asks with 5 to 60 words, quickly.
async fn talk(model: Arc<ModelServer>) {
    let mut count = 0_usize;
    loop {
        let exchange = model.next_or_wait().await;
        count += 1;
        let words = 5 + count * 7 % 55;
        tokio::spawn(async move {
            let answer = exchange.begin();
            for word in WORDS.split_inclusive(' ').cycle().take(words) {
                answer.say(word).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            answer.finish().await;
        });
    }
}

/// Talks until the server dies, and writes down what it was promised.
async fn converse(client: Client, base: String, promises: Arc<Mutex<Promises>>) -> Option<()> {
    for number in 0.. {
        let thread: Value = post(&client, &format!("{base}/api/threads"), &json!({})).await?;
        let thread = thread["id"].as_str()?.to_owned();
        let input = format!("message {number} of {thread}");
        let run: Value =
            post(&client, &format!("{base}/api/threads/{thread}/runs"), &json!({ "input": input })).await?;
        let run = run["id"].as_str()?.to_owned();
        promises.lock().await.runs.insert(run.clone(), (thread, input));
        let response = client.get(format!("{base}/api/runs/{run}/events")).send().await.ok()?;
        let mut events = EventStream::new(response);
        while let Some(event) = events.next().await {
            if event.name == "message.completed" {
                let text = event.data["message"]["content"].as_str()?.to_owned();
                promises.lock().await.completed.insert(run.clone(), text);
            }
        }
    }
    None
}

/// The answer, if it is a 2xx.
async fn post(client: &Client, url: &str, body: &Value) -> Option<Value> {
    let response = client.post(url).json(body).send().await.ok()?;
    if !response.status().is_success() {
        // Right after the start the models are still being listed.
        tokio::time::sleep(Duration::from_millis(5)).await;
        return None;
    }
    response.json().await.ok()
}

async fn get(client: &Client, url: &str) -> Value {
    let response = client.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200, "{url}");
    response.json().await.unwrap()
}

/// The newest runs that were promised have ended, one way or the other.
async fn check_ended(client: &Client, base: &str, promises: &Mutex<Promises>) {
    let runs: Vec<String> = promises.lock().await.runs.keys().cloned().collect();
    for run in runs.iter().take(20) {
        let run = get(client, &format!("{base}/api/runs/{run}")).await;
        let status = run["status"].as_str().unwrap();
        assert!(["completed", "interrupted", "failed"].contains(&status), "{run}");
    }
}

/// What a client was told of one run.
struct Promise<'a> {
    run: &'a str,
    thread: &'a str,
    input: &'a str,
    completed: Option<&'a String>,
}

async fn check_kept(client: &Client, base: &str, promise: Promise<'_>) {
    let Promise { run, thread, input, completed } = promise;
    let row = get(client, &format!("{base}/api/runs/{run}")).await;
    let messages = get(client, &format!("{base}/api/threads/{thread}/messages")).await;
    let messages = messages["data"].as_array().unwrap();
    assert_eq!(messages[0]["content"], input, "what was acknowledged is there");
    let kept = messages.get(1).map(|message| message["content"].as_str().unwrap().to_owned()).unwrap_or_default();
    let events =
        EventStream::new(client.get(format!("{base}/api/runs/{run}/events")).send().await.unwrap()).rest().await;
    let ids: Vec<_> = events.iter().map(|event| event.id.unwrap()).collect();
    // Numbers of events that a crash may have taken are not used again: a gap, and only before an interruption's end.
    let gap = if row["status"] == "interrupted" { 65 } else { 0 };
    let ending = if kept.is_empty() { 1 } else { 2 };
    let number = |index: usize| i64::try_from(index + 1).unwrap() + if index + ending >= ids.len() { gap } else { 0 };
    let expected = (0..ids.len()).map(number);
    assert_eq!(ids, expected.collect::<Vec<_>>(), "{run}");
    assert_eq!(retinue_testkit::events::text_of(&events), kept, "the events say what the message says");
    assert!(WORDS.repeat(10).starts_with(&kept), "nothing is missing or doubled: {kept}");
    let last = &events.last().unwrap().name;
    assert_eq!(*last, format!("run.{}", row["status"].as_str().unwrap()));
    if let Some(completed) = completed {
        assert_eq!(kept, *completed, "a completed message that was seen stays as it was");
    }
}

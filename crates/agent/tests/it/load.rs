//! What a token and an idle stream cost. Measurements, not checks:
//! `cargo test --release -p retinue-agent --test it -- --ignored --nocapture load::measure`
//!
//! The server is this binary too, but another process, so that its cost is not counted.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use retinue_agent::{Step, run};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{interval, sleep};

use crate::fake::{STREAM_HEAD, client, event, read_request, request};

const STREAMS: usize = 1000;
const SECONDS: usize = 5;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the server below, which gives each stream a token every `every` milliseconds.
fn server(every: u64) -> (Server, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "load::serve"])
        .env("TOKEN_EVERY_MILLIS", every.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let base_url =
        lines.map(Result::unwrap).find_map(|line| line.split_once("listening: ").map(|(_, url)| url.to_owned()));
    (Server(child), base_url.unwrap())
}

#[tokio::test]
#[ignore = "the server of the measurement below"]
async fn serve() {
    let Ok(every) = std::env::var("TOKEN_EVERY_MILLIS") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening: http://{}/v1", listener.local_addr().unwrap());
    let (tick, ticks) = watch::channel(0);
    tokio::spawn(async move {
        let mut interval = interval(Duration::from_millis(every.parse().unwrap()));
        loop {
            interval.tick().await;
            tick.send_modify(|count| *count += 1);
        }
    });
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut ticks = ticks.clone();
        tokio::spawn(async move {
            read_request(&mut socket).await;
            // As long as vLLM's, so that reading it costs what it costs.
            let event = event(" token").replacen('{', "{\"id\":\"chatcmpl-8f2b0c1de9f34b6c8f7a5d4e3c2b1a09\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"meta-llama/Meta-Llama-3.1-8B-Instruct\",", 1);
            let framed = format!("{:x}\r\n{event}\r\n", event.len());
            let head = STREAM_HEAD.replace("connection: close", "transfer-encoding: chunked");
            let mut alive = socket.write_all(head.as_bytes()).await.is_ok();
            while alive && ticks.changed().await.is_ok() {
                alive = socket.write_all(framed.as_bytes()).await.is_ok();
            }
        });
    }
}

#[tokio::test]
#[ignore = "a measurement"]
async fn measure() {
    let (_server, base_url) = server(50);
    // One stream first, for what is needed once.
    let mut warm = Box::pin(run(&client(), request(&base_url)));
    assert!(warm.next().await.unwrap().is_ok());
    drop(warm);

    let client = client();
    let before = resident_kib();
    let (mut readers, counter) = (tokio::task::JoinSet::new(), watch::channel((0, 0)).0);
    for _ in 0..STREAMS {
        let mut steps = Box::pin(run(&client, request(&base_url)));
        let counter = counter.clone();
        readers.spawn(async move {
            while let Some(step) = steps.next().await {
                match step.unwrap() {
                    Step::Delta(text) => counter.send_modify(|(deltas, bytes)| {
                        *deltas += 1;
                        *bytes += text.len();
                    }),
                    Step::Finished { .. } => break,
                }
            }
        });
    }
    sleep(Duration::from_secs(3)).await;
    let (deltas, bytes, cpu) = (counter.borrow().0, counter.borrow().1, cpu_nanos());
    sleep(Duration::from_secs(SECONDS as u64)).await;
    let cpu = cpu_nanos() - cpu;
    let deltas = counter.borrow().0 - deltas;
    let tokens = (counter.borrow().1 - bytes) / " token".len();
    let memory = (resident_kib() - before) / STREAMS;
    eprintln!(
        "{STREAMS} streams: {} tokens/s in {} deltas/s; {} ns of CPU per token; {memory} KiB resident per stream",
        tokens / SECONDS,
        deltas / SECONDS,
        cpu / u128::try_from(tokens.max(1)).unwrap(),
    );
}

#[test]
#[ignore = "a measurement"]
fn measure_start() {
    let start = std::time::Instant::now();
    let client = client();
    eprintln!("Client::new: {:?}", start.elapsed());
    drop(client);
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The time that this thread, which is the whole runtime, has computed.
fn cpu_nanos() -> u128 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split_whitespace().next().unwrap().parse().unwrap()
}

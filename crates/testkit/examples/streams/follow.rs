//! Many streams at once.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, spawn_local};
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::http::{self, Connection};
use crate::tokens::{Heard, Tokens};

/// Runs that are being started at one time.
const STARTERS: usize = 32;
/// How long after its last token a stream may still be under way.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be held.
pub(crate) struct Load {
    pub(crate) address: String,
    pub(crate) streams: usize,
    pub(crate) rate: u64,
    pub(crate) tokens: u64,
    pub(crate) hold: Duration,
}

/// What all followers have seen.
#[derive(Default)]
struct Seen {
    begun: usize,
    whole: usize,
    dropped: usize,
    fault: Option<String>,
    tokens: u64,
    is_held: bool,
    /// Microseconds from the model's server to the follower, of tokens while the load was held.
    lags: Vec<u64>,
}

type Shared = Rc<RefCell<Seen>>;

/// Prints a line when all streams have begun, one when they were held, and one at their end.
pub(crate) async fn measure(load: Load) -> Outcome<()> {
    let threads = http::conversations(&load.address, load.streams).await?;
    let load = Rc::new(load);
    let seen = Shared::default();
    let begin = Instant::now();
    let mut starters = JoinSet::new();
    for part in 0..STARTERS {
        let part: Vec<String> = threads.iter().skip(part).step_by(STARTERS).cloned().collect();
        let (load, seen) = (Rc::clone(&load), Rc::clone(&seen));
        starters.spawn_local(async move { start(&load, &seen, part).await.map_err(|error| error.to_string()) });
    }
    let mut followers = JoinSet::new();
    while let Some(started) = starters.join_next().await {
        started??.into_iter().for_each(|follower| {
            followers.spawn_local(follower);
        });
    }
    while seen.borrow().begun + seen.borrow().dropped < load.streams && begin.elapsed() < lifetime(&load) {
        sleep(Duration::from_millis(20)).await;
    }
    hold(&load, &seen, begin).await;
    let end = timeout(lifetime(&load) + PATIENCE, async { while followers.join_next().await.is_some() {} }).await;
    let seen = seen.borrow();
    println!(
        r#"{{"at":"end","whole":{},"dropped":{},"unfinished":{},"fault":{:?}}}"#,
        seen.whole,
        seen.dropped,
        if end.is_err() { followers.len() } else { 0 },
        seen.fault.as_deref().unwrap_or("")
    );
    Ok(())
}

fn lifetime(load: &Load) -> Duration {
    Duration::from_secs(load.tokens / load.rate.max(1) + 1)
}

async fn hold(load: &Load, seen: &Shared, begin: Instant) {
    println!(r#"{{"at":"begun","streams":{},"seconds":{}}}"#, seen.borrow().begun, begin.elapsed().as_secs_f64());
    // What waited while runs were being started may be worked off first.
    sleep(Duration::from_secs(1)).await;
    println!(r#"{{"at":"steady"}}"#);
    let (before, since) = (seen.borrow().tokens, Instant::now());
    seen.borrow_mut().is_held = true;
    sleep(load.hold).await;
    let seconds = since.elapsed().as_secs_f64();
    let mut seen = seen.borrow_mut();
    seen.is_held = false;
    let tokens = seen.tokens - before;
    seen.lags.sort_unstable();
    let lag = |part: usize| seen.lags.get((seen.lags.len() * part / 1_000).min(seen.lags.len().saturating_sub(1)));
    let [half, most, worst] = [500, 990, 1_000].map(|part| lag(part).copied().unwrap_or(0));
    println!(
        r#"{{"at":"held","tokens":{tokens},"seconds":{seconds},"lag_median_us":{half},"lag_p99_us":{most},"lag_max_us":{worst},"ended":{}}}"#,
        seen.whole + seen.dropped
    );
}

/// Starts runs one after the other; each is followed from then on.
async fn start(load: &Rc<Load>, seen: &Shared, threads: Vec<String>) -> Outcome<Vec<tokio::task::JoinHandle<()>>> {
    let mut connection = Connection::open(&load.address).await?;
    let mut followers = Vec::new();
    for thread in threads {
        let input = format!(r#"{{"input":"rate={} tokens={}"}}"#, load.rate, load.tokens);
        connection.send("POST", &format!("/api/threads/{thread}/runs"), &input).await?;
        let run = connection.body().await?;
        let id = http::member(&run, "id").ok_or("a run without id")?.to_owned();
        let (load, seen) = (Rc::clone(load), Rc::clone(seen));
        followers.push(spawn_local(async move {
            let mut tokens = Tokens::new();
            let end = follow(&load.address, &id, &mut tokens, &seen).await;
            seen.borrow_mut().close(&load, &tokens, end.err().map(|error| error.to_string()));
        }));
    }
    Ok(followers)
}

async fn follow(address: &str, id: &str, tokens: &mut Tokens, seen: &Shared) -> Outcome<()> {
    let mut connection = Connection::open(address).await?;
    connection.send("GET", &format!("/api/runs/{id}/events"), "").await?;
    connection.head().await?;
    let received = connection.take_received();
    seen.borrow_mut().hear(&tokens.read(&received), tokens);
    // One buffer on the stack of whoever is being read, not one for each stream.
    while !tokens.ended {
        connection.stream.readable().await?;
        let mut buffer = [0; 8_192];
        match connection.stream.try_read(&mut buffer) {
            Ok(0) => return Err("a stream broke off".into()),
            Ok(length) => seen.borrow_mut().hear(&tokens.read(&buffer[..length]), tokens),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Seen {
    fn hear(&mut self, heard: &Heard, tokens: &Tokens) {
        if heard.tokens > 0 && tokens.next == heard.tokens {
            self.begun += 1;
        }
        self.tokens += heard.tokens;
        if let Some((oldest, _)) = heard.lag
            && self.is_held
        {
            self.lags.push(oldest);
        }
    }

    fn close(&mut self, load: &Load, tokens: &Tokens, error: Option<String>) {
        let short = (tokens.next != load.tokens).then(|| format!("{} of {} tokens", tokens.next, load.tokens));
        match error.or_else(|| tokens.wrong.clone()).or(short) {
            None => self.whole += 1,
            Some(fault) => {
                self.dropped += 1;
                self.fault.get_or_insert(fault);
            }
        }
    }
}

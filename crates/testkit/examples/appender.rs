//! How many events a second are durable: many runs at once hand theirs to the appender of a real SQLite file.
//!
//! `appender DIRECTORY RUNS WINDOW SECONDS` prints one JSON object. Each run has up to WINDOW events on their way to the
//! disk: 1 means that it waits for each, and 64 is what a run of the server does.

use std::collections::VecDeque;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use retinue_model::event::{Data, Event, Name};
use retinue_model::message::{Message, Role};
use retinue_model::run::{Run, Status};
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::thread::Thread;
use retinue_model::{AgentId, MessageId, Principal, RunId, ThreadId};
use retinue_store::{Batch, Location, Pen, Scope, Store, event, message, migrate, run, thread};
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const MINE: Scope = Scope::of(Principal::local_user());

/// What a model says at a time.
const TEXT: &str = " about five words of text";

#[tokio::main]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [directory, runs, window, seconds] = args.as_slice() else {
        return Err("usage: appender DIRECTORY RUNS WINDOW SECONDS".into());
    };
    let store = Store::open(&Location::Sqlite(Path::new(directory).join("appender.db"))).await?;
    migrate::up(&store).await?;
    let pens = begin_runs(&store, runs.parse()?).await?;
    let (window, seconds) = (window.parse()?, Duration::from_secs(seconds.parse()?));
    let begin = Instant::now();
    let tasks: Vec<_> =
        pens.iter().map(|pen| tokio::spawn(write(store.clone(), *pen, window, begin + seconds))).collect();
    let mut acknowledged = 0;
    for task in tasks {
        acknowledged += task.await??;
    }
    let elapsed = begin.elapsed().as_secs_f64();
    let stored = count(&store, &pens).await?;
    say(acknowledged, stored, elapsed);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is its result")]
fn say(acknowledged: u64, stored: u64, seconds: f64) {
    println!(r#"{{"acknowledged":{acknowledged},"stored":{stored},"seconds":{seconds}}}"#);
}

/// Conversations with a run each, as an application would have written them.
async fn begin_runs(store: &Store, count: u128) -> Outcome<Vec<Pen>> {
    let mut batch = Batch::default();
    let mut pens = Vec::new();
    let now = Timestamp::UNIX_EPOCH;
    for number in 0..count {
        // The high bits are those of real ids: a time.
        let id = |kind: u128| Uuid::from_u128((0x0194_0000_0000_7000 << 64) + (kind << 60) + number * 0x9e37_79b9);
        let (thread_id, message_id, agent_id) =
            (ThreadId::new(id(8)), MessageId::new(id(9)), AgentId::new(Uuid::from_u128(1)));
        let thread = Thread {
            id: thread_id,
            team_id: DEFAULT_TEAM,
            title: None,
            agent_id,
            model: None,
            created_at: now,
            updated_at: now,
        };
        thread::insert_with(&MINE, &mut batch, &thread);
        let content = String::from("x");
        let said = Message { id: message_id, thread_id, run_id: None, role: Role::User, content, created_at: now };
        message::insert_with(&MINE, &mut batch, &said);
        let run = Run {
            id: RunId::new(id(10)),
            thread_id,
            input_message_id: message_id,
            agent_id,
            agent_version: Some(1),
            api_key_id: None,
            model: "bench".to_owned(),
            status: Status::Running,
            error: None,
            usage: None,
            created_at: now,
            started_at: Some(now),
            finished_at: None,
        };
        pens.push(run::insert_with(&MINE, &mut batch, &run, None));
    }
    store.write(batch).await?;
    Ok(pens)
}

/// Appends events until the time is over; how many were acknowledged.
async fn write(store: Store, pen: Pen, window: usize, end: Instant) -> Outcome<u64> {
    let (mut under_way, mut acknowledged, mut seq) = (VecDeque::new(), 0, 0);
    while Instant::now() < end {
        seq += 1;
        let event = Event::new(pen.run(), seq, Name::MessageDelta, &Data::Delta { text: TEXT }, Timestamp::UNIX_EPOCH)?;
        under_way.push_back(store.reserve().await?.append(Batch::of_event(&pen, event)));
        if under_way.len() >= window
            && let Some(mut oldest) = under_way.pop_front()
        {
            oldest.wait().await?;
            acknowledged += 1;
        }
    }
    for mut acknowledgement in under_way {
        acknowledgement.wait().await?;
        acknowledged += 1;
    }
    Ok(acknowledged)
}

/// How many events are in the table, if each run's are 1, 2, 3… without gaps.
async fn count(store: &Store, pens: &[Pen]) -> Outcome<u64> {
    let mut count = 0;
    for pen in pens {
        let mut last = 0;
        loop {
            let page = event::list(&MINE, store, pen.run(), last, 1_000).await?;
            for event in &page {
                if event.seq != last + 1 {
                    return Err(format!("event {} of a run follows {last}", event.seq).into());
                }
                last = event.seq;
                count += 1;
            }
            if page.is_empty() {
                break;
            }
        }
    }
    Ok(count)
}

//! Answers as they are spoken: the first token, and many streams at once.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::process::Process;
use super::programs::Programs;
use super::server::{Place, Server};
use super::table::{Table, Target};
use crate::{scratch::Scratch, shell};

const SAMPLES: u32 = 300;
/// Many people's answers at the speed of a quick model.
const BRISK: Load = Load { streams: 2_000, rate: 20, hold: 10 };
/// How many streams are tried at one token a second, up to the first number that is not held.
const STEPS: [u32; 4] = [2_500, 5_000, 7_500, 10_000];
/// A stream that falls behind shows the most recent token later than this, at worst one of a hundred.
const BEHIND_MS: f64 = 1_000.0;
/// Conversations, one for each run that is ever under way at a time.
const CONVERSATIONS: u32 = 10_000;

#[derive(Clone, Copy)]
struct Load {
    streams: u32,
    /// Tokens a second of each.
    rate: u32,
    /// Seconds.
    hold: u32,
}

/// What became of a load.
struct Held {
    /// All streams brought every token in order, exactly once.
    whole: bool,
    /// Answers that were over before the load was held, because runs were started too slowly.
    over: f64,
    starts_per_second: f64,
    /// Tokens that came in the time, of those that were due.
    share: f64,
    kib_per_stream: f64,
    cpu_per_token: f64,
    /// From the model's server to the follower, in milliseconds.
    lag_median: f64,
    lag_p99: f64,
    said: String,
}

impl Held {
    /// What keeps it from being judged.
    fn unjudged(&self) -> Option<String> {
        let why =
            format!("runs began too slowly ({:.0} a second), and {} were over", self.starts_per_second, self.over);
        (self.over > 0.0).then_some(why)
    }

    fn keeps_up(&self) -> bool {
        self.whole && self.share > 0.95 && self.lag_p99 < BEHIND_MS
    }
}

pub(crate) fn measure(programs: &Programs, table: &mut Table) -> Result<()> {
    let scratch = Scratch::new()?;
    let model = Server::of_example(programs, "model", scratch.path(), "/v1/models")?;
    let place = Place::new(programs, CONVERSATIONS, Some(&model.address))?;
    let server = place.start(programs)?;
    first(programs, &server, &model, table)?;
    server.process.stop()?;

    let held = hold(programs, &place, BRISK)?;
    println!("  2,000 streams at 20 tokens/s: {}", held.said);
    let metric = "2,000 streams at 20 tokens/s: all whole and not behind (1 = yes)";
    match held.unjudged() {
        None => table.add(metric, Target::AtLeast(1.0), f64::from(u8::from(held.keeps_up())), ""),
        Some(why) => table.unmeasured(metric, &why),
    }
    table.add("the same: runs begun, each durable", Target::None, held.starts_per_second, "a second");
    table.add("the same: tokens that came in time, of those due", Target::None, held.share, "");
    table.add("the same: model's server to follower, median", Target::None, held.lag_median, "ms");
    table.add("the same: model's server to follower, 99 %", Target::None, held.lag_p99, "ms");
    table.add("the same: memory for each stream", Target::AtMost(40.0), held.kib_per_stream, "KiB");
    table.add("the same: CPU for each token", Target::None, held.cpu_per_token, "µs");

    let mut most = 0;
    for streams in STEPS {
        let held = hold(programs, &place, Load { streams, rate: 1, hold: 10 })?;
        println!("  {streams} streams at 1 token/s: {}", held.said);
        if let Some(why) = held.unjudged() {
            table.unmeasured(&format!("{streams} streams at 1 token/s"), &why);
            break;
        }
        if !held.keeps_up() {
            break;
        }
        most = streams;
        if streams == CONVERSATIONS {
            table.add("10,000 streams at 1 token/s: memory for each", Target::None, held.kib_per_stream, "KiB");
        }
    }
    table.add("streams held at 1 token/s", Target::AtLeast(10_000.0), f64::from(most), "");
    Ok(())
}

fn first(programs: &Programs, server: &Server, model: &Server, table: &mut Table) -> Result<()> {
    let mut command = Command::new(programs.example("streams"));
    command.args(["first", &server.address, &model.address, &SAMPLES.to_string()]);
    let said: Value = serde_json::from_str(&shell::output(&mut command)?)?;
    let (through, direct, start) = (number(&said, "retinue_ms"), number(&said, "model_ms"), number(&said, "start_ms"));
    table.add("first token: added to the model server's own time", Target::AtMost(3.0), through - direct, "ms");
    table.add("the same: of that, until the run was accepted and durable", Target::None, start, "ms");
    Ok(())
}

/// Holds a load on a server that was started for it.
fn hold(programs: &Programs, place: &Place, load: Load) -> Result<Held> {
    let scratch = Scratch::new()?;
    let server = place.start(programs)?;
    let idle = server.process.resident_kib()?;
    // Runs start one after another; the first must still speak when the last one was held.
    let tokens = load.rate * (load.hold + 20 + load.streams / 50);
    let words = [load.streams, load.rate, tokens, load.hold].map(|number| number.to_string());
    let mut client = Process::start(&programs.example("streams"), &scratch.path().join("streams"), |command| {
        command.args(["follow", &server.address]).args(&words);
    })?;
    let (mut cpu, mut resident, mut said) = (0.0, 0.0, Vec::new());
    let [mut begun, mut held, mut end] = [Value::Null, Value::Null, Value::Null];
    for line in client.lines()? {
        let line = line?;
        let value: Value = serde_json::from_str(&line)?;
        match value["at"].as_str() {
            Some("begun") => begun = value,
            Some("steady") => cpu = server.process.cpu_seconds()?,
            Some("held") => {
                cpu = server.process.cpu_seconds()? - cpu;
                resident = server.process.resident_kib()? - idle;
                held = value;
            }
            Some("end") => end = value,
            _ => {}
        }
        said.push(line);
    }
    if end.is_null() {
        let why = std::fs::read_to_string(scratch.path().join("streams")).unwrap_or_default();
        anyhow::bail!("{} streams could not be followed: {}", load.streams, why.trim());
    }
    server.process.stop().context("the server did not stop")?;
    let (tokens, streams) = (number(&held, "tokens"), f64::from(load.streams));
    Ok(Held {
        whole: number(&end, "whole") >= streams,
        over: number(&held, "ended"),
        starts_per_second: streams / number(&begun, "seconds"),
        share: tokens / (streams * f64::from(load.rate) * number(&held, "seconds")),
        kib_per_stream: resident / streams,
        cpu_per_token: cpu / tokens * 1e6,
        lag_median: number(&held, "lag_median_us") / 1e3,
        lag_p99: number(&held, "lag_p99_us") / 1e3,
        said: said.join(" "),
    })
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or(f64::NAN)
}

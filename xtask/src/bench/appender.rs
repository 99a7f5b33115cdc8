//! Events that are durable, by many runs at once.

use anyhow::Result;
use serde_json::Value;

use super::process::Process;
use super::programs::Programs;
use super::table::{Table, Target, median};
use crate::scratch::Scratch;

const RUNS: &str = "1000";
const SECONDS: &str = "4";
const ROUNDS: usize = 3;
/// A run of the server goes on while so many of its events are on their way.
const AS_RUNS_DO: &str = "64";

pub(crate) fn measure(programs: &Programs, table: &mut Table) -> Result<()> {
    let (mut ahead, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ahead.push(per_second(programs, AS_RUNS_DO)?);
        waiting.push(per_second(programs, "1")?);
    }
    let target = Target::AtLeast(50_000.0);
    table.add("durable events by 1,000 runs, synchronous=FULL", target, median(ahead), "events/s");
    table.add("the same, each run waiting for each event", Target::None, median(waiting), "events/s");
    Ok(())
}

fn per_second(programs: &Programs, window: &str) -> Result<f64> {
    let scratch = Scratch::new()?;
    let process = Process::start(&programs.example("appender"), &scratch.path().join("log"), |command| {
        command.arg(scratch.path()).args([RUNS, window, SECONDS]);
    })?;
    let said: Value = serde_json::from_str(&process.output()?)?;
    anyhow::ensure!(said["acknowledged"] == said["stored"], "not everything acknowledged was stored: {said}");
    println!("  {said}");
    Ok(said["acknowledged"].as_f64().unwrap_or(0.0) / said["seconds"].as_f64().unwrap_or(f64::NAN))
}

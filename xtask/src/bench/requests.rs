//! Requests per second, beside those of a bare server on the same machine in the same minute.

use std::process::Command;

use anyhow::{Context, Result};

use super::client;
use super::programs::Programs;
use super::server::{Place, Server};
use super::table::{Table, Target, median};
use crate::{scratch::Scratch, shell};

const ROUNDS: usize = 5;
const CONNECTIONS: &str = "64";
const SECONDS: &str = "2s";
const FEW: u32 = 1_000;
const MANY: u32 = 1_000_000;
/// The first page, with as many conversations as a caller gets who does not say how many.
const PAGE: &str = "/api/threads";

/// What is asked for.
pub(crate) struct Load<'a> {
    pub(crate) server: &'a Server,
    pub(crate) path: &'a str,
    /// By whom.
    pub(crate) cookie: Option<&'a str>,
}

/// What one round of load said of a server.
pub(crate) struct Round {
    pub(crate) per_second: f64,
    /// Microseconds of the server's processor time for a request.
    pub(crate) cpu: f64,
}

pub(crate) fn measure(programs: &Programs, table: &mut Table) -> Result<()> {
    let scratch = Scratch::new()?;
    let bare = Server::of_example(programs, "bare", scratch.path(), "/")?;
    let (few, many) = (Place::new(programs, FEW, None)?, Place::new(programs, MANY, None)?);
    let (few, many) = (few.start(programs)?, many.start(programs)?);
    let page = client::ask(&few.address, "GET", PAGE, "identity")?;
    let text = String::from_utf8(page.body)?;
    let id = text.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).context("the list is empty")?;
    let one = format!("/api/threads/{id}");
    let as_long = format!("/{}", text.len());

    let (mut ones, mut pages, mut lengths, mut growth) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut cpu: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        // In turns, so that what else the machine does at the time slows all of them.
        let least = load(programs, &Load { server: &bare, path: "/", cookie: None })?;
        let thread = load(programs, &Load { server: &few, path: &one, cookie: None })?;
        let long = load(programs, &Load { server: &bare, path: &as_long, cookie: None })?;
        let first = load(programs, &Load { server: &few, path: PAGE, cookie: None })?;
        let first_of_many = load(programs, &Load { server: &many, path: PAGE, cookie: None })?;
        ones.push(thread.per_second / least.per_second);
        pages.push(first.per_second / least.per_second);
        lengths.push(first.per_second / long.per_second);
        growth.push(first_of_many.cpu / first.cpu);
        for (figures, round) in cpu.iter_mut().zip([&least, &thread, &long, &first]) {
            figures.push(round.cpu);
        }
        println!("  {:.0} bare, {:.0} thread, {:.0} page/s", least.per_second, thread.per_second, first.per_second);
    }
    table.add("`GET /api/threads/{id}`, requests/s ÷ bare axum's", Target::AtLeast(0.35), median(ones), "");
    table.add("`GET /api/threads`, requests/s ÷ bare axum's", Target::AtLeast(0.35), median(pages), "");
    table.add("the same ÷ bare axum's with an answer as long", Target::None, median(lengths), "");
    table.add("first page of 1,000,000 threads ÷ of 1,000, CPU", Target::AtMost(1.2), median(growth), "");
    let names = ["bare axum", "`GET /api/threads/{id}`", "bare axum, answer as long as a page", "`GET /api/threads`"];
    for (name, figures) in names.into_iter().zip(cpu) {
        table.add(&format!("CPU of one request, {name}"), Target::None, median(figures), "µs");
    }
    Ok(())
}

/// As many requests as one core of load makes.
pub(crate) fn load(programs: &Programs, load: &Load<'_>) -> Result<Round> {
    let Load { server, path, cookie } = load;
    let before = server.process.cpu_seconds()?;
    let url = format!("http://{}{path}", server.address);
    let mut wrk = Command::new(programs.wrk()?);
    wrk.args(["-t1", "-c", CONNECTIONS, "-d", SECONDS]);
    if let Some(cookie) = cookie {
        wrk.args(["-H", &format!("cookie: {cookie}")]);
    }
    let said = shell::output(wrk.arg(&url))?;
    let cpu = server.process.cpu_seconds()? - before;
    let number = |before: &str, after: &str| -> Option<f64> {
        let line = said.lines().find(|line| line.contains(before) && line.contains(after))?;
        line.split_whitespace().find_map(|word| word.parse().ok())
    };
    let per_second = number("Requests/sec:", "").context("wrk named no requests per second")?;
    let requests = number(" requests in ", "").context("wrk named no requests")?;
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        println!(
            "  {path}: {}",
            said.lines().filter(|line| line.contains("rrors") || line.contains("Non-2xx")).collect::<String>()
        );
    }
    Ok(Round { per_second, cpu: cpu / requests * 1e6 })
}

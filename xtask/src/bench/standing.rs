//! What the program costs before anybody asks it for anything: start, memory, size, and the front page.

use std::{fs, process::Command, thread::sleep, time::Duration};

use anyhow::Result;

use super::client;
use super::programs::Programs;
use super::server::{Place, Server};
use super::table::{Table, Target, median};
use crate::{scratch::Scratch, shell};

const STARTS: usize = 15;
const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn measure(programs: &Programs, table: &mut Table) -> Result<()> {
    let place = Place::new(programs, 10_000, None)?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let server = place.start(programs)?;
        times.push(server.ready_after.as_secs_f64() * 1e3);
        server.process.stop()?;
    }
    table.add("start to ready, existing database", Target::AtMost(100.0), median(times), "ms");
    let server = place.start(programs)?;
    sleep(Duration::from_secs(3));
    table.add("memory at rest", Target::AtMost(40.0), server.process.resident_kib()? / 1024.0, "MiB");
    front_page(&server, table)?;
    table.add("memory after the front page", Target::None, server.process.resident_kib()? / 1024.0, "MiB");

    let scratch = Scratch::new()?;
    let copy = scratch.path().join("retinue");
    fs::copy(programs.retinue(), &copy)?;
    shell::run(Command::new("strip").arg(&copy))?;
    table.add("stripped binary", Target::AtMost(40.0), bytes(fs::metadata(&copy)?.len()) / MIB, "MiB");
    Ok(())
}

/// The page and everything that it makes a browser load, compressed, with the answers' heads.
fn front_page(server: &Server, table: &mut Table) -> Result<()> {
    let (mut open, mut seen, mut total) = (vec![String::from("/")], Vec::new(), 0);
    let mut lasting = true;
    while let Some(path) = open.pop() {
        if seen.contains(&path) {
            continue;
        }
        total += client::ask(&server.address, "GET", &path, "gzip")?.length;
        let plain = client::ask(&server.address, "GET", &path, "identity")?;
        anyhow::ensure!(plain.is_ok(), "{path}: {}", plain.head.lines().next().unwrap_or_default());
        lasting &= path == "/" || plain.head.contains("immutable");
        open.extend(assets(&path, &String::from_utf8_lossy(&plain.body)));
        seen.push(path);
    }
    println!("  the front page loads {}", seen.join(" "));
    table.add("front page with all assets, gzip", Target::AtMost(60.0), bytes(u64::try_from(total)?) / 1024.0, "KiB");
    table.add("its assets are immutable (1 = yes)", Target::AtLeast(1.0), f64::from(u8::from(lasting)), "");
    Ok(())
}

/// What a page, a style or a module names in quotes or in `url()`: assets by their whole path, or beside it.
fn assets(path: &str, text: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let words = text.split(['"', '\'', '(', ')']).map(|word| word.split('#').next().unwrap_or_default());
    let named = words.filter_map(|word| match word.strip_prefix("./") {
        _ if word.starts_with("/assets/") => Some(word.to_owned()),
        Some(name) if !name.contains([' ', '/']) && folder.starts_with("/assets/") => Some(format!("{folder}/{name}")),
        _ => None,
    });
    named.collect()
}

#[expect(clippy::cast_precision_loss, reason = "no size here comes near to what a double can't hold")]
const fn bytes(count: u64) -> f64 {
    count as f64
}

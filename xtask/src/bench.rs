//! `bench`: figures of the program as it is built for use, with whole processes and on loopback only.
//!
//! A table of what was measured, beside what is aimed at. Never a test: it fails only if it can't measure, because a busy
//! machine makes every figure worse. docs/performance.md tells how each is measured.

use std::{path::Path, process::ExitCode};

use anyhow::{Result, bail};

use self::programs::Programs;
use self::table::Table;

mod appender;
mod client;
mod compile;
mod organization;
mod people;
mod process;
mod programs;
mod requests;
mod server;
mod sessions;
mod standing;
mod streams;
mod table;

/// A part of the measurements, by its name on the command line.
type Part = (&'static str, fn(&Programs, &mut Table) -> Result<()>);

const PARTS: [Part; 7] = [
    ("requests", requests::measure),
    ("sessions", sessions::measure),
    ("people", people::measure),
    ("organization", organization::measure),
    ("streams", streams::measure),
    ("standing", standing::measure),
    ("appender", appender::measure),
];

/// Measures everything, or the parts that are named; building only if that is asked for.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<ExitCode> {
    let build = args.iter().any(|arg| arg == "--build");
    let named: Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "--build").collect();
    if let Some(unknown) = named.iter().find(|name| !PARTS.iter().any(|(part, _)| part == *name)) {
        bail!("there is no part `{unknown}`: {}", PARTS.map(|(part, _)| part).join(", "));
    }
    let programs = Programs::build(root)?;
    let mut table = Table::default();
    println!("{}", process::machine());
    for (name, measure) in PARTS {
        if named.is_empty() || named.contains(&name) {
            println!("bench: {name}");
            // One part that can't be measured does not take the others with it.
            if let Err(error) = measure(&programs, &mut table) {
                table.unmeasured(name, &format!("{error:#}"));
            }
        }
    }
    if build {
        println!("bench: compiling, which takes minutes");
        compile::measure(root, &mut table)?;
    } else if named.is_empty() {
        table.unmeasured("compiling", "only with --build");
    }
    table.print();
    println!("{}", process::machine());
    Ok(ExitCode::SUCCESS)
}

//! People with passwords: what their sign-ins cost everybody else, and how fast it acts when they are shut out.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::programs::Programs;
use super::server::{Place, Server};
use super::table::{Table, Target, median};
use crate::{scratch::Scratch, shell};

/// As `crates/testkit/examples/common/people.rs` has them.
const COUNT: usize = 50;
const PASSWORD: &str = "seven geese over the harbour";
const LOCAL: (&str, &str) = ("AUTH_MODE", "local");

pub(crate) fn measure(programs: &Programs, table: &mut Table) -> Result<()> {
    let scratch = Scratch::new()?;
    let model = Server::of_example(programs, "model", scratch.path(), "/v1/models")?;
    let place = Place::new(programs, 1, Some(&model.address))?;
    for number in 0..COUNT {
        add(programs, place.path(), number)?;
    }
    let server = place.start_at(programs, &super::process::free_address()?, &[LOCAL])?;

    let mut people = Command::new(programs.example("people"));
    let sign_ins: Vec<[f64; 3]> = rounds(people.args(["sign-ins", &server.address]))?;
    let ratios = sign_ins.iter().map(|round| round[1] / round[0]).collect();
    table.add("50 password sign-ins at once: 99 % of other requests ÷ idle", Target::AtMost(3.0), median(ratios), "");
    for (index, what) in ["while nobody signs in", "while 50 do"].into_iter().enumerate() {
        let figure = median(sign_ins.iter().map(|round| round[index]).collect());
        table.add(&format!("`GET /auth/me` {what}, 99 %"), Target::None, figure, "ms");
    }
    table.add("these 50 sign-ins", Target::None, median(sign_ins.iter().map(|round| round[2]).collect()), "ms");

    let mut people = Command::new(programs.example("people"));
    people.args(["ends", &server.address]).arg(programs.retinue()).current_dir(place.path()).env(LOCAL.0, LOCAL.1);
    let whats = [
        ("a session is ended here: its stream goes on for, at most", 100.0),
        ("a user is disabled by another process: requests get through for, at most", 1_000.0),
        ("a user is disabled by another process: streams go on for, at most", 1_000.0),
    ];
    add_most(table, &whats, &rounds(&mut people)?);

    let mut rights = Command::new(programs.example("rights"));
    rights.arg(&server.address).arg(programs.retinue()).current_dir(place.path()).env(LOCAL.0, LOCAL.1);
    let whats = [
        ("a key is revoked here: its stream goes on for, at most", 100.0),
        ("a key is revoked by another process: requests get through for, at most", 1_000.0),
        ("a key is revoked by another process: its stream goes on for, at most", 1_000.0),
        ("a role is taken away by another process: changes get through for, at most", 1_000.0),
    ];
    add_most(table, &whats, &rounds(&mut rights)?);
    Ok(())
}

/// A row for each, with the longest time of all rounds.
fn add_most<const N: usize>(table: &mut Table, whats: &[(&str, f64); N], rounds: &[[f64; N]]) {
    for (index, (what, limit)) in whats.iter().enumerate() {
        let most = rounds.iter().map(|round| round[index]).fold(0.0, f64::max);
        table.add(what, Target::AtMost(*limit), most, "ms");
    }
}

fn add(programs: &Programs, place: &Path, number: usize) -> Result<()> {
    let mut command = Command::new(programs.retinue());
    command.args(["user", "add", &format!("user-{number}@example.com")]).current_dir(place).env(LOCAL.0, LOCAL.1);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    writeln!(child.stdin.take().context("it reads nothing")?, "{PASSWORD}")?;
    ensure!(child.wait()?.success(), "user-{number} could not be added");
    Ok(())
}

/// What each round took, some figures in a line.
fn rounds<const N: usize>(command: &mut Command) -> Result<Vec<[f64; N]>> {
    let said = shell::output(command)?;
    let figures = |line: &str| -> Result<[f64; N]> {
        let figures: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        figures.try_into().map_err(|_| anyhow::anyhow!("not {N} figures: {line}"))
    };
    said.lines().map(figures).collect()
}

//! What it costs to know who asks.

use std::process::Command;

use anyhow::{Context, Result};

use super::process::{self, Process};
use super::programs::Programs;
use super::requests::{Load, load};
use super::server::{Place, Server};
use super::table::{Table, Target, median};
use crate::{scratch::Scratch, shell};

const ROUNDS: usize = 5;

pub(crate) fn measure(programs: &Programs, table: &mut Table) -> Result<()> {
    let took = shell::output(Command::new(programs.example("sessions")).arg("check"))?;
    let mut took = took.split_whitespace().map(|nanos| nanos.parse::<f64>().map(|nanos| nanos / 1_000.0));
    let mut next = || took.next().context("the check said nothing")?.context("the check said no number");
    table.add("knowing who asks, in process, median", Target::AtMost(30.0), next()?, "µs");
    table.add("the same, 99 %", Target::AtMost(60.0), next()?, "µs");

    let scratch = Scratch::new()?;
    let bare = Server::of_example(programs, "bare", scratch.path(), "/")?;
    let place = Place::new(programs, 1, None)?;
    let address = process::free_address()?;
    let mut provider = Process::start(&programs.example("sessions"), &scratch.path().join("provider"), |command| {
        command.arg(&address);
    })?;
    let mut said = provider.lines()?;
    let issuer = said.next().context("the provider said nothing")??;
    let settings = [("AUTH_MODE", "oidc"), ("OIDC_ISSUER_URL", issuer.as_str()), ("OIDC_CLIENT_ID", "retinue")];
    let server = place.start_at(programs, &address, &settings)?;
    let cookie = said.next().context("nobody could sign in")??;
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let least = load(programs, &Load { server: &bare, path: "/", cookie: None })?;
        let me = load(programs, &Load { server: &server, path: "/auth/me", cookie: Some(&cookie) })?;
        ratios.push(me.per_second / least.per_second);
    }
    table.add("`GET /auth/me`, requests/s ÷ bare axum's", Target::AtLeast(0.6), median(ratios), "");
    Ok(())
}

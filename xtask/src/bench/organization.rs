//! A large organization beside a small one: what its pages and lists cost, who a key is of, and why somebody may do something.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::process;
use super::programs::Programs;
use super::requests::{Load, load};
use super::server::{Place, Server};
use super::table::{Table, Target, median};
use crate::shell;

const ROUNDS: usize = 3;
const FEW: u32 = 100;
const MANY: u32 = 100_000;
const LOCAL: (&str, &str) = ("AUTH_MODE", "local");
const EMAIL: &str = "admin@example.com";
const PASSWORD: &str = "seven geese over the harbour";
/// The first team that `organization fill` makes, and its second user, as the program writes their ids.
const TEAM: &str = "team_01jg000000f408000000000000";
const USER: &str = "usr_01jg000000f008000000000001";

/// Each page and each list, as an organization admin asks for them who is an admin of three teams.
const PATHS: &[&str] = &[
    "/api/users",
    "/api/teams",
    "/api/teams?all=true",
    "/api/teams/{team}",
    "/api/teams/{team}/members",
    "/api/teams/{team}/invitations",
    "/api/teams/{team}/api-keys",
    "/api/teams/{team}/usage",
    "/api/agents",
    "/api/api-keys",
    "/api/audit",
    "/api/audit?mine=true",
    "/api/audit?team_id={team}",
    "/api/audit?action=agent.changed",
    "/api/audit?actor={user}",
    "/api/audit?outcome=refused",
    "/api/audit?until=2025-01-01T00:00:00.0005Z",
    "/api/usage",
    "/api/usage/organization",
    "/api/usage/organization?by=team",
    "/",
    "/agents",
    "/teams",
    "/teams/{team}",
    "/api-keys",
    "/audit",
    "/admin",
    "/admin/access",
];

/// An organization with so many users, and somebody in it who asks.
struct Organization {
    server: Server,
    cookie: String,
    /// Until it is measured.
    _place: Place,
}

impl Organization {
    fn new(programs: &Programs, users: u32) -> Result<Self> {
        let place = Place::new(programs, 1, None)?;
        let retinue = |args: &[&str]| {
            let mut command = Command::new(programs.retinue());
            command.args(args).current_dir(place.path()).env(LOCAL.0, LOCAL.1).stdout(Stdio::null());
            command
        };
        let mut adding = retinue(&["user", "add", EMAIL]).stdin(Stdio::piped()).spawn()?;
        writeln!(adding.stdin.take().context("it reads nothing")?, "{PASSWORD}")?;
        ensure!(adding.wait()?.success(), "{EMAIL} could not be added");
        shell::run(&mut retinue(&["user", "grant-admin", EMAIL]))?;
        let database = place.path().join("data/retinue.db");
        shell::run(Command::new(programs.example("organization")).arg("fill").arg(database).arg(users.to_string()))?;
        let server = place.start_at(programs, &process::free_address()?, &[LOCAL])?;
        let said = Command::new(programs.example("organization"))
            .args(["sign-in", &server.address, EMAIL, PASSWORD])
            .output()
            .context("nobody signed in")?;
        ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let cookie = String::from_utf8(said.stdout)?.trim().to_owned();
        Ok(Self { server, cookie, _place: place })
    }

    /// Microseconds of the server's processor for one request.
    fn costs(&self, programs: &Programs, path: &str) -> Result<f64> {
        Ok(load(programs, &Load { server: &self.server, path, cookie: Some(&self.cookie) })?.cpu)
    }
}

pub(crate) fn measure(programs: &Programs, table: &mut Table) -> Result<()> {
    let figures = |command: &mut Command| -> Result<Vec<f64>> {
        let said = shell::output(command)?;
        said.split_whitespace().map(|figure| Ok(figure.parse()?)).collect()
    };
    let example = || Command::new(programs.example("organization"));
    let took = figures(example().arg("check"))?;
    let [median_of_key, most_of_key] = took[..] else { anyhow::bail!("the check said something else") };
    table.add(
        "knowing who asks by an API key, in process, median",
        Target::AtMost(30.0),
        median_of_key / 1_000.0,
        "µs",
    );
    table.add("the same, 99 %", Target::None, most_of_key / 1_000.0, "µs");

    let (few, many) = (Organization::new(programs, FEW)?, Organization::new(programs, MANY)?);
    let path = format!("/api/access/explain?user={USER}&action=team.change&resource={TEAM}");
    let took = figures(example().args(["explain", &many.server.address, &many.cookie, &path]))?;
    let [median_of_why, most_of_why] = took[..] else { anyhow::bail!("the explanation said something else") };
    table.add("explaining access, 100,000 users, by HTTP, median", Target::AtMost(5.0), median_of_why, "ms");
    table.add("the same, 99 %", Target::None, most_of_why, "ms");

    let mut worst = (0.0, "");
    for path in PATHS {
        let full = path.replace("{team}", TEAM).replace("{user}", USER);
        let mut ratios = Vec::new();
        let mut cost = Vec::new();
        for _ in 0..ROUNDS {
            let small = few.costs(programs, &full)?;
            let large = many.costs(programs, &full)?;
            ratios.push(large / small);
            cost.push(large);
        }
        let (ratio, cost) = (median(ratios), median(cost));
        println!("  {path}: {ratio:.2} ({cost:.0} µs)");
        if ratio > worst.0 {
            worst = (ratio, path);
        }
    }
    let metric =
        format!("each page and list with 100,000 users ÷ with 100, CPU: the worst of {}, `{}`", PATHS.len(), worst.1);
    table.add(&metric, Target::AtMost(1.3), worst.0, "");
    Ok(())
}

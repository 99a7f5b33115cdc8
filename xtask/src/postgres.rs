//! A PostgreSQL server for one run of the tests: new, on a free port of the loopback address, without durability,
//! and gone afterwards.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    scratch::{self, Scratch},
    shell,
};

const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_ctl"];
const START_LIMIT: Duration = Duration::from_mins(1);
const START_ATTEMPTS: u32 = 3;
const DIE_WITH_US: [&str; 2] = ["--pdeathsig", "INT"];
const SETTINGS: [&str; 6] = [
    "listen_addresses=127.0.0.1",
    "max_connections=300",
    "shared_buffers=64MB",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
];

/// The directory of the server programs: the search path's first, else the highest version where systems keep them.
pub(crate) fn programs() -> Option<PathBuf> {
    let on_path = shell::find("initdb").and_then(|program| fs::canonicalize(program).ok());
    let beside = on_path.and_then(|program| program.parent().map(Path::to_path_buf));
    beside.into_iter().chain(known_places()).find(|place| PROGRAMS.iter().all(|name| place.join(name).is_file()))
}

/// `…/17/bin`, `…/postgresql@17/bin` and `…/pgsql-17/bin`, highest version first.
fn known_places() -> Vec<PathBuf> {
    let parents = [
        "/usr/lib/postgresql",
        "/usr/local/lib/postgresql",
        "/opt/homebrew/opt",
        "/usr/local/opt",
        "/home/linuxbrew/.linuxbrew/opt",
        "/usr",
        "/Applications/Postgres.app/Contents/Versions",
    ];
    let entries = parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten();
    let mut places: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path().join("bin")))).collect();
    places.sort_by(|left, right| right.cmp(left));
    places.into_iter().map(|(_, place)| place).collect()
}

fn version(directory: &str) -> Option<u32> {
    let number = directory.strip_prefix("postgresql@").or_else(|| directory.strip_prefix("pgsql-"));
    number.unwrap_or(directory).parse().ok()
}

/// A running server. It stops, and its files go, when this value is dropped.
pub(crate) struct Cluster {
    home: Home,
    server: Child,
    port: u16,
}

impl Cluster {
    /// Makes and starts a server, and waits until it takes connections.
    pub(crate) fn start(programs: PathBuf) -> Result<Self> {
        let scratch = Scratch::new()?;
        let (user, _group) = scratch.user_and_group()?;
        sweep(&programs, user);
        let home = Home::new(programs, scratch, (user == 0).then(Account::unprivileged).transpose()?)?;
        home.initdb()?;
        let (server, port) = home.serve()?;
        Ok(Self { home, server, port })
    }

    /// What the tests connect to. They make their own databases.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.home.stop() {
            // It may have ended by itself; if not, its children end when they miss it.
            let _gone = self.server.kill();
        }
        let _status = self.server.wait();
    }
}

/// Ends and removes the servers of runs that were killed before they could do it.
fn sweep(programs: &Path, user: u32) {
    for scratch in scratch::abandoned(user).unwrap_or_default() {
        let Ok(owner) = scratch.user_and_group() else {
            continue;
        };
        let account = (owner.0 != user).then_some(Account { user: owner.0, group: owner.1 });
        Home { programs: programs.to_path_buf(), scratch, account }.stop();
    }
}

/// A server's files, and how its programs are run on them.
struct Home {
    programs: PathBuf,
    scratch: Scratch,
    account: Option<Account>,
}

impl Home {
    fn new(programs: PathBuf, scratch: Scratch, account: Option<Account>) -> Result<Self> {
        if let Some(Account { user, group }) = account {
            chown(scratch.path(), Some(user), Some(group)).context("cannot give the directory away")?;
        }
        Ok(Self { programs, scratch, account })
    }

    fn initdb(&self) -> Result<()> {
        let attempt = |locale: &str| {
            let mut command = self.command(&self.programs.join("initdb"));
            command.args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--pgdata=data"]);
            shell::output(command.arg(format!("--locale={locale}")))
        };
        // Not every system has the first one; both order text by its bytes.
        attempt("C.UTF-8").or_else(|_| attempt("C"))?;
        Ok(())
    }

    /// The port may be taken by another program between our look and the server's: then the next one is tried.
    fn serve(&self) -> Result<(Child, u16)> {
        let mut attempts = 0;
        loop {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            let mut server = self.spawn(port)?;
            let Err(error) = self.wait_until_ready(&mut server) else {
                return Ok((server, port));
            };
            let _gone = server.kill();
            let _status = server.wait();
            attempts += 1;
            if attempts == START_ATTEMPTS {
                return Err(error);
            }
        }
    }

    /// In our own process group, so that the terminal's interrupt reaches it too; and where the system can do that,
    /// it ends when we are killed.
    fn spawn(&self, port: u16) -> Result<Child> {
        let log = File::create(self.scratch.path().join("log"))?;
        let program = self.programs.join("postgres");
        let mut command = if shell::succeeds(Command::new("setpriv").args(DIE_WITH_US).arg("true")) {
            let mut command = self.command(Path::new("setpriv"));
            command.args(DIE_WITH_US).arg(program);
            command
        } else {
            self.command(&program)
        };
        command.args(["-D", "data", "-p", &port.to_string(), "-k"]).arg(self.scratch.path());
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().context("cannot start postgres")
    }

    /// The server writes its state into the lock file's eighth line, which is also what `pg_ctl --wait` reads.
    fn wait_until_ready(&self, server: &mut Child) -> Result<()> {
        let start = Instant::now();
        loop {
            let lock = self.read("data/postmaster.pid");
            if lock.lines().nth(7).is_some_and(|state| state.trim() == "ready") {
                return Ok(());
            }
            if let Some(status) = server.try_wait()? {
                bail!("postgres ended at its start ({status})\n{}", self.read("log"));
            }
            if start.elapsed() > START_LIMIT {
                bail!("postgres did not start within {} s\n{}", START_LIMIT.as_secs(), self.read("log"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop(&self) -> bool {
        let mut command = self.command(&self.programs.join("pg_ctl"));
        shell::succeeds(command.args(["stop", "--mode=immediate", "--wait", "--silent", "--pgdata=data"]))
    }

    /// A program in the server's directory, as the account that may run it.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.scratch.path());
        if let Some(Account { user, group }) = self.account {
            command.uid(user).gid(group);
        }
        command
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.scratch.path().join(file)).unwrap_or_default()
    }
}

/// Whom PostgreSQL runs as when we are root, which it refuses.
#[derive(Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Account {
    fn unprivileged() -> Result<Self> {
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read the accounts")?;
        let found = ["postgres", "nobody"].iter().find_map(|name| Self::named(&accounts, name));
        found.context("PostgreSQL does not run as root, and there is no account `postgres` or `nobody`")
    }

    fn named(accounts: &str, name: &str) -> Option<Self> {
        let mut fields =
            accounts.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
        let user = fields.nth(2)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Self { user, group })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_directories_of_several_systems() {
        assert_eq!(version("17"), Some(17));
        assert_eq!(version("postgresql@16"), Some(16));
        assert_eq!(version("pgsql-15"), Some(15));
        assert_eq!(version("postgresql"), None);
    }

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts =
            "root:x:0:0:root:/root:/bin/sh\npostgres2:x:9:9::/:\npostgres:x:105:110::/var/lib/postgresql:/bin/sh\n";
        let account = Account::named(accounts, "postgres").expect("it is there");
        assert_eq!((account.user, account.group), (105, 110));
        assert!(Account::named(accounts, "nobody").is_none());
    }
}

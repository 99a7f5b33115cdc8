//! A Retinue with a data directory of its own, and what else listens while it is measured.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::client;
use super::process::{self, Process};
use super::programs::Programs;
use crate::{scratch::Scratch, shell};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with a database and a configuration.
pub(crate) struct Place {
    scratch: Scratch,
}

/// A server that answers.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: String,
    /// From its start to its first good answer.
    pub(crate) ready_after: Duration,
}

impl Place {
    /// A place whose database has `conversations`, and whose model is at `model`.
    pub(crate) fn new(programs: &Programs, conversations: u32, model: Option<&str>) -> Result<Self> {
        let place = Self { scratch: Scratch::new()? };
        if let Some(address) = model {
            let entry = format!("name = \"bench\"\nbase_url = \"http://{address}/v1\"\ncontext_tokens = 100000\n");
            fs::write(
                place.file("retinue.toml"),
                format!("[providers]\ndefault_model = \"bench\"\n[[models]]\n{entry}"),
            )?;
        }
        // The program itself makes the database, and one conversation that names an agent.
        let server = place.start(programs)?;
        let made = client::ask(&server.address, "POST", "/api/threads", "identity")?;
        if !made.is_ok() {
            bail!("a conversation could not be made: {}", String::from_utf8_lossy(&made.body));
        }
        server.process.stop()?;
        let database = place.file("data/retinue.db");
        shell::run(Command::new(programs.example("fill")).arg(database).arg(conversations.to_string()))?;
        Ok(place)
    }

    /// The directory, in which the program is to be started.
    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Starts a server here, without anything that it would take from our environment.
    pub(crate) fn start(&self, programs: &Programs) -> Result<Server> {
        self.start_at(programs, &process::free_address()?, &[])
    }

    /// Starts a server here, at this address and with these settings.
    pub(crate) fn start_at(&self, programs: &Programs, address: &str, settings: &[(&str, &str)]) -> Result<Server> {
        let since = Instant::now();
        let process = Process::start(&programs.retinue(), &self.file("log"), |command| {
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
            command.current_dir(self.scratch.path()).env("RETINUE_LISTEN", address);
            command.envs([("RETINUE__METRICS__LISTEN", "off"), ("RETINUE__PROVIDERS__OLLAMA", "false")]);
            command.envs(settings.iter().copied());
        })?;
        let mut server = Server { process, address: address.to_owned(), ready_after: Duration::ZERO };
        server.wait("/readyz", since).with_context(|| self.log())?;
        Ok(server)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

impl Server {
    /// Starts one of the programs beside Retinue, which takes its address as the only argument.
    pub(crate) fn of_example(programs: &Programs, name: &str, directory: &Path, path: &str) -> Result<Self> {
        let address = process::free_address()?;
        let since = Instant::now();
        let process = Process::start(&programs.example(name), &directory.join(name), |command| {
            command.arg(&address);
        })?;
        let mut server = Self { process, address, ready_after: Duration::ZERO };
        server.wait(path, since)?;
        Ok(server)
    }

    fn wait(&mut self, path: &str, since: Instant) -> Result<()> {
        while since.elapsed() < PATIENCE && self.process.is_running() {
            if client::ask(&self.address, "GET", path, "identity").is_ok_and(|answer| answer.is_ok()) {
                self.ready_after = since.elapsed();
                return Ok(());
            }
            sleep(Duration::from_millis(1));
        }
        bail!("the server did not become ready")
    }
}

//! The real binary as a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// How to start it.
#[derive(Clone, Debug)]
pub struct Program {
    binary: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    ignores_file_size_signals: bool,
}

/// A running one; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    address: SocketAddr,
    /// What it says from when it is ready to its end.
    said: watch::Receiver<Vec<String>>,
}

impl Program {
    /// Starts `binary` in `folder`, on a free port, with no environment but this.
    #[must_use]
    pub fn new(binary: impl AsRef<Path>, folder: &Path) -> Self {
        let fixed =
            [("RETINUE_LISTEN", "127.0.0.1:0"), ("RETINUE__METRICS__LISTEN", "off"), ("RETINUE__LOG__FORMAT", "json")];
        Self {
            binary: binary.as_ref().to_owned(),
            folder: folder.to_owned(),
            environment: fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ignores_file_size_signals: false,
        }
    }

    /// With one more variable, or another value for one.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file that grows over its limit is then an error of the write, not the end of the process.
    #[must_use]
    pub const fn ignoring_file_size_signals(mut self) -> Self {
        self.ignores_file_size_signals = true;
        self
    }

    fn command(&self) -> Command {
        if !self.ignores_file_size_signals {
            return Command::new(&self.binary);
        }
        // What a shell ignores stays ignored in what it becomes.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\""]).arg(&self.binary);
        shell
    }

    /// Starts it and waits until it says that it is ready.
    pub async fn start(&self) -> Running {
        let mut child = self
            .command()
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                if event["message"] == "ready" {
                    return Some(event["address"].as_str().unwrap().parse().unwrap());
                }
                said.push(line);
            }
            None
        });
        let address = address.await.expect("it did not get ready").unwrap_or_else(|| panic!("it ended: {said:?}"));
        // Whoever logs must not block because nobody reads.
        let (sender, said) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|said| said.push(line));
            }
        });
        Running { child, address, said }
    }
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Ends it as a power cut would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits until it ends by itself; how it ended, and what it said since it was ready.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it did not end").unwrap();
        // All of it is there when nobody can say more.
        while self.said.changed().await.is_ok() {}
        let said = self.said.borrow().join("\n");
        (status, said)
    }

    /// Waits until it has said `words` in `count` lines since it was ready.
    pub async fn says(&mut self, words: &str, count: usize) {
        let said = self.said.wait_for(|lines| lines.iter().filter(|line| line.contains(words)).count() >= count);
        assert!(timeout(PATIENCE, said).await.is_ok_and(|said| said.is_ok()), "it did not say: {words}");
    }

    /// Sends it a signal, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap().success());
    }

    /// Tells it to stop and waits for its end.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM").await;
        timeout(PATIENCE, self.child.wait()).await.expect("it did not stop").unwrap()
    }
}

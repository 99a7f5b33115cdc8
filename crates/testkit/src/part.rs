//! Programs that `cargo xtask test` provides: each takes what the test wants as JSON in its one argument, says one line when
//! it is ready, and ends with this value.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

/// Starting one takes a second or three, and more on a machine with much to do.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running one.
#[derive(Debug)]
pub(crate) struct Part {
    process: Child,
    /// Open to the end: the process could die when it can't say something.
    output: Option<BufReader<ChildStdout>>,
    said: String,
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.output.take());
        drop(self.process.wait());
    }
}

/// The script that the variable names, run by node.
pub(crate) fn node(variable: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(script(variable));
    command
}

/// The script that the variable names, run by the Python of the virtual environment beside it.
pub(crate) fn python(variable: &str) -> Command {
    let script = script(variable);
    let mut command = Command::new(script.with_file_name("venv").join("bin/python"));
    command.arg(script);
    command
}

fn script(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is set by `cargo xtask test`")).into()
}

impl Part {
    /// Starts it, and waits until it is ready.
    pub(crate) async fn start(mut command: Command, wishes: &Value) -> Self {
        let mut complaints = tempfile::tempfile().unwrap();
        let mut process = command
            .arg(wishes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.try_clone().unwrap())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut part = Self { process, output: None, said: String::new() };
        let ready = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            drop(output.read_line(&mut line));
            (line, output)
        });
        let Ok(ready) = timeout(PATIENCE, ready).await else {
            panic!("{command:?} is not ready after {PATIENCE:?}: {}", all(&mut complaints));
        };
        let (line, output) = ready.unwrap();
        line.trim_end().clone_into(&mut part.said);
        assert!(!part.said.is_empty(), "{command:?} does not start: {}", all(&mut complaints));
        part.output = Some(output);
        part
    }

    /// The line it said.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }
}

fn all(file: &mut File) -> String {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

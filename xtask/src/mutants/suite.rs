//! The tests of the copy: built once, run for each mutant until one of them fails.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::VARIABLE;
use crate::{scratch::Scratch, shell};

/// What is built: whoever has conditions, and whoever tests them.
const PACKAGES: [&str; 6] =
    ["retinue-model", "retinue-store", "retinue-oidc", "retinue-app", "retinue-web", "retinue-server"];

/// If no test ends for so long, they all wait for something that does not come.
const PATIENCE: Duration = Duration::from_mins(2);

/// The test binaries.
pub(super) struct Suite {
    binaries: Vec<Binary>,
    /// Whether any of them was not there before.
    pub(super) is_new: bool,
}

/// Tests that are one program.
pub(super) struct Binary {
    /// `retinue_store` for a crate's own tests, `it` for those through the doors, `oidc_it` for those of a provider's.
    pub(super) name: String,
    program: PathBuf,
    folder: PathBuf,
}

/// How a run of tests ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Passed,
    /// This one failed, and the others were not waited for.
    Failed(String),
    Hung,
}

impl Suite {
    /// Builds the tests of the tree.
    pub(super) fn build(tree: &Path, target: &Path) -> Result<Self> {
        let mut command = shell::cargo();
        command.args(["test", "--no-run", "--tests", "--message-format", "json-render-diagnostics"]);
        command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        command.current_dir(tree).env("CARGO_TARGET_DIR", target).env_remove(VARIABLE);
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = command.output().context("cannot start cargo")?;
        if !output.status.success() {
            bail!("the mutants do not build: a change of the list gives no Rust, see above");
        }
        let mut suite = Self { binaries: Vec::new(), is_new: false };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let message: Value = serde_json::from_str(line).context("cargo says what is not JSON")?;
            if let Some(binary) = Binary::of(&message) {
                suite.is_new |= message["fresh"] != Value::Bool(true);
                suite.binaries.push(binary);
            }
        }
        Ok(suite)
    }

    /// The binary of this name.
    pub(super) fn binary(&self, name: &str) -> Result<&Binary> {
        let found = self.binaries.iter().find(|binary| binary.name == name);
        found.with_context(|| format!("no tests called `{name}` were built"))
    }
}

impl Binary {
    fn of(message: &Value) -> Option<Self> {
        let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == Value::Bool(true);
        let program = message["executable"].as_str().filter(|_| is_test)?;
        let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_path_buf();
        let name = match message["target"]["name"].as_str()? {
            "it" if folder.ends_with("oidc") => "oidc_it",
            name => name,
        };
        Some(Self { name: name.to_owned(), program: program.into(), folder })
    }

    /// The modules that its tests are in, each once.
    pub(super) fn modules(&self) -> Result<BTreeSet<String>> {
        let mut command = Command::new(&self.program);
        command.arg("--list").stdin(Stdio::null());
        let output = command.output().with_context(|| format!("cannot start {}", self.program.display()))?;
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(listed.lines().filter_map(module).map(str::to_owned).collect())
    }

    /// Runs the tests that these arguments choose, with that mutant awake, up to the first that fails.
    pub(super) fn run(&self, arguments: &[&str], mutant: Option<&str>) -> Result<Ending> {
        // What tests leave behind when they are stopped goes with it.
        let scratch = Scratch::new()?;
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).env_remove(VARIABLE);
        command.env("TMPDIR", scratch.path()).env("INSTA_UPDATE", "no").env("RUST_BACKTRACE", "0");
        command.envs(mutant.map(|name| (VARIABLE, name)));
        // A group of its own, to be stopped with all that it started.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        let ending = watch(&mut child);
        stop(child);
        ending
    }
}

/// Listens to the tests until it is known how they end.
fn watch(child: &mut Child) -> Result<Ending> {
    let stdout = child.stdout.take().context("the tests have no output")?;
    let (tell, said) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines.map(|line| tell.send(line)).take_while(Result::is_ok).for_each(drop);
    });
    loop {
        match said.recv_timeout(PATIENCE) {
            Ok(line) => {
                if let Some(test) = failed(&line) {
                    return Ok(Ending::Failed(test.to_owned()));
                }
            }
            Err(RecvTimeoutError::Timeout) => return Ok(Ending::Hung),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait().context("the tests can't be waited for")?;
    Ok(if status.success() { Ending::Passed } else { Ending::Failed(format!("all at once ({status})")) })
}

/// The module of the test that this line names.
fn module(line: &str) -> Option<&str> {
    line.strip_suffix(": test")?.split_once("::").map(|(module, _)| module)
}

/// The test of which this line says that it failed.
fn failed(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// Ends the tests with whatever they started. Most have ended.
fn stop(mut child: Child) {
    if matches!(child.try_wait(), Ok(None)) {
        let group = format!("-{}", child.id());
        shell::succeeds(Command::new("kill").args(["-KILL", "--", &group]));
        // So that no process without an owner stays.
        drop(child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_test_failed() {
        assert_eq!(failed("test session::tests::it_ends ... FAILED"), Some("session::tests::it_ends"));
        assert_eq!(failed("test session::tests::it_ends ... ok"), None);
        assert_eq!(failed("test result: FAILED. 1 passed; 1 failed"), None);
    }

    #[test]
    fn a_line_says_in_which_module_a_test_is() {
        assert_eq!(module("session::sqlite::it_ends: test"), Some("session"));
        assert_eq!(module("it_ends: test"), None);
        assert_eq!(module("2 tests, 0 benchmarks"), None);
    }

    #[test]
    fn tests_are_told_from_other_things_that_are_built() {
        let artifact = |is_test: bool| {
            serde_json::json!({
                "reason": "compiler-artifact", "manifest_path": "/tree/crates/app/Cargo.toml",
                "target": {"name": "retinue_app"}, "profile": {"test": is_test}, "executable": "/target/retinue_app-1",
            })
        };
        let binary = Binary::of(&artifact(true)).expect("it is one");
        assert_eq!((binary.name.as_str(), binary.folder.as_path()), ("retinue_app", Path::new("/tree/crates/app")));
        assert!(Binary::of(&artifact(false)).is_none());
        let mut of_oidc = artifact(true);
        (of_oidc["target"]["name"], of_oidc["manifest_path"]) = ("it".into(), "/tree/crates/oidc/Cargo.toml".into());
        assert_eq!(Binary::of(&of_oidc).expect("it is one").name, "oidc_it");
    }
}

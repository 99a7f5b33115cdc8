//! Files that the server writes about itself are those of its present code.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Problem;
use crate::shell;

/// A file, and the server's command that prints it.
const GENERATED: [(&str, &[&str]); 2] =
    [("docs/openapi.json", &["openapi"]), ("docs/configuration.md", &["config", "reference"])];

pub(super) fn check(root: &Path) -> Result<Vec<Problem>> {
    let server = build_server(root)?;
    let mut problems = Vec::new();
    for (path, args) in GENERATED {
        let wanted = match print(&server, args) {
            Ok(wanted) => wanted,
            Err(error) => {
                problems.push(problem(path, format!("{error:#}"), "Mend the command that prints it."));
                continue;
            }
        };
        let present = fs::read_to_string(root.join(path)).unwrap_or_default();
        if let Some(wrong) = difference(&present, &wanted) {
            problems.push(problem(path, wrong, "Write it anew with `cargo xtask check --write`, and read the diff."));
        }
    }
    Ok(problems)
}

pub(super) fn write(root: &Path) -> Result<()> {
    let server = build_server(root)?;
    for (path, args) in GENERATED {
        let wanted = print(&server, args)?;
        if fs::read_to_string(root.join(path)).is_ok_and(|present| present == wanted) {
            continue;
        }
        fs::write(root.join(path), wanted).with_context(|| format!("cannot write {path}"))?;
        println!("check: wrote {path}");
    }
    Ok(())
}

/// Built together with the tests, because alone it would get other features of its dependencies, and they would be
/// compiled twice.
fn build_server(root: &Path) -> Result<PathBuf> {
    let mut command = shell::cargo();
    command.args(["build", "--workspace", "--bins", "--tests", "--message-format", "json-render-diagnostics"]);
    let messages = shell::output(command.current_dir(root).stderr(Stdio::inherit()))?;
    messages.lines().find_map(server_in).context("cargo built no program `retinue`")
}

/// The program's path, if this is cargo's message that it is built, and not its tests.
fn server_in(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_server = message["target"]["name"] == "retinue" && message["profile"]["test"] == false;
    is_server.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
}

fn print(server: &Path, args: &[&str]) -> Result<String> {
    let printed = shell::output(Command::new(server).args(args))?;
    ensure!(!printed.is_empty(), "`retinue {}` prints nothing", args.join(" "));
    Ok(printed)
}

fn problem(path: &str, wrong: String, mend: &str) -> Problem {
    Problem { place: path.to_owned(), wrong, mend: mend.to_owned() }
}

fn difference(present: &str, wanted: &str) -> Option<String> {
    if present == wanted {
        return None;
    }
    let same = present.lines().zip(wanted.lines()).take_while(|(left, right)| left == right).count();
    Some(format!("it is not what the server prints; the first difference is in line {}", same + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_told_from_its_tests() {
        let program = r#"{"target":{"name":"retinue"},"profile":{"test":false},"executable":"/t/debug/retinue"}"#;
        assert_eq!(server_in(program), Some(PathBuf::from("/t/debug/retinue")));
        let tests = r#"{"target":{"name":"retinue"},"profile":{"test":true},"executable":"/t/debug/deps/retinue-1"}"#;
        assert_eq!(server_in(tests), None);
        assert_eq!(server_in(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert!(difference("a\nb\n", "a\nc\n").is_some_and(|wrong| wrong.ends_with("line 2")));
        assert!(difference("", "a\n").is_some_and(|wrong| wrong.ends_with("line 1")));
    }
}

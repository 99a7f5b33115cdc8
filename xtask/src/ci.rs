//! Everything that must hold before a change is merged: what is quickly answered first, the tests last.

use std::{
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::Result;

use crate::{check, deny, shell, test};

/// Runs all steps up to the first that fails. The tests come last, and theirs are the last lines.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let steps: [(&str, Step); 4] = [("fmt", fmt), ("clippy", clippy), ("deny", denials), ("check", checks)];
    for (name, step) in steps {
        println!("== {name}");
        let start = Instant::now();
        let passed = step(root)?;
        let seconds = start.elapsed().as_secs_f32();
        if !passed {
            eprintln!("== {name} failed after {seconds:.1} s");
            return Ok(ExitCode::FAILURE);
        }
        println!("== {name} passed in {seconds:.1} s");
    }
    println!("== test");
    test::run(root, &[])
}

type Step = fn(&Path) -> Result<bool>;

fn fmt(root: &Path) -> Result<bool> {
    passes(shell::cargo().args(["fmt", "--all", "--check"]).current_dir(root))
}

fn clippy(root: &Path) -> Result<bool> {
    let args = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    passes(shell::cargo().args(args).current_dir(root))
}

fn checks(root: &Path) -> Result<bool> {
    check::all_hold(root)
}

fn denials(root: &Path) -> Result<bool> {
    deny::allows(root, &deny::OFFLINE)
}

fn passes(command: &mut Command) -> Result<bool> {
    Ok(shell::status(command)?.success())
}

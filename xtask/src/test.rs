//! `test`: every test, those that plain `cargo test` leaves out among them.

use std::{
    env,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::Result;

use crate::{
    parts::{self, Missing, Parts},
    shell,
};

/// Gets what the tests need, runs them, and names at the end what had to be left out.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<ExitCode> {
    let (ours, passed_on): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| *arg == "--no-install");
    let parts = parts::provide(root, ours.is_empty());
    let documented = !passed_on.is_empty() || doc_tests_pass(root)?;
    let marks: Vec<&str> = parts.missing.iter().map(|missing| missing.mark).collect();
    let status =
        shell::status(main_run(has_nextest(), &passed_on, &marks).current_dir(root).envs(environment(&parts)))?;
    if !documented {
        eprintln!("test: a documentation example failed, see above");
    }
    let complete = tell(&parts.missing);
    if !status.success() {
        return Ok(shell::exit_code(status));
    }
    Ok(if documented && (complete || !in_ci()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// First, because the main run's summary is to be the last thing on the screen. nextest does not run them at all.
fn doc_tests_pass(root: &Path) -> Result<bool> {
    let mut command = shell::cargo();
    Ok(shell::status(command.args(["test", "--quiet", "--workspace", "--doc"]).current_dir(root))?.success())
}

fn main_run(nextest: bool, passed_on: &[&String], marks: &[&str]) -> Command {
    let mut command = shell::cargo();
    if nextest {
        command.args(["nextest", "run", "--workspace", "--run-ignored", "all"]);
        if !marks.is_empty() {
            command.args(["-E", &without(marks)]);
        }
    } else {
        command.args(["test", "--workspace", "--tests", "--no-fail-fast", "--", "--include-ignored"]);
        command.args(marks.iter().flat_map(|mark| ["--skip", mark]));
    }
    command.args(passed_on);
    command
}

/// A nextest filterset, such as `not (test(postgres) or test(browser::))`.
fn without(marks: &[&str]) -> String {
    let tests: Vec<String> = marks.iter().map(|mark| format!("test({mark})")).collect();
    format!("not ({})", tests.join(" or "))
}

fn has_nextest() -> bool {
    shell::succeeds(shell::cargo().args(["nextest", "--version"]))
}

fn environment(parts: &Parts) -> impl Iterator<Item = (&str, &std::ffi::OsStr)> {
    parts.environment.iter().map(|(name, value)| (*name, value.as_os_str()))
}

/// Whether nothing is missing.
fn tell(missing: &[Missing]) -> bool {
    if missing.is_empty() {
        return true;
    }
    eprintln!("\ntest: NOT EVERYTHING WAS TESTED. Left out are the tests that need");
    for part in missing {
        eprintln!("  {}", part.told);
    }
    false
}

fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> String {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn nextest_runs_the_ignored_tests_too_but_not_those_whose_part_is_missing() {
        let filter = String::from("thread");
        let all = main_run(true, &[], &[]);
        assert_eq!(words(&all), "nextest run --workspace --run-ignored all");
        let some = main_run(true, &[&filter], &["postgres", "axe_"]);
        assert_eq!(
            words(&some),
            "nextest run --workspace --run-ignored all -E not (test(postgres) or test(axe_)) thread"
        );
    }

    #[test]
    fn plain_cargo_does_the_same() {
        let filter = String::from("thread");
        let some = main_run(false, &[&filter], &["postgres", "axe_"]);
        assert_eq!(
            words(&some),
            "test --workspace --tests --no-fail-fast -- --include-ignored --skip postgres --skip axe_ thread"
        );
    }
}

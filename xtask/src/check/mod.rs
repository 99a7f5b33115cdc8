//! `check`: the rules that can be read off the repository. Each has a file of its own here.

use std::{fmt, path::Path, process::ExitCode};

use anyhow::{Result, bail};

use crate::workspace;

mod codes;
mod doc_paths;
mod generated;
mod layers;
mod lints;
mod mutants;
mod scopes;
mod sizes;

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    /// A file, a crate, or a file and its line.
    place: String,
    wrong: String,
    mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}\n    {}", self.place, self.wrong, self.mend)
    }
}

/// `check`, or `check --write`.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<ExitCode> {
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => {}
        ["--write"] => generated::write(root)?,
        other => bail!("`check` takes nothing or `--write`, not `{}`", other.join(" ")),
    }
    Ok(if all_hold(root)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether every rule holds; what does not is printed.
pub(crate) fn all_hold(root: &Path) -> Result<bool> {
    let metadata = workspace::metadata(root)?;
    let files = workspace::files(root)?;
    let rules = [
        ("layers", layers::check(&metadata)?),
        ("lints", lints::check(&metadata)?),
        ("whose rows are meant", scopes::check(root)?),
        ("mutants", mutants::check(root)?),
        ("file sizes", sizes::check(root, &files)?),
        ("paths in the docs", doc_paths::check(root, &files)?),
        ("codes in the docs", codes::check(root)?),
        ("generated files", generated::check(root)?),
    ];
    for (rule, problems) in &rules {
        println!("check: {rule}: {}", if problems.is_empty() { "ok" } else { "NOT OK" });
        for problem in problems {
            println!("  {problem}");
        }
    }
    Ok(rules.iter().all(|(_, problems)| problems.is_empty()))
}

//! `mutants`: whether the tests notice when a condition that guards somebody's rows, or decides who may do what, is gone.
//!
//! A mutant is the program with one such condition taken away. All of them are in one build: a copy of the work tree, in
//! which each is asleep until the environment names it. The tests are run for each; one that they all pass survives, and
//! that is an error: a test is missing, or the condition is needless.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};

use crate::workspace;

mod equivalent;
mod policy;
mod sql;
mod suite;
mod tree;
mod trial;

/// What wakes a mutant: its name.
const VARIABLE: &str = "RETINUE_MUTANT";

/// A condition that is taken away.
#[derive(Debug, PartialEq, Eq)]
struct Mutant {
    /// For the command line.
    number: usize,
    /// Where it is, and what is gone there; its own, and no other's.
    name: String,
    file: String,
    /// The text that becomes another, in the file.
    at: Range<usize>,
    change: Change,
}

/// What becomes of the text.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    /// A condition of a statement, which holds for every row.
    Everything,
    /// Rust that says something else.
    Code(String),
}

/// Something about the lists that is not true of the sources any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    /// The list.
    pub(crate) place: &'static str,
    pub(crate) wrong: String,
}

/// `mutants`, `mutants --list`, or `mutants` with numbers, or with pieces of names.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<ExitCode> {
    let (mutants, stale) = collect(root)?;
    if !stale.is_empty() {
        let lines: Vec<String> = stale.iter().map(|stale| format!("{}: {}", stale.place, stale.wrong)).collect();
        bail!("mend this first:\n{}", lines.join("\n"));
    }
    let (options, named): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| arg.starts_with("--"));
    let chosen: Vec<&Mutant> = mutants.iter().filter(|mutant| named.is_empty() || mutant.is_one_of(&named)).collect();
    match options.iter().map(|option| option.as_str()).collect::<Vec<_>>().as_slice() {
        [] if chosen.is_empty() => bail!("no mutant is called that: `cargo xtask mutants --list` shows them"),
        [] => trial::run(root, &mutants, &chosen),
        ["--list"] => {
            for mutant in chosen {
                println!("{:4}  {}", mutant.number, mutant.name);
            }
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("`mutants` takes numbers, pieces of names, and `--list`, not `{}`", other.join(" ")),
    }
}

/// What of the lists is not true of the sources any more.
pub(crate) fn stale(root: &Path) -> Result<Vec<Stale>> {
    Ok(collect(root)?.1)
}

/// All mutants there are.
fn collect(root: &Path) -> Result<(Vec<Mutant>, Vec<Stale>)> {
    let mut found = Vec::new();
    let store = root.join("crates/store/src");
    for path in workspace::files(&store)?.iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let text = read(path)?;
        found.extend(sql::conditions(&workspace::shown(root, path), &text));
    }
    let mut stale = Vec::new();
    for declared in policy::declared()? {
        match declared.find(&read(&root.join(&declared.file))?) {
            Ok(mutant) => found.push(mutant),
            Err(wrong) => stale.push(Stale { place: policy::FILE, wrong }),
        }
    }
    for (number, mutant) in (1..).zip(&mut found) {
        mutant.number = number;
    }
    stale.extend(overlapping(&found));
    stale.extend(same_name(&found));
    stale.extend(equivalent::unknown(&found)?);
    Ok((found, stale))
}

/// Each change is made in the text as it is, so none may lie within another.
fn overlapping(mutants: &[Mutant]) -> Vec<Stale> {
    let mut by_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        by_file.entry(&mutant.file).or_default().push(mutant);
    }
    for mutants in by_file.values_mut() {
        mutants.sort_by_key(|mutant| mutant.at.start);
    }
    let pairs = by_file.values().flat_map(|mutants| mutants.windows(2));
    let overlap = pairs.filter(|pair| pair[0].at.end > pair[1].at.start);
    let tell = |pair: &[&Mutant]| format!("`{}` and `{}` change the same text", pair[0].name, pair[1].name);
    overlap.map(|pair| Stale { place: policy::FILE, wrong: tell(pair) }).collect()
}

/// A name wakes one mutant, and stands in comments of SQL.
fn same_name(mutants: &[Mutant]) -> Vec<Stale> {
    let mut seen = HashSet::new();
    let again = mutants.iter().filter(|mutant| !seen.insert(&mutant.name) || mutant.name.contains("*/"));
    again
        .map(|mutant| Stale { place: policy::FILE, wrong: format!("`{}` can't be a name here", mutant.name) })
        .collect()
}

impl Mutant {
    fn is_one_of(&self, named: &[&String]) -> bool {
        named.iter().any(|name| match name.parse::<usize>() {
            Ok(number) => number == self.number,
            Err(_) => self.name.contains(name.as_str()),
        })
    }

    /// The noun that its file is called by.
    fn noun(&self) -> &str {
        noun(&self.file)
    }
}

/// `session`, of `crates/app/src/session.rs`.
fn noun(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".rs").unwrap_or(name)
}

/// Where the copy is, what is built of it, and what is remembered of earlier runs.
fn place(root: &Path) -> PathBuf {
    workspace::target(root).join("mutants")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(number: usize, at: Range<usize>) -> Mutant {
        let (name, file) = (format!("session: mutant {number}"), "crates/app/src/session.rs".to_owned());
        Mutant { number, name, file, at, change: Change::Everything }
    }

    #[test]
    fn one_is_named_by_its_number_or_a_piece_of_its_name() {
        let mutant = mutant(17, 0..1);
        for (name, is_meant) in [("17", true), ("1", false), ("mutant", true), ("session:", true), ("user:", false)] {
            assert_eq!(mutant.is_one_of(&[&name.to_owned()]), is_meant, "{name}");
        }
        assert_eq!(mutant.noun(), "session");
    }

    #[test]
    fn no_text_is_changed_twice() {
        assert!(overlapping(&[mutant(2, 5..9), mutant(1, 0..5)]).is_empty());
        assert_eq!(overlapping(&[mutant(2, 4..9), mutant(1, 0..5)]).len(), 1);
    }

    #[test]
    fn no_two_have_one_name() {
        assert!(same_name(&[mutant(1, 0..5), mutant(2, 5..9)]).is_empty());
        assert_eq!(same_name(&[mutant(1, 0..5), mutant(1, 5..9)]).len(), 1);
    }
}

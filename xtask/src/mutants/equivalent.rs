//! Mutants that no test can kill, because something else guards the same.

use anyhow::{Result, bail};

use super::{Mutant, Stale};

/// The list.
pub(super) const FILE: &str = "xtask/mutants/equivalent.txt";
const LIST: &str = include_str!("../../mutants/equivalent.txt");

/// Their names.
pub(super) fn names() -> Result<Vec<&'static str>> {
    read(LIST)
}

/// Each name is followed by the reason, indented.
fn read(list: &str) -> Result<Vec<&str>> {
    let mut lines = list.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).peekable();
    let mut names = Vec::new();
    while let Some(name) = lines.next() {
        let mut has_reason = false;
        while lines.next_if(|line| line.starts_with("  ")).is_some() {
            has_reason = true;
        }
        if name.starts_with(' ') || !has_reason {
            bail!("{FILE}: `{name}` has no reason below it");
        }
        names.push(name);
    }
    Ok(names)
}

/// Those which are no mutants.
pub(super) fn unknown(mutants: &[Mutant]) -> Result<Vec<Stale>> {
    let is_unknown = |name: &&str| !mutants.iter().any(|mutant| mutant.name == *name);
    let tell = |name| Stale { place: FILE, wrong: format!("there is no mutant `{name}`") };
    Ok(names()?.into_iter().filter(is_unknown).map(tell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_reason() {
        assert_eq!(
            read("# Head.\none: x\n  Because.\n  Really.\n\ntwo: y\n  So.\n").expect("it is one"),
            ["one: x", "two: y"]
        );
        assert!(read("one: x\ntwo: y\n  So.\n").is_err());
        assert!(read("  So.\n").is_err());
    }
}

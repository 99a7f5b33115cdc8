//! The copy of the work tree that the mutants are in. The tree itself is never changed.

use std::{
    cmp::Reverse,
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{Change, Mutant, VARIABLE, policy};
use crate::{shell, workspace};

/// Changes that make room for the mutants, each for as often as it is there.
const ROOM: [(&str, &str, &str, usize); 2] = [
    // Statements pass here on their way to SQLite.
    (
        "crates/store/src/sqlite.rs",
        "prepare_cached(statement.sqlite)",
        "prepare_cached(&crate::statement::awake(statement.sqlite))",
        2,
    ),
    // What a sleeping mutant leaves unused is nobody's concern.
    ("Cargo.toml", "[workspace.lints.rust]\n", "[workspace.lints.rust]\nwarnings = \"allow\"\n", 1),
];

/// What is added to the store: the mutant that is awake loses its condition.
const STATEMENTS: (&str, &str) = (
    "crates/store/src/statement.rs",
    r#"
/// The text, in which the mutant that is awake lets every row pass.
pub(crate) fn awake(text: &str) -> String {
    let name = std::env::var("RETINUE_MUTANT").unwrap_or_default();
    text.replace(&format!("/* {name} */"), "OR 1 = 1")
}
"#,
);

/// Writes the copy, or what has changed since it was written: cargo builds only that anew.
pub(super) fn write(root: &Path, copy: &Path, mutants: &[Mutant]) -> Result<()> {
    let mut kept = HashSet::new();
    for file in tracked(root)? {
        let from = root.join(&file);
        // Removed, and not yet committed.
        if !from.is_file() {
            continue;
        }
        let bytes = fs::read(&from).with_context(|| format!("cannot read {file}"))?;
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => changed(&file, text, mutants)?.into_bytes(),
            Err(other) => other.into_bytes(),
        };
        let to = copy.join(&file);
        update(&to, &bytes)?;
        kept.insert(to);
    }
    remove_others(copy, &kept)
}

/// The files of the work tree, but for those that git ignores.
fn tracked(root: &Path) -> Result<Vec<String>> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    Ok(shell::output(&mut command)?.split_terminator('\0').map(str::to_owned).collect())
}

/// A file as it is in the copy.
fn changed(file: &str, mut text: String, mutants: &[Mutant]) -> Result<String> {
    let mut mine: Vec<&Mutant> = mutants.iter().filter(|mutant| mutant.file == file).collect();
    mine.sort_by_key(|mutant| Reverse(mutant.at.start));
    // From the end, so that places before stay where they are.
    for mutant in mine {
        let asleep = mutant.asleep(&text[mutant.at.clone()]);
        text.replace_range(mutant.at.clone(), &asleep);
    }
    for (_, find, instead, times) in ROOM.iter().filter(|(room, ..)| *room == file) {
        let found = text.matches(find).count();
        if found != *times {
            bail!(
                "{file} has `{find}` {found} times, not {times}: xtask/src/mutants/tree.rs must know where statements pass"
            );
        }
        text = text.replace(find, instead);
    }
    if file == STATEMENTS.0 {
        text.push_str(STATEMENTS.1);
    }
    Ok(text)
}

impl Mutant {
    /// What stands in the copy in place of its text. It is the name that wakes it: numbers change with the lists, and what
    /// changes is built anew.
    fn asleep(&self, text: &str) -> String {
        match &self.change {
            Change::Everything => format!("({text} /* {} */)", self.name),
            Change::Code(instead) => {
                let awake = format!("(std::env::var({VARIABLE:?}).as_deref() == Ok({:?}))", self.name);
                policy::switched(text, instead, &awake)
            }
        }
    }
}

fn update(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Removes what is in the work tree no more.
fn remove_others(copy: &Path, kept: &HashSet<PathBuf>) -> Result<()> {
    for path in workspace::files(copy)?.iter().filter(|path| !kept.contains(*path)) {
        fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(name: &str, at: std::ops::Range<usize>, change: Change) -> Mutant {
        Mutant { number: 0, name: name.to_owned(), file: "crates/store/src/thread.rs".to_owned(), at, change }
    }

    #[test]
    fn mutants_sleep_where_their_text_was() {
        let text = "WHERE user_id = $1; a == b".to_owned();
        let mutants = [
            mutant("GET: user", 6..18, Change::Everything),
            mutant("a \"b\"", 20..26, Change::Code("!MUTANT && a == b".to_owned())),
        ];
        assert_eq!(
            changed("crates/store/src/thread.rs", text, &mutants).expect("it can be changed"),
            "WHERE (user_id = $1 /* GET: user */); !(std::env::var(\"RETINUE_MUTANT\").as_deref() == Ok(\"a \\\"b\\\"\")) && a == b"
        );
    }

    #[test]
    fn statements_that_go_another_way_are_noticed() {
        assert!(changed("crates/store/src/sqlite.rs", "nothing".to_owned(), &[]).is_err());
    }
}

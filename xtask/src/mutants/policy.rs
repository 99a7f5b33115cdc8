//! Changes to Rust that decides who may do what: a list, because no rule finds such code.

use std::ops::Range;

use anyhow::{Result, bail};

use super::{Change, Mutant, noun};

/// The list.
pub(super) const FILE: &str = "xtask/mutants/policy.txt";
const LIST: &str = include_str!("../../mutants/policy.txt");

/// In what the list puts in place of a text: whether the mutant is awake.
const AWAKE: &str = "MUTANT";

/// A change that the list declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) file: String,
    /// What is gone, in plain words.
    words: String,
    find: String,
    instead: String,
}

/// All of them.
pub(super) fn declared() -> Result<Vec<Declared>> {
    read(LIST)
}

/// Reads the list. A line without indentation is a file, one with is a mutant's words, `-` the text that it changes, and
/// `+` what it becomes.
fn read(list: &str) -> Result<Vec<Declared>> {
    let (mut found, mut open) = (Vec::new(), Declared::default());
    for line in list.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let Some(content) = line.strip_prefix("  ") else {
            open = Declared { file: line.to_owned(), ..Declared::default() };
            continue;
        };
        match content.trim_start().split_at_checked(2) {
            Some(("- ", find)) => find.clone_into(&mut open.find),
            Some(("+ ", instead)) if !open.words.is_empty() && !open.find.is_empty() => {
                instead.clone_into(&mut open.instead);
                let file = open.file.clone();
                found.push(std::mem::replace(&mut open, Declared { file, ..Declared::default() }));
            }
            Some(_) if open.words.is_empty() && !content.starts_with(' ') => content.clone_into(&mut open.words),
            _ => bail!("{FILE}: I can't read `{line}`: see the head of the file"),
        }
    }
    if open.words.is_empty() { Ok(found) } else { bail!("{FILE}: `{}` has no `-` and `+`", open.words) }
}

impl Declared {
    /// The mutant, in the text of its file; why there is none, if there is none.
    pub(super) fn find(&self, text: &str) -> std::result::Result<Mutant, String> {
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text);
        let name = format!("{}: {}", noun(&self.file), self.words);
        match places(code, &self.find).as_slice() {
            [at] => Ok(Mutant {
                number: 0,
                name,
                file: self.file.clone(),
                at: at.clone(),
                change: Change::Code(self.instead.clone()),
            }),
            found => Err(format!("`{name}`: `{}` is {} times in {}, not once", self.find, found.len(), self.file)),
        }
    }
}

/// What stands in the copy in place of `text`: the same, unless the mutant is awake.
pub(super) fn switched(text: &str, instead: &str, awake: &str) -> String {
    if instead.contains(AWAKE) {
        return instead.replace(AWAKE, awake);
    }
    format!("(if {awake} {{ {instead} }} else {{ {text} }})")
}

/// Where a text is, whatever blanks and ends of lines are between its words.
fn places(text: &str, wanted: &str) -> Vec<Range<usize>> {
    let words: Vec<&str> = wanted.split_whitespace().collect();
    let Some((first, others)) = words.split_first() else { return Vec::new() };
    let end = |start: usize| {
        others.iter().try_fold(start + first.len(), |at, word| {
            let rest = text[at..].trim_start();
            let begin = text.len() - rest.len();
            (begin > at && rest.starts_with(word)).then_some(begin + word.len())
        })
    };
    text.match_indices(first).filter_map(|(start, _)| Some(start..end(start)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# Changes.
crates/app/src/session.rs
  A session of another user counts
    - session.user != user
    + false

  Nobody is asked
    - if !is_asked() { return
    + if !MUTANT && !is_asked() { return
";

    #[test]
    fn the_list_is_read() {
        let found = read(LIST).expect("it is one");
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|declared| declared.file == "crates/app/src/session.rs"));
        assert_eq!((found[0].find.as_str(), found[0].instead.as_str()), ("session.user != user", "false"));
        for wrong in ["file\n  Words\n", "file\n  Words\n    + x\n", "file\n  Words\n    other\n"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_text_is_found_once_outside_of_the_tests_or_it_is_said() {
        let declared = &read(LIST).expect("it is one")[0];
        let once = "if session.user !=\n    user {\n#[cfg(test)]\nmod tests {\n    session.user != user\n}\n";
        let mutant = declared.find(once).expect("it is there once");
        assert_eq!(mutant.name, "session: A session of another user counts");
        assert_eq!(&once[mutant.at], "session.user !=\n    user");
        assert!(declared.find("session.user == user").expect_err("it is gone").contains("0 times"));
        let twice = format!("let other = session.user != user;\n{once}");
        assert!(declared.find(&twice).expect_err("which is meant?").contains("2 times"));
    }

    #[test]
    fn a_mutant_sleeps_until_it_is_named() {
        assert_eq!(switched("a == b", "true", "awake()"), "(if awake() { true } else { a == b })");
        assert_eq!(switched("if a {", "if !MUTANT && a {", "awake()"), "if !awake() && a {");
    }

    #[test]
    fn the_list_of_this_repository_can_be_read() {
        assert!(declared().expect("it can").len() > 50);
    }
}

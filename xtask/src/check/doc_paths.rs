//! Every path that the documents name is there. Outside of fenced blocks, two things are taken for a path:
//!
//! - the target of a link, unless it is a URL, an anchor, or begins with `/`; it counts from the document's directory;
//! - a word in backticks that is one of the root's well-known files, or that has a `/` and either begins with a
//!   directory of the repository's root or ends like a source file. It may count from the root, from the document's
//!   directory, from `crates/`, or leave out `crates/` and `src/` as in `model/thread.rs`.
//!
//! Not taken for one: what begins with `/`, `./`, `../` or `~`, lies in `target`, `data` or `node_modules`, or has
//! a character that no file of ours has (`*`, `{}`, `<>`, `…`, `:`, `@`, …). So a made-up path is written with one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::Problem;
use crate::workspace;

const ROOT_DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

const ROOT_FILES: [&str; 12] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "deny.toml",
    "rust-toolchain.toml",
];

const SOURCES: [&str; 12] = ["css", "html", "js", "json", "lock", "md", "mjs", "rs", "sh", "snap", "sql", "toml"];

const OTHERS: [&str; 3] = ["data", "node_modules", "target"];

/// A path that a document names.
#[derive(Debug, PartialEq, Eq)]
enum Reference<'a> {
    Link(&'a str),
    Word(&'a str),
}

pub(super) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<Problem>> {
    let directories = root_directories(root)?;
    let mut problems = Vec::new();
    for file in files {
        let document = workspace::shown(root, file);
        if !is_document(&document) {
            continue;
        }
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {document}"))?;
        let here = file.parent().unwrap_or(root);
        for (line, reference) in references(&text, &directories) {
            if !exists(root, here, &reference) {
                problems.push(problem(&document, line, &reference));
            }
        }
    }
    Ok(problems)
}

fn is_document(path: &str) -> bool {
    ROOT_DOCUMENTS.contains(&path) || (path.starts_with("docs/") && has_ending(path, &["md"]))
}

fn root_directories(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn problem(document: &str, line: usize, reference: &Reference<'_>) -> Problem {
    let (Reference::Link(path) | Reference::Word(path)) = reference;
    Problem {
        place: format!("{document}:{line}"),
        wrong: format!("there is no `{path}`"),
        mend: "Name what is there; or write an example's path so that it cannot be one, as in `crates/{name}`."
            .to_owned(),
    }
}

/// What the document's text refers to, with its line.
fn references<'a>(text: &'a str, directories: &BTreeSet<String>) -> Vec<(usize, Reference<'a>)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in (1..).zip(text.lines()) {
        let start = line.trim_start();
        if start.starts_with("```") || start.starts_with("~~~") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(in_line(line, directories).into_iter().map(|reference| (number, reference)));
        }
    }
    found
}

/// Every other piece between backticks is code; links are outside of code.
fn in_line<'a>(line: &'a str, directories: &BTreeSet<String>) -> Vec<Reference<'a>> {
    let mut found = Vec::new();
    for (index, piece) in line.split('`').enumerate() {
        if index % 2 == 1 {
            found.extend(path_in_word(piece, directories).map(Reference::Word));
        } else {
            found.extend(link_targets(piece).filter_map(path_in_target).map(Reference::Link));
        }
    }
    found
}

/// `[text](target)`, and `[label]: target` which has its line to itself.
fn link_targets(piece: &str) -> impl Iterator<Item = &str> {
    let inline = piece.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let definition = piece.starts_with('[').then(|| piece.split_once("]: ")).flatten().map(|(_, target)| target);
    inline.chain(definition)
}

fn path_in_target(target: &str) -> Option<&str> {
    let address = target.split_whitespace().next()?.trim_start_matches('<').trim_end_matches('>');
    let path = address.split(['#', '?']).next()?;
    let is_elsewhere = path.is_empty() || path.starts_with('/') || path.contains(':');
    (!is_elsewhere).then_some(path)
}

fn path_in_word<'a>(word: &'a str, directories: &BTreeSet<String>) -> Option<&'a str> {
    let path = without_line_number(word);
    let is_plain = path.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-/".contains(letter));
    if !is_plain || path.starts_with('/') || path.starts_with("./") || path.starts_with("../") {
        return None;
    }
    let Some((first, _)) = path.split_once('/') else {
        return ROOT_FILES.contains(&path).then_some(path);
    };
    let is_ours = directories.contains(first) || has_ending(path, &SOURCES);
    (is_ours && !OTHERS.contains(&first)).then_some(path)
}

fn has_ending(path: &str, endings: &[&str]) -> bool {
    Path::new(path).extension().is_some_and(|found| endings.iter().any(|ending| found == *ending))
}

/// `src/main.rs:12` is a path, too.
fn without_line_number(word: &str) -> &str {
    match word.rsplit_once(':') {
        Some((path, line)) if line.parse::<u32>().is_ok() => path,
        _ => word,
    }
}

fn exists(root: &Path, here: &Path, reference: &Reference<'_>) -> bool {
    match reference {
        Reference::Link(path) => here.join(path).exists(),
        Reference::Word(path) => {
            let crates = root.join("crates");
            let short = path.split_once('/').map(|(name, rest)| crates.join(name).join("src").join(rest));
            let places = [root.join(path), here.join(path), crates.join(path)];
            places.into_iter().chain(short).any(|place| place.exists())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<(usize, Reference<'_>)> {
        let directories = ["crates", "docs", "data", "target", ".ci"].map(str::to_owned).into();
        references(text, &directories)
    }

    fn words(text: &str) -> Vec<&str> {
        let found = named(text).into_iter();
        found.filter_map(|(_, found)| if let Reference::Word(path) = found { Some(path) } else { None }).collect()
    }

    #[test]
    fn words_in_backticks_are_paths_when_they_look_like_ours() {
        let text = "`crates/web/src/page/`, `model/thread.rs`, `.ci/run`, `Cargo.toml`, `crates/app/src/lib.rs:12`";
        let found = ["crates/web/src/page/", "model/thread.rs", ".ci/run", "Cargo.toml", "crates/app/src/lib.rs"];
        assert_eq!(words(text), found);
    }

    #[test]
    fn other_words_in_backticks_are_not() {
        let text = "`/api/threads` `application/json` `https://example.org/a.json` `crates/*` `docs/adr/NNN-*.md` \
                    `crates/{name}/src` `./data` `data/retinue.db` `target/debug/retinue` `~/retinue.toml` \
                    `retinue.toml` `GET /auth/me` `openai/gpt` `a::b` `@scope/pkg.js` `…/bin.rs`";
        assert_eq!(words(text), Vec::<&str>::new());
    }

    #[test]
    fn links_are_paths_unless_they_lead_elsewhere() {
        let text = "See [`the tests`](testing.md#one), [b](https://example.org/x), [c](#here), [d](/api), \
                    [e](mailto:a@example.org), ![f](<images/f.png> \"F\").\n[g]: adr/001-x.md";
        let found = [(1, Reference::Link("testing.md")), (1, Reference::Link("images/f.png"))];
        assert_eq!(named(text), found.into_iter().chain([(2, Reference::Link("adr/001-x.md"))]).collect::<Vec<_>>());
    }

    #[test]
    fn fenced_blocks_are_not_read() {
        assert_eq!(words("```\n`docs/a.md`\n```\n`docs/b.md`"), ["docs/b.md"]);
    }
}

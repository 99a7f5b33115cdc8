//! No file is longer than a reader can hold in mind, and the pages stay light.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::Problem;
use crate::workspace;

/// What the pages' build makes of the style sheet.
#[path = "../../../crates/web/style.rs"]
mod style;

const RUST_LINES: usize = 400;
const SCRIPT_LINES: usize = 150;
const STYLE_BYTES: usize = 20 * 1024;

/// Files that may be longer, each with its reason.
const LONG: &[(&str, &str)] = &[];

pub(super) fn check(root: &Path, files: &[std::path::PathBuf]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for file in files {
        let path = workspace::shown(root, file);
        let Some(limit) = Limit::of(&path) else {
            continue;
        };
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {path}"))?;
        let is_excepted = LONG.iter().any(|(long, _reason)| *long == path);
        match (limit.excess(&text), is_excepted) {
            (Some(wrong), false) => problems.push(Problem { place: path, wrong, mend: limit.mend().to_owned() }),
            (None, true) => problems.push(needless(path)),
            _ => {}
        }
    }
    Ok(problems)
}

fn needless(place: String) -> Problem {
    Problem {
        place,
        wrong: "it is short, and yet excepted from the limit".to_owned(),
        mend: "Remove its line in xtask/src/check/sizes.rs.".to_owned(),
    }
}

#[derive(Clone, Copy)]
enum Limit {
    Rust,
    Script,
    Style,
}

impl Limit {
    fn of(path: &str) -> Option<Self> {
        let (_, extension) = path.rsplit_once('.')?;
        match extension {
            "rs" => Some(Self::Rust),
            "js" | "mjs" => Some(Self::Script),
            "css" if path.ends_with("/app.css") => Some(Self::Style),
            _ => None,
        }
    }

    fn excess(self, text: &str) -> Option<String> {
        let (size, limit, unit) = match self {
            Self::Rust => (text.lines().count(), RUST_LINES, "lines"),
            Self::Script => (text.lines().count(), SCRIPT_LINES, "lines"),
            Self::Style => (style::delivered(text).len(), STYLE_BYTES, "bytes as delivered"),
        };
        (size > limit).then(|| format!("{size} {unit}, the limit is {limit}"))
    }

    fn mend(self) -> &'static str {
        match self {
            Self::Rust => "Split it by noun or by step; or give its reason in xtask/src/check/sizes.rs.",
            Self::Script => "Split it into modules that do one thing each, or let the server do it.",
            Self::Style => "Remove rules that no template uses, and share those that say the same.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_has_its_limit() {
        assert!(Limit::of("crates/web/assets/app.css").is_some());
        assert!(Limit::of("crates/web/assets/code.css").is_none());
        assert!(Limit::of("README.md").is_none());
        let limit = Limit::of("crates/web/src/lib.rs").expect("it is Rust");
        assert_eq!(limit.excess(&"x\n".repeat(400)), None);
        assert_eq!(limit.excess(&"x\n".repeat(401)).as_deref(), Some("401 lines, the limit is 400"));
    }

    #[test]
    fn a_style_sheet_is_delivered_without_what_only_its_readers_need() {
        let source = "/* Two\n   lines. */\na,\nb {\n  /* Why. */\n  margin: 0\n    auto; /* here */\n}\n\nc { d: e, f; g: \", \" }\nc { d: e, f; }\n";
        let delivered = "/* Two\nlines. */\na,b{margin:0\nauto;/* here */\n}c { d: e, f; g: \", \" }c{d:e,f;}";
        assert_eq!(style::delivered(source), delivered);
    }
}

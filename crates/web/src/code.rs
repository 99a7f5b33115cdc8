//! Code with its words marked by kind.

use std::fmt::Write as _;
use std::sync::LazyLock;

use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};
use syntect::util::LinesWithEndings;

/// Longer code is shown without marks: marking it would cost more than it helps.
const MAX_BYTES: usize = 64 * 1024;
/// Some grammars take very long on very long lines.
const MAX_LINE: usize = 2_000;

/// Read when the first code is shown; the pages of those who never show any do without it.
static SYNTAXES: LazyLock<SyntaxSet> = LazyLock::new(two_face::syntax::extra_newlines);

/// What a part of code is, by the scopes of Sublime Text's grammars; the first that fits counts.
static KINDS: LazyLock<Vec<(Scope, &'static str)>> = LazyLock::new(|| {
    [
        ("comment", "hl-c"),
        ("constant.character.escape", "hl-n"),
        ("punctuation.definition.comment", "hl-c"),
        ("string", "hl-s"),
        ("constant", "hl-n"),
        ("entity.name.function", "hl-f"),
        ("support.function", "hl-f"),
        ("variable.function", "hl-f"),
        ("entity.name.tag", "hl-a"),
        ("entity.other.attribute-name", "hl-a"),
        ("meta.annotation", "hl-a"),
        ("entity.name", "hl-t"),
        ("support.type", "hl-t"),
        ("support.class", "hl-t"),
        ("storage.type", "hl-k"),
        ("storage.modifier", "hl-k"),
        ("keyword.operator.word", "hl-k"),
        ("keyword.operator", "hl-o"),
        ("keyword", "hl-k"),
        ("variable.parameter", "hl-v"),
        ("variable.language", "hl-k"),
        ("punctuation", "hl-p"),
    ]
    .into_iter()
    .filter_map(|(scope, class)| Some((Scope::new(scope).ok()?, class)))
    .collect()
});

/// HTML of `code`: escaped, and with `<span class="hl-…">` around what is recognised if the language is known.
pub(crate) fn highlight(language: &str, code: &str) -> String {
    let fits = code.len() <= MAX_BYTES && code.lines().all(|line| line.len() <= MAX_LINE);
    syntax(language).filter(|_| fits).and_then(|syntax| marked(syntax, code)).unwrap_or_else(|| escaped(code))
}

fn syntax(language: &str) -> Option<&'static SyntaxReference> {
    if language.is_empty() || matches!(language, "text" | "txt" | "plain" | "plaintext") {
        return None;
    }
    let known = match language {
        "jsonc" | "json5" => "json",
        "console" | "shell-session" | "shell" | "zsh" => "bash",
        other => other,
    };
    SYNTAXES.find_syntax_by_token(known)
}

fn marked(syntax: &SyntaxReference, code: &str) -> Option<String> {
    let mut state = ParseState::new(syntax);
    let mut stack = ScopeStack::new();
    let mut html = String::with_capacity(code.len() * 2);
    for line in LinesWithEndings::from(code) {
        let mut start = 0;
        for (end, operation) in state.parse_line(line, &SYNTAXES).ok()? {
            write_part(&mut html, &line[start..end], &stack);
            stack.apply(&operation).ok()?;
            start = end;
        }
        write_part(&mut html, &line[start..], &stack);
    }
    Some(html)
}

fn write_part(html: &mut String, part: &str, stack: &ScopeStack) {
    match class(stack).filter(|_| !part.trim().is_empty()) {
        Some(class) => {
            let _ = write!(html, "<span class=\"{class}\">{}</span>", escaped(part));
        }
        None => html.push_str(&escaped(part)),
    }
}

/// The kind of the innermost scope that has one.
fn class(stack: &ScopeStack) -> Option<&'static str> {
    stack
        .as_slice()
        .iter()
        .rev()
        .find_map(|scope| KINDS.iter().find(|(kind, _)| kind.is_prefix_of(*scope)).map(|(_, class)| *class))
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_marked_by_kind() {
        let html = highlight("rust", "fn main() { let x = \"<b>\"; } // end\n");
        assert!(html.contains("<span class=\"hl-k\">fn</span>"), "{html}");
        assert!(html.contains("<span class=\"hl-s\">&lt;b&gt;</span>"), "{html}");
        assert!(html.contains("hl-c"), "{html}");
    }

    #[test]
    fn languages_that_people_ask_about_are_known() {
        for language in [
            "python",
            "py",
            "js",
            "ts",
            "tsx",
            "typescript",
            "go",
            "java",
            "c",
            "cpp",
            "cs",
            "rb",
            "php",
            "sh",
            "bash",
            "sql",
            "json",
            "yaml",
            "toml",
            "html",
            "css",
            "dockerfile",
            "kotlin",
            "swift",
            "diff",
            "makefile",
            "jsonc",
            "console",
        ] {
            assert!(syntax(language).is_some(), "{language}");
        }
        assert_eq!(highlight("no-such-language", "a < b"), "a &lt; b");
    }
}

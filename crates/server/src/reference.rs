//! `retinue config reference`: `docs/configuration.md`, made of the commented defaults.

use std::fmt::Write as _;

use crate::layers::DEFAULTS;

/// The page.
pub(crate) fn markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    let (tables, examples) = DEFAULTS.split_once("# Further identity providers").unwrap_or((DEFAULTS, ""));
    let mut section = String::new();
    let mut comment = String::new();
    for line in tables.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            let _ =
                write!(page, "\n## `[{section}]`\n\n| key | default | environment | meaning |\n|---|---|---|---|\n");
            comment.clear();
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
        } else if let Some((key, value)) = line.split_once(" = ") {
            let (meaning, plain) = split_plain_name(comment.trim());
            let variable = format!("RETINUE__{}__{}", section.replace('.', "__"), key).to_uppercase();
            let plain = plain.map_or_else(String::new, |plain| format!("`{plain}` or "));
            let _ = writeln!(page, "| `{key}` | `{value}` | {plain}`{variable}` | {} |", meaning.replace('|', "\\|"));
            comment.clear();
        } else {
            comment.clear();
        }
    }
    let _ = write!(
        page,
        "\n## `[[auth.providers]]`, `[[models]]` and `[[agents]]`\n\n```toml\n# Further identity providers{examples}```\n"
    );
    page
}

/// "…. Plain name: X." → ("….", X)
fn split_plain_name(comment: &str) -> (&str, Option<&str>) {
    match comment.split_once(" Plain name: ") {
        Some((meaning, name)) => (meaning, Some(name.trim_end_matches('.'))),
        None => (comment, None),
    }
}

const INTRODUCTION: &str = "# Configuration

This page is made from `crates/server/config.default.toml` by `cargo xtask check --write`.

Retinue reads `retinue.toml` in the folder it is started in, or the file named by `--config` or `RETINUE_CONFIG`. Each key can
be set by environment as well, and the environment wins. `DISABLE_AUTH=true` means `auth.mode = \"single_user\"`.

`retinue config check` says what is wrong, without starting; `retinue config show` prints what is in force and where each
value came from, with secrets hidden. Keys that do not exist, contradictions and missing halves are errors at start.
";

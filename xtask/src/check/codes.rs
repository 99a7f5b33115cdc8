//! Each code of an error that the API's description names is explained to programmers, in one of the documents that do.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Problem;

const DESCRIPTION: &str = "docs/openapi.json";
/// What codes mean: of the API, and of signing in at a provider.
const EXPLAINED_IN: [&str; 2] = ["docs/api.md", "docs/sign-in.md"];

pub(super) fn check(root: &Path) -> Result<Vec<Problem>> {
    let read = |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"));
    let description: Value = serde_json::from_str(&read(DESCRIPTION)?)?;
    let documents = EXPLAINED_IN.into_iter().map(read).collect::<Result<Vec<_>>>()?.concat();
    let named = codes(&description).into_iter();
    let missing = named.filter(|(code, _)| !is_explained(&documents, code));
    Ok(missing.map(|(code, door)| problem(&code, &door)).collect())
}

/// Whether a row of a table is about the code.
fn is_explained(documents: &str, code: &str) -> bool {
    let word = format!("`{code}`");
    documents.lines().any(|line| line.starts_with('|') && line.contains(&word))
}

/// The codes of errors, each with a door that has it.
fn codes(description: &Value) -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    let paths = description["paths"].as_object().into_iter().flatten();
    let doors = paths.flat_map(|(path, doors)| {
        doors.as_object().into_iter().flatten().map(move |(method, door)| (format!("{method} {path}"), door))
    });
    for (door, said) in doors {
        let answers = said["responses"].as_object().into_iter().flatten();
        for (_, answer) in answers.filter(|(status, _)| status.starts_with(['4', '5'])) {
            for code in words(answer["description"].as_str().unwrap_or_default()) {
                codes.entry(code.to_owned()).or_insert_with(|| door.clone());
            }
        }
    }
    codes
}

/// What stands between backticks and is written like a code.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_code = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    text.split('`').skip(1).step_by(2).filter(is_code)
}

fn problem(code: &str, door: &str) -> Problem {
    Problem {
        place: EXPLAINED_IN[0].to_owned(),
        wrong: format!("`{code}`, an error of {door}, has no row"),
        mend: "Say in the table of errors what it means.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn codes_are_what_errors_are_described_with() {
        let answer = |text: &str| json!({ "description": text });
        let responses = json!({
            "200": answer("`ready` is said."),
            "403": answer("`role_too_low`; `forbidden`: `?all=true` is for `Others`"),
            "503": answer("`too_busy`"),
        });
        let found = codes(&json!({ "paths": { "/api/teams": { "get": { "responses": responses } } } }));
        assert_eq!(found.keys().collect::<Vec<_>>(), ["forbidden", "role_too_low", "too_busy"]);
        assert_eq!(found["forbidden"], "get /api/teams");
    }

    #[test]
    fn a_code_is_explained_by_a_row_of_a_table() {
        let document = "| 403 | `forbidden` | no |\nOr `role_too_low`.\n";
        assert!(is_explained(document, "forbidden"));
        assert!(!is_explained(document, "role_too_low") && !is_explained(document, "forbid"));
    }
}

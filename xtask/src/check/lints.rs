//! Every crate of ours keeps the workspace's lints.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Problem;

pub(super) fn check(metadata: &Value) -> Result<Vec<Problem>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let path = package["manifest_path"].as_str().context("a package has no manifest")?;
        let manifest = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        if !inherits_lints(&manifest) {
            problems.push(Problem {
                place: package["name"].as_str().unwrap_or(path).to_owned(),
                wrong: "its Cargo.toml does not take the workspace's lints".to_owned(),
                mend: "Add `[lints]` with `workspace = true`.".to_owned(),
            });
        }
    }
    Ok(problems)
}

/// Cargo refuses a table that has both this line and lints of its own, so the line is all there is to look for.
fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(|line| line.split('#').next().unwrap_or_default().replace(' ', ""));
    lines.any(|line| line == "[lints]")
        && lines.take_while(|line| !line.starts_with('[')).any(|line| line == "workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_in_its_own_table_only() {
        assert!(inherits_lints("[package]\nname = \"x\"\n\n[lints]\nworkspace = true\n"));
        assert!(inherits_lints("[lints] # ours\nworkspace=true"));
        assert!(!inherits_lints("[lints]\n[dependencies]\nworkspace = true\n"));
        assert!(!inherits_lints("[package]\nname = \"x\"\n"));
    }
}

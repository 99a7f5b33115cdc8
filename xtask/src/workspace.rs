//! Where the repository is, and what cargo knows of its crates.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;

/// The repository's root.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let parent = Path::new(&manifest).parent();
    parent.map(Path::to_path_buf).context("xtask lies in no directory")
}

/// Where cargo builds, and where we keep what we fetch.
pub(crate) fn target(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target))
}

/// `cargo metadata` of the workspace's own crates.
pub(crate) fn metadata(root: &Path) -> Result<Value> {
    let mut command = shell::cargo();
    command.args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(root);
    serde_json::from_str(&shell::output(&mut command)?).context("cargo metadata is not JSON")
}

/// All files below a directory, in order, without hidden directories and what other programs put there.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(directory) = open.pop() {
        let entries = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_file() {
                found.push(entry.path());
            } else if kind.is_dir() && !foreign(&entry.file_name().to_string_lossy()) {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A path as the messages show it: from the root, with forward slashes.
pub(crate) fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn foreign(directory: &str) -> bool {
    directory.starts_with('.') || matches!(directory, "target" | "node_modules" | "data")
}

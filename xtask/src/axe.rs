//! axe-core, the accessibility rules which the browser tests run in each page. Its version and checksum are in
//! `xtask/axe/package-lock.json`; npm fetches it below the target directory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{shell, workspace};

const MANIFEST: &str = "package.json";
const LOCK: &str = "package-lock.json";

/// The script, if the version we want was fetched before.
pub(crate) fn find(root: &Path) -> Option<PathBuf> {
    let (wanted, fetched) = (source(root).join(LOCK), place(root).join(LOCK));
    let fresh = fs::read(wanted).ok()? == fs::read(fetched).ok()?;
    let script = script(root);
    (fresh && script.is_file()).then_some(script)
}

/// Whether it can be fetched.
pub(crate) fn has_npm() -> bool {
    shell::find("npm").is_some() && shell::find("node").is_some()
}

/// Fetches the script.
pub(crate) fn fetch(root: &Path) -> Result<PathBuf> {
    ensure!(has_npm(), "npm and node are not on the search path");
    let place = place(root);
    println!("test: npm ci, to get axe-core into {}", place.display());
    fs::create_dir_all(&place)?;
    fs::copy(source(root).join(MANIFEST), place.join(MANIFEST))?;
    fs::copy(source(root).join(LOCK), place.join(LOCK))?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&place);
    let fetched = shell::output(&mut npm).context("npm could not fetch axe-core");
    if fetched.is_err() {
        // What was left half done must not look finished.
        fs::remove_file(place.join(LOCK))?;
    }
    fetched?;
    let script = script(root);
    ensure!(script.is_file(), "npm did not bring {}", script.display());
    Ok(script)
}

fn source(root: &Path) -> PathBuf {
    root.join("xtask/axe")
}

fn place(root: &Path) -> PathBuf {
    workspace::target(root).join("axe")
}

fn script(root: &Path) -> PathBuf {
    place(root).join("node_modules/axe-core/axe.min.js")
}

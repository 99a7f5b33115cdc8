//! `cargo deny`: what may be in the dependency tree. The rules themselves are in `deny.toml`.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{shell, workspace};

/// What the lock file alone can answer.
pub(crate) const OFFLINE: [&str; 3] = ["licenses", "bans", "sources"];

const VERSION: &str = "0.20.2";

/// `deny`, or `deny advisories`.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<ExitCode> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let allowed = match args.as_slice() {
        [] => allows(root, &OFFLINE)?,
        ["advisories"] => allows(root, &["advisories"])?,
        other => bail!("`deny` takes nothing or `advisories`, not `{}`", other.join(" ")),
    };
    Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the dependency tree keeps these sections of `deny.toml`.
pub(crate) fn allows(root: &Path, sections: &[&str]) -> Result<bool> {
    let program = provide(root)?;
    let mut command = Command::new(program);
    command.args(["--all-features", "check", "--hide-inclusion-graph"]).args(sections).current_dir(root);
    let allowed = shell::status(&mut command)?.success();
    if sections == OFFLINE {
        println!("deny: advisories were not asked for, they need a network: `cargo xtask deny advisories`");
    }
    Ok(allowed)
}

/// The machine's own cargo-deny, or else the one below the target directory, which is built when it is not there.
fn provide(root: &Path) -> Result<PathBuf> {
    let tools = workspace::target(root).join("tools");
    let built = tools.join("bin/cargo-deny");
    if let Some(program) = shell::find("cargo-deny") {
        return Ok(program);
    }
    if !built.is_file() {
        build(root, &tools)?;
    }
    Ok(built)
}

/// Without optimisation: it reads one lock file, and is built in a quarter of the time.
fn build(root: &Path, tools: &Path) -> Result<()> {
    let package = format!("cargo-deny@{VERSION}");
    println!("deny: building {package} into {}, once; this takes a minute or two", tools.display());
    let mut command = shell::cargo();
    command.args(["install", &package, "--locked", "--debug", "--quiet", "--root"]).arg(tools);
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env_remove("CARGO_TARGET_DIR").current_dir(root);
    shell::run(&mut command).context("cargo-deny cannot be built; install it by other means and try again")
}

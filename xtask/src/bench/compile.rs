//! What the compiler takes.

use std::{
    fs,
    path::Path,
    time::{Instant, SystemTime},
};

use anyhow::{Context, Result};

use super::process;
use super::table::{Table, Target};
use crate::{scratch::Scratch, shell};

/// A short test that goes through the doors.
const TEST: &str = "a_thread_is_created_read_changed_and_deleted";
/// Where the integration tests are, once there are any.
const TESTS: &str = "crates/server/tests/it/main.rs";
/// What is edited.
const EDITED: &str = "crates/web/src/lib.rs";

pub(crate) fn measure(root: &Path, table: &mut Table) -> Result<()> {
    edit(root, table)?;
    let scratch = Scratch::new()?;
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--quiet"]).current_dir(root).env("CARGO_TARGET_DIR", scratch.path());
    let before = process::children_cpu_seconds()?;
    shell::run(&mut cargo)?;
    let minutes = (process::children_cpu_seconds()? - before) / 60.0;
    table.add("cold `cargo build --release`, CPU", Target::AtMost(15.0), minutes, "min");
    Ok(())
}

/// From an edit in the web layer to the answer of one integration test.
fn edit(root: &Path, table: &mut Table) -> Result<()> {
    const METRIC: &str = "edit in web to the answer of one integration test";
    if !root.join(TESTS).exists() {
        table.unmeasured(METRIC, "there are no integration tests yet");
        return Ok(());
    }
    let test = || {
        let mut cargo = shell::cargo();
        cargo.args(["test", "--quiet", "--package", "retinue-server", "--test", "it", "--", TEST]).current_dir(root);
        shell::run(&mut cargo)
    };
    test().context("the test does not succeed before the edit")?;
    #[expect(clippy::disallowed_methods, reason = "an edit is what cargo sees by a file's time")]
    fs::File::options().append(true).open(root.join(EDITED))?.set_modified(SystemTime::now())?;
    let since = Instant::now();
    test()?;
    table.add(METRIC, Target::AtMost(15.0), since.elapsed().as_secs_f64(), "s");
    Ok(())
}

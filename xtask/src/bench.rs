//! Measurements against a running server.

use std::{path::Path, process::ExitCode};

use anyhow::{Result, bail};

/// Not written yet.
pub(crate) fn run(_root: &Path, _args: &[String]) -> Result<ExitCode> {
    bail!("there are no benchmarks yet")
}

//! The programs that are measured and those that measure, all built by one command.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{install::Apt, shell, workspace};

/// Where they are.
pub(crate) struct Programs {
    release: PathBuf,
    wrk: Option<PathBuf>,
}

impl Programs {
    /// Builds them for use, and gets the load generator.
    pub(crate) fn build(root: &Path) -> Result<Self> {
        let mut command = shell::cargo();
        command.args(["build", "--release", "--package", "retinue-server", "--bin", "retinue"]);
        command.args(["--package", "retinue-testkit", "--examples"]).current_dir(root);
        shell::run(&mut command)?;
        Ok(Self { release: workspace::target(root).join("release"), wrk: wrk() })
    }

    pub(crate) fn retinue(&self) -> PathBuf {
        self.release.join("retinue")
    }

    pub(crate) fn example(&self, name: &str) -> PathBuf {
        self.release.join("examples").join(name)
    }

    /// `wrk`, which asks as often as it can.
    pub(crate) fn wrk(&self) -> Result<&Path> {
        self.wrk
            .as_deref()
            .ok_or_else(|| anyhow::anyhow!("there is no wrk: install it (Debian, Ubuntu, Homebrew: wrk)"))
    }
}

fn wrk() -> Option<PathBuf> {
    if shell::find("wrk").is_none()
        && let Some(apt) = Apt::find()
        && let Err(error) = apt.install(&["wrk"])
    {
        eprintln!("bench: {error:#}");
    }
    shell::find("wrk")
}

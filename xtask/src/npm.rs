//! What the tests get from npm: each package's directory below `xtask` has its version and the checksums of all that comes
//! with it; npm fetches it below the target directory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{shell, workspace};

const LOCK: &str = "package-lock.json";

/// Something to fetch.
pub(crate) struct Package {
    /// Its directory below `xtask`, and below the target directory.
    name: &'static str,
    /// What is copied to what npm brings.
    files: &'static [&'static str],
    /// What the tests are told of.
    wanted: &'static str,
}

/// axe-core, the accessibility rules which the browser tests run in each page.
pub(crate) const AXE: Package =
    Package { name: "axe", files: &["package.json"], wanted: "node_modules/axe-core/axe.min.js" };

/// A real identity provider, and the program that starts it as the tests want it.
pub(crate) const OIDC_PROVIDER: Package =
    Package { name: "oidc-provider", files: &["package.json", "server.mjs"], wanted: "server.mjs" };

/// Whether anything can be fetched.
pub(crate) fn is_here() -> bool {
    shell::find("npm").is_some() && shell::find("node").is_some()
}

impl Package {
    /// What is wanted, if the version we want was fetched before.
    pub(crate) fn find(&self, root: &Path) -> Option<PathBuf> {
        let is_fresh = |file: &&str| {
            let (ours, fetched) = (self.source(root).join(file), self.place(root).join(file));
            matches!((fs::read(ours), fs::read(fetched)), (Ok(ours), Ok(fetched)) if ours == fetched)
        };
        let wanted = self.wanted(root);
        (is_fresh(&LOCK) && self.files.iter().all(is_fresh) && wanted.is_file()).then_some(wanted)
    }

    /// Fetches it.
    pub(crate) fn fetch(&self, root: &Path) -> Result<PathBuf> {
        ensure!(is_here(), "npm and node are not on the search path");
        let place = self.place(root);
        println!("test: npm ci, to get {} into {}", self.name, place.display());
        fs::create_dir_all(&place)?;
        for file in self.files.iter().chain([&LOCK]) {
            fs::copy(self.source(root).join(file), place.join(file))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&place);
        let fetched = shell::output(&mut npm).with_context(|| format!("npm could not fetch {}", self.name));
        if fetched.is_err() {
            // What was left half done must not look finished.
            fs::remove_file(place.join(LOCK))?;
        }
        fetched?;
        let wanted = self.wanted(root);
        ensure!(wanted.is_file(), "npm did not bring {}", wanted.display());
        Ok(wanted)
    }

    fn source(&self, root: &Path) -> PathBuf {
        root.join("xtask").join(self.name)
    }

    fn place(&self, root: &Path) -> PathBuf {
        workspace::target(root).join(self.name)
    }

    fn wanted(&self, root: &Path) -> PathBuf {
        self.place(root).join(self.wanted)
    }
}

//! What the tests get from PyPI: each package's directory below `xtask` has the versions and the checksums of all that comes
//! with it; pip fetches it into a virtual environment below the target directory. `xtask/pypi/lock.py` pins them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{shell, workspace};

const PINNED: &str = "requirements.txt";

/// What the tests are told of: it starts the package as they want it.
const SCRIPT: &str = "server.py";

/// Debian's own comes last: one that somebody installed may be newer, or older than what we need.
const PYTHONS: [&str; 6] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "/usr/bin/python3"];

/// Succeeds with a Python that is new enough and can make virtual environments.
const FITS: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";

/// Something to fetch.
pub(crate) struct Package {
    /// Its directory below `xtask`, and below the target directory.
    name: &'static str,
}

/// A real identity provider with its own login page.
pub(crate) const CANAILLE: Package = Package { name: "canaille" };

/// A real mail server, which keeps what it gets.
pub(crate) const SMTP_SINK: Package = Package { name: "smtp-sink" };

/// Whether anything can be fetched.
pub(crate) fn is_here() -> bool {
    python().is_some()
}

fn python() -> Option<PathBuf> {
    let found = PYTHONS.into_iter().filter_map(shell::find);
    // A name on the search path may be a stand-in for a version that is not there.
    found.into_iter().find(|python| shell::succeeds(Command::new(python).args(["-c", FITS])))
}

impl Package {
    /// The script, if the versions we want were fetched before.
    pub(crate) fn find(&self, root: &Path) -> Option<PathBuf> {
        let is_fresh = |file: &str| {
            let (ours, fetched) = (self.source(root).join(file), self.place(root).join(file));
            matches!((fs::read(ours), fs::read(fetched)), (Ok(ours), Ok(fetched)) if ours == fetched)
        };
        (is_fresh(PINNED) && is_fresh(SCRIPT) && self.python(root).is_file()).then(|| self.place(root).join(SCRIPT))
    }

    /// Fetches it.
    pub(crate) fn fetch(&self, root: &Path) -> Result<PathBuf> {
        let python = python().context("there is no Python 3.11 or newer with venv and ensurepip on the search path")?;
        let place = self.place(root);
        println!("test: pip install, to get {} into {}", self.name, place.display());
        if place.exists() {
            // One of another Python, or of other versions.
            fs::remove_dir_all(&place)?;
        }
        fs::create_dir_all(&place)?;
        shell::output(Command::new(python).args(["-m", "venv"]).arg(place.join("venv")))
            .context("python could not make a virtual environment")?;
        fs::copy(self.source(root).join(SCRIPT), place.join(SCRIPT))?;
        self.install(root).with_context(|| format!("pip could not fetch {}", self.name))?;
        self.try_out(root).with_context(|| format!("{} does not start", self.name))?;
        // Last: it says that all is there.
        fs::copy(self.source(root).join(PINNED), place.join(PINNED))?;
        Ok(place.join(SCRIPT))
    }

    fn install(&self, root: &Path) -> Result<()> {
        let mut pip = Command::new(self.python(root));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]);
        pip.args(["--require-hashes", "--only-binary=:all:", "--requirement"]).arg(self.source(root).join(PINNED));
        shell::output(&mut pip).map(drop)
    }

    /// Python keeps what it compiles meanwhile, which is less than all that pip brought.
    fn try_out(&self, root: &Path) -> Result<()> {
        let mut server = Command::new(self.python(root));
        server.arg(self.place(root).join(SCRIPT)).arg("{}").env_remove("PYTHONDONTWRITEBYTECODE");
        let said = shell::output(&mut server)?;
        ensure!(!said.is_empty(), "it says nothing");
        Ok(())
    }

    fn python(&self, root: &Path) -> PathBuf {
        self.place(root).join("venv/bin/python")
    }

    fn source(&self, root: &Path) -> PathBuf {
        root.join("xtask").join(self.name)
    }

    fn place(&self, root: &Path) -> PathBuf {
        workspace::target(root).join(self.name)
    }
}

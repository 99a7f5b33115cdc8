//! What some tests need besides Rust: which of it is here, getting the rest, and naming what cannot be got.

use std::{env, ffi::OsString, path::Path};

use anyhow::{Context, Result, anyhow};

use crate::{chromium, install::Apt, npm, postgres, pypi};

/// A part that some tests need, and plain `cargo test` therefore leaves out.
#[derive(Clone, Copy)]
enum Part {
    Postgres,
    Browser,
    Axe,
    OidcProvider,
    Canaille,
    SmtpSink,
}

/// Everything that could be had: it lasts as long as this value.
#[derive(Default)]
pub(crate) struct Parts {
    /// Where the tests find it.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// What they must do without.
    pub(crate) missing: Vec<Missing>,
    cluster: Option<postgres::Cluster>,
}

/// A part that could not be had.
pub(crate) struct Missing {
    /// Tests that need it have this in their path.
    pub(crate) mark: &'static str,
    /// What it is, why it is not there, and what would bring it.
    pub(crate) told: String,
}

/// Looks for all parts, installs what is missing if that is wished for, and starts what must run.
pub(crate) fn provide(root: &Path, may_install: bool) -> Parts {
    if may_install {
        install_missing(root);
    }
    let mut parts = Parts::default();
    for part in Part::ALL.into_iter().filter(|part| !part.is_given()) {
        if let Err(error) = parts.equip(part, root) {
            parts.missing.push(Missing { mark: part.mark(), told: part.told(&error) });
        }
    }
    parts
}

fn install_missing(root: &Path) {
    let missing: Vec<Part> = Part::ALL.into_iter().filter(|part| !part.is_given() && !part.is_here(root)).collect();
    if missing.is_empty() {
        return;
    }
    let Some(apt) = Apt::find() else {
        println!("test: this needs apt-get and root (or sudo without a password) to install what is missing");
        return;
    };
    if let Err(error) = apt.update() {
        eprintln!("test: {error:#}");
    }
    for part in missing {
        println!("test: apt-get install {} ({})", part.packages().join(" "), part.purpose());
        if let Err(error) = apt.install(part.packages()) {
            eprintln!("test: {error:#}");
        }
    }
}

impl Parts {
    fn equip(&mut self, part: Part, root: &Path) -> Result<()> {
        match part {
            Part::Postgres => {
                let programs = postgres::programs().context("initdb, postgres and pg_ctl are not on this machine")?;
                let cluster = postgres::Cluster::start(programs)?;
                self.environment.push(("RETINUE_TEST_POSTGRES", cluster.url().into()));
                self.cluster = Some(cluster);
            }
            Part::Browser => {
                let browser = chromium::find().map_err(|why| anyhow!(why))?;
                self.environment.push(("RETINUE_TEST_CHROMIUM", browser.chromium.into()));
                self.environment.push(("RETINUE_TEST_CHROMEDRIVER", browser.driver.into()));
            }
            Part::Axe => {
                let script = npm::AXE.find(root).map_or_else(|| npm::AXE.fetch(root), Ok)?;
                self.environment.push(("RETINUE_TEST_AXE", script.into()));
            }
            Part::OidcProvider => {
                let script = npm::OIDC_PROVIDER.find(root).map_or_else(|| npm::OIDC_PROVIDER.fetch(root), Ok)?;
                self.environment.push(("RETINUE_TEST_OIDC_PROVIDER", script.into()));
            }
            Part::Canaille => {
                let script = pypi::CANAILLE.find(root).map_or_else(|| pypi::CANAILLE.fetch(root), Ok)?;
                self.environment.push(("RETINUE_TEST_CANAILLE", script.into()));
            }
            Part::SmtpSink => {
                let script = pypi::SMTP_SINK.find(root).map_or_else(|| pypi::SMTP_SINK.fetch(root), Ok)?;
                self.environment.push(("RETINUE_TEST_SMTP_SINK", script.into()));
            }
        }
        Ok(())
    }
}

impl Part {
    const ALL: [Self; 6] =
        [Self::Postgres, Self::Browser, Self::Axe, Self::OidcProvider, Self::Canaille, Self::SmtpSink];

    /// Whether the caller's environment names it already, such as a server of its own.
    fn is_given(self) -> bool {
        self.variables().iter().all(|variable| env::var_os(variable).is_some())
    }

    fn told(self, error: &anyhow::Error) -> String {
        let (name, mark, remedy) = (self.name(), self.mark(), self.by_hand());
        format!("{name} (those with `{mark}` in their path): {error:#}\n    To mend it, install {remedy}.")
    }

    fn is_here(self, root: &Path) -> bool {
        match self {
            Self::Postgres => postgres::programs().is_some(),
            Self::Browser => chromium::find().is_ok(),
            Self::Axe => npm::AXE.find(root).is_some() || npm::is_here(),
            // Node runs it, too.
            Self::OidcProvider => npm::is_here(),
            Self::Canaille => pypi::CANAILLE.find(root).is_some() || pypi::is_here(),
            Self::SmtpSink => pypi::SMTP_SINK.find(root).is_some() || pypi::is_here(),
        }
    }

    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["RETINUE_TEST_POSTGRES"],
            Self::Browser => &["RETINUE_TEST_CHROMIUM", "RETINUE_TEST_CHROMEDRIVER"],
            Self::Axe => &["RETINUE_TEST_AXE"],
            Self::OidcProvider => &["RETINUE_TEST_OIDC_PROVIDER"],
            Self::Canaille => &["RETINUE_TEST_CANAILLE"],
            Self::SmtpSink => &["RETINUE_TEST_SMTP_SINK"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Browser => "browser",
            Self::Axe => "axe-core",
            Self::OidcProvider => "oidc-provider",
            Self::Canaille => "Canaille",
            Self::SmtpSink => "the SMTP sink",
        }
    }

    /// The test path's piece that says a test needs it: see docs/testing.md.
    fn mark(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Browser => "browser::",
            Self::Axe => "axe_",
            Self::OidcProvider => "oidc_provider::",
            Self::Canaille => "canaille::",
            Self::SmtpSink => "smtp_sink::",
        }
    }

    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgresql"],
            Self::Browser => &["chromium", "chromium-driver"],
            Self::Axe | Self::OidcProvider => &["nodejs", "npm"],
            Self::Canaille | Self::SmtpSink => &["python3-venv"],
        }
    }

    fn purpose(self) -> &'static str {
        match self {
            Self::Postgres => "the storage tests run on both databases; a server of their own, not the system's",
            Self::Browser => "the pages are tested in a real browser",
            Self::Axe => "npm fetches axe-core, the accessibility rules for the pages",
            Self::OidcProvider => "people sign in at a real identity provider, which npm fetches and node runs",
            Self::Canaille => "people sign in at the login page of Canaille, which pip fetches and Python runs",
            Self::SmtpSink => "mail is sent to aiosmtpd, which pip fetches and Python runs",
        }
    }

    fn by_hand(self) -> &'static str {
        match self {
            Self::Postgres => {
                "PostgreSQL 15 or newer with its server programs (Debian, Ubuntu: postgresql; Fedora: \
                 postgresql-server; Homebrew: postgresql@17), or set RETINUE_TEST_POSTGRES to the URL of a server \
                 whose user may create databases"
            }
            Self::Browser => {
                "Chromium and chromedriver of one version on the search path (Debian: chromium chromium-driver; \
                 Fedora: chromium chromedriver; elsewhere Chrome for Testing), or set RETINUE_TEST_CHROMIUM and \
                 RETINUE_TEST_CHROMEDRIVER to their paths"
            }
            Self::Axe => {
                "Node.js and npm (Debian, Ubuntu: nodejs npm; Homebrew: node) and let npm reach its registry, or set \
                 RETINUE_TEST_AXE to the path of an axe.min.js"
            }
            Self::OidcProvider => {
                "Node.js 20 or newer and npm (Debian, Ubuntu: nodejs npm; Homebrew: node) and let npm reach its registry"
            }
            Self::Canaille | Self::SmtpSink => {
                "Python 3.11 or newer with venv and ensurepip (Debian 12, Ubuntu 24.04: python3-venv; Fedora: python3; \
                 Homebrew: python) and let pip reach PyPI"
            }
        }
    }
}

//! Installing Debian packages, where that is possible.

use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// How this machine's packages are installed.
pub(crate) enum Apt {
    AsRoot,
    WithSudo,
}

impl Apt {
    /// None when there is no apt-get, or when it may not be used without a password.
    pub(crate) fn find() -> Option<Self> {
        shell::find("apt-get")?;
        if shell::output(Command::new("id").arg("-u")).is_ok_and(|user| user.trim() == "0") {
            return Some(Self::AsRoot);
        }
        shell::succeeds(Command::new("sudo").args(["-n", "true"])).then_some(Self::WithSudo)
    }

    /// Reads the lists of packages anew.
    pub(crate) fn update(&self) -> Result<()> {
        self.run(&["update"])
    }

    /// Installs packages; once more, with new lists, if the first attempt fails.
    pub(crate) fn install(&self, packages: &[&str]) -> Result<()> {
        let mut args = vec!["install", "--yes", "--no-install-recommends"];
        args.extend(packages);
        if self.run(&args).is_ok() {
            return Ok(());
        }
        println!("test: apt-get failed; once more");
        self.update()?;
        self.run(&args)
    }

    /// Says what apt-get said only when it failed.
    fn run(&self, args: &[&str]) -> Result<()> {
        let mut command = match self {
            Self::AsRoot => Command::new("env"),
            Self::WithSudo => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", "env"]);
                sudo
            }
        };
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]);
        command.args(["-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120"]).args(args);
        if let Err(error) = shell::output(&mut command) {
            eprintln!("{error}");
            bail!("apt-get {} failed", args.join(" "));
        }
        Ok(())
    }
}

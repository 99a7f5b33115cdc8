//! Directories for one run of ours, each marked with its owner's process number, so that a run that was killed
//! leaves nothing that the next one does not remove.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    process::{self, Command},
};

use anyhow::{Context, Result, bail};

use crate::shell;

const PREFIX: &str = "retinue-test-";

/// A directory that goes when this value does.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty directory that nobody else may enter.
    pub(crate) fn new() -> Result<Self> {
        let owner = process::id();
        // A system that starts anew counts its processes anew: the name may be an earlier run's.
        for count in 0..100 {
            let path = place().join(format!("{PREFIX}{owner}-{count}"));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot make {}", path.display()));
                }
            }
        }
        bail!("{} is full of directories that begin with {PREFIX}: remove them", place().display())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whose it is: ours, when it is new.
    pub(crate) fn user_and_group(&self) -> Result<(u32, u32)> {
        let metadata = fs::metadata(&self.0)?;
        Ok((metadata.uid(), metadata.gid()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}

/// The directories of dead owners which this user may remove. Something may still run in them.
pub(crate) fn abandoned(user: u32) -> io::Result<Vec<Scratch>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place())? {
        let entry = entry?;
        if owner(&entry.file_name()).is_none_or(is_alive) {
            continue;
        }
        let metadata = entry.metadata()?;
        if metadata.is_dir() && (user == 0 || user == metadata.uid()) {
            found.push(Scratch(entry.path()));
        }
    }
    Ok(found)
}

fn owner(name: &OsStr) -> Option<u32> {
    let (owner, _count) = name.to_str()?.strip_prefix(PREFIX)?.split_once('-')?;
    owner.parse().ok()
}

/// The system's place: below a root's home directory the server's own account could not read it.
fn place() -> PathBuf {
    env::temp_dir()
}

fn is_alive(process: u32) -> bool {
    if Path::new("/proc/self/stat").exists() {
        return fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !has_ended(&stat));
    }
    shell::succeeds(Command::new("ps").args(["-p", &process.to_string()]))
}

/// Linux keeps an ended process, in state `Z`, until its parent has asked for it, which in a container may be never.
/// The state follows the name, which is in parentheses and may hold some of its own.
fn has_ended(stat: &str) -> bool {
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_in_the_name() {
        assert_eq!(owner("retinue-test-4711-0".as_ref()), Some(4711));
        assert_eq!(owner("retinue-test-notes".as_ref()), None);
        assert_eq!(owner("other-4711-0".as_ref()), None);
    }

    #[test]
    fn only_the_living_keep_their_directory() {
        assert!(is_alive(process::id()));
        assert!(!is_alive(u32::MAX));
        assert!(has_ended("12 (x) y) Z 1 12"));
        assert!(!has_ended("12 (Z) S 1 12"));
    }
}

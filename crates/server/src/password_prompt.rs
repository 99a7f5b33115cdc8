//! Reading a password: from a person at a terminal, without showing it, or from standard input. Never from an argument,
//! which every process of the machine could read.

use std::io::{self, BufRead as _, Read as _, Write as _};

use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// More than any password has, in bytes.
const LONGEST: u64 = 8 * 1024;

/// The first line of standard input.
pub(crate) fn read() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().lock().take(LONGEST).read_line(&mut line).context("The password can't be read")?;
    let typed = line.strip_suffix('\n').map_or(line.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if typed.is_empty() {
        bail!(
            "Give the password in the first line of standard input, or start this at a terminal, where it is asked for."
        );
    }
    Ok(typed.to_owned())
}

/// Asks twice.
pub(crate) fn ask() -> anyhow::Result<String> {
    let first = ask_once("Password: ")?;
    if ask_once("Once more: ")? != first {
        bail!("These are not the same.");
    }
    Ok(first)
}

/// Shows what is typed again when it is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // If that fails nothing can be done from here.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

fn ask_once(words: &str) -> anyhow::Result<String> {
    let mut terminal = io::stderr();
    write!(terminal, "{words}")?;
    terminal.flush()?;
    let hidden = Hidden::begin()?;
    let typed = read();
    drop(hidden);
    writeln!(terminal)?;
    typed
}

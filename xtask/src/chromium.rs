//! The browser and its driver, which must be of one version.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::shell;

const BROWSERS: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// A Chromium and the chromedriver that can drive it.
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) driver: PathBuf,
}

/// The first browser that fits the driver, or why there is none.
pub(crate) fn find() -> Result<Browser, String> {
    let driver = shell::find("chromedriver").ok_or("there is no chromedriver on the search path")?;
    let wanted = version(&driver).ok_or_else(|| format!("{} does not tell its version", driver.display()))?;
    let mut seen = String::from("there is no Chromium on the search path");
    for name in BROWSERS {
        let Some(chromium) = shell::find(name) else {
            continue;
        };
        match version(&chromium) {
            Some(found) if found == wanted => return Ok(Browser { chromium, driver }),
            Some(found) => seen = format!("{} is version {found}, chromedriver {wanted}", chromium.display()),
            None => seen = format!("{} does not tell its version", chromium.display()),
        }
    }
    Err(seen)
}

fn version(program: &Path) -> Option<u32> {
    let said = shell::output(Command::new(program).arg("--version")).ok()?;
    major(&said)
}

/// `Chromium 156.0.8078.79 built on …` and `ChromeDriver 156.0.8078.79 (…)` are both 156.
fn major(said: &str) -> Option<u32> {
    said.split_whitespace().find_map(|word| word.split_once('.')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_first_number_with_a_dot() {
        assert_eq!(major("Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)"), Some(156));
        assert_eq!(major("Google Chrome for Testing 140.0.7339.80"), Some(140));
        assert_eq!(major("no version"), None);
    }
}

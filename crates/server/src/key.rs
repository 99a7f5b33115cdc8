//! The file of the instance's keys: made at the first start, for its owner only.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use retinue_app::key::KeyRing;
use retinue_app::{App, Clock, Rng};
use retinue_model::error::Kind;
use retinue_model::{Error, Result};

use crate::config::Config;
use crate::system::{SystemClock, SystemRng};

/// How often it is looked whether the file changed.
const WATCH: Duration = Duration::from_secs(2);

fn path(config: &Config) -> PathBuf {
    config.data.dir.join("instance.key")
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let said = format!(
        "The file of the instance's keys, {}, can't be used: {error}. Make it readable and writable for this user.",
        path.display()
    );
    Error::new(Kind::StorageFull, "key_file_unusable", said).because(error)
}

/// The keys of this instance; made if there are none.
///
/// # Errors
/// `key_file_unusable`, `key_file_exposed`, `invalid_key_file`.
pub(crate) fn open(config: &Config) -> Result<KeyRing> {
    let path = path(config);
    if let Some(keys) = read(&path)? {
        return Ok(keys);
    }
    let keys = KeyRing::generate(&SystemRng::new(), SystemClock.now())?;
    write(&path, &keys)?;
    Ok(keys)
}

/// How many keys there are, if there is a file of them.
///
/// # Errors
/// Those of [`open`].
pub(crate) fn look(config: &Config) -> Result<Option<usize>> {
    Ok(read(&path(config))?.map(|keys| keys.len()))
}

fn read(path: &Path) -> Result<Option<KeyRing>> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            check_private(path)?;
            KeyRing::parse(&text).map(Some)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, error)),
    }
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).map_err(|error| failed(path, error))?.permissions().mode() & 0o777;
    let is_private = mode.trailing_zeros() >= 6;
    if is_private {
        return Ok(());
    }
    Err(Error::conflict(
        "key_file_exposed",
        format!(
            "The file of the instance's keys, {0}, can be read by others than its owner ({mode:o}), who could then sign in as anybody. Run `chmod 600 {0}`; if somebody may have read it, `retinue key rotate --forget` too.",
            path.display()
        ),
    ))
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<()> {
    Ok(())
}

/// Puts the file in place whole, or not at all.
fn write(path: &Path, keys: &KeyRing) -> Result<()> {
    let put = || {
        let folder = path.parent().unwrap_or(path);
        let mut file = tempfile_in(folder)?;
        file.1.write_all(keys.text().as_bytes())?;
        file.1.sync_all()?;
        std::fs::rename(&file.0, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    put().map_err(|error| failed(path, error))
}

/// A new file: one that somebody else put there is never written to.
fn tempfile_in(folder: &Path) -> std::io::Result<(PathBuf, std::fs::File)> {
    let mut random = [0; 8];
    SystemRng::new().fill(&mut random);
    let path = folder.join(format!(".instance.key.{:016x}", u64::from_le_bytes(random)));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok((path.clone(), options.open(path)?))
}

/// `retinue key rotate`: a new key for what is new. With `forget`, the others don't count any more.
pub(crate) fn rotate(config: &Config, forget: bool) -> Result<String> {
    crate::wiring::make_data_folder(config)?;
    let (keys, now) = (open(config)?, SystemClock.now());
    let lifetime = jiff::SignedDuration::from_hours(config.auth.sessions.absolute_hours.into());
    // A cookie counts for as long as its session may last.
    let needed_since =
        if forget { jiff::Timestamp::MAX } else { now.saturating_sub(lifetime).map_err(Error::internal)? };
    let before = keys.len();
    let rotated = keys.rotated(&SystemRng::new() as &dyn Rng, now, needed_since)?;
    write(&path(config), &rotated)?;
    let dropped = before + 1 - rotated.len();
    let said = match (forget, dropped) {
        (true, _) => "A new key is in use, and everybody signs in again.\n".to_owned(),
        (false, 0) => "A new key is in use; what was made with the others still counts.\n".to_owned(),
        (false, dropped) => format!("A new key is in use; {dropped} that nothing needs any more were dropped.\n"),
    };
    Ok(format!("{said}A running server takes it within {} seconds.\n", WATCH.as_secs()))
}

/// Takes other keys when the file changes, for as long as the program runs.
pub(crate) async fn keep_watch(config: Config, app: App) {
    let path = path(&config);
    // What was read at the start may have changed since: it is taken once more.
    let mut known = String::new();
    let mut complained = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(WATCH) => {}
            () = app.stopped() => return,
        }
        match look_again(&path, &known) {
            Ok(None) => complained = false,
            Ok(Some((text, keys))) => {
                app.set_keys(keys);
                tracing::info!("took the instance's keys");
                (known, complained) = (text, false);
            }
            // The keys that are in use stay. Said once, and tried again.
            Err(error) if !complained => {
                tracing::error!(
                    ?error,
                    "the file of the instance's keys can't be used; the keys before go on counting"
                );
                complained = true;
            }
            Err(_) => {}
        }
    }
}

/// The keys of the file, if it says something else than is known.
fn look_again(path: &Path, known: &str) -> Result<Option<(String, KeyRing)>> {
    let text = std::fs::read_to_string(path).map_err(|error| failed(path, error))?;
    if text == known {
        return Ok(None);
    }
    check_private(path)?;
    let keys = KeyRing::parse(&text)?;
    Ok(Some((text, keys)))
}
